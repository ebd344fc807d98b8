"""Spend by a decomposition and by a trained model: what they say of a known pattern, and what they may see."""

import numpy as np
import pytest

from metrics.forecasts import METHODS, decomposed, missing, modelled

DAYS = 35
WEEKDAYS = np.arange(DAYS + 1) % 7
HOUR = 1 + 0.5 * np.sin(2 * np.pi * np.arange(24) / 24)
WEEK = np.array([1.2, 1.2, 1.1, 1.1, 1.0, 0.6, 0.5])


def spend(entities, seed=1):
    """So much an hour: a size each, a shape of the day, a shape of the week, 10 % of chance."""
    rng = np.random.default_rng(seed)
    size = np.array([5.0, 20.0, 80.0])[:entities]
    truth = size[:, None, None] * WEEK[WEEKDAYS][None, :, None] * HOUR
    return truth, truth[:, :-1] * np.exp(rng.normal(0, 0.1, (entities, DAYS, 24)))


@pytest.mark.parametrize(("method", "entities"), [(decomposed, 1), (modelled, 3)])
def test_a_known_pattern_is_carried_on_from_the_days_before(method, entities):
    truth, seen = spend(entities)
    said = method(seen, WEEKDAYS, 21, 0)
    assert said.shape == (entities, DAYS + 1 - 21, 24)
    wrong = np.abs(np.log(said / truth[:, 21:]))
    assert np.median(wrong) < 0.1
    assert np.quantile(wrong[:, -1], 0.9) < 0.3  # today: a Monday after a weekend
    other = seen.copy()
    other[:, 28:] *= 3
    after = method(other, WEEKDAYS, 21, 0)
    assert after[:, :7] == pytest.approx(said[:, :7])
    assert after[:, -1] != pytest.approx(said[:, -1])


def test_too_short_a_history_says_nothing():
    _, seen = spend(3)
    for method in (decomposed, modelled):
        assert np.isnan(method(seen[:, 25:], WEEKDAYS[25:], 10, 0)).all()


def test_a_decomposition_needs_more_than_two_weeks():
    _, seen = spend(1)
    said = decomposed(seen[:, :15], WEEKDAYS[:16], 14, 0)  # of the fifteenth day, and of the day after it
    assert np.isfinite(said).all(axis=(0, 2)).tolist() == [False, True]


def test_what_is_installed_is_known(monkeypatch):
    assert [missing(method) for method in METHODS] == [None, None, None]
    monkeypatch.setattr("metrics.forecasts.find_spec", lambda _name: None)
    assert [missing(method) for method in METHODS] == [None, "statsmodels", "sklearn"]
