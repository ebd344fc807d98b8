import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.baseline import (
    CPC_WINDOWS,
    SPEND_WINDOWS,
    cpc_by_hour,
    cpc_residuals,
    median,
    rolled,
    spend_expected,
    spend_residuals,
    spread,
)

SHAPE = 1 + 0.5 * np.sin(2 * np.pi * np.arange(24) / 24)
WEEKDAYS = np.arange(28) % 7
LEVEL = np.where(WEEKDAYS < 5, 2.0, 1.0)


def usual_month(levels=LEVEL):
    """Two campaigns, the second ten times the first, each day of one shape: shape (2, days, 24)."""
    day = levels[:, None] * SHAPE / SHAPE.sum()
    return np.stack([day, 10 * day])


def test_median_is_numpys_of_what_counts():
    rng = np.random.default_rng(1)
    values, use = rng.normal(size=(4, 9, 5)), rng.uniform(size=(4, 9, 5)) < 0.6
    use[0, :, 0] = False
    want = pd.DataFrame(np.where(use, values, np.nan).transpose(0, 2, 1).reshape(20, 9)).median(axis=1)
    assert median(values, use, 1).ravel() == pytest.approx(want.to_numpy(), nan_ok=True)


@pytest.mark.parametrize("window", [1, 2, 6])
def test_rolled_is_pandas(window):
    values = np.random.default_rng(2).uniform(size=(3, 40))
    want = pd.DataFrame(values.T).rolling(window, min_periods=1).sum().to_numpy().T
    assert rolled(values, window) == pytest.approx(want)


def test_a_saturday_like_the_ones_before():
    got = spend_expected(usual_month(), WEEKDAYS, 5)
    assert got[0] == pytest.approx(SHAPE / SHAPE.sum())
    assert got[1] == pytest.approx(10 * got[0])


def test_the_last_week_moves_the_level():
    # A third more for seven days: the decayed mean and the median of the ratios are both 4/3.
    levels = LEVEL.copy()
    levels[-7:] *= 4 / 3
    got = spend_expected(usual_month(levels), WEEKDAYS, 0)
    assert got[0].sum() == pytest.approx(2 * 4 / 3)


def test_the_day_after_a_holiday_is_expected_as_usual():
    levels = LEVEL.copy()
    levels[-2:] *= 0.3
    assert spend_expected(usual_month(levels), WEEKDAYS, 0)[0].sum() == pytest.approx(2.0)


def test_days_without_delivery_count_for_nothing():
    month = usual_month()
    month[0, 10:14] = 0
    assert spend_expected(month, WEEKDAYS, 3)[0].sum() == pytest.approx(2.0)


def test_who_never_delivered_has_no_expectation():
    month = usual_month()
    month[1] = 0
    got = spend_expected(month, WEEKDAYS, 3)
    assert np.isfinite(got[0]).all()
    assert np.isnan(got[1]).all()


@given(st.floats(0.001, 1e6))
def test_another_currency_scales_the_expectation(rate):
    rng = np.random.default_rng(3)
    month = rng.gamma(5, 1, (3, 28, 24))
    assert spend_expected(rate * month, WEEKDAYS, 2) == pytest.approx(
        rate * spend_expected(month, WEEKDAYS, 2)
    )


def residuals(spend, expected, peers=0):
    usual = np.nanmean(expected, axis=1)
    flags = np.arange(len(spend)) < peers
    return spend_residuals(spend, expected, usual, np.full(len(spend), 0.5), flags)


def test_residuals_are_zero_where_all_is_as_expected():
    expected = np.tile(10 * SHAPE, (5, 2))
    got, _ = residuals(expected, expected, peers=5)
    assert got == pytest.approx(0, abs=1e-12)


def test_a_runaway_by_hand():
    # Thrice the usual ten in the last hour; a tenth of an hour a window is the floor on both sides.
    expected = np.full((1, 48), 10.0)
    spend = expected.copy()
    spend[0, -1] = 30
    got, weight = residuals(spend, expected)
    for row, window in enumerate(SPEND_WINDOWS):
        floor = 0.1 * 10 * window / 2
        want = np.log((10 * (window - 1) + 30 + floor) / (10 * window + floor))
        assert got[row, 0, -1] == pytest.approx(want)
        clicks = 10 * window / 0.5
        assert weight[row, 0, -1] == pytest.approx(np.sqrt(clicks / (clicks + 20)))


def test_a_day_of_high_spend_raises_what_is_expected_of_its_evening():
    expected = np.full((1, 48), 10.0)
    spend = expected.copy()
    spend[0, -16:] = 15
    got, _ = residuals(spend, expected)
    floor = 0.5
    raised = 0.6 * np.log((12 * 15 + 6) / (120 + 6))
    want = np.log((15 + floor) / (10 * np.exp(raised) + floor))
    assert got[0, 0, -1] == pytest.approx(want)


def test_what_all_campaigns_do_together_is_not_each_ones_doing():
    expected = np.full((7, 48), 10.0)
    spend = 2 * expected
    spend[3] *= 3
    # The account is the last row and no peer.
    expected[-1], spend[-1] = expected[:-1].sum(0), spend[:-1].sum(0)
    got, _ = residuals(spend, expected, peers=6)
    assert got[0, 0, 0] == pytest.approx(0)
    assert got[0, 3, 0] > np.log(2.5)
    assert got[0, -1, 0] > np.log(2)


def test_price_of_a_click_by_hour_by_hand():
    # At hour 1 two clicks for 10, at hour 2 eight for 10: 20 / 10 a click on the whole.
    spend, clicks = np.array([[10.0, 10.0]]), np.array([[2.0, 8.0]])
    got = cpc_by_hour(spend, clicks, np.array([1, 2]))[0]
    assert got[1] == pytest.approx((10 + 50 * 2) / (2 + 50))
    assert got[2] == pytest.approx((10 + 50 * 2) / (8 + 50))
    assert got[3] == pytest.approx(2)


def test_cpc_residuals_by_hand():
    clicks = np.full((1, 24), 5.0)
    usual = np.full((1, 24), 2.0)
    spend = clicks * usual
    spend[0, -2:] *= 1.8
    got, weight = cpc_residuals(spend, clicks, usual)
    want = {1: 1.8, 2: 1.8, 4: 1.4, 8: 1.2}
    for row, window in enumerate(CPC_WINDOWS):
        assert got[row, 0, -1] == pytest.approx(np.log(want[window]))
        assert weight[row, 0, -1] == pytest.approx(np.sqrt(5 * window / (5 * window + 20)))


def test_weights_even_out_the_spread_of_quiet_and_busy_hours():
    rng = np.random.default_rng(4)
    clicks = np.where(np.arange(20_000) % 2, 8, 200).astype(float)[None]
    price = np.exp(
        0.08 * rng.normal(size=clicks.shape) + 0.35 / np.sqrt(clicks) * rng.normal(size=clicks.shape)
    )
    got, weight = cpc_residuals(clicks * price, clicks, np.ones_like(clicks))
    even = (got * weight)[0, 0]
    assert spread(even[1::2], np.ones(10_000, bool), 0) == pytest.approx(
        float(spread(even[::2], np.ones(10_000, bool), 0)), rel=0.1
    )


def test_spread_is_a_standard_deviation_that_outliers_do_not_move():
    rng = np.random.default_rng(5)
    errors = rng.normal(0, 0.3, 5000)
    errors[:200] = 9
    every = np.ones(5000, bool)
    assert spread(errors, every, 0.05) == pytest.approx(0.3, rel=0.1)
    assert spread(errors * 0, every, 0.05) == pytest.approx(0.05)
