"""Inference for tests that are looked at: against published vectors, and against simulated peeking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.arms import Arm, compare_arms, compare_logs, fixed
from metrics.sequential import (
    EProcess,
    best_rho,
    boundaries,
    log_mixture,
    mixture_bound,
    sequence,
    spent,
)
from metrics.split import SplitWatch, mismatch

# GrowthBook gbstats (MIT), packages/stats/tests/frequentist/test_tests.py
A = Arm.average(1396.87, 52377.9767, 3407)
B = Arm.average(2422.7, 134698.29, 3461)


@pytest.mark.parametrize(
    ("a", "b", "relative", "expected", "low", "high", "p", "se"),
    [
        (A, B, True, 0.70732, -0.03526, 1.44989, 0.06191, 0.37879),
        (A, B, False, 0.29, 0.04538, 0.53462, 0.02016, 0.12478),
        (Arm.rate(14, 28), Arm.rate(16, 30), True, 0.06667, -0.47767, 0.61101, 0.80707, 0.2717),
    ],
)
def test_one_look_equals_the_published_figures(a, b, relative, expected, low, high, p, se):
    effect = compare_arms(a, b, relative=relative)
    said = fixed(effect)
    found = [effect.estimate, said.low, said.high, said.p, effect.error]
    assert [round(v, 5) for v in found] == [expected, low, high, p, se]


def test_the_sequence_equals_the_published_figures():
    effect = compare_arms(Arm.average(1396.87, 52377.9767, 3000), B)
    said = sequence(effect, planned=1000)
    found = [effect.estimate, said.low, said.high, said.p, effect.error]
    assert [round(v, 5) for v in found] == [0.50336, -0.55844, 1.56516, 1, 0.33341]


def test_the_mixture_equals_the_reference_implementation():
    # confseq (MIT), test/uniform_boundaries_unittest.cpp
    assert best_rho(100, 0.05) == pytest.approx(12.60056, abs=5e-6)
    assert log_mixture(10, 100, 100, 0.05) == pytest.approx(-0.6510052, abs=5e-8)
    assert mixture_bound(100, 0.05, 100) == pytest.approx(30.35209, abs=5e-6)
    assert mixture_bound(100, 0.05, 100, sides=1) == pytest.approx(27.66071, abs=5e-6)


@given(
    st.floats(0.001, 0.5),
    st.floats(-0.9, 3),
    st.integers(100, 10**6),
    st.floats(0.05, 20),
    st.sampled_from([0.01, 0.05, 0.1]),
)
def test_the_p_value_and_the_interval_say_the_same(rate, lift, n, planned, alpha):
    b = min(rate * (1 + lift), 0.999)
    effect = compare_arms(Arm(n, rate, rate * (1 - rate)), Arm(n, b, b * (1 - b)), relative=False)
    for side in ("two-sided", "greater", "less"):
        said = sequence(effect, planned=planned * n, alpha=alpha, side=side)
        if abs(said.p - alpha) > 1e-9 and side == "two-sided":
            assert (said.p < alpha) == (not said.low <= 0 <= said.high)
        elif said.p < alpha:  # one-sided, the interval is the approximation of the exact p-value, and wider
            assert (effect.estimate > 0) == (side == "greater")


def test_welch_is_scipys():
    rng = np.random.default_rng(5)
    a, b = rng.gamma(2, 3, 40), rng.gamma(2, 5, 25)
    arms = [Arm.average(x.sum(), (x**2).sum(), len(x)) for x in (a, b)]
    theirs = stats.ttest_ind(b, a, equal_var=False)
    effect = compare_arms(*arms, relative=False)
    assert fixed(effect).p == pytest.approx(theirs.pvalue, rel=1e-12)
    for side in ("greater", "less"):
        one = stats.ttest_ind(b, a, equal_var=False, alternative=side)
        said, interval = fixed(effect, side=side), one.confidence_interval(0.95)
        assert said.p == pytest.approx(one.pvalue, rel=1e-12)
        assert (said.low, said.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_a_ratio_of_sums_has_the_spread_that_simulation_shows():
    rng = np.random.default_rng(11)
    ratios, errors = [], []
    for _ in range(2000):
        clicks = rng.poisson(40, 96)
        cost = clicks * rng.gamma(4, 0.25, 96)
        arm = Arm.ratio(cost, clicks)
        ratios.append(arm.mean)
        errors.append(np.sqrt(arm.squared_error))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.005)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.05)


@pytest.mark.parametrize(
    ("looks", "published"),
    [
        # gsDesign and ldbounds: Lan-DeMets spending, O'Brien-Fleming type, alpha 0.05 two-sided
        (2, [2.963, 1.969]),
        (3, [3.710, 2.511, 1.993]),
        (4, [4.333, 2.963, 2.359, 2.014]),
        (5, [4.877, 3.357, 2.680, 2.290, 2.031]),
    ],
)
def test_boundaries_are_the_published_ones(looks, published):
    assert boundaries([n / looks for n in range(1, looks + 1)]) == pytest.approx(published, abs=6e-4)


def test_boundaries_spend_alpha_and_no_more():
    parts = [0.1, 0.35, 0.6, 0.9, 1.0]
    limits = np.array(boundaries(parts))
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(0, np.sqrt(np.diff([0, *parts])), (400_000, 5)), axis=1) / np.sqrt(parts)
    assert (np.abs(walk) > limits).any(axis=1).mean() == pytest.approx(0.05, abs=0.0012)
    assert spent(1.0) == pytest.approx(0.05)
    assert spent(0.0) == 0.0


@pytest.mark.parametrize("parts", [[], [0.0, 1.0], [0.5, 0.5], [0.6, 0.4], [0.5, 1.2]])
def test_looks_that_do_not_rise_are_refused(parts):
    with pytest.raises(ValueError, match="rising"):
        boundaries(parts)


def peeked(lift: float, reps: int, looks: int = 56, per_look: int = 300, rate: float = 0.03) -> float:
    """Share of simulated tests in which any look found the sequence's interval to exclude no effect."""
    rng = np.random.default_rng(17)
    planned, found = 2 * looks * per_look, 0
    for _ in range(reps):
        na, nb = rng.multinomial(planned, [0.5, 0.5])
        visits = [rng.multinomial(n, np.full(looks, 1 / looks)).cumsum() for n in (na, nb)]
        ca = rng.binomial(np.diff(visits[0], prepend=0), rate).cumsum()
        cb = rng.binomial(np.diff(visits[1], prepend=0), rate * (1 + lift)).cumsum()
        for k in range(looks):
            if min(ca[k], cb[k]) < 5:
                continue
            effect = compare_logs(Arm.rate(ca[k], visits[0][k]), Arm.rate(cb[k], visits[1][k]))
            if sequence(effect, planned=planned).p < 0.05:
                found += 1
                break
    return found / reps


def test_peeking_declares_few_winners_where_there_are_none():
    assert peeked(0.0, 300) <= 0.05


def test_a_large_effect_is_found():
    assert peeked(0.4, 100) >= 0.95


def test_the_e_process_holds_at_every_look_and_finds_what_is_there():
    rng = np.random.default_rng(23)

    def share(lift: float, reps: int) -> float:
        found = 0
        for _ in range(reps):
            process = EProcess()
            for _ in range(60):
                na, nb = rng.poisson(40, 2)
                p = process.add((rng.binomial(na, 0.02), rng.binomial(nb, min(0.02 * lift, 1))), (na, nb))
            found += p < 0.05
        return found / reps

    assert share(1.0, 600) <= 0.05
    assert share(3.0, 60) >= 0.9


def test_the_e_process_is_the_mixture_worked_out_by_hand():
    # One look, equal exposure, 3 against 9: the mean over the tilts t of
    # (2 e^t / (1 + e^t))^9 (2 / (1 + e^t))^3
    effects = np.geomspace(0.05, 1.2, 12)
    tilts = np.r_[-effects, effects]
    by_hand = np.mean((2 * np.exp(tilts) / (1 + np.exp(tilts))) ** 9 * (2 / (1 + np.exp(tilts))) ** 3)
    assert EProcess().add((3, 9), (100, 100)) == pytest.approx(1 / by_hand)


def test_a_split_is_watched():
    assert mismatch([500, 500], [1, 1]) == pytest.approx(1.0)
    assert mismatch([440, 560], [0.5, 0.5]) == pytest.approx(stats.chi2.sf(2 * 60**2 / 500, 1))
    assert mismatch([0, 0], [0.5, 0.5]) == 1.0
    rng = np.random.default_rng(29)

    def ever(share: float) -> float:
        raised = 0
        for _ in range(300):
            watch, b = SplitWatch([0.5, 0.5]), rng.binomial(100, share, 100).cumsum()
            raised += min(watch.look([100 * (k + 1) - b[k], b[k]]) for k in range(100)) < 0.001
        return raised / 300

    assert ever(0.5) <= 0.005
    assert ever(0.53) >= 0.95


def test_nothing_is_said_about_nothing():
    empty = Arm.rate(0, 0)
    effect = compare_arms(empty, Arm.rate(3, 100))
    assert not effect.known
    assert sequence(effect, planned=100).p == 1.0
    assert fixed(effect).p == 1.0
