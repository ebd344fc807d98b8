"""A flight's pace by hand: an even spend on a clock that is UTC, so that every figure is plain arithmetic."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import Window
from connectors.rows import Budget, Campaign, Change, Delivery, Rate
from metrics import flight as pace
from metrics import windows
from metrics.flights import Amount, SpendPlan

KEY = ("google_ads", "1")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def campaign(name: str, status: str = "enabled", **more) -> Campaign:
    return Campaign(name, name, status, "", "search", **more)


def budget(name: str, of: str, amount: float, **more) -> Budget:
    fields = {"period": "daily", "level": "campaign", "shared": False} | more
    return Budget(name, of, "", name, round(amount * 1e6), **fields)


def even(name: str, hourly: float, *, until: datetime = NOON, days: int = 60) -> list[Delivery]:
    first = until.replace(hour=0) - timedelta(days=days)
    hours = int((until - first) / timedelta(hours=1))
    return [
        Delivery(name, at, at.date(), at.hour, 100, 10, round(hourly * 1e6), 1, 0)
        for at in (first + timedelta(hours=h) for h in range(hours))
    ]


def plan(*amounts, currency="EUR", **more) -> SpendPlan:
    return SpendPlan("p", currency, tuple(a if isinstance(a, Amount) else Amount(a) for a in amounts), **more)


@pytest.fixture
def account(store):
    store.account(*KEY, zone="UTC")
    store.campaign(*KEY, campaign("a"))
    return store


def flown(store, *plans: SpendPlan, now: datetime = NOON) -> list[pace.FlightPace]:
    return pace.flights(store.warehouse, windows.accounts(store.warehouse), plans, now)


def test_a_month_half_of_a_day_in(account):
    account.reply(*KEY, [budget("b", "a", 240)])
    account.reply(*KEY, even("a", 10))
    [said] = flown(account, plan(7200))
    # November: 23 whole days and twelve hours at 240 a day.
    assert said.amount == pytest.approx(7200)
    assert said.spent == pytest.approx(23.5 * 240)
    assert said.expected == pytest.approx(23.5 * 240)
    assert said.index == pytest.approx(1)
    assert said.mid == pytest.approx(30 * 240, rel=1e-3)
    assert said.required == pytest.approx(240)
    assert said.rate == pytest.approx(240)
    assert (said.state, said.left, said.hour, said.missing) == ("on", 6, 12, 0)
    assert said.actual[:23] == pytest.approx(np.full(23, 240))
    assert said.actual[23:].sum() == 0
    assert said.fan[1, 23:] == pytest.approx(240 * np.arange(24, 31), rel=1e-3)
    assert np.isnan(said.fan[:, :23]).all()
    assert said.hours == pytest.approx(np.array([10.0] * 12 + [0] * 12))
    assert said.hours_planned == pytest.approx(np.full(24, 10))


def test_over_and_under_are_different_states(account):
    account.reply(*KEY, [budget("b", "a", 240)])
    account.reply(*KEY, even("a", 10))
    over, under, on = flown(account, plan(6000), plan(9000), plan(7100))
    assert (over.state, under.state, on.state) == ("over", "under", "on")
    assert (over.risk, under.risk) == (1, 0)
    assert over.index == pytest.approx(7200 / 6000)
    # 6000 less 23 days at 240, over the seven days left.
    assert over.required == pytest.approx((6000 - 23 * 240) / 7)


@pytest.mark.parametrize(("elapsed", "allowed"), [(0, 0.25), (0.5, 0.14), (1, 0.03), (1.2, 0.03)])
def test_the_tolerance_narrows(elapsed, allowed):
    assert pace.tolerance(elapsed) == pytest.approx(allowed)


def test_a_curve_and_a_later_amount_are_expected(account):
    account.reply(*KEY, even("a", 10))
    [front] = flown(account, plan(3000, curve="front"))
    weights = 1.5 - (np.arange(30) + 0.5) / 30
    days = 3000 * weights / weights.sum()
    assert front.expected == pytest.approx(days[:23].sum() + days[23] / 2)
    [raised] = flown(account, plan(3000, Amount(5000, date(2026, 11, 21))))
    # 100 a day for 20 days, then 3000 over ten.
    assert raised.expected == pytest.approx(2000 + 3.5 * 300)
    assert raised.required == pytest.approx((5000 - 23 * 240) / 7)


def test_without_an_amount_the_budgets_of_each_day_are_the_plan(account):
    account.reply(*KEY, even("a", 10))
    account.reply(*KEY, [budget("b", "a", 200)], seen_at=datetime(2026, 11, 10, 9, tzinfo=UTC))
    account.reply(*KEY, [budget("b", "a", 260)], seen_at=datetime(2026, 11, 20, 9, tzinfo=UTC))
    before = Change(
        "c", datetime(2026, 11, 5, 9, tzinfo=UTC), "x", "", "update", "campaign_budget", "b", "a", "",
        '{"amount_micros": 150000000}', '{"amount_micros": 200000000}',
    )  # fmt: skip
    account.reply(*KEY, [before], seen_at=datetime(2026, 11, 10, 9, tzinfo=UTC))
    [said] = flown(account, plan())
    # 150 to the 4th, 200 from the 5th, 260 from the 20th: what holds at each day's end.
    assert said.planned == pytest.approx(np.array([150.0] * 4 + [200] * 15 + [260] * 11))
    assert said.amount == pytest.approx(4 * 150 + 15 * 200 + 11 * 260)


def test_a_shared_budget_is_planned_once(account):
    account.campaign(*KEY, campaign("a"), campaign("b"))
    account.reply(*KEY, [budget("s", "a", 480, shared=True), budget("s", "b", 480, shared=True)])
    account.reply(*KEY, [*even("a", 10), *even("b", 10)])
    whole, half = flown(account, plan(), plan(campaigns=("a",)))
    assert whole.amount == pytest.approx(30 * 480)
    assert whole.mid == pytest.approx(30 * 480, rel=1e-3)
    assert [line.campaigns for line in whole.lines] == [("a", "b")]
    assert half.amount == pytest.approx(30 * 240)
    assert half.mid == pytest.approx(30 * 240, rel=1e-3)


def test_days_without_spend_take_nothing_off_a_months_budget(account):
    """A campaign that runs on some days only has the whole month's budget, as the platform sees it."""
    account.campaign(*KEY, campaign("a"))
    seen = datetime(2026, 10, 30, tzinfo=UTC)
    account.reply(*KEY, [campaign("a")], seen_at=seen)
    account.reply(*KEY, [budget("b", "a", 240)], seen_at=seen)
    account.reply(*KEY, [d for d in even("a", 10) if d.day.weekday() < 5])
    [said] = flown(account, plan())
    assert said.amount >= 20 * 240


def test_a_paused_campaign_spends_and_plans_no_more(account):
    account.campaign(*KEY, campaign("a"), campaign("b", "paused"))
    account.reply(*KEY, [budget("x", "a", 240), budget("y", "b", 240)])
    account.reply(*KEY, [*even("a", 10), *even("b", 10)])
    [said] = flown(account, plan())
    # Up to today both spent their 240; today b stopped at 120; a goes on.
    assert said.amount == pytest.approx(23 * 480 + 240 + 120 + 6 * 240)
    assert said.mid == pytest.approx(said.amount, rel=1e-3)
    assert said.expected == pytest.approx(23 * 480 + 240)
    assert said.state == "on"


def test_the_months_limit_holds_the_projection(account):
    seen = datetime(2026, 9, 1, tzinfo=UTC)
    account.reply(*KEY, [budget("b", "a", 240)], seen_at=seen)
    # Twelve and a half an hour: 300 a day, over the budget of 240 every day.
    account.reply(*KEY, even("a", 12.5))
    [said] = flown(account, plan(9000))
    assert said.mid == pytest.approx(30.4 * 240)


def test_overspending_is_explained_by_the_platforms_rule(account):
    account.reply(*KEY, [budget("b", "a", 80)], seen_at=datetime(2026, 9, 1, tzinfo=UTC))
    account.reply(*KEY, [*even("a", 2, until=NOON.replace(hour=0)), *even("a", 12, days=0)])
    [said] = flown(account, plan(3000))
    [line] = said.lines
    assert str(line.overspend) == "allowed by the platform (1.8× of 2× a day)"
    account.reply(*KEY, even("a", 15, days=0))
    [said] = flown(account, plan(3000))
    assert str(said.lines[0].overspend) == "unexplained (2.25× of 2× a day)"


def test_accounts_of_two_zones_are_judged_by_their_own_watermarks(store):
    store.account(*KEY, zone="UTC")
    store.account("google_ads", "2", zone="America/New_York")
    for name in ("1", "2"):
        store.campaign("google_ads", name, campaign(f"c{name}"))
    store.reply(*KEY, even("c1", 10))
    # Noon in London is seven in New York; its days begin at five, UTC.
    start = datetime(2026, 9, 25, 4, tzinfo=UTC)
    zone = store.zones["google_ads", "2"]
    hours = [start + timedelta(hours=h) for h in range(int((NOON - start) / timedelta(hours=1)))]
    store.reply("google_ads", "2", [
        Delivery("c2", at, at.astimezone(zone).date(), at.astimezone(zone).hour, 1, 1, 10_000_000, 1, 0)
        for at in hours
    ])  # fmt: skip
    [said] = flown(store, plan(14400))
    assert (said.hour, said.today) == (7, date(2026, 11, 24))
    assert said.expected == pytest.approx(7200 / 30 * (23.5 + 23 + 7 / 24), rel=1e-3)
    # The first of November had 25 hours, of which sources tell the repeated one once: 24 rows at most.
    assert said.spent == pytest.approx(10 * (23.5 * 24 + 23 * 24 + 7), abs=11)
    assert said.mid == pytest.approx(14400, rel=0.002)


@pytest.mark.parametrize(("day", "hours_before_noon"), [("2026-03-29", 11), ("2026-10-25", 13)])
def test_a_day_that_the_clock_changes_is_a_day_like_any_other(store, day, hours_before_noon):
    """Hours are the clock's: noon is half of an even day, whether eleven or thirteen hours have passed."""
    store.account(*KEY, zone="Europe/Berlin")
    zone = store.zones[KEY]
    store.campaign(*KEY, campaign("a"))
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    noon = midnight + timedelta(hours=hours_before_noon)
    first = (datetime.fromisoformat(day) - timedelta(days=40)).replace(tzinfo=zone).astimezone(UTC)
    told = {}
    for n in range(int((noon - first) / timedelta(hours=1))):
        at = (first + timedelta(hours=n)).astimezone(zone)
        told.setdefault(
            (at.date(), at.hour), at.astimezone(UTC)
        )  # a repeated hour is told once, at its first
    rows = [Delivery("a", at, d, h, 1, 1, 10_000_000, 1, 0) for (d, h), at in told.items()]
    store.reply(*KEY, rows, window=Window(first, noon))
    days = {"2026-03-29": 28, "2026-10-25": 24}[day]
    [said] = flown(store, plan(31 * 240), now=noon.astimezone(zone))
    assert said.hour == 12
    assert said.expected == pytest.approx((days + 0.5) * 240, rel=2e-3)
    missing_hour = 1 if day == "2026-03-29" else 0
    assert said.spent == pytest.approx((days + 0.5) * 240 - 10 * missing_hour)


def test_currencies_are_converted_by_each_days_rate_or_refused(store):
    store.account(*KEY, currency="USD", zone="UTC")
    store.campaign(*KEY, campaign("a"))
    store.reply(*KEY, even("a", 10))
    [said] = flown(store, plan(7200))
    assert said.state == "refused"
    assert "no rate from USD to EUR" in said.refused
    store.rates(*(Rate(date(2026, 9, 1) + timedelta(days=d), "USD", 1.25) for d in range(81)))
    store.rates(*(Rate(date(2026, 11, 21) + timedelta(days=d), "USD", 2.0) for d in range(4)))
    [said] = flown(store, plan(7200))
    # 240 dollars a day: 192 euros for twenty days, 120 from the 21st on.
    assert said.spent == pytest.approx(20 * 192 + 3.5 * 120)
    assert said.mid == pytest.approx(20 * 192 + 10 * 120, rel=1e-3)
    [own] = flown(store, plan(7200, currency="USD"))
    assert own.spent == pytest.approx(23.5 * 240)


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [
        (date(2026, 12, 1), date(2026, 12, 24), "upcoming"),
        (date(2026, 11, 1), date(2026, 11, 10), "on"),
        (date(2026, 8, 1), date(2026, 12, 31), "incomplete"),
    ],
)
def test_flights_of_their_own_dates(account, first, last, state):
    account.reply(*KEY, [budget("b", "a", 240)])
    account.reply(*KEY, even("a", 10))
    days = (last - first).days + 1
    [said] = flown(account, plan(240 * days, period="flight", starts=first, ends=last))
    assert said.state == state
    if state == "upcoming":
        assert (said.spent, said.expected) == (0, 0)
        assert said.mid == pytest.approx(240 * days, rel=1e-3)
    if state == "on":
        assert (said.spent, said.mid, said.left) == (pytest.approx(2400), pytest.approx(2400), 0)
    if state == "incomplete":
        assert said.missing == 55  # 1 August to 24 September; fetched from the 25th


def test_a_plan_without_data_waits(store):
    store.account(*KEY, zone="UTC")
    [said] = flown(store, plan(100))
    assert (said.state, said.waiting) == ("waiting", ("google_ads 1",))
    [nobody] = flown(store, plan(100, accounts=("other",)))
    assert (nobody.state, nobody.waiting) == ("waiting", ())


def test_without_plans_there_is_one_for_each_currency(store):
    for name, currency in (("1", "EUR"), ("2", "USD"), ("3", "EUR")):
        store.account("google_ads", name, currency=currency)
    own = pace.by_budgets(windows.accounts(store.warehouse))
    assert [(p.currency, p.accounts, p.amounts) for p in own] == [
        ("EUR", ("1", "3"), ()),
        ("USD", ("2",), ()),
    ]
