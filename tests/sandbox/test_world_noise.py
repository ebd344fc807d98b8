"""Hashed noise has the distributions it claims; scipy's own are the yardstick."""

import numpy as np
import pytest
from scipy import stats

from sandbox import noise

N = 100_000
KEYS = noise.spread(noise.key(5, "test"), np.arange(N))


def test_scalar_and_vector_keys_agree():
    assert int(noise.spread(noise.key(5, "test"), np.array([77]))[0]) == noise.key(5, "test", 77)
    assert noise.unit(5, "test", 77) == noise.uniform(KEYS[77:78])[0]


def test_uniforms_are_uniform_and_streams_independent():
    u = noise.uniform(KEYS)
    other = noise.uniform(noise.spread(noise.key(5, "another"), np.arange(N)))
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(u, other)[0, 1]) < 0.01
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.01
    assert u.max() < 1


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.7, 4.0, 15.9])
def test_small_poisson_counts_are_exact(mean):
    u = noise.uniform(KEYS)
    want = np.where(u < stats.poisson.pmf(0, mean), 0, stats.poisson.ppf(u, mean)) if mean else np.zeros(N)
    np.testing.assert_array_equal(noise.poisson(KEYS, np.full(N, mean)), want)


@pytest.mark.parametrize("mean", [16.1, 60.0, 3_000.0])
def test_large_poisson_counts_are_within_one(mean):
    got = noise.poisson(KEYS, np.full(N, mean))
    want = stats.poisson.ppf(noise.uniform(KEYS), mean)
    assert np.abs(got - want).max() <= 1
    assert (got != want).mean() < 0.01
    assert got.mean() == pytest.approx(mean, rel=0.005)


def test_gamma_has_mean_one():
    got = noise.gamma(KEYS, 15.0)
    assert got.mean() == pytest.approx(1, abs=0.005)
    assert got.var() == pytest.approx(1 / 15, rel=0.03)


def test_smooth_noise_keeps_its_variance_and_wanders():
    at = np.full(N, 3.5)
    got = noise.smooth(KEYS, at)
    assert got.std() == pytest.approx(1, abs=0.01)
    assert np.corrcoef(got, noise.smooth(KEYS, at + 0.1))[0, 1] > 0.9
    assert abs(np.corrcoef(got, noise.smooth(KEYS, at + 2))[0, 1]) < 0.01


def test_apportion_is_exact_and_fair():
    shares = np.cumsum(np.array([0.5, 0.0, 0.3, 0.2]))
    count = np.full(N, 3)
    parts = noise.apportion(count, np.broadcast_to(shares / shares[-1], (N, 4)), noise.uniform(KEYS))
    assert (parts.sum(axis=1) == 3).all()
    assert (parts[:, 1] == 0).all()
    # Three times a half is 1.5: one or two, never more or less.
    assert set(parts[:, 0].tolist()) == {1, 2}
    np.testing.assert_allclose(parts.mean(axis=0), [1.5, 0, 0.9, 0.6], atol=0.02)
