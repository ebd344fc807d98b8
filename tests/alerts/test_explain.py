"""What people read: the line on the lock screen, and the facts behind it."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alerts.chart import course
from alerts.engine import Engine
from alerts.explain import Words, span, view
from alerts.incident import at_risk
from alerts.judge import judge
from alerts.notify.contract import FIRST_GLANCE, Reason, Severity, unpack
from alerts.observation import Labels, Observation, Result
from alerts.records import CHAPTER
from alerts.routes import Routing
from alerts.rules import Rule
from alerts.state import Instance, Key, State
from connectors.rows import Change
from metrics.lag import PRIOR, Curve
from metrics.model import load
from tests.alerts.conftest import NOW, target
from warehouse.book import Book

MINUTE = timedelta(minutes=1)


def rule(severity="critical", **condition):
    return Rule.model_validate(
        {
            "id": condition["kind"].replace("_", "-"),
            "title": "A rule",
            "owner": "Dana",
            "severity": severity,
            "condition": condition,
            "runbook": "Pause it, then look at its search terms.",
            "review": "2027-01-01",
        }
    )


@pytest.fixture
def told(world, tmp_path):
    """The messages of some rules on the world as it is set, the first at `minutes` after the pass."""

    def tell(rules, *, targets=(), after=(0.5,), change=None):
        scene = world.scene(targets=targets)
        if change is not None:
            world.reply("google_ads", "a", [change])
        words = Words(world.warehouse, rules, load(), ZoneInfo("Europe/Berlin"), "https://app.test/")
        book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
        engine = Engine(book, rules, Routing(), {}, words)
        engine.take(judge(scene, rules, engine.watched()), NOW)
        for minutes in after:
            engine.tick(NOW + minutes * MINUTE)
        rows = book.read("SELECT message FROM outbox ORDER BY id")
        book.close()
        return [unpack(row["message"]) for row in rows]

    return tell


def overspend(world):
    world.campaign_of("brand search de")
    world.budget("brand search de", 240)
    world.last("brand search de", 1, cost=60)


def test_the_first_line_says_what_is_wrong_and_what_it_costs(world, told):
    overspend(world)
    (message,) = told([rule(kind="pace")])
    assert message.reason is Reason.FIRST
    assert message.headline == "Spend 6.0× its pace · €50.00/h · Brand Search De"
    glance = message.headline[:FIRST_GLANCE]
    assert "Spend 6.0× its pace" in glance
    assert "€50.00/h" in glance


def test_the_facts_come_in_the_order_in_which_they_are_asked_for(world, told):
    overspend(world)
    change = Change(
        "1",
        NOW - timedelta(hours=2),
        "anna@example.com",
        "web",
        "update",
        "campaign_budget",
        "b-brand search de",
        "brand search de",
        "changed the budget",
        '{"amount_micros": "100000000"}',
        '{"amount_micros": "240000000"}',
    )
    (message,) = told([rule(kind="pace")], change=change)
    facts = dict(message.facts)
    assert list(facts) == ["Seen", "Expected", "Since", "Changed", "What to do"]
    assert facts["Seen"] == "€60.00"
    assert facts["Expected"] == "€10.00"
    assert facts["Since"] == "Tue 15:00 (0 min)"
    assert facts["Changed"].startswith("13:00 ")
    assert "anna@example.com" in facts["Changed"]
    assert facts["What to do"] == "Pause it, then look at its search terms."


def test_links_lead_to_the_view_as_it_was_and_to_where_it_is_mended(world, told):
    overspend(world)
    (message,) = told([rule(kind="pace")])
    ours, theirs = message.links
    assert ours.url == (
        "https://app.test/campaign?source=google_ads&account=a&campaign=brand+search+de&at=2026-11-10T14%3A00Z"
    )
    assert (theirs.title, theirs.url[:35]) == ("Mend it in Google Ads", "https://ads.google.com/aw/adgroups?")


def test_the_cause_is_told_where_the_rule_is_about_a_metric(world, told):
    world.campaign_of("brand")
    world.last("brand", 24, cost=10, conversions=0.125)
    (message,) = told([rule(kind="cost_over_target", metric="cpa", sure=0.8)], targets=[target("cpa", 20)])
    facts = dict(message.facts)
    assert facts["Expected"] == "€20.00"
    assert facts["How sure"] == "chance 1 in 6"
    assert re.match(r"Cost per acquisition rose .*conversion rate", facts["Why"]), facts["Why"]


def test_several_are_one_message_the_dearest_first(world, told):
    for name, cost in (("one", 40), ("two", 80), ("three", 50)):
        world.campaign_of(name)
        world.budget(name, 240)
        world.last(name, 1, cost=cost)
    (message,) = told([rule(kind="pace")])
    assert message.headline == "Spend 8.0× its pace · €140/h · Two + 2 more"
    assert [member.text for member in message.members] == [
        "Two · Spend 8.0× its pace · €70.00/h",
        "Three · Spend 5.0× its pace · €40.00/h",
        "One · Spend 4.0× its pace · €30.00/h",
    ]


def firing(rule, at_risk, *, campaign="", part="", source="google_ads"):
    labels = Labels(source, "a", campaign, part)
    told = Observation(labels, Result.TRUE, NOW, at_risk=at_risk)
    return Instance(Key(rule, Severity.CRITICAL, labels), State.FIRING, NOW, NOW, told, fired=NOW)


@pytest.mark.parametrize(
    ("members", "money"),
    [
        ([firing("pace", 40, campaign="x"), firing("pace", 30, campaign="y")], 70),
        ([firing("pace", 40, campaign="x"), firing("cpl", 30, campaign="x")], 40),
        ([firing("pace", 40, campaign="x"), firing("cpl", 30, campaign="y")], 70),
        # An outage of the account's tag is the same money as its pages without the tag, and its campaigns'.
        ([firing("tracking", 200), firing("page", 90, part="/a"), firing("page", 80, part="/b")], 200),
        ([firing("tracking", 100), firing("page", 90, part="/a"), firing("page", 80, part="/b")], 170),
        (
            [firing("anomaly", 60, campaign="x"), firing("anomaly", 15)],
            75,
        ),  # the account's is what goes beyond
    ],
)
def test_money_of_an_account_is_counted_once(members, money):
    other = firing("tracking", 5, source="meta_ads")
    assert at_risk([*members, other]) == {("google_ads", "a"): money, ("meta_ads", "a"): 5}


def test_what_two_rules_say_of_one_campaign_is_the_same_money(world, told):
    overspend(world)
    twice = [rule(kind="pace"), rule(kind="threshold", metric="spend", window="1h", of="budget", above=1.2)]
    (message,) = told(twice)
    # 50 an hour ahead of plan for the one; 60 * (1 - 1 / 6) over its even pace for the other.
    assert [member.text.rpartition(" · ")[2] for member in message.members] == ["€50.00/h", "€50.00/h"]
    assert " · €50.00/h · Brand Search De + 1 more" in message.headline


def test_a_repeat_and_an_escalation_say_how_long_it_goes_on(world, told, tmp_path):
    overspend(world)
    messages = told([rule(kind="pace")], after=(0.5, 15.5, 240.5))
    assert [m.reason for m in messages] == ["first", "escalation", "repeat", "escalation"]
    what = "Spend 6.0× its pace · €50.00/h · "
    assert [m.headline.removeprefix(what) for m in messages] == [
        "Brand Search De",
        "in nobody's hand, 16 min · Brand Search De",
        "for 4 h · Brand Search De",
        "in nobody's hand, 4 h · Brand Search De",
    ]
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    (kept,) = book.read("SELECT headline FROM incident")  # the inbox shows it for hours
    book.close()
    assert kept["headline"] == what + "Brand Search De"


@pytest.mark.parametrize(
    ("minutes", "said"), [(0, "0 min"), (99, "99 min"), (120, "2 h"), (47 * 60, "47 h"), (72 * 60, "3 days")]
)
def test_spans_are_said_as_people_say_them(minutes, said):
    assert span(minutes * MINUTE) == said


def test_an_accounts_view_is_the_overview_of_it():
    assert view(Labels("meta_ads", "act_1"), NOW) == "/?scope=meta_ads%2Fact_1&at=2026-11-10T14%3A00Z"


def test_an_outage_says_since_when_it_lasts_and_when_it_was_noticed(world, told):
    for name in "abcdef":
        world.campaign_of(name)
        world.last(name, 2, conversions=0)
    (message,) = told([rule(kind="tracking", severity="critical")])
    assert dict(message.facts)["Since"] == "Tue 13:00 (2 h), noticed 15:00"


def test_the_first_message_shows_the_course_beside_what_is_usual(world, told):
    overspend(world)
    (message,) = told([rule(kind="pace")])
    assert message.chart.startswith(b"\x89PNG")
    assert message.chart_text == (
        "Brand Search De: Spend €60.00 in the hour from 14:00, usually €10.00; "
        "48 hours by the hour, dashed what is usual"
    )


def test_what_is_for_information_has_no_picture(world, told):
    overspend(world)
    (message,) = told([rule(kind="pace", severity="info")])
    assert (message.chart, message.chart_text) == (None, "")


def test_a_picture_has_two_days_their_usual_hours_and_where_it_began(world):
    # Ten euros an hour for days, twenty on one day of the seven before: the usual hour is (6 * 10 + 20) / 7.
    world.campaign_of("a")
    for back in range(49, 73):
        world.set("a", back, clicks=20, cost=20, conversions=1)
    world.last("a", 2, cost=0)
    world.scene()
    began = NOW - timedelta(hours=2)
    seen = Observation(Labels("google_ads", "a", "a"), Result.TRUE, NOW, began=began)
    of = {"name": "A", "currency": "EUR", "zone": ZoneInfo("Europe/Berlin")}
    drawing, _ = course(world.warehouse, load()["spend"], seen, settles=False, **of)
    usual, shown, mark = drawing["layer"]
    assert [row["value"] for row in shown["data"]["values"]] == [10.0] * 46 + [0.0] * 2
    assert shown["data"]["values"][-1]["at"] == "2026-11-10T14:00:00"  # the hour that ends at 15:00 in Berlin
    assert usual["data"]["values"][-1]["value"] == pytest.approx(80 / 7)
    assert mark["data"]["values"] == [{"at": "2026-11-10T13:00:00"}]
    # Conversions come late: of the one that is usual, what the lag's prior says is known after an hour.
    usual, shown, _ = course(world.warehouse, load()["conversions"], seen, settles=True, **of)[0]["layer"]
    late = Curve(PRIOR, np.zeros_like(PRIOR), 0.0)
    assert usual["data"]["values"][-1]["value"] == pytest.approx(float(late.at(1.0)), rel=0.05)
    assert usual["data"]["values"][0]["value"] > 0.8
