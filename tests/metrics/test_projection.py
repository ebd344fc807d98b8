import numpy as np
import pytest

from benchmarks import projection as measured
from metrics.projection import cumulative_share, day_shares, project_day

WEEKDAYS = np.arange(28) % 7


def steady(entities: int = 1, hourly: float = 10.0) -> np.ndarray:
    return np.full((entities, 28, 24), hourly)


def test_even_days_are_projected_at_their_total():
    said = project_day(steady(), WEEKDAYS, 0, np.array([120.0]), 12)
    assert said.mid[0] == pytest.approx(240.0)
    assert 120.0 <= said.low[0] < 240.0 < said.high[0]


def test_an_hour_half_over_counts_half():
    said = project_day(steady(), WEEKDAYS, 0, np.array([125.0]), 12.5)
    assert said.mid[0] == pytest.approx(240.0)


def test_a_day_spent_in_the_evening_is_not_behind_at_noon():
    evening = np.zeros((1, 28, 24))
    evening[:, :, 18:] = 40.0
    evening[:, :, 11] = 10.0
    said = project_day(evening, WEEKDAYS, 0, np.array([10.0]), 12)
    assert said.mid[0] == pytest.approx(250.0, rel=0.02)


def test_never_below_what_was_spent():
    said = project_day(steady(), WEEKDAYS, 0, np.array([900.0]), 12)
    assert said.low[0] >= 900.0


def test_a_paused_campaign_is_projected_at_what_it_spent():
    history = steady(2)
    history[1, -2:] = 0.0
    said = project_day(history, WEEKDAYS, 0, np.array([120.0, 0.0]), 12)
    assert said.mid[1] == said.high[1] == 0.0
    assert said.mid[0] == pytest.approx(240.0)


def test_one_without_history_is_expected_at_its_budget():
    history = np.zeros((1, 28, 24))
    said = project_day(history, WEEKDAYS, 0, np.array([0.0]), 2, expected=np.array([100.0]))
    assert said.mid[0] == pytest.approx(100.0 * 22 / 24)
    assert said.low[0] < 60.0
    assert said.high[0] > 160.0


def test_weekends_have_their_own_profile():
    history = np.zeros((1, 28, 24))
    history[:, WEEKDAYS < 5, 9:18] = 1.0
    history[:, WEEKDAYS >= 5, 18:] = 1.0
    assert cumulative_share(day_shares(history, WEEKDAYS, 2), 18)[0] > 0.8
    assert cumulative_share(day_shares(history, WEEKDAYS, 6), 18)[0] < 0.5


def test_shares_sum_to_one():
    rng = np.random.default_rng(1)
    shares = day_shares(rng.gamma(1, 1, (5, 28, 24)), WEEKDAYS, 3)
    assert shares.sum(1) == pytest.approx(np.ones(5))


def test_accuracy_on_synthetic_accounts():
    noon = measured.days(range(900, 906))[12]
    assert noon["wape"] <= 0.065 < noon["linear"] / 3
    assert 0.76 <= noon["coverage"] <= 0.86


def test_a_day_that_never_began_is_not_projected_whole():
    said = project_day(steady(), WEEKDAYS, 0, np.array([0.0]), 18)
    assert said.mid[0] == pytest.approx(60.0)
