"""A hand-made account: campaigns of even traffic, conversions at once or by a curve, one thing going wrong."""

from dataclasses import replace

import numpy as np
import pytest

from metrics import watch
from metrics.lag import AGES, Curve
from metrics.reference import HISTORY_DAYS, RECENT_HOURS, Hours, learn, readiness
from metrics.watch import ARRIVAL_HOURS, LIMITS, Arrivals, decline, graded, judge, seen_by

FIRST = 738_000  # an ordinal day; 738,000 is a Friday
DAYS = HISTORY_DAYS + 2
AT_ONCE = Curve(np.where(AGES >= 1, 1.0, 0.0), np.zeros(len(AGES)), 10_000.0)


class World:
    """Three campaigns over 51 days; the last 25 hours of the last day are the present."""

    def __init__(self, *, seed=1, clicks=(100.0, 40.0, 10.0), rate=0.05, price=2.0):
        rng = np.random.default_rng(seed)
        self.hours = DAYS * 24
        day = np.repeat(np.arange(DAYS), 24)
        self.day, self.hour_of_day = FIRST + day, np.tile(np.arange(24), DAYS)
        self.clicks = rng.poisson(np.array(clicks)[:, None], (len(clicks), self.hours)).astype(float)
        self.spend = self.clicks * price * np.exp(rng.normal(0, 0.05, self.clicks.shape))
        self.conversions = rng.binomial(self.clicks.astype(int), rate).astype(float)

    def until(self, now, low=0, rows=slice(None)):
        cells = slice(low, now)
        start = np.arange(self.hours, dtype=float)[cells]
        return Hours(
            start=start,
            born=start,
            looked=np.full(len(start), float(now)),
            length=np.ones(len(start)),
            day=self.day[cells],
            hour_of_day=self.hour_of_day[cells],
            clicks=self.clicks[rows, cells],
            spend=self.spend[rows, cells],
            known=self.conversions[rows, cells],
        )

    def reference(self, now, lag=AT_ONCE):
        day = int(self.day[now - 1])
        return learn(self.until((day - FIRST) * 24), lag, day=day)

    def judge(self, now, lag=AT_ONCE):
        hours = self.until(now, now - RECENT_HOURS)
        edges = now - np.arange(ARRIVAL_HOURS, -1, -1.0)
        looked = np.where(edges[None] > hours.start[:, None], edges[None], -np.inf)
        known = seen_by(lag, hours.born, hours.start + 1, looked)
        arrived = Arrivals(edges, self.conversions[:, now - ARRIVAL_HOURS : now], known)
        return {t.metric: t for t in judge(self.reference(now, lag), hours, arrived)}


NOW = DAYS * 24 - 6
CAMPAIGN, ACCOUNT = 0, -1


def verdicts(tests, entity):
    return {m: bool(t.p[entity] <= t.limits[entity] and t.matters[entity]) for m, t in tests.items()}


def test_nothing_wrong_nothing_said():
    world = World()
    for now in range(NOW - 30, NOW):
        tests = world.judge(now)
        for entity in range(-1, 3):
            assert not any(verdicts(tests, entity).values()), now


def test_a_tag_that_is_gone_is_the_accounts_conversions_by_arrival():
    world = World()
    world.conversions[:, NOW - 3 : NOW] = 0
    tests = world.judge(NOW)
    said = tests["conversions by arrival"]
    assert verdicts(tests, ACCOUNT)["conversions by arrival"]
    assert said.seen[ACCOUNT] == 0
    # 150 clicks an hour at 5 %: 7.5 conversions each, and the window that stands out is the silent one.
    assert said.hours[ACCOUNT] == 3
    assert said.mid[ACCOUNT] == pytest.approx(22.5, rel=0.2)
    low, high = said.band(ACCOUNT)
    assert low < said.mid[ACCOUNT] < high
    assert not verdicts(tests, ACCOUNT)["spend"]


def test_a_broken_page_is_its_campaigns_conversions_by_click():
    world = World()
    world.conversions[1, NOW - 10 : NOW] = 0
    tests = world.judge(NOW)
    assert verdicts(tests, 1)["conversions by click"]
    assert not verdicts(tests, 0)["conversions by click"]
    # Of the windows that there are the one of eight hours is all within: 8 hours of 40 clicks at 5 %.
    assert tests["conversions by click"].hours[1] == 8
    assert tests["conversions by click"].mid[1] == pytest.approx(16, rel=0.25)


def test_a_runaway_and_a_dearer_click_are_told_apart():
    world = World()
    world.clicks[0, NOW - 2 : NOW] *= 3
    world.spend[0, NOW - 2 : NOW] *= 3
    world.spend[1, NOW - 2 : NOW] *= 1.8
    tests = world.judge(NOW)
    assert [verdicts(tests, 0)[m] for m in ("spend", "cpc")] == [True, False]
    assert [verdicts(tests, 1)[m] for m in ("spend", "cpc")] == [False, True]
    said = tests["cpc"]
    assert said.seen[1] == pytest.approx(3.6, rel=0.05)
    assert said.mid[1] == pytest.approx(2.0, rel=0.05)


def test_half_the_rate_for_ten_days_is_a_decline():
    world = World()
    rng = np.random.default_rng(2)
    last = slice(NOW - 10 * 24, NOW)
    world.conversions[:, last] = rng.binomial(world.conversions[:, last].astype(int), 0.6)
    said = decline(world.reference(NOW))
    assert said.p[ACCOUNT] <= said.limits[ACCOUNT]
    assert said.matters[ACCOUNT]
    assert said.hours[ACCOUNT] >= 8 * 24
    assert decline(World().reference(NOW)).p[ACCOUNT] > 0.01


def test_money_in_another_currency_is_judged_alike():
    world, other = World(), World()
    for one, rate in ((world, 1), (other, 170)):
        one.spend[0, NOW - 2 : NOW] *= 3
        one.spend *= rate
    mine, theirs = world.judge(NOW), other.judge(NOW)
    for metric in LIMITS.keys() - {"drift"}:
        assert mine[metric].p == pytest.approx(theirs[metric].p, nan_ok=True)
    assert theirs["spend"].mid == pytest.approx(170 * mine["spend"].mid, nan_ok=True)


def test_the_order_of_campaigns_is_irrelevant():
    world, other = World(), World()
    for name in ("clicks", "spend", "conversions"):
        setattr(other, name, getattr(world, name)[::-1])
    mine, theirs = world.judge(NOW), other.judge(NOW)
    for metric, test in mine.items():
        assert test.p[:-1][::-1] == pytest.approx(theirs[metric].p[:-1], nan_ok=True)
        assert test.p[-1] == pytest.approx(theirs[metric].p[-1], nan_ok=True)


@pytest.mark.parametrize(
    ("silent", "want"),
    [
        (slice(0, (DAYS - 6) * 24), (5, 14)),  # it began five days before today
        (slice((DAYS - 8) * 24, (DAYS - 2) * 24), (1, 3)),  # a pause of six days, over since yesterday
        (slice((DAYS - 3) * 24, (DAYS - 1) * 24), None),  # two days off are a weekend, not a pause
        (slice((DAYS - 20) * 24, (DAYS - 10) * 24), None),  # long over
    ],
)
def test_without_history_there_is_no_verdict_on_spend(silent, want):
    world = World()
    world.clicks[1, silent] = world.spend[1, silent] = world.conversions[1, silent] = 0
    world.spend[1, NOW - 3 : NOW] *= 5
    reference = world.reference(NOW)
    assert readiness(reference, 1) == want
    tests = world.judge(NOW)
    assert np.isnan(tests["spend"].p[1]) == (want is not None)
    assert np.isfinite(tests["spend"].p[0])


def test_a_new_campaign_of_a_low_rate_is_not_judged_by_its_accounts():
    world = World()
    begun = (DAYS - 9) * 24
    world.clicks[2, :begun] = world.spend[2, :begun] = world.conversions[2] = 0
    world.clicks[2, begun:] = 30
    tests = world.judge(begun + 30)
    assert np.isnan(tests["conversions by click"].p[2])
    # Nine days later its own zero is known: no signal, though its account's rate would promise much.
    assert not verdicts(world.judge(NOW), 2)["conversions by click"]


def test_a_pause_is_no_outage():
    world = World()
    last = slice(NOW - 20, NOW)
    world.clicks[:, last] = world.spend[:, last] = world.conversions[:, last] = 0
    tests = world.judge(NOW)
    assert not any(any(verdicts(tests, entity).values()) for entity in range(-1, 3))


def test_a_holiday_is_no_anomaly_nor_is_its_end():
    world = World()
    rng = np.random.default_rng(3)
    holiday = slice((DAYS - 4) * 24, (DAYS - 1) * 24)
    for name in ("clicks", "conversions"):
        values = getattr(world, name)
        values[:, holiday] = rng.binomial(values[:, holiday].astype(int), 0.35)
    world.spend = world.clicks * 2.0
    for now in range((DAYS - 3) * 24, DAYS * 24, 3):
        tests = world.judge(now)
        for entity in range(-1, 3):
            assert not any(verdicts(tests, entity).values()), now


def test_the_hour_that_a_clock_repeats_is_two_hours_of_spend():
    world = World()
    reference = world.reference(NOW)
    hours = world.until(NOW, NOW - RECENT_HOURS)
    for name in ("clicks", "spend", "known"):
        getattr(hours, name)[:, -1] *= 2
    arrivals = Arrivals(np.arange(NOW - 24.0, NOW + 1), np.zeros((3, 24)), np.zeros((RECENT_HOURS, 25)))
    once = judge(reference, hours, arrivals)[2]
    length = hours.length.copy()
    length[-1] = 2
    twice = judge(reference, replace(hours, length=length), arrivals)[2]
    assert once.p[0] < 0.005
    assert twice.p[0] > 0.02


def test_what_is_still_to_come_is_not_missed():
    """Half of the conversions come a day later: the newest hours' are few, and as expected."""
    slow = Curve(np.interp(AGES, [0, 1, 24, 25], [0, 0.5, 0.5, 1.0]), np.zeros(len(AGES)), 10_000.0)
    world = World()
    rng = np.random.default_rng(4)
    young = slice(NOW - 24, NOW)
    world.conversions[:, young] = rng.binomial(world.conversions[:, young].astype(int), 0.5)
    late, early = (world.judge(NOW, lag)["conversions by click"] for lag in (slow, AT_ONCE))
    assert late.p[ACCOUNT] > 0.01
    assert early.p[ACCOUNT] < 1e-4


def test_arrivals_are_due_when_somebody_looked():
    curve = Curve(np.interp(AGES, [0, 1, 10], [0, 0.4, 1.0]), np.zeros(len(AGES)), 100.0)
    born = np.array([0.0, 5.0, -20.0])
    first = np.array([1.0, 6.0, 7.0])  # the third was first looked at 27 hours late: history
    looked = np.array([[1.0, 1.0, 10.0], [-np.inf, 6.0, 6.0], [-np.inf, 7.0, 9.0]])
    got = seen_by(curve, born, first, looked)
    assert got == pytest.approx(np.array([[0.4, 0.4, 1.0], [0, 0.4, 0.4], [0, 0, 0]]))


def test_p_values_of_quiet_hours_are_no_smaller_than_uniform():
    """Over many quiet accounts, one hour each: the smallest of the windows' p is not corrected for their
    number, and still is rarely small."""
    account, campaigns = [], []
    for seed in range(60):
        tests = World(seed=seed).judge(NOW)
        account += [tests[m].p[ACCOUNT] for m in ("conversions by arrival", "spend")]
        campaigns += [*tests["spend"].p[:-1], *tests["cpc"].p[:-1]]
    for values in (account, campaigns):
        p = np.array(values)
        assert np.isfinite(p).all()
        assert np.mean(p < 0.01) < 0.05
        assert np.mean(p < 0.001) < 0.015


def test_false_discoveries_are_controlled_over_all_accounts():
    """The same p is a signal among few series and chance among three thousand; accounts do not pay for that."""

    def tests(campaigns, p, own):
        empty = np.zeros(campaigns + 1)
        found = np.full(campaigns + 1, 0.5)
        found[0], found[-1] = p, own
        yes = np.ones(campaigns + 1, dtype=bool)
        return watch.Tests("spend", found, yes, empty, empty, empty, np.ones(campaigns + 1, dtype=int))

    # 0.05 / 600 = 8.3e-5, 0.05 / 3,000 = 1.7e-5.
    small, large = tests(500, 5e-5, 5e-5), tests(2400, 0.4, 0.4)
    assert [graded([small])[0][at] for at in (0, -1)] == [True, True]
    together = graded([small, large])
    assert [together[0][at] for at in (0, -1)] == [False, True]
    assert not together[1].any()
