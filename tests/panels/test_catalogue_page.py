"""The catalogue in the app: found, read, followed; looks counted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts import conditions
from alerts.catalog import Current
from alerts.review import Reviewed
from metrics import usage
from metrics.catalog import Ref
from metrics.dashboards import shipped
from panels import _slot
from panels._catalog import alerts_in_words
from tests.panels.conftest import METRICS, NOW
from tests.panels.test_alerts_page import engine, fire, rule  # noqa: F401  # a fixture
from tests.panels.test_pages import opened, text


@pytest.fixture
def page(running):
    def go(**query: str):
        app = opened()
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page("catalogue.py").run()

    return go


def formula(app) -> str:
    (code,) = [one for one in app.code if one.language == "sql"]
    return code.value


def test_a_word_is_answered_with_meaning_owner_and_last_change_before_the_list(page):
    app = page(q="cpa")
    assert not app.exception
    shown = text(app)
    assert "Spend ÷ primary conversions" in shown
    assert r"Owner **performance\-team** · version 1 since **1 Nov 2026**: first version" in shown
    assert list(app.dataframe[0].value["title"].iloc[0]) == ["Cost per acquisition"]


def test_a_metric_by_its_address_says_what_it_is_made_of_and_who_uses_it(page):
    app = page(metric="cpa")
    assert not app.exception
    assert formula(app) == "sum(cost) / 1e6 / nullif(sum(conversions), 0)"
    ways = [button.label for button in app.button]
    assert ":blue[Delivery of a campaign by the hour]" in ways
    assert ":blue[Overview]" in ways
    assert "head\\-of\\-marketing" in text(app)


def test_what_is_not_there_any_more_is_said_and_the_list_shown(page):
    app = page(metric="gone")
    assert not app.exception
    assert "no metric gone" in app.toast[0].value
    assert len(app.dataframe) == 1


def test_a_search_without_an_answer_says_what_to_try(page):
    app = page(q="zeppelin")
    assert not app.exception
    assert "Try one word of it" in text(app)


def test_looks_at_pages_and_entries_are_counted_once_until_another_is_opened(page, running):
    app = page(metric="cpa")
    app.run()
    looks = usage.read(running.book, datetime.now(UTC).date() - timedelta(days=1))
    assert {subject: said.times for subject, said in looks.items()} == {
        "dashboard overview": 1,
        "dashboard catalogue": 1,
        "metric cpa": 1,
    }


def test_the_list_opens_a_row(page):
    app = page(q="cpa")
    app.button(key="open_best").click().run()
    assert not app.exception
    assert formula(app).startswith("sum(cost)")


def test_alerts_are_told_by_the_rule_and_by_the_metric_that_it_watches(engine, filled):  # noqa: F811
    watched = conditions.read({"kind": "threshold", "metric": "cpa", "above": 1})
    one = rule().model_copy(update={"condition": watched})
    engine.rules = {("pace", "critical"): one}
    fire(engine, NOW - timedelta(minutes=10))
    held = _slot.process_slot()
    known = Current(
        filled.book, metrics=lambda: METRICS, dashboards=shipped, sources=[], rules=lambda rules=(one,): rules
    )
    held["process"] = replace(held["process"], catalog=known)

    def at(**query):
        app = opened()
        app.query_params.update(query)
        app = app.switch_page("catalogue.py").run()
        assert not app.exception
        return app

    assert ":gray[Alerts]  \n1 in 91 days\n" in text(at(rule="pace"))
    assert ":gray[Alerts]  \n1 in 91 days, by 1 rule" in text(at(metric="cpa"))
    rows = at(q="cpa").dataframe[0].value
    assert rows["alerts"].to_list()[0] == 1


@pytest.mark.parametrize(
    ("kind", "came", "said"),
    [
        ("rule", [], ""),
        ("rule", [(0, 0, 0)], "none in 91 days"),
        (
            "rule",
            [(3, 2, 1), (1, 1, 0)],
            "4 in 91 days; critical: 2 told, 1 acted on; info: 1 told, 0 acted on",
        ),
        ("metric", [(3, 2, 1), (1, 1, 0)], "4 in 91 days, by 1 rule"),  # in two degrees
    ],
)
def test_what_came_of_alerts_is_said(kind, came, said):
    figures = [
        Reviewed(rule(severity), fires, 1, 1.0, 0, told, told, acted, None, 0, 0)
        for severity, (fires, told, acted) in zip(("critical", "info"), came, strict=False)
    ]
    assert alerts_in_words(Ref(kind, "pace"), figures) == said


def test_a_dashboard_has_its_version_its_change_and_the_way_its_numbers_come(page, running):
    """Its file has no log: what was in force counts. Changed once, five days after it was first seen."""
    held = _slot.process_slot()
    state = {"dashboards": shipped()}
    known = Current(
        running.book,
        metrics=lambda: METRICS,
        dashboards=lambda: state["dashboards"],
        sources=["landing_pages"],
    )
    held["process"] = replace(held["process"], catalog=known, dashboards=lambda: state["dashboards"])
    known(NOW - timedelta(days=9))
    state["dashboards"] = tuple(
        one.model_copy(update={"audience": "The shop"}) if one.id == "website" else one for one in shipped()
    )
    known(NOW - timedelta(days=4))
    app = page(q="website")
    rows = app.dataframe[0].value
    (row,) = [r for r in rows.to_dict("records") if list(r["title"]) == ["Website"]]
    assert (row["version"], row["changed"]) == ("2", "2026-11-20")
    assert r"version 2 since **20 Nov 2026**: changed" in text(app)
    entry = page(dashboard="website")
    assert not entry.exception
    said = text(entry)
    for fact in ("Version]  \n2", "Changed]  \n20 Nov 2026", "Last review]  \nnot yet", "For]  \nThe shop"):
        assert fact in said
    assert "by its own log" not in said
    steps = {(str(a), str(b)) for a, b in known(NOW).lineage(Ref("dashboard", "website"))}
    assert {
        ("source landing_pages", "table page_check"),
        ("table page_check", "dashboard website"),
        ("table page_check", "view page_checks"),
        ("view page_checks", "metric availability"),
        ("metric availability", "dashboard website"),
    } <= steps
    first = page(dashboard="overview")
    assert "Version]  \n1" in text(first)
    assert r"not since 15 Nov 2026, when it was first seen" in text(first)
