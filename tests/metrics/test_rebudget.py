"""What to change: budgets that land on the plan, each figure by hand on even spend."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.flight import Budgeted, FlightPace
from metrics.flights import Amount, Flight, SpendPlan
from metrics.purses import Purse
from metrics.rebudget import Earned, rebudget, response, rounded, scores


def line(name: str, budget: float, daily: float, *, days: int = 10, spent: float = 0, **more) -> Budgeted:
    """A campaign that spent `daily` on every day of the past, on a budget that never changed."""
    purse = Purse(name, name, (name,), budget, total=more.pop("total", False), shared=False)
    history = np.full(28, float(daily))
    fields = {"currency": "EUR", "rate": 1.0} | more
    return Budgeted(
        "google_ads", "1", purse=purse, campaigns=(name,), usual=budget, spent=spent, rest=daily * days,
        days=days, history=history, raw=history, held=np.full(28, float(budget)), overspend=None, **fields,
    )  # fmt: skip


def pace(amount: float, *lines: Budgeted, spent: float = 1000.0) -> FlightPace:
    """Ten days to go after today."""
    mid = spent + sum(one.rest * one.rate for one in lines)
    return FlightPace(
        SpendPlan("p", "EUR", (Amount(amount),)), Flight(date(2026, 11, 1), date(2026, 11, 30)), amount,
        (("google_ads", "1"),), today=date(2026, 11, 20), spent=spent, expected=spent, low=mid, mid=mid,
        high=mid, lines=tuple(lines),
    )  # fmt: skip


def test_a_limited_campaign_moves_with_its_budget():
    one = line("a", 100, 98)
    assert response(one, 90) == pytest.approx(882)
    assert response(one, 120) == pytest.approx(1176)


def test_an_unused_rest_of_a_budget_changes_nothing():
    one = line("a", 200, 100)
    assert [response(one, b) for b in (300, 150, 100, 80)] == pytest.approx([1000, 1000, 1000, 800])


def test_a_campaign_that_never_delivered_moves_in_proportion():
    one = replace(line("a", 100, 0), rest=1000.0)
    assert response(one, 80) == pytest.approx(800)


def test_cuts_land_on_the_plan():
    # Ends at 3000 of 2900: 100 less over ten days is 10 a day of 200, five each.
    said = rebudget(pace(2900, line("a", 100, 100), line("b", 100, 100)), {})
    assert [(m.before, m.after) for m in said.moves] == [(100, 95), (100, 95)]
    assert (said.before, said.after, said.reached) == (3000, pytest.approx(2900), True)


def test_raises_land_on_the_plan_where_the_budget_holds_back():
    said = rebudget(pace(3100, line("a", 100, 100), line("b", 400, 100)), {})
    assert [(m.line.campaigns, m.after) for m in said.moves] == [(("a",), 110)]
    assert said.after == pytest.approx(3100)


def test_one_step_is_a_fifth_and_says_that_it_is_not_enough():
    said = rebudget(pace(1500, line("a", 100, 100)), {})
    assert [m.after for m in said.moves] == [80]
    assert (said.after, said.reached) == (pytest.approx(1800), False)


def test_a_cut_begins_below_what_is_usually_spent():
    # 100 of 200 is spent: a budget of 160 would change nothing; a fifth below 100 is 80.
    said = rebudget(pace(1500, line("a", 200, 100)), {})
    assert [m.after for m in said.moves] == [80]
    assert said.after == pytest.approx(1800)


def test_no_budget_falls_below_what_is_spent_today():
    said = rebudget(pace(1000, line("a", 100, 100, spent=93.2)), {})
    assert [m.after for m in said.moves] == [93.5]


def test_what_earns_least_is_cut_first_and_what_earns_most_is_raised_first():
    good, bad = line("good", 100, 100), line("bad", 100, 100)
    earned = {
        ("google_ads", "1", "good"): Earned(2800, 140, 0),
        ("google_ads", "1", "bad"): Earned(2800, 28, 0),
    }
    cut = {m.line.campaigns[0]: m.before - m.after for m in rebudget(pace(2900, good, bad), earned).moves}
    assert cut["bad"] >= 2 * cut.get("good", 0)
    # Ten conversions cost 333 there; bad's return is (28 + 10) / 3133 of the account's 168 / 5600: 0.4.
    up = {m.line.campaigns[0]: m.after - m.before for m in rebudget(pace(3100, good, bad), earned).moves}
    assert up == {"good": 10}


def test_scores_are_shrunk_and_measured_against_targets():
    lines = (line("a", 100, 100), line("b", 100, 100))
    earned = {
        ("google_ads", "1", "a"): Earned(1000, 10, 5000, goal_roas=4.0),
        ("google_ads", "1", "b"): Earned(3000, 30, 6000),
    }
    # The account: 4000 brought 40 conversions and 11000. Ten conversions cost 1000; its return is 2.75.
    # a: (5000 + 1000 * 2.75) / 2000 = 3.875 of 4; b: (6000 + 2750) / 4000 = 2.1875 of the account's 2.75.
    assert scores(lines, earned) == {0: pytest.approx(3.875 / 4), 1: pytest.approx(2.1875 / 2.75)}
    leads = {
        ("google_ads", "1", "a"): Earned(1000, 40, 0, goal_cpa=20.0),
        ("google_ads", "1", "b"): Earned(3000, 60, 0),
    }
    # Ten conversions cost 400: a has (40 + 10) / 1400 a unit of money, the goal is 1 / 20.
    assert scores(lines, leads)[0] == pytest.approx(50 / 1400 * 20)
    few = {("google_ads", "1", "a"): Earned(1000, 40, 55.0, leads=40, goal_roas=3.5, goal_cpl=20.0)}
    # All are leads: their little revenue is no measure. Ten cost 250.
    assert scores(lines[:1], few)[0] == pytest.approx(50 / 1250 * 20)
    assert scores(lines, {}) == {}


@pytest.mark.parametrize(
    "one",
    [
        line("a", 100, 100, total=True),
        replace(line("a", 100, 100), purse=None),
        replace(line("a", 100, 100), campaigns=("part",)),
        replace(line("a", 100, 100), days=0, rest=0.0),
    ],
)
def test_what_cannot_be_moved_stays(one):
    assert rebudget(pace(500, one), {}).moves == ()


def test_where_the_budgets_are_the_plan_none_is_told():
    own = replace(pace(2500, line("a", 100, 100)), plan=SpendPlan("p", "EUR"))
    assert rebudget(own, {}).moves == ()


def test_on_plan_nothing_is_changed():
    said = rebudget(pace(3010, line("a", 100, 100), line("b", 100, 100)), {})
    assert (said.moves, said.reached) == ((), True)


@pytest.mark.parametrize(
    ("amount", "currency", "low", "high", "said"),
    [
        (237.2, "EUR", 0, 1e9, 235),
        (1237.2, "EUR", 0, 1e9, 1250),
        (87.3, "EUR", 0, 1e9, 87.5),
        (4.13, "EUR", 0, 1e9, 4.15),
        (12_370, "JPY", 0, 1e9, 12_500),
        (96.4, "EUR", 96.2, 120, 96.5),
        (96.1, "EUR", 96.2, 120, 96.5),
        (119.9, "EUR", 80, 118, 115),
    ],
)
def test_amounts_are_those_that_people_choose(amount, currency, low, high, said):
    assert rounded(amount, currency, low, high) == pytest.approx(said)


@given(
    st.lists(st.tuples(st.floats(5, 5000), st.floats(0.2, 1.3), st.floats(0, 0.5)), min_size=1, max_size=8),
    st.floats(0.5, 1.6),
)
def test_a_step_is_sane_and_never_overshoots(purses, share):
    lines = [
        line(str(n), budget, budget * use, spent=budget * use * today)
        for n, (budget, use, today) in enumerate(purses)
    ]
    before = pace(1, *lines).mid
    said = rebudget(pace(before * share, *lines), {})
    for move in said.moves:
        usual = min(move.before, float(move.line.raw.mean()))
        assert move.after <= move.before * 1.2 + 1e-9
        assert move.after >= min(usual * 0.8, move.before) - 1e-9
        assert move.after >= min(move.line.spent, move.before) - 1e-9
        assert (move.after > move.before) == (share > 1)
    assert abs(before * share - said.after) <= abs(before * share - before) + 1e-6
