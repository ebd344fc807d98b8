import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.counts import band, daily_dispersion, expected_arrivals, hour_factors, lower_tail, shrink


@pytest.mark.parametrize(("mean", "extra"), [(0.5, 0.01), (9.2, 1.7), (80.0, 128.0), (400.0, 1600.0)])
def test_lower_tail_is_scipys_negative_binomial(mean, extra):
    law = stats.nbinom(mean**2 / extra, mean / (mean + extra))
    counts = np.arange(0, int(mean * 2) + 3)
    got = lower_tail(counts.astype(float), np.full(len(counts), mean), np.full(len(counts), extra))
    assert got == pytest.approx(law.cdf(counts), rel=1e-9)


def test_without_extra_variance_it_is_poissons():
    got = lower_tail(np.array([0.0, 3.0]), np.array([9.2, 9.2]), np.zeros(2))
    assert got == pytest.approx(stats.poisson(9.2).cdf([0, 3]), rel=1e-6)


def test_fractional_counts_lie_between_whole_ones():
    low, middle, high = lower_tail(np.array([3.0, 3.5, 4.0]), np.full(3, 10.0), np.full(3, 2.0))
    assert low < middle < high


@pytest.mark.parametrize(("mean", "extra"), [(0.3, 0.0), (5.0, 1.0), (17.0, 6.0), (250.0, 900.0)])
def test_band_holds_four_fifths(mean, extra):
    low, high = (x[0] for x in band(np.array([mean]), np.array([extra])))
    law = stats.nbinom(mean**2 / extra, mean / (mean + extra)) if extra else stats.poisson(mean)
    assert (low, high) == (law.ppf(0.1), law.ppf(0.9))


@given(st.floats(0.01, 1e4), st.floats(0, 0.5), st.floats(0, 2))
def test_tail_is_a_probability_that_falls_with_the_expectation(mean, wander, share):
    args = np.array([share * mean]), np.array([wander * mean**2])
    less = lower_tail(args[0], np.array([mean]), args[1])[0]
    more = lower_tail(args[0], np.array([2 * mean]), 4 * args[1])[0]
    assert 0 <= more <= less + 1e-9 <= 1 + 2e-9


def test_p_values_under_no_effect_are_uniform_or_larger():
    rng = np.random.default_rng(7)
    mean, wander = 30.0, 0.02
    drawn = rng.poisson(mean * rng.gamma(1 / wander, wander, 40_000)).astype(float)
    p = lower_tail(drawn, np.full(40_000, mean), np.full(40_000, wander * mean**2))
    for level in (0.5, 0.1, 0.01, 0.001):
        assert np.mean(p <= level) <= level * 1.15
        assert np.mean(p <= level) >= level * 0.4  # counts are whole: at most one count is lost


def test_shrinkage_by_moments_by_hand():
    # 12 and 4 conversions of 100 clicks each: r = 0.08, Σ[(C - rE)² - C] / ΣE² = (16 - 12 + 16 - 4) / 20,000.
    said = shrink(np.array([12.0, 4.0]), np.array([100.0, 100.0]))
    strength = 0.08 / 0.0008
    shape = 0.08 * strength
    assert said.mean == pytest.approx([(12 + shape) / (100 + strength), (4 + shape) / (100 + strength)])
    assert said.doubt == pytest.approx([1 / (12 + shape), 1 / (4 + shape)])


def test_shrunk_rates_are_nearer_to_the_truth_and_their_doubt_is_honest():
    rng = np.random.default_rng(3)
    rates = rng.gamma(6, 0.005, 4000)
    clicks = np.exp(rng.uniform(np.log(20), np.log(3000), 4000))
    said = shrink(rng.poisson(rates * clicks).astype(float), clicks)
    raw = rng.poisson(rates * clicks) / clicks
    assert np.sqrt(np.mean((said.mean - rates) ** 2)) < 0.7 * np.sqrt(np.mean((raw - rates) ** 2))
    low, high = (stats.gamma(1 / said.doubt, scale=said.mean * said.doubt).ppf(q) for q in (0.05, 0.95))
    assert 0.88 <= np.mean((rates >= low) & (rates <= high)) <= 0.92


def test_nothing_ever_converted():
    said = shrink(np.zeros(2), np.array([100.0, 0.0]))
    assert said.mean.tolist() == [0, 0]


@given(st.permutations(range(5)))
def test_the_order_of_campaigns_is_irrelevant(order):
    conversions, clicks = np.array([0.0, 3, 40, 7, 90]), np.array([50.0, 90, 2000, 300, 2500])
    order = np.array(order)
    assert shrink(conversions, clicks).mean[order] == pytest.approx(
        shrink(conversions[order], clicks[order]).mean
    )


def test_hour_factors_lean_on_an_even_day():
    factors = hour_factors(np.array([3, 3, 20]), np.array([50.0, 40, 0]), np.array([30.0, 30, 30]))
    assert factors[3] == pytest.approx((90 + 30) / (60 + 30))
    assert factors[20] == pytest.approx(30 / 60)
    assert factors[0] == 1


def test_dispersion_of_single_campaigns_and_of_what_they_share():
    rng = np.random.default_rng(11)
    expected = np.full((40, 400), 60.0)
    alone = rng.poisson(expected * rng.gamma(25, 1 / 25, expected.shape))  # φ = 0.04 each, nothing in common
    together = rng.poisson(expected * rng.gamma(25, 1 / 25, 400))
    own, shared = daily_dispersion(alone.astype(float), expected)
    assert own == pytest.approx(0.04, rel=0.2)
    assert shared < 0.003
    _, shared = daily_dispersion(together.astype(float), expected)
    assert shared > 0.015  # what one campaign's own days explain is taken off, as is the farthest tenth


def test_an_outage_is_no_dispersion():
    rng = np.random.default_rng(5)
    expected = np.full((8, 28), 50.0)
    seen = rng.poisson(expected).astype(float)
    usual = daily_dispersion(seen, expected)
    seen[:, 10] = 0
    assert daily_dispersion(seen, expected) == pytest.approx(usual, rel=0.5)


def test_arrivals_of_two_click_hours_by_hand():
    # An hour's ten conversions: half in its first hour, three tenths in the next, the rest in the third.
    share = np.array([[0.0, 0.5, 0.8, 1.0], [0.0, 0.0, 0.5, 0.8]])
    got = expected_arrivals(np.array([[10.0, 20.0]]), share, np.array([0.0, 1, 2, 3]), np.array([0.25]))
    assert got[0] == pytest.approx([5 + 0.25, 3 + 10 + 0.25, 2 + 6 + 0.25])
