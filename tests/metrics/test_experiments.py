"""Tests read from stored delivery: arms by campaign, units by what the source knows, faults in words."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.rows import Campaign, DayTotal, Experiment, ExperimentEffect
from connectors.web_rows import Web
from metrics.experiments import Group, Test, platform_tests, read, resolve, results
from metrics.model import load
from metrics.verdict import State
from metrics.windows import accounts
from tests.metrics.conftest import hour

GOOGLE = ("google_ads", "1")


def days_of(campaign, *, first, count, clicks, conversions, cost=10.0):
    """Every hour alike, but for one that is half as good, so that there is some variance."""
    return [
        hour(
            campaign,
            f"{(date.fromisoformat(first) + timedelta(days=n // 24)).isoformat()}T{n % 24:02d}:00",
            impressions=clicks * 10,
            clicks=clicks,
            cost=cost,
            conversions=conversions / 2 if n % 5 == 0 else conversions,
            value=conversions * 50,
        )
        for n in range(24 * count)
    ]


def arm_row(arm, name, campaign, goals="conversion_rate:increase"):
    return Experiment(
        experiment="7",
        arm=arm,
        name="Bidding",
        arm_name=name,
        status="running",
        control=name == "Control",
        split=0.5,
        campaigns=campaign,
        starts=date(2026, 10, 5),
        ends=date(2026, 10, 18),
        goals=goals,
    )


@pytest.fixture
def filled(store):
    store.account(*GOOGLE)
    store.campaign(*GOOGLE, *(Campaign(c, f"Brand {c}", "enabled", "", "search") for c in ("11", "12", "13")))
    store.reply(
        *GOOGLE,
        days_of("11", first="2026-10-05", count=14, clicks=20, conversions=1)
        + days_of("12", first="2026-10-05", count=14, clicks=20, conversions=2)
        + days_of("13", first="2026-10-05", count=14, clicks=20, conversions=9),
    )
    return store


def test_the_platforms_own_tests_are_read(filled):
    filled.reply(
        *GOOGLE,
        [
            arm_row("71", "Control", "11"),
            arm_row("72", "Treatment", "12"),
        ],
    )
    (test,) = platform_tests(filled.warehouse)
    assert [arm.name for arm in test.arms] == ["Control", "Treatment"]
    (result,) = results(filled.warehouse, load(), accounts(filled.warehouse), [test])
    ((arm, said),) = result.judgements
    assert arm.name == "Treatment"
    # 24 * 14 hours, of which those with n % 5 == 0 count half: 68 of 336.
    assert said.control == pytest.approx((336 - 34) * 1 / (336 * 20))
    assert said.treatment == pytest.approx((336 - 34) * 2 / (336 * 20))
    assert said.effect == pytest.approx(1.0)
    assert result.data[0].units == 336
    assert said.state is State.BETTER


def test_what_the_platform_says_stands_beside_ours(filled):
    filled.reply(*GOOGLE, [arm_row("71", "Control", "11"), arm_row("72", "Treatment", "12")])
    filled.reply(
        *GOOGLE,
        [ExperimentEffect("7", "cpa", -0.48, 0.03, 0.4), ExperimentEffect("8", "cpa", 0.1, 0.9)],
    )
    (result,) = results(
        filled.warehouse, load(), accounts(filled.warehouse), platform_tests(filled.warehouse)
    )
    (told,) = result.platform
    assert (told.metric, told.effect, told.margin, told.p) == ("cpa", -0.48, 0.4, 0.03)
    # Both arms cost the same and the treatment brings twice the conversions: half the cost of one.
    assert told.ours.effect == pytest.approx(-0.5)
    assert told.ours.low < -0.5 < told.ours.high < 0
    assert told.ours.p < 0.05


def test_a_written_test_finds_its_campaigns_by_name(filled):
    names = {(*GOOGLE, c): f"Brand {c}" for c in ("11", "12", "13")}
    test = Test(
        "t",
        "T",
        "",
        (Group("old", patterns=("*11",)), Group("new", patterns=("12", "Brand 13"))),
        date(2026, 10, 5),
    )
    found = resolve(test, names)
    assert [[key[2] for key in arm.campaigns] for arm in found.arms] == [["11"], ["12", "13"]]
    (data,), unit, as_of = read(filled.warehouse, load(), accounts(filled.warehouse), found)
    assert unit == timedelta(hours=1)
    assert data.days == 14
    assert data.treatment["conversions"].sum() == pytest.approx((336 - 34) * 11)
    assert as_of == datetime(2026, 10, 18, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arms", "fault"),
    [
        ((Group("only", patterns=("*",)),), "fewer than two arms"),
        ((Group("a", patterns=("11",)), Group("b", patterns=("99",))), "No campaign belongs to b"),
        ((Group("a", patterns=("11",)), Group("b", patterns=("*",))), "Campaign 11 belongs to a and to b"),
    ],
)
def test_a_test_that_cannot_be_judged_says_why(filled, arms, fault):
    names = {(*GOOGLE, c): f"Brand {c}" for c in ("11", "12", "13")}
    test = resolve(Test("t", "T", "", arms, date(2026, 10, 5)), names)
    assert fault in test.fault
    (result,) = results(filled.warehouse, load(), accounts(filled.warehouse), [test])
    assert result.judgements == ()


def test_days_are_the_units_where_conversions_are_known_by_the_day(store):
    meta = ("meta_ads", "5")
    store.account(*meta)
    store.campaign(*meta, *(Campaign(c, c, "enabled", "", "prospecting") for c in ("21", "22")))
    rows = []
    for campaign in ("21", "22"):
        for n in range(24 * 10):
            day = date(2026, 10, 5) + timedelta(days=n // 24)
            rows.append(
                hour(
                    campaign,
                    f"{day}T{n % 24:02d}:00",
                    clicks=10,
                    cost=5,
                    impressions=100,
                    conversions=None,
                    value=None,
                )
            )
    store.reply(*meta, rows)
    totals = [
        DayTotal(
            campaign=campaign,
            action="purchase",
            day=date(2026, 10, 5) + timedelta(days=n),
            category="purchase",
            primary=True,
            conversions=n + 1,
            conversion_value=0,
        )
        for campaign in ("21", "22")
        for n in range(10)
    ]
    store.reply(*meta, totals)
    test = Test(
        "t",
        "T",
        "meta_ads",
        (Group("a", campaigns=((*meta, "21"),)), Group("b", campaigns=((*meta, "22"),))),
        date(2026, 10, 5),
    )
    (data,), unit, _ = read(store.warehouse, load(), accounts(store.warehouse), test)
    assert unit == timedelta(days=1)
    assert data.control["conversions"] == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])


def visits(page, at, sessions, bought):
    """An hour of a landing page: so many sessions, of which some bought."""
    rows = [Web("Email", page, "session_start", at, at.date(), sessions, sessions, 0, sessions, 0)]
    return [*rows, Web("Email", page, "purchase", at, at.date(), bought, bought, 0, bought, bought)]


@pytest.mark.parametrize(
    ("rate", "split", "state"),
    [(1, 1, State.RUNNING), (2, 1, State.BETTER), (1, 2, State.BROKEN)],
    ids=["equal", "twice as good", "one in three sent there"],
)
def test_pages_are_tested_by_their_sessions(store, rate, split, state):
    """20 and 20 / `split` sessions an hour, of which 2 and 2 * `rate` / `split` buy on average."""
    site = ("ga4", "7")
    store.account(*site, currency="")
    start = datetime(2026, 10, 5, tzinfo=UTC)
    rows = []
    for n in range(24 * 14):
        at, odd = start + timedelta(hours=n), n % 2
        rows += visits("/a", at, 20, 1 + 2 * odd)
        rows += visits(
            "/b", at, 20 // split, rate // split + 2 * rate // split * (1 - odd) if split == 1 else 1
        )
    store.reply(*site, rows)
    arms = (Group("A", 0.5, pages=("/a",)), Group("B", 0.5, pages=("*/b",)))
    test = Test(
        "p", "Pages", "", arms, start.date(), date(2026, 10, 25), metric="session_conversion_rate",
        minimum_effect=0.05,
    )  # fmt: skip
    (result,) = results(store.warehouse, load(), accounts(store.warehouse), [test])
    ((_, said),) = result.judgements
    assert said.control == pytest.approx(2 / 20)
    assert said.treatment == pytest.approx((2 * rate if split == 1 else 1) / (20 / split))
    assert said.state is state


@pytest.mark.parametrize(
    ("goals", "metric", "guardrails", "higher", "said"),
    [
        ("cpa:decrease,conversions:no_change_or_increase", "cpa", ("conversions",), False, "its own goal"),
        ("conversions:no_change_or_increase,roas:increase", "roas", ("conversions",), True, "its own goal"),
        ("spend:increase", "spend", (), True, "its own goal"),
        ("ctr:no_change", "ctr", (), True, "its own goal"),
        ("incremental_conversions:increase", "cpa", (), False, "goal (incremental conversions) cannot"),
        ("incremental_conversions:increase,clicks:increase", "clicks", (), True, "its own goal"),
        ("", "cpa", (), False, "names no goal"),
    ],
)
def test_a_platforms_test_is_judged_by_its_own_goal(store, goals, metric, guardrails, higher, said):
    store.account(*GOOGLE)
    store.reply(*GOOGLE, [arm_row("71", "Control", "11", goals), arm_row("72", "Treatment", "12", goals)])
    (test,) = platform_tests(store.warehouse)
    assert (test.metric, test.guardrails, test.ratio(metric).higher) == (metric, guardrails, higher)
    assert said.replace("its own goal", "the platform's own goal") in test.goal


def test_a_treatment_that_is_shown_more_is_no_broken_split(filled):
    """It has four times the impressions of the control, and brings nine times the conversions: an effect."""
    filled.reply(
        *GOOGLE,
        days_of("11", first="2026-10-05", count=14, clicks=20, conversions=1)
        + days_of("14", first="2026-10-05", count=14, clicks=80, conversions=9, cost=20.0),
    )
    filled.campaign(*GOOGLE, *(Campaign(c, c, "enabled", "", "search") for c in ("11", "14")))
    goals = "cpa:decrease,conversions:no_change_or_increase"
    filled.reply(*GOOGLE, [arm_row("71", "Control", "11", goals), arm_row("72", "Treatment", "14", goals)])
    (result,) = results(
        filled.warehouse, load(), accounts(filled.warehouse), platform_tests(filled.warehouse)
    )
    ((_, said),) = result.judgements
    assert said.state is State.BETTER
    assert said.effect == pytest.approx((20 / 9) / 10 - 1)
    assert said.split_p is None
    assert "does not tell how many fell to each arm" in result.test.split


def test_a_test_is_judged_by_the_definitions_in_force(filled):
    filled.reply(*GOOGLE, [arm_row("71", "Control", "11"), arm_row("72", "Treatment", "12")])
    book = load()
    book["clicks"] = replace(book["clicks"], sql="sum(clicks) * 4")
    (result,) = results(filled.warehouse, book, accounts(filled.warehouse), platform_tests(filled.warehouse))
    ((_, said),) = result.judgements
    assert said.control == pytest.approx((336 - 34) * 1 / (336 * 20 * 4))
