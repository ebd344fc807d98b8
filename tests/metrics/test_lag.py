"""The lag curve, from cohorts whose growth is spelt out."""

import numpy as np
import pytest

from metrics.lag import AGES, PRIOR, Curve, Growth, Looks, learn, prior


def looks(*spans: tuple[float, float, float]) -> Looks:
    """Looks as (start, end, at)."""
    return Looks(*(np.array(part, dtype=float) for part in zip(*spans, strict=True)))


def grown(
    cohorts: range, steps: list[tuple[float, float]], *, now: float, watched: range | None = None
) -> Growth:
    """Cohorts that all grow by the same (age, amount) steps, looked at every hour from their first on.

    watched: those of them that were; the others were first looked at when the last of these was.
    """
    watched = cohorts if watched is None else watched
    seen = [(hour, hour + 1, hour + 1) for hour in watched]
    seen += [(hour, hour + 1, watched[-1] + 1) for hour in cohorts if hour not in watched]
    rows = [
        (n, hour + age, amount)
        for n, hour in enumerate(cohorts)
        for age, amount in steps
        if hour + age <= now
    ]
    index, high, amount = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    return Growth(
        np.array(cohorts, dtype=float),
        looks(*seen, (cohorts[0], now, now)),
        index.astype(int),
        high - 1,
        high,
        np.maximum(amount, 0),
        np.maximum(-amount, 0),
    )


LATER = 91 * 24


def test_without_cohorts_the_curve_is_the_prior():
    nothing = np.zeros(0)
    empty = Growth(nothing, Looks(nothing, nothing, nothing), nothing.astype(int), *[nothing] * 4)
    curve = learn(empty, now=0)
    assert curve.complete == pytest.approx(PRIOR)
    assert curve.seen == 0
    assert curve.at(-1) == 0
    assert curve.at(10_000) == 1


def test_curve_is_the_share_known_by_age():
    # Each hour comes to 100: 40 after an hour, 30 more after 6, 30 more after 24; far more than the prior's 20.
    curve = learn(grown(range(1000, 1600), [(1, 40), (6, 30), (24, 30)], now=1700), now=1700)
    assert curve.at([1, 3, 6, 12, 24, 48]) == pytest.approx([0.4, 0.4, 0.7, 0.7, 1, 1], abs=0.01)
    assert curve.age_at(0.6) == pytest.approx(5.7, abs=0.1)
    assert curve.cohort == "hour"


def test_little_is_steadied_by_the_prior():
    # One hour of four conversions against twenty of the prior: a sixth of the way.
    curve = learn(grown(range(1000, 1001), [(1, 4)], now=1700), now=1700)
    assert PRIOR[6] < curve.at(6) < PRIOR[6] + 0.25 * (1 - PRIOR[6])


def test_an_hour_whose_first_conversion_came_late_was_watched_all_along():
    # Half of the hours have theirs at once, half after thirty hours.
    early = grown(range(1000, 1400), [(1, 10)], now=1800)
    late = grown(range(1400, 1800 - 100), [(30, 10)], now=1800)
    both = Growth(
        np.concatenate([early.starts, late.starts]),
        looks(*[(hour, hour + 1, hour + 1) for hour in range(1000, 1700)], (1000, 1800, 1800)),
        np.concatenate([early.index, late.index + len(early.starts)]),
        *(np.concatenate([getattr(early, n), getattr(late, n)]) for n in ("low", "high", "gained", "lost")),
    )
    assert learn(both, now=1800).at([2, 29, 31]) == pytest.approx([4 / 7, 4 / 7, 1], abs=0.02)


def test_hours_that_a_backfill_saw_late_say_nothing_of_how_they_grew():
    # All hours grow alike, but of the older ones everything was seen at once, between 200 and 900 hours late.
    watched = range(1000, 1200)
    growth = grown(range(300, 1200), [(1, 50), (10, 50)], now=1400, watched=watched)
    first = growth.looks.first(growth.starts)
    old = growth.starts[growth.index] < watched[0]
    seen = np.where(old, first[growth.index], growth.high)
    low = np.where(old, np.nan, growth.low)
    backfilled = Growth(growth.starts, growth.looks, growth.index, low, seen, growth.gained, growth.lost)
    assert learn(backfilled, now=1400).at([2, 20]) == pytest.approx([0.5, 1], abs=0.01)


def test_young_hours_count_only_up_to_their_age():
    # The last twenty hours had no time to grow; they must not make the curve look complete.
    curve = learn(grown(range(1000, 1500), [(1, 50), (20, 50)], now=1500), now=1500)
    assert curve.at(2) == pytest.approx(0.5, abs=0.02)


def test_an_hour_that_was_not_looked_at_again_counts_only_up_to_that_look():
    growth = grown(range(1000, 1500), [(1, 50)], now=1501)
    assert learn(growth, now=1800).at(2) > 0.95
    once = Growth(
        growth.starts, looks(*((h, h + 1, h + 1.0) for h in range(1000, 1500))),
        growth.index, growth.low, growth.high, growth.gained, growth.lost,
    )  # fmt: skip
    assert learn(once, now=1800).complete[2:] == pytest.approx(PRIOR[2:])


def test_what_came_between_two_looks_is_spread_as_the_prior_grows():
    # Looked at after one hour and again after thirteen; half of the conversions came in between.
    growth = grown(range(1000, 1400), [(1, 50), (13, 50)], now=1700)
    wide = Growth(
        growth.starts, growth.looks, growth.index,
        np.where(growth.high - growth.starts[growth.index] > 1, growth.high - 12, growth.low),
        growth.high, growth.gained, growth.lost,
    )  # fmt: skip
    part = (PRIOR[6] - PRIOR[1]) / (PRIOR[13] - PRIOR[1])
    assert learn(wide, now=1700).at([1, 6, 13]) == pytest.approx([0.5, 0.5 + 0.5 * part, 1], abs=0.01)


def test_more_to_be_withdrawn_than_to_come_is_more_than_complete():
    # 100 after an hour, of which ten are taken back after thirty.
    curve = learn(grown(range(1000, 1600), [(1, 100), (30, -10)], now=1700), now=1700)
    assert curve.at([2, 29, 31]) == pytest.approx([100 / 90, 100 / 90, 1], abs=0.005)
    assert curve.withdrawn_at([2, 29, 31]) == pytest.approx([10 / 90, 10 / 90, 0], abs=0.005)


def test_the_past_is_learned_without_what_came_after_it():
    slow = grown(range(1000, 1200), [(1, 50), (40, 50)], now=1700)
    whole, then = learn(slow, now=1700), learn(slow, now=1030)
    assert whole.at(2) == pytest.approx(0.5, abs=0.01)
    assert then.at(2) == pytest.approx(PRIOR[2], abs=0.01)
    assert then.seen < whole.seen


def test_what_was_lived_through_long_ago_is_forgotten():
    # Two months ago conversions were quick, since then they are slow.
    quick = grown(range(400), [(1, 100)], now=2400)
    slow = grown(range(2000, 2300), [(1, 50), (20, 50)], now=2400)
    both = Growth(
        np.concatenate([quick.starts, slow.starts]),
        looks(*[(h, h + 1, h + 1) for h in [*range(400), *range(2000, 2300)]], (0, 2400, 2400)),
        np.concatenate([quick.index, slow.index + 400]),
        *(np.concatenate([getattr(quick, n), getattr(slow, n)]) for n in ("low", "high", "gained", "lost")),
    )
    assert learn(both, now=2400).at(10) == pytest.approx(0.5, abs=0.01)


def test_a_days_completeness_is_that_of_the_clicks_so_far():
    # Clicks come evenly over the day, half of their conversions at once and half twelve hours later: at noon
    # a quarter of the day's final conversions are known, of half of its clicks; at midnight three quarters.
    starts = np.arange(0, 50 * 24, 24.0)
    index = np.repeat(np.arange(50), 36)
    age = np.tile(np.arange(1, 37.0), 50)
    amount = np.where(age <= 24, 50 / 24, 0) + np.where(age > 12, 50 / 24, 0)
    high = starts[index] + age
    growth = Growth(
        starts, looks(*((s, s + 1, s + 1) for s in starts), (0, 1300, 1300)), index, high - 1, high,
        amount, np.zeros(len(age)), np.clip(AGES / 24, 0, 1),
    )  # fmt: skip
    curve = learn(growth, now=1300)
    assert curve.cohort == "day"
    assert curve.at([12, 24, 36, 48]) == pytest.approx([0.5, 0.75, 1, 1], abs=0.02)


def test_the_prior_of_a_day_is_the_mean_over_its_clicks():
    hour, day = prior("hour"), prior("day")
    assert hour == pytest.approx(PRIOR)
    noon = [np.interp(12 - (n + 0.5), AGES, PRIOR) for n in range(12)]
    next_noon = [np.interp(36 - (n + 0.5), AGES, PRIOR) for n in range(24)]
    assert day[[12, 36]] == pytest.approx([np.mean(noon), np.mean(next_noon)])


def test_first_and_last_looks():
    seen = looks((0, 10, 20), (5, 15, 12), (5, 15, 30), (20, 30, 31))
    moments = np.array([0.0, 7, 12, 17, 20])
    assert seen.first(moments).tolist() == [20, 12, 12, np.inf, 31]
    assert seen.last(moments, 25).tolist() == [20, 20, 12, -np.inf, -np.inf]
    assert seen.last(moments, 99).tolist() == [20, 30, 30, -np.inf, 31]


def test_the_grid_starts_at_the_hour_and_ends_at_the_longest_lookback():
    assert AGES[0] == 0
    assert AGES[-1] == LATER - 24
    assert Curve(PRIOR, PRIOR, 0.0).withdrawn_at(5) == 0
