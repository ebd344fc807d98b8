"""The Alerts page: quiet, an incident from its first TRUE to an acknowledgement, silences, the delivery log."""

import base64
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from alerts import records
from alerts.drawing import png
from alerts.engine import Engine
from alerts.judge import Finding
from alerts.notify.contract import Fact, Severity
from alerts.observation import Labels, Observation, Result
from alerts.routes import Routing
from alerts.rules import Rule
from alerts.state import Instance, Key, State
from alerts.telling import Described
from panels import _access, _incident, _slot
from tests.panels.conftest import NOW, ROOT
from tests.panels.test_pages import text
from warehouse.access import local
from warehouse.audit import Audit

CAMPAIGN = Labels("google_ads", "1", "c1")


def rule(severity: str = "critical", review: date = date(2030, 1, 1)) -> Rule:
    return Rule.model_validate(
        {
            "id": "pace",
            "title": "Spend runs away",
            "owner": "ana",
            "severity": severity,
            "condition": {"kind": "freshness"},
            "review": review,
            "runbook": "Lower the budget.",
        }
    )


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page("alerts.py").run()


@pytest.fixture
def engine(filled, monkeypatch):
    """An engine of one rule, on the page's own book."""
    monkeypatch.setattr(_access, "actor", lambda _said="": local("Ben"))
    monkeypatch.setattr(_access, "logged_in", lambda: True)
    filled.book.add(records.CHAPTER)
    made = Engine(
        filled.book,
        [rule()],
        Routing.model_validate({"people": [{"name": "ana"}]}),
        {},
        lambda alert, notice, now: Described(
            headline="Brand 1 runs away: €120/h at risk", facts=(Fact("Expected", "€10, seen €130"),)
        ),
    )
    held = _slot.process_slot()
    held["process"] = replace(held["process"], alerts=made)
    return made


def fire(engine: Engine, now: datetime, at_risk: float = 120.0) -> None:
    fire_as(engine, "critical", now, at_risk)


def fire_as(engine: Engine, severity: str, now: datetime, at_risk: float = 120.0) -> None:
    seen = Observation(
        CAMPAIGN, Result.TRUE, now, seen=130.0, at_risk=at_risk, said="spends 13 times its plan"
    )
    engine.take({f"pace/{severity}": Finding({CAMPAIGN: seen}, {CAMPAIGN[:2]: now})}, now)


def test_before_anything_watches_the_page_says_so(running):
    app = opened()
    assert not app.exception
    assert "nothing is watched yet" in app.info[0].value


def test_a_call_without_a_picture_leaves_the_first_ones(engine):
    fire(engine, NOW - timedelta(hours=6))
    engine.tick(NOW - timedelta(hours=5))
    picture = base64.b64encode(
        png({"mark": "point", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}})
    ).decode()
    with engine.records.book.write() as book:
        book.execute("UPDATE outbox SET message = json_set(message, '$.chart', ?)", [picture])
    fire(engine, NOW)
    engine.tick(NOW)
    told = [row["reason"] for row in engine.outbox.letters()]
    assert told[-1] == "first"
    assert len(told) > 1, "nothing followed"
    app = opened()
    assert not app.exception, app.exception
    assert len(app.get("image")) == 1
    assert "Expected" in text(app)


def test_a_page_that_two_accounts_pay_for_is_one_line(engine):
    def page(account: str, url: str, risk: float, state: State = State.FIRING) -> Instance:
        labels = Labels(*account.split("/"), "", url)
        seen = Observation(labels, Result.TRUE, NOW, at_risk=risk, said="Tag missing on page")
        return Instance(Key("landing-page", Severity.CRITICAL, labels), state, NOW, NOW, seen)

    found = [
        page("meta_ads/2", "https://shop.test/a", 5),
        page("google_ads/1", "https://shop.test/a", 9),
        page("google_ads/1", "https://shop.test/b", 7),
        page("google_ads/1", "https://shop.test/c", 0, State.RESOLVED),
    ]
    shown = [(one.key.labels.part[-1], one.told.at_risk) for one in _incident.lines(found)]
    assert shown == [("a", 9), ("b", 7), ("c", 0)]


def test_quiet(engine):
    app = opened()
    assert not app.exception, app.exception
    assert "Nothing is wrong that somebody must act on" in text(app)
    assert [m.value for m in app.metric] == ["0", "nothing", "0", "0"]


def test_an_incident_is_shown_with_its_money_and_taken_in_hand(engine):
    fire(engine, NOW - timedelta(minutes=10))
    engine.tick(NOW - timedelta(minutes=9))  # the group's wait is over
    app = opened()
    assert not app.exception, app.exception
    shown = text(app)
    assert "Brand 1 runs away" in shown
    assert "spends 13 times its plan" in shown
    assert "in nobody's hand" in shown
    assert "pace fires" in shown
    assert "told by the inbox" in shown
    assert [m.value for m in app.metric] == ["1", "€120", "1", "0"]
    app.button(key="ack_1").click().run()
    assert not app.exception
    assert engine.records.open_incidents()[0].acknowledged.by == "Ben"
    assert "in hand: **Ben**" in text(app)
    assert Audit(engine.records.book).entries(subject="incident 1")[0].action == "acknowledged"


def test_it_is_shown_since_it_began_by_the_data(engine):
    seen = NOW - timedelta(minutes=10)
    told = Observation(CAMPAIGN, Result.TRUE, seen, said="no conversions", began=seen - timedelta(hours=3))
    engine.take({"pace/critical": Finding({CAMPAIGN: told}, {CAMPAIGN[:2]: seen})}, seen)
    assert re.search(r"since [\w ]*\d\d:\d\d \(\d h\), noticed ", text(opened()))


def test_it_is_given_to_somebody_and_what_came_of_it_is_noted_after_its_end(engine):
    fire(engine, NOW - timedelta(minutes=10))
    app = opened()
    app.button(key="assign_1").click().run()
    assert "assigned to **ana**" in text(app)
    well = Observation(CAMPAIGN, Result.FALSE, NOW)
    engine.take({"pace/critical": Finding({CAMPAIGN: well}, {CAMPAIGN[:2]: NOW})}, NOW)
    engine.tick(NOW + timedelta(minutes=6))
    assert engine.records.open_incidents() == []
    for address in ({"part": "ended", "incident": "1"}, {"incident": "1"}):
        app = opened(**address)
        shown = text(app)
        assert re.search(r"\d\d:\d\d to \d\d:\d\d \(\d+ min\) · .*assigned to \*\*ana\*\*", shown), shown
        assert [b.label for b in app.button if b.key and b.key.endswith("_1")] == ["Useful", "Noise", "Add"]
    app.text_area(key="text_1").set_value("The feed was empty").run()
    app.button(key="note_1").click().run()
    assert "note by Ben The feed was empty" in text(app)


def test_an_address_that_names_no_incident_is_no_error(engine):
    for number in ("7", "9" * 30, "x"):
        assert not opened(incident=number).exception


def test_what_is_for_information_lies_apart(engine):
    engine.rules = {("pace", "info"): rule("info")}
    fire_as(engine, "info", NOW - timedelta(minutes=10))
    app = opened()
    assert "1 more for information" in text(app)
    assert "spends 13 times its plan" not in text(app)
    assert [m.value for m in app.metric] == ["0", "nothing", "0", "0"]
    assert "spends 13 times its plan" in text(opened(part="info"))
    assert "spends 13 times its plan" in text(opened(incident="1"))  # a link to it opens it all the same


def test_the_overview_names_what_is_grave(engine):
    fire(engine, NOW - timedelta(minutes=10))
    engine.tick(NOW - timedelta(minutes=9))

    def named(scope: str) -> list[str]:
        app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
        app.query_params["scope"] = scope
        app.run()
        assert not app.exception, app.exception
        links = [one.proto for one in app.get("page_link")]
        return [link.query_string for link in links if "Brand 1 runs away" in link.label]

    assert named("google_ads/1") == ["incident=1"]
    assert named("meta_ads/2") == []
    # What is about a site is of no account: it concerns those that pay for it.
    (incident,) = engine.records.open_incidents()
    about = incident.group._replace(source="", account="", site="shop.test")
    engine.records.keep_incident(replace(incident, group=about))
    assert named("google_ads/1") == ["incident=1"]
    assert named("meta_ads/2") == []


def test_nobody_acts_without_a_name(engine, monkeypatch):
    monkeypatch.setattr(_access, "actor", local)
    monkeypatch.setattr(_access, "logged_in", lambda: False)
    fire(engine, NOW - timedelta(minutes=10))
    app = opened()
    app.button(key="ack_1").click().run()
    assert not app.exception
    assert engine.records.open_incidents()[0].acknowledged is None


def test_two_rules_about_one_thing_count_its_money_once(engine):
    engine.rules["pace", Severity.WARNING] = rule("warning")
    now = NOW - timedelta(minutes=10)
    seen = Observation(CAMPAIGN, Result.TRUE, now, at_risk=120.0, said="x")
    engine.take(
        {f"pace/{s}": Finding({CAMPAIGN: seen}, {CAMPAIGN[:2]: now}) for s in ("critical", "warning")}, now
    )
    app = opened()
    assert not app.exception
    assert app.metric[1].value == "€120"


@pytest.mark.parametrize("part", ["ended", "rules", "silences", "delivery"])
def test_every_part(engine, part):
    fire(engine, NOW - timedelta(minutes=10))
    engine.tick(NOW - timedelta(minutes=9))
    app = opened(part=part)
    assert not app.exception, app.exception


def test_a_silence_is_listed_and_ended(engine):
    now = datetime.now(UTC)
    engine.silence(
        {"rule": "pace"}, by=local("ana"), reason="sale", starts=now, ends=now + timedelta(hours=2), now=now
    )
    app = opened(part="silences")
    assert "rule \\= pace" in text(app) or "rule = pace" in text(app)
    app.button(key="end_1").click().run()
    assert not app.exception
    assert engine.records.silences(datetime.now(UTC)) == []


def test_rules_are_counted_each_by_its_own_degree(engine):
    """A vote counts for the degree that its incident was about, and one voice once."""
    engine.rules["pace", Severity.WARNING] = rule("warning")
    fire(engine, NOW - timedelta(minutes=10))
    for by in ("ana", "ana", "ben"):
        engine.note(1, "useful", by=local(by), text="", now=NOW - timedelta(minutes=5))
    (shown,) = opened(part="rules").dataframe
    rows = shown.value
    assert ["critical" in pill[0] for pill in rows["severity"]] == [True, False]
    assert rows[["fired", "useful", "noise"]].to_numpy().tolist() == [[1, 2, 0], [0, 0, 0]]


def test_a_rule_that_is_due_for_review_is_said(engine):
    engine.rules["pace", Severity.CRITICAL] = rule(review=NOW.date())
    assert "Due for review" in text(opened(part="rules"))


def test_a_rule_that_cannot_be_judged_says_so_and_is_an_incident(engine):
    engine.take({"pace/critical": Finding({}, fault="KeyError: 'x'")}, NOW - timedelta(minutes=10))
    app = opened(part="rules")
    assert [one.value for one in app.error] == [
        "**Spend runs away** (critical) cannot be judged, and tells nothing: KeyError\\: 'x'"
    ]
    (shown,) = app.dataframe
    assert "Fails" in shown.value["state"].iloc[0][0]
    app = opened()
    assert not app.exception
    assert app.metric[0].value == "1"


def test_a_rule_is_backtested_beside_an_edited_form(engine):
    app = opened(part="rules")
    assert not app.exception
    assert app.selectbox(key="backtest_rule").options == ["Spend runs away (critical)"]
    area = app.text_area(key="backtest_figures_pace/critical")
    area.set_value(area.value.replace("for: 0s", "for: 2h")).run()
    app.button(key="backtest_run").click().run(timeout=90)
    assert not app.exception
    assert app.session_state["backtest"][2].hold == timedelta(hours=2)
    assert list(app.session_state["backtest"][3].replays) == ["As it is", "As tried"]
    assert "What it would have fired" in text(app)
    assert "168 hours in" in text(app)
    area = app.text_area(key="backtest_figures_pace/critical")
    area.set_value("above: 3").run()
    assert "'above' is no figure of this rule" in text(app)
