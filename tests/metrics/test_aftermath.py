"""What came of a change, and whether that is more than chance."""

import json
import math
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from connectors.contract import Window
from connectors.rows import Change
from metrics.aftermath import aftermath, count_shift, spend_shift
from metrics.changes import edits
from tests.metrics.conftest import hour, midnight, named

DAY = midnight(date(2026, 11, 20))
START = DAY - timedelta(days=17)
WIDE = Window(START, DAY + timedelta(days=3))


def change(name, at, campaign="1"):
    return Change(
        name,
        at,
        "anna",
        "web",
        "update",
        "campaign",
        campaign,
        campaign,
        "",
        "{}",
        json.dumps({"status": "PAUSED"}),
    )


def fill(store, cost, conversions, *, days=19):
    """Hours of campaign 1: cost(day, hour) and conversions(day, hour); day 17 is DAY."""
    rows = [
        hour(
            "1",
            f"{(START + timedelta(days=d, hours=1)).date()}T{h:02d}:00",
            impressions=100,
            clicks=10,
            cost=cost(d, h),
            conversions=conversions(d, h),
        )
        for d in range(days)
        for h in range(24)
    ]
    store.account("google_ads", "g1")
    store.campaign("google_ads", "g1", named("1", "Brand"))
    store.reply("google_ads", "g1", rows)


def told(store, book, *changes, until=DAY + timedelta(days=2), **more):
    store.reply("google_ads", "g1", list(changes), window=WIDE)
    found = aftermath(
        store.warehouse, book, edits(store.warehouse, WIDE), {("google_ads", "g1"): until}, **more
    )
    return {key[2]: value for key, value in found.items()}


def test_the_same_hours_of_the_day_before(store, book):
    """100 a day before; after the change at 10:14 twice that. The hour of the change is on neither side."""
    at = DAY + timedelta(hours=10, minutes=14)
    fill(store, lambda d, h: 8.0 if (d, h) >= (17, 11) else 4.0 * (1 + d % 2 / 100), lambda d, h: 1.0)
    one = told(store, book, change("c", at))["c"]

    assert one.hours == 23
    # day 16 is even: 4 an hour; 13 hours of it from 11:00, and ten of day 17, at 4.04
    assert one.spend.before == pytest.approx(13 * 4 + 10 * 4.04)
    assert one.spend.now == pytest.approx(23 * 8)
    assert one.spend.verdict == "clear change"
    assert (one.conversions.before, one.conversions.now) == (23, 23)
    assert one.cpa_before == pytest.approx(one.spend.before / 23)
    assert one.cpa == 8
    assert one.others == 0


def test_a_fresh_change_is_compared_over_what_there_is(store, book):
    at = DAY + timedelta(hours=10)
    fill(store, lambda d, h: 4.0, lambda d, h: 1.0, days=18)
    until = DAY + timedelta(hours=13)
    one = told(store, book, change("c", at), until=until)["c"]
    # on the hour: that hour counts
    assert (one.hours, one.spend.before, one.spend.now) == (3, 12, 12)
    assert one.spend.verdict == "normal variation"
    assert told(store, book, change("d", DAY + timedelta(hours=12, minutes=30)), until=until).keys() == {"c"}


def test_conversions_are_compared_at_the_same_age(store, book):
    """Of the last day a half is known yet: 24 before and 12 now is the same as ever."""

    def half(key, hours):
        return np.array([0.5 if at >= DAY else 1.0 for at in hours])

    fill(store, lambda d, h: 4.0, lambda d, h: 0.5 if d == 17 else 1.0, days=18)
    at, until = DAY, DAY + timedelta(days=1)
    raw = told(store, book, change("c", at), until=until)["c"]
    assert (raw.conversions.before, raw.conversions.now) == (24, 12)
    assert raw.conversions.p < 0.1
    fair = told(store, book, change("c", at), until=until, complete=half)["c"]
    assert (fair.conversions.before, fair.conversions.now) == (12, 12)
    assert fair.cpa_before == fair.cpa == 8
    assert fair.conversions.verdict == "normal variation"


def test_stopped_started_and_other_changes_nearby(store, book):
    fill(store, lambda d, h: 0.0 if d >= 17 else 4.0, lambda d, h: 0.0 if d >= 17 else 1.0)
    found = told(
        store,
        book,
        change("stop", DAY),
        change("again", DAY + timedelta(hours=3)),
        change("far", DAY - timedelta(days=2)),
    )
    assert found["stop"].spend.verdict == "stopped"
    assert found["stop"].conversions.p is None
    assert {k: v.others for k, v in found.items()} == {"stop": 1, "again": 1, "far": 0}


def test_a_count_by_hand():
    # 20 before on 100, 100 now: mean 20.5, size 1/(1/20.5 + 0.02) = 14.54: negative binomial
    size = 1 / (1 / 20.5 + 0.02)
    chance = stats.nbinom(size, size / (size + 20.5))
    found = count_shift((20, 9), (100, 100))
    assert (found.low, found.high) == (chance.ppf(0.1), chance.ppf(0.9)) == (12, 30)
    assert found.p == pytest.approx(2 * chance.cdf(9))
    # against simulation: a rate from the posterior, a count from the rate
    rng = np.random.default_rng(1)
    rate = rng.gamma(size, 20.5 / size, 200_000)
    seen = rng.poisson(rate)
    assert np.mean(seen <= 9) == pytest.approx(chance.cdf(9), abs=0.002)
    # nothing was spent: nobody knows
    assert count_shift((20, 9), (0, 100)).p is None


def test_spend_is_held_against_usual_days():
    flat = np.array([130.0, *[100.0, 101.0] * 7])
    calm = spend_shift(flat)
    assert calm.p < 0.001
    # days that swing by a half: 130 is nothing
    wild = spend_shift(np.array([130.0, *[100.0, 150.0] * 7]))
    assert wild.p > 0.4
    assert wild.low < 130 < wild.high
    # by hand: every step is ln 1.01, so the spread is its floor of 0.02; 12 degrees of freedom
    assert calm.high == pytest.approx(100 * math.exp(stats.t.ppf(0.9, 12) * 0.02))
    few = spend_shift(np.array([130.0, 100.0, 101.0, 99.0]))
    assert (few.p, few.verdict) == (None, "")


def test_where_nothing_happens_hardly_anything_is_clear(store, book):
    """Sixty changes that did nothing, to campaigns whose days are as random as days are."""
    rng = np.random.default_rng(5)
    store.account("google_ads", "g1")
    names = [str(n) for n in range(60)]
    store.campaign("google_ads", "g1", *(named(n, n) for n in names))
    rows = []
    for name in names:
        level = rng.gamma(2, 10)
        for d in range(19):
            day = level * rng.lognormal(0, 0.15)
            for h in range(24):
                at = f"{(START + timedelta(days=d, hours=1)).date()}T{h:02d}:00"
                clicks = int(rng.poisson(day / 5))
                rows.append(
                    hour(
                        name,
                        at,
                        impressions=100,
                        clicks=clicks,
                        cost=day / 24,
                        conversions=float(rng.poisson(day / 48)),
                    )
                )
    store.reply("google_ads", "g1", rows)
    found = told(store, book, *(change(n, DAY + timedelta(minutes=n_), n) for n_, n in enumerate(names)))
    verdicts = [s.verdict for a in found.values() for s in (a.spend, a.conversions)]
    assert len(verdicts) == 120
    assert verdicts.count("clear change") <= 3
    # the interval of 80 % holds about that share
    inside = verdicts.count("normal variation") / len(verdicts)
    assert 0.65 <= inside <= 0.92
