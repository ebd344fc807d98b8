"""Parts that add up to the change, whatever the figures: zeros, newcomers and leavers included."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metrics.decompose import Factor, contributions, effects, logarithmic_mean

CPA = [
    Factor("cost", "impressions", 1),
    Factor("clicks", "impressions", -1),
    Factor("conversions", "clicks", -1),
]
REVENUE = [
    Factor("impressions", "", 1),
    Factor("clicks", "impressions", 1),
    Factor("conversions", "clicks", 1),
    Factor("value", "conversions", 1),
]

counts = st.one_of(st.just(0.0), st.floats(0.001, 1e9))
funnel = st.fixed_dictionaries(
    dict.fromkeys(["impressions", "clicks", "cost", "conversions", "value"], counts)
)
members = st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=30)


def test_the_logarithmic_mean_by_hand():
    assert logarithmic_mean(math.e, 1) == pytest.approx(math.e - 1)
    assert logarithmic_mean(7, 7) == 7
    assert logarithmic_mean(0, 5) == 0
    # close to equality it is the arithmetic mean less (a-b)^2 / 12 m
    assert logarithmic_mean(100, 100.00001) == pytest.approx(100.000005, rel=1e-12)


def test_cpa_by_hand():
    # CPM 31 -> 31, CTR 2 % -> 2 %, conversion rate 5 % -> 2.5 %: all of the doubling is the conversion rate.
    before = {"impressions": 20_000, "clicks": 400, "cost": 620, "conversions": 20}
    now = {"impressions": 10_000, "clicks": 200, "cost": 310, "conversions": 5}
    assert effects(CPA, before, now, (31, 62)) == pytest.approx([0, 0, 31])
    # The price doubles and the click-through rate doubles: they cancel, each L(31, 31) ln 2 = 21.49.
    now = {"impressions": 10_000, "clicks": 400, "cost": 620, "conversions": 20}
    assert effects(CPA, before, now, (31, 31)) == pytest.approx([31 * math.log(2), -31 * math.log(2), 0])


@pytest.mark.parametrize(
    ("before", "now", "blamed"),
    [
        # nothing ran before: all of it is the impressions
        ([0, 0, 0, 0], [1000, 50, 5, 100], 0),
        # shown, never clicked
        ([1000, 0, 0, 0], [1000, 50, 5, 100], 1),
        # clicked, never bought; and the way back
        ([1000, 50, 0, 0], [1000, 40, 5, 100], 2),
        ([1000, 40, 5, 100], [1000, 50, 0, 0], 2),
        # sold for nothing
        ([1000, 50, 5, 0], [1000, 50, 5, 100], 3),
        # sold without a click: of the factors in doubt, the one that turned up
        ([1000, 0, 0, 0], [1000, 0, 5, 100], 2),
    ],
)
def test_from_or_to_nothing_the_first_that_turned_has_it_all(before, now, blamed):
    names = ["impressions", "clicks", "conversions", "value"]
    old, new = dict(zip(names, before, strict=True)), dict(zip(names, now, strict=True))
    found = effects(REVENUE, old, new, (old["value"], new["value"]))
    assert found == [new["value"] - old["value"] if n == blamed else 0 for n in range(4)]


def test_a_stage_that_is_silent_once_leaves_its_part_to_the_next():
    old = {"impressions": 100, "clicks": 0, "conversions": 4, "value": 40}
    new = {"impressions": 100, "clicks": 10, "conversions": 8, "value": 80}
    shown, clicked, bought, each = effects(REVENUE, old, new, (40, 80))
    assert (shown, clicked, each) == (0, 0, 0)
    assert bought == 40


@given(funnel, funnel)
@example(
    {"impressions": 1.0, "clicks": 1.0, "cost": 1.0, "conversions": 1.0, "value": 1.0},
    {"impressions": 1.0, "clicks": 1.0, "cost": 1.0, "conversions": 1.0, "value": 1.0},
)
def test_effects_add_up_to_the_change(before, now):
    pair = (before["value"], now["value"])
    assert sum(effects(REVENUE, before, now, pair)) == pytest.approx(pair[1] - pair[0], rel=1e-12, abs=1e-9)
    if before["conversions"] and now["conversions"]:
        cpa = (before["cost"] / before["conversions"], now["cost"] / now["conversions"])
        found = effects(CPA, before, now, cpa)
        assert sum(found) == pytest.approx(cpa[1] - cpa[0], rel=1e-9, abs=1e-9)
        back = effects(CPA, now, before, cpa[::-1])
        assert back == pytest.approx([-x for x in found], rel=1e-6, abs=1e-6 * max(cpa))


def split_of(rows):
    n0, d0, n1, d1 = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return contributions((n0, d0), (n1, d1))


def test_mix_and_rate_by_hand():
    # A: 100 for 10 both times. B: 10 each for 10, then 30 results: only the mix moves.
    found = split_of([(100, 10, 100, 10), (100, 10, 300, 30)])
    assert found.rate == pytest.approx([0, 0])
    # Both cost 10 a result, so that nothing moves the total at all.
    assert found.total == pytest.approx([0, 0])

    # A costs 5, B costs 20. B's weight goes from 1/2 to 3/4: the total from 12.5 to 16.25.
    found = split_of([(50, 10, 50, 10), (200, 10, 600, 30)])
    assert found.rate == pytest.approx([0, 0])
    # by hand: v 2.5 -> 1.25 and 10 -> 15, weights -1/4 and +1/4, middle 14.375
    assert found.mix == pytest.approx([-1.25 + 14.375 / 4, 5 - 14.375 / 4])
    assert found.total.sum() == pytest.approx(3.75)

    # Weights stay, B's price doubles: all of it is B's rate.
    found = split_of([(50, 10, 50, 10), (200, 10, 400, 10)])
    assert found.rate == pytest.approx([0, 10])
    assert found.mix == pytest.approx([0, 0])


def test_newcomers_are_mix_and_money_without_results_is_rate():
    # A newcomer at 40 a result; the total goes from 10 to 20, its weight from 0 to 1/3, middle 15.
    found = split_of([(100, 10, 200, 20), (0, 0, 400, 10)])
    assert found.rate == pytest.approx([0, 0])
    assert found.mix[1] == pytest.approx(400 / 30 - 15 / 3)
    # One that spent 50 for nothing before and 250 for nothing now: 25 a result of the others, all its rate.
    found = split_of([(100, 8, 100, 8), (50, 0, 250, 0)])
    assert found.total == pytest.approx([0, 25])
    assert found.rate == pytest.approx([0, 25])


@given(members)
def test_members_add_up_and_mix_and_rate_do(rows):
    n0, d0, n1, d1 = (np.array(column) for column in zip(*rows, strict=True))
    if d0.sum() <= 0 or d1.sum() <= 0:
        with pytest.raises(ValueError, match="over nothing"):
            contributions((n0, d0), (n1, d1))
        return
    found = contributions((n0, d0), (n1, d1))
    before, now = n0.sum() / d0.sum(), n1.sum() / d1.sum()
    size = max(before, now, 1e-9)
    assert found.total.sum() == pytest.approx(now - before, abs=1e-9 * size)
    assert found.mix + found.rate == pytest.approx(found.total, abs=1e-9 * size)


@given(members, st.randoms())
def test_the_order_of_members_is_irrelevant(rows, random):
    if sum(r[1] for r in rows) <= 0 or sum(r[3] for r in rows) <= 0:
        return
    order = list(range(len(rows)))
    random.shuffle(order)
    one, other = split_of(rows), split_of([rows[n] for n in order])
    for part in ("total", "mix", "rate"):
        size = np.abs(one.total).max() + 1e-9
        assert getattr(other, part) == pytest.approx(getattr(one, part)[order], abs=1e-9 * size)


@given(members, st.floats(0.1, 10))
def test_where_everything_grows_alike_nobody_is_to_blame(rows, times):
    n0, d0 = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    if d0.sum() <= 0:
        return
    found = contributions((n0, d0), (n0 * times, d0 * times))
    assert found.total == pytest.approx(0, abs=1e-9 * (1 + n0.sum() / d0.sum()))


@given(members)
def test_a_group_adds_what_its_members_add(rows):
    """Campaigns' contributions summed by account are the accounts' contributions."""
    if sum(r[1] for r in rows) <= 0 or sum(r[3] for r in rows) <= 0:
        return
    half = len(rows) // 2
    fine = split_of(rows).total
    coarse = split_of(
        [tuple(map(sum, zip(*part, strict=True))) for part in (rows[:half], rows[half:]) if part]
    )
    grouped = [part.sum() for part in (fine[:half], fine[half:]) if len(part)]
    assert coarse.total == pytest.approx(grouped, abs=1e-9 * (1 + np.abs(fine).max()))
