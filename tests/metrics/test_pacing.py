from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import Window
from connectors.rows import Budget, Campaign, Delivery
from metrics import pacing, windows

KEY = ("google_ads", "1")
TODAY = date(2026, 11, 24)


def campaign(name: str, status: str = "enabled") -> Campaign:
    return Campaign(name, name, status, "", "search")


def budget(name: str, campaign: str, amount: float, **more) -> Budget:
    fields = {"period": "daily", "level": "campaign", "shared": False} | more
    return Budget(name, campaign, "", name, round(amount * 1e6), **fields)


def even_days(campaign: str, hourly: float, *, days: int = 28, today_hours: int = 12) -> list[Delivery]:
    """The same spend every hour, on a clock that is UTC, until `today_hours` of today."""
    first = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(days=days)
    return [
        Delivery(campaign, at, at.date(), at.hour, 100, 10, round(hourly * 1e6), 1, 0)
        for at in (first + timedelta(hours=h) for h in range(days * 24 + today_hours))
    ]


@pytest.fixture
def account(store):
    store.account(*KEY, zone="UTC")
    return store


def paced(store, hours: float = 12) -> pacing.Day:
    start = datetime(2026, 11, 24, tzinfo=UTC)
    known = windows.accounts(store.warehouse)
    return pacing.day(store.warehouse, known, {KEY: Window(start, start + timedelta(hours=hours))})


def test_half_of_an_even_day_is_half_of_its_plan(account):
    account.campaign(*KEY, campaign("a"))
    account.reply(*KEY, [budget("b", "a", 240)])
    account.reply(*KEY, even_days("a", 10))
    pace = paced(account).accounts[KEY]
    assert pace.plan == 240
    assert pace.spent == pytest.approx(120)
    assert pace.expected == pytest.approx(120)
    assert pace.mid == pytest.approx(240)
    assert pace.state == "on"
    assert pace.actual[12] == pytest.approx(120)
    assert np.isnan(pace.actual[13])


def test_over_and_under_are_different_states(account):
    account.campaign(*KEY, campaign("a"))
    account.reply(*KEY, even_days("a", 10))
    account.reply(*KEY, [budget("b", "a", 160)])
    assert paced(account).campaigns[(*KEY, "a")].state == "over"
    account.reply(*KEY, [budget("b", "a", 400)])
    assert paced(account).campaigns[(*KEY, "a")].state == "under"


def test_a_shared_budget_is_paced_once(account):
    account.campaign(*KEY, campaign("a"), campaign("b"))
    account.reply(*KEY, [budget("s", "a", 100, shared=True), budget("s", "b", 100, shared=True)])
    account.reply(*KEY, even_days("a", 1))
    assert paced(account).accounts[KEY].plan == 100


def test_a_paused_campaigns_budget_is_no_plan(account):
    account.campaign(*KEY, campaign("a"), campaign("b", "paused"))
    account.reply(*KEY, [budget("x", "a", 100), budget("y", "b", 50)])
    account.reply(*KEY, even_days("a", 1))
    assert paced(account).accounts[KEY].plan == 100


def test_a_total_budget_is_spread_over_its_flight(account):
    account.campaign(*KEY, campaign("a"))
    flight = {"period": "total", "starts": date(2026, 11, 21), "ends": date(2026, 11, 30)}
    account.reply(*KEY, [budget("x", "a", 1000, **flight)])
    account.reply(*KEY, even_days("a", 1))
    assert paced(account).accounts[KEY].plan == 100


def test_no_budget_is_no_verdict(account):
    account.campaign(*KEY, campaign("a"))
    account.reply(*KEY, even_days("a", 10))
    assert paced(account).accounts[KEY].state == "unplanned"


def test_accounts_add_up(account):
    account.campaign(*KEY, campaign("a"))
    account.reply(*KEY, [budget("b", "a", 240)])
    account.reply(*KEY, even_days("a", 10))
    day = paced(account)
    total = day.total([KEY, ("google_ads", "unknown")])
    assert (total.plan, total.spent) == (240, pytest.approx(120))
    assert day.total([]) is None


def test_tolerance_narrows():
    assert [pacing.tolerance(x) for x in (0, 0.5, 1)] == pytest.approx([0.25, 0.175, 0.10])


def test_a_replaced_budget_is_no_longer_planned(account):
    account.campaign(*KEY, campaign("a"))
    account.reply(*KEY, even_days("a", 5))
    account.reply(*KEY, [budget("own", "a", 100)])
    account.reply(*KEY, [budget("common", "a", 120, shared=True)])
    assert paced(account).accounts[KEY].plan == 120


def test_a_flight_that_is_over_plans_nothing(account):
    account.campaign(*KEY, campaign("a"))
    account.reply(*KEY, even_days("a", 5))
    flight = {"period": "total", "starts": date(2026, 10, 1), "ends": date(2026, 10, 10)}
    account.reply(*KEY, [budget("x", "a", 1000, **flight)])
    assert paced(account).accounts[KEY].plan == 0


def test_pausing_a_campaign_is_not_overspending(account):
    account.campaign(*KEY, campaign("a"), campaign("b", "paused"))
    account.reply(*KEY, [budget("x", "a", 240), budget("y", "b", 240)])
    account.reply(*KEY, [*even_days("a", 10), *even_days("b", 10)])
    day = paced(account)
    assert day.accounts[KEY].plan == 240 + 120
    assert day.accounts[KEY].state != "over"


def test_hours_are_the_clocks_on_the_day_it_changes(store):
    store.account(*KEY, zone="Europe/Berlin")
    store.campaign(*KEY, campaign("a"))
    store.reply(*KEY, [budget("b", "a", 24)])
    known = windows.accounts(store.warehouse)
    spring = Window(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 10, tzinfo=UTC))
    autumn = Window(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 11, tzinfo=UTC))
    for window in (spring, autumn):
        assert pacing.day(store.warehouse, known, {KEY: window}).accounts[KEY].hour == 12


def test_a_past_moment_is_paced_by_what_was_known_then(account):
    morning, noon = (datetime(2026, 11, 24, hour, 5, tzinfo=UTC) for hour in (10, 12))
    account.reply(*KEY, [campaign("a"), campaign("b")], seen_at=morning)
    account.reply(*KEY, [budget("x", "a", 240), budget("y", "b", 60)], seen_at=morning)
    account.reply(*KEY, even_days("a", 10, today_hours=10), seen_at=morning)
    # By noon the source had put more into the past, one budget had doubled, and a campaign was paused.
    account.reply(*KEY, [campaign("a"), campaign("b", "paused")], seen_at=noon)
    account.reply(*KEY, [budget("x", "a", 480), budget("y", "b", 60)], seen_at=noon)
    account.reply(*KEY, even_days("a", 15), seen_at=noon)

    known = windows.accounts(account.warehouse)
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    window = {KEY: Window(midnight, midnight + timedelta(hours=10))}
    then = pacing.day(account.warehouse, known, window, as_of=morning).accounts[KEY]
    later = pacing.day(account.warehouse, known, window, as_of=noon).accounts[KEY]

    assert (then.plan, then.spent) == (240 + 60, pytest.approx(100))
    assert (later.plan, later.spent) == (480, pytest.approx(150))
    assert pacing.day(account.warehouse, known, window).accounts[KEY].spent == later.spent


def test_a_new_hour_needs_no_new_look_at_the_days_before(account):
    account.reply(*KEY, [campaign("a")])
    account.reply(*KEY, [budget("b1", "a", 240)])
    account.reply(*KEY, even_days("a", 10))
    memory, known = {}, windows.accounts(account.warehouse)
    start = datetime(2026, 11, 24, tzinfo=UTC)
    window = {KEY: Window(start, start + timedelta(hours=12))}
    pacing.day(account.warehouse, known, window, memory=memory)
    learned = memory[KEY].before
    # An hour later, at three times the pace, and a campaign that began in it.
    more = Delivery("a", start + timedelta(hours=12), TODAY, 12, 100, 10, 30_000_000, 1, 0)
    account.reply(*KEY, [more])
    later = {KEY: Window(start, start + timedelta(hours=13))}
    pace = pacing.day(account.warehouse, known, later, memory=memory).campaigns[(*KEY, "a")]
    assert memory[KEY].before is learned
    assert (pace.spent, pace.expected) == (pytest.approx(150), pytest.approx(130))
    new = Delivery("new", start + timedelta(hours=12), TODAY, 12, 100, 10, 5_000_000, 1, 0)
    account.reply(*KEY, [more, new])
    day = pacing.day(account.warehouse, known, later, memory=memory)
    assert day.campaigns[(*KEY, "new")].spent == pytest.approx(5)
    assert day.campaigns[(*KEY, "a")].spent == pytest.approx(150)
