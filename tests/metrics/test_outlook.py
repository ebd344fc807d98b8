"""What is still to come: steady purses and limits worked out by hand, accuracy on synthetic accounts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import projection as measured
from metrics.outlook import Limits, Past, outlook
from metrics.projection import Projection

TUESDAY = 1


def past(history, *, spent=0.0, today=None, sigma=0.0, weekday=TUESDAY, usual=0.0) -> Past:
    history = np.atleast_2d(np.asarray(history, float))
    count = len(history)
    mid = np.full(count, spent if today is None else today, float)
    said = Projection(mid, mid, mid, np.full(count, sigma))
    filled = (np.full(count, value, float) for value in (spent, usual))
    return Past(history, np.full(count, weekday), said, *filled)


def free(purses: int, ahead: int) -> Limits:
    return Limits(
        np.full(purses, np.inf), np.zeros((purses, ahead), dtype=np.int64), np.full((purses, 1), np.inf)
    )


def always(purses: int, ahead: int) -> np.ndarray:
    return np.ones((purses, ahead), dtype=bool)


def test_a_steady_purse_goes_on_as_it_was():
    said = outlook(past(np.full(28, 100), spent=50, today=100), always(1, 6), free(1, 6))
    assert said.days == pytest.approx(np.full((500, 7), 100.0))
    assert said.rest == pytest.approx([600.0])


def test_coming_days_follow_their_weekdays():
    # The 28 days before a Tuesday begin with a Tuesday; weekends spend half.
    history = np.tile([100, 100, 100, 100, 50, 50, 100], 4)
    said = outlook(past(history, today=100), always(1, 7), free(1, 7))
    assert said.days[0] == pytest.approx([100, 100, 100, 100, 50, 50, 100, 100])


def test_a_purse_that_does_not_run_spends_nothing():
    runs = np.array([[True, True, False, False]])
    said = outlook(past(np.full(28, 100), today=100), runs, free(1, 4))
    assert said.days[0] == pytest.approx([100, 100, 100, 0, 0])


def test_a_purse_that_never_delivered_is_expected_at_its_budget():
    said = outlook(past(np.zeros(28), today=80, usual=80), always(1, 10), free(1, 10))
    ends = said.days[:, 1:].sum(1)
    assert np.median(ends) == pytest.approx(800, rel=0.05)
    assert np.quantile(ends, 0.1) < 600
    assert np.quantile(ends, 0.9) > 1000


def test_a_limit_of_the_day_and_one_of_the_week():
    # Today is Tuesday; its week (block 0) ends on Saturday, four days on, and leaves 250 after today's 40.
    limits = Limits(np.array([90.0]), np.array([[0, 0, 0, 0, 1, 1]]), np.array([[250.0, 120.0]]))
    said = outlook(past(np.full(28, 100), spent=40, today=100), always(1, 6), limits)
    # Today to 90 (50 more), then 90, 90, 20, 0; the next week 90, 30.
    assert said.days[0] == pytest.approx([90, 90, 90, 20, 0, 90, 30])


def test_what_is_spent_past_a_limit_stays_spent():
    limits = Limits(np.array([90.0]), np.zeros((1, 2), dtype=np.int64), np.array([[-10.0]]))
    said = outlook(past(np.full(28, 100), spent=120, today=150), always(1, 2), limits)
    assert said.days[0] == pytest.approx([120, 0, 0])


def test_purses_that_move_together_make_the_total_less_certain():
    rng = np.random.default_rng(3)
    common = np.exp(rng.normal(0, 0.2, 28))
    alike = past(np.tile(100 * common, (6, 1)), today=100)
    apart = past(100 * np.exp(rng.normal(0, 0.2, (6, 28))), today=100)

    def width(of: Past) -> float:
        low, high = np.quantile(outlook(of, always(6, 14), free(6, 14)).days.sum(1), [0.1, 0.9])
        return high - low

    assert width(alike) > 1.5 * width(apart)


def test_many_purses_are_one_total():
    history = np.tile(np.arange(1.0, 131)[:, None], (1, 28))  # more than a chunk
    said = outlook(past(history, today=0), always(130, 3), free(130, 3))
    assert said.days[0, 1] == pytest.approx(130 * 131 / 2, rel=1e-6)
    assert said.rest == pytest.approx(3 * np.arange(1, 131))


@given(
    st.lists(st.floats(0, 1000), min_size=28, max_size=28),
    st.floats(0, 500),
    st.floats(0, 0.5),
    st.floats(1, 400),
    st.floats(0, 3000),
)
def test_no_draw_passes_a_limit(history, spent, sigma, day, left):
    limits = Limits(np.array([day]), np.zeros((1, 9), dtype=np.int64), np.array([[left]]))
    said = outlook(past(history, spent=spent, today=spent + 1, sigma=sigma), always(1, 9), limits, draws=40)
    after = said.days[:, 1:]
    assert (after <= day + 1e-9).all()
    assert (said.days.sum(1) <= spent + left + 1e-6).all()
    assert (said.days[:, 0] >= spent - 1e-9).all()
    assert (after >= 0).all()


@pytest.mark.parametrize("together", [True, False])
def test_coverage_of_the_rest_of_the_month(together):
    found = measured.months(range(1000, 1024 if together else 1008), together=together)
    inside = sum(f["coverage"] * f["n"] for f in found.values()) / sum(f["n"] for f in found.values())
    assert 0.76 <= inside <= 0.86
    for said in found.values():
        assert said["month"] < said["linear"]
