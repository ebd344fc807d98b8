import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.discovery import benjamini_hochberg, expectation, grade, signals

P = st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array)


@given(P, st.sampled_from([0.01, 0.05, 0.2]))
def test_rejections_are_scipys(p, rate):
    assert benjamini_hochberg(p, rate).tolist() == (
        stats.false_discovery_control(p, method="bh") <= rate + 1e-15
    ).tolist() or np.any(np.isclose(stats.false_discovery_control(p), rate, rtol=1e-12))


@given(P, st.randoms())
def test_the_order_of_series_is_irrelevant(p, random):
    order = np.array(random.sample(range(len(p)), len(p)))
    assert benjamini_hochberg(p)[order].tolist() == benjamini_hochberg(p[order]).tolist()


def test_share_of_false_discoveries_over_three_thousand_series():
    rng = np.random.default_rng(9)
    shares = []
    for _ in range(300):
        p = rng.uniform(size=3000)
        p[:60] = stats.norm.sf(rng.normal(4.5, 1, 60))
        found = benjamini_hochberg(p, 0.05)
        shares.append(found[60:].sum() / max(found.sum(), 1))
    assert 0.03 < np.mean(shares) <= 0.055


def test_a_signal_is_unlikely_by_itself_among_all_and_large():
    p = np.array([1e-6, 1e-6, 3e-4, np.nan, 0.5])
    limits, matters = np.full(5, 1e-4), np.array([True, False, True, True, True])
    assert signals(p, limits, matters).tolist() == [True, False, False, False, False]


def test_among_many_series_one_in_ten_thousand_is_chance():
    p = np.append(5e-5, np.linspace(0.001, 1, 2999))
    every = np.ones(3000, dtype=bool)
    assert not signals(p, np.full(3000, 1e-4), every).any()
    assert signals(p[:100], np.full(100, 1e-4), every[:100]).tolist() == [True] + [False] * 99


@pytest.mark.parametrize(
    ("p", "signal", "word"),
    [(0.3, False, "normal variation"), (0.009, False, "watch"), (1e-9, True, "signal")],
)
def test_words(p, signal, word):
    assert grade(p, signal=signal) == word


@pytest.mark.parametrize(
    ("ends", "unit", "text"),
    [
        ((12, 23, 9), "", "expected 12–23, saw 9"),
        ((1.234, 2.5, 4.4), "EUR", "expected 1.23–2.50 EUR, saw 4.40 EUR"),
        ((1200.4, 1530.2, 4410.7), "EUR", "expected 1,200–1,530 EUR, saw 4,411 EUR"),
    ],
)
def test_expectation_in_words(ends, unit, text):
    assert expectation(*ends, unit) == text
