"""What chance explains, against published tables and counts worked out by hand."""

import pytest

from metrics import chance


@pytest.mark.parametrize(("looks", "share"), [(1, 0.050), (2, 0.083), (5, 0.142), (10, 0.193), (50, 0.320)])
def test_false_winners_are_those_of_armitage_mcpherson_and_rowe(looks, share):
    # Armitage, McPherson & Rowe 1969, table 2: repeated significance tests at 5 %.
    assert chance.false_winners(looks) == pytest.approx(share, abs=0.012)


def test_a_cost_scatters_as_its_count_does_upside_down():
    # Poisson with mean 100: four counts of five lie in 87 to 113, so at 10 each of 1,000 spent.
    low, high = chance.cost_range(1000, 10, beyond=1e-12)
    assert (low, high) == (pytest.approx(1000 / 113), pytest.approx(1000 / 87))


def test_few_conversions_have_no_upper_end():
    # Poisson with mean 2: no conversion at all has a probability of 13.5 %, over a tenth.
    assert chance.cost_range(20, 10, beyond=1e-12) == (pytest.approx(20 / 4), None)


def test_days_that_scatter_beyond_chance_widen_the_range():
    low, high = chance.cost_range(10_000, 10)
    narrow_low, narrow_high = chance.cost_range(10_000, 10, beyond=1e-12)
    assert low < narrow_low < 10 < narrow_high < high


def test_days_until_a_change_is_seen():
    # 10 a day: a day's variance 0.1 + 0.01; ln 1.25 / 2.4865 squared is 0.008054; less 0.11 / 28 leaves
    # 0.004125: 26.7 days.
    assert chance.days_to_see(10, 0.25, beyond=0.01) == 27
    assert chance.days_to_see(0.5, 0.1) is None
    assert chance.days_to_see(0, 0.5) is None


def test_a_day_without_any_is_inside_only_where_chance_explains_none():
    assert chance.inside([5.0, None, None, 30.0], [(4, 6), (4, None), (4, 6), (4, 20)]) == 2


def test_nothing_spent_has_no_cost():
    with pytest.raises(ValueError, match="without spend"):
        chance.cost_range(0, 10)
