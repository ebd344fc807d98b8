import numpy as np
import pytest

from benchmarks import maturity as measured
from metrics.maturity import AGES, PRIOR, learn, settle, usual_rate


def grown(cohorts: range, steps: list[tuple[float, float]]) -> tuple[np.ndarray, ...]:
    """Ledger rows of cohorts that all grow by the same (age, amount) steps."""
    rows = [(hour, age, amount) for hour in cohorts for age, amount in steps]
    cohort, age, amount = zip(*rows, strict=True)
    return np.array(cohort), np.array(age, dtype=float), np.array(amount, dtype=float)


def test_without_a_ledger_the_curve_is_the_prior():
    curve = learn(np.array([], dtype=np.int64), np.array([]), np.array([]), now=0)
    assert curve.complete == pytest.approx(PRIOR)
    assert curve.at(-1) == 0
    assert curve.at(10_000) == 1


def test_curve_is_the_share_known_by_age():
    # Each hour comes to 100: 40 after an hour, 30 more after 6, 30 more after 24; far more than the prior's 20.
    curve = learn(*grown(range(1000, 1600), [(1, 40), (6, 30), (24, 30)]), now=1600 + 91 * 24)
    assert curve.at([1, 3, 6, 12, 24, 48]) == pytest.approx([0.4, 0.4, 0.7, 0.7, 1, 1], abs=0.01)


def test_hours_that_a_backfill_saw_late_say_nothing_of_how_they_grew():
    watched = grown(range(1000, 1200), [(1, 50), (10, 50)])
    backfilled = grown(range(200, 900), [(200, 100)])
    both = tuple(np.concatenate(pair) for pair in zip(watched, backfilled, strict=True))
    curve = learn(*both, now=1200 + 91 * 24)
    assert curve.at(2) == pytest.approx(0.5, abs=0.01)


def test_young_hours_count_only_up_to_their_age():
    # The last ten hours had no time to grow; they must not make the curve look complete.
    curve = learn(*grown(range(1000, 1500), [(1, 50), (20, 50)]), now=1500)
    assert curve.at(2) == pytest.approx(0.5, abs=0.02)


def test_withdrawn_conversions_lower_nothing_below_zero():
    curve = learn(*grown(range(1000, 1300), [(1, 50), (5, 60), (30, -10)]), now=1300 + 91 * 24)
    assert np.all(curve.complete <= 1)
    assert np.all(np.diff(curve.complete) >= -1e-12)


def test_settled_is_known_plus_what_is_still_to_come():
    # 1,000 clicks at 3 %, four tenths known: 1,000 * 0.6 * 0.03 = 18 to come.
    said = settle(np.array([12.0]), np.array([[1000.0]]), np.array([0.4]), np.array([0.03]))
    assert said.mid[0] == pytest.approx(30.0)
    assert said.completeness[0] == pytest.approx(0.4)
    assert 12.0 <= said.low[0] < 30.0 < said.high[0]


def test_complete_hours_are_what_they_are():
    said = settle(np.array([7.0]), np.array([[500.0]]), np.array([1.0]), np.array([0.03]))
    assert (said.low[0], said.mid[0], said.completeness[0]) == (7.0, 7.0, 1.0)
    assert said.high[0] < 7.5


def test_rates_shrink_to_the_account():
    rate = usual_rate(np.array([300.0, 0.0]), np.array([10_000.0, 100.0]))
    overall = 300 / 10_100
    assert rate[0] == pytest.approx((300 + 15) / (10_000 + 15 / overall))
    assert 0.5 * overall < rate[1] < overall


def test_the_grid_starts_at_the_hour_and_ends_at_the_longest_lookback():
    assert AGES[0] == 0
    assert AGES[-1] == 90 * 24


def test_accuracy_on_synthetic_accounts():
    said = measured.measure(range(50, 54), "long")
    assert said[0]["raw"] > 0.6
    assert said[6]["settled"] <= 0.1
    assert said[6]["cpa closer"] >= 0.9
    assert 0.75 <= np.mean([x["coverage"] for x in said.values()]) <= 0.85
