import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from metrics.drift import LEAST_RATIO, cusum
from metrics.mix import divergence, g_statistic, shifted

COUNTS = st.lists(st.integers(0, 500), min_size=3, max_size=6).filter(lambda x: sum(x) > 0)


@given(st.data(), COUNTS)
def test_g_is_scipys(data, current):
    reference = data.draw(st.lists(st.integers(1, 5000), min_size=len(current), max_size=len(current)))
    table = np.array([current, reference], dtype=float)
    want = stats.chi2_contingency(table, lambda_="log-likelihood", correction=False).statistic
    assert g_statistic(table[0], table[1]) == pytest.approx(want, abs=1e-6)


@given(st.data(), COUNTS)
def test_divergence_is_scipys_squared(data, current):
    reference = data.draw(st.lists(st.integers(1, 5000), min_size=len(current), max_size=len(current)))
    want = jensenshannon(np.array(current) / sum(current), np.array(reference) / sum(reference), 2) ** 2
    assert divergence(np.array(current, float), np.array(reference, float)) == pytest.approx(want, abs=1e-9)


def overdispersed(rng, shares, days, size):
    return np.array([rng.multinomial(size, rng.dirichlet(shares * 300)) for _ in range(days)], dtype=float)


def test_mix_of_days_that_scatter_more_than_chance():
    """Shares that wander by themselves: G alone cries wolf, over its design effect it does not."""
    rng = np.random.default_rng(1)
    shares, size = np.array([0.5, 0.3, 0.15, 0.05]), 5000
    plain = honest = 0
    for _ in range(300):
        days = overdispersed(rng, shares, 48, size)
        g = g_statistic(days[26:47], np.array([days[n - 26 : n].sum(0) for n in range(26, 47)]))
        plain += stats.chi2.sf(g_statistic(days[47], days[21:47].sum(0)), 3) < 0.01
        said = shifted(days[47], days[21:47].sum(0), g)
        honest += said.p < 0.01
    assert plain > 200
    assert honest < 15


def test_a_fifth_of_the_traffic_moves():
    rng = np.random.default_rng(2)
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    days = overdispersed(rng, shares, 47, 5000)
    g = g_statistic(days[26:], np.array([days[n - 26 : n].sum(0) for n in range(26, 47)]))
    moved = overdispersed(rng, np.array([0.3, 0.3, 0.15, 0.25]), 1, 5000)[0]
    said = shifted(moved, days[21:].sum(0), g)
    assert said.signal
    assert said.moved[0] == pytest.approx(-0.2, abs=0.06)
    assert said.moved[3] == pytest.approx(0.2, abs=0.06)
    assert said.moved.sum() == pytest.approx(0, abs=1e-12)


def test_a_small_shift_is_no_signal_however_many_clicks():
    reference = np.array([500_000.0, 300_000.0, 200_000.0])
    said = shifted(np.array([51_000.0, 30_000.0, 19_000.0]), reference, np.full(21, 1.4))
    assert said.p < 1e-6
    assert not said.signal


def test_without_past_days_there_is_no_verdict():
    said = shifted(np.array([50.0, 50]), np.array([90.0, 10]), np.ones(9))
    assert (said.p, said.days, said.needed, said.signal) == (None, 9, 10, False)


def test_cusum_by_hand():
    # ln 0.8 = -0.22314; E (1 - 0.8) = 2 a day; an expected day takes it down by 0.2314, so it stays at 0.
    got = cusum(np.array([10.0, 5.0, 4.0, 12.0]), np.full(4, 10.0), np.full(4, 10.0))
    step = [(o * np.log(0.8) + 2) / 2 for o in (10, 5, 4, 12)]
    assert got == pytest.approx([0, step[1], step[1] + step[2], step[1] + step[2] + step[3]])


def test_cusum_runs_long_without_and_short_with_a_decline():
    """Average run lengths for twenty conversions a day: about those that the design promises."""
    rng = np.random.default_rng(4)
    expected, wander, limit = 20.0, 0.02, 5.0

    def run(ratio, days, runs=300):
        law = rng.gamma(1 / wander, wander, (runs, days))
        sums = cusum(rng.poisson(expected * ratio * law).astype(float), np.full((runs, days), expected),
                     np.full((runs, days), wander * expected**2))  # fmt: skip
        past = sums > limit
        return np.where(past.any(1), past.argmax(1) + 1, days)

    assert np.mean(run(1.0, 1500)) > 500
    assert np.median(run(0.7, 60)) <= 12
    assert LEAST_RATIO > 0.8
