"""Plans on the calendar: each figure worked out by hand."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.flights import Amount, Flight, SpendPlan, flight, spread, weekday_index

EVEN_WEEK = np.ones(7)


def plan(*amounts: Amount | float, **more) -> SpendPlan:
    return SpendPlan("p", "EUR", tuple(a if isinstance(a, Amount) else Amount(a) for a in amounts), **more)


@pytest.mark.parametrize(
    ("period", "today", "first", "last"),
    [
        ("month", date(2026, 11, 24), date(2026, 11, 1), date(2026, 11, 30)),
        ("month", date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
        ("quarter", date(2026, 11, 24), date(2026, 10, 1), date(2026, 12, 31)),
        ("quarter", date(2026, 1, 1), date(2026, 1, 1), date(2026, 3, 31)),
    ],
)
def test_the_flight_of_a_day(period, today, first, last):
    assert flight(plan(1, period=period), today) == Flight(first, last)


def test_a_flight_of_its_own_dates_needs_both():
    own = plan(1, period="flight", starts=date(2026, 11, 1), ends=date(2026, 12, 24))
    assert flight(own, date(2030, 1, 1)).days == 54
    with pytest.raises(ValueError, match="without its first or last day"):
        flight(plan(1, period="flight"), date(2026, 1, 1))


TEN = Flight(date(2026, 11, 2), date(2026, 11, 11))  # Monday to the Wednesday of the week after


@pytest.mark.parametrize(
    ("curve", "days"),
    [
        ("even", [10] * 10),
        # 1.5 to 0.5 along the line: the middle of the first day is at 0.05.
        ("front", [14.5, 13.5, 12.5, 11.5, 10.5, 9.5, 8.5, 7.5, 6.5, 5.5]),
        ("back", [5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5]),
        ((1, 3), [5] * 5 + [15] * 5),
        # Three parts of 3 1/3 days: the fourth day is a third in the first part, two thirds in the second.
        ((3, 0, 0), [30, 30, 30, 10, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_curves(curve, days):
    assert spread(plan(100, curve=curve), TEN, EVEN_WEEK) == pytest.approx(np.array(days, float))


def test_the_weekday_curve_follows_the_weeks_shape():
    usual = np.array([1, 1, 1, 1, 1, 2, 0], float)
    days = spread(plan(100, curve="weekday"), TEN, usual)
    assert days == pytest.approx(np.array([10, 10, 10, 10, 10, 20, 0, 10, 10, 10], float))


def test_a_raised_amount_leaves_what_was_planned_before():
    raised = plan(100, Amount(160, date(2026, 11, 8)))
    assert spread(raised, TEN, EVEN_WEEK) == pytest.approx(np.array([10] * 6 + [25] * 4, float))


def test_an_amount_below_what_was_planned_plans_nothing_more():
    cut = plan(100, Amount(30, date(2026, 11, 8)))
    assert spread(cut, TEN, EVEN_WEEK) == pytest.approx(np.array([5] * 6 + [0] * 4, float))


def test_an_amount_of_an_earlier_month_holds_for_this_one():
    moved = plan(100, Amount(200, date(2026, 10, 15)), Amount(500, date(2026, 12, 1)))
    assert spread(moved, TEN, EVEN_WEEK).sum() == pytest.approx(200)


def test_the_weekday_index_by_hand():
    # Four weeks up to Sunday, 8 November: working days 10, weekends 0.
    days = np.tile([10.0, 10, 10, 10, 10, 0, 0], 4)
    assert weekday_index(days, date(2026, 11, 8)) == pytest.approx(np.ones(7))  # silent days say nothing
    # Saturdays spend 31 of a week of 81: mean 81 / 6; (4 * 31 / 13.5 + 4) / 8 before the mean is made 1.
    days = np.tile([10.0, 10, 10, 10, 10, 31, 0], 4)
    raw = np.array([(4 * 10 / 13.5 + 4) / 8] * 5 + [(4 * 31 / 13.5 + 4) / 8, 1.0])
    assert weekday_index(days, date(2026, 11, 8)) == pytest.approx(raw / raw.mean())
    assert weekday_index(np.zeros(28), date(2026, 11, 8)) == pytest.approx(np.ones(7))


def test_patterns_match_names_or_ids():
    north = plan(1, source="google_*", accounts=("Northwind*", "77"), campaigns=("DE | *",))
    assert north.covers("google_ads", ("1", "Northwind Outdoor"), ("9", "DE | Search"))
    assert north.covers("google_ads", ("77", "Other"))
    assert not north.covers("google_ads", ("1", "Northwind Outdoor"), ("9", "FR | Search"))
    assert not north.covers("meta_ads", ("1", "Northwind Outdoor"))


amounts = st.floats(1, 1e7, allow_nan=False)
curves = st.one_of(
    st.sampled_from(["even", "front", "back", "weekday"]),
    st.lists(st.floats(0, 9), min_size=1, max_size=40).filter(lambda w: sum(w) > 0.01).map(tuple),
)


@given(
    amounts,
    curves,
    st.integers(1, 120),
    st.lists(st.tuples(st.integers(-40, 140), amounts), max_size=4),
    st.lists(st.floats(0.1, 3), min_size=7, max_size=7),
)
def test_days_sum_to_the_amount_that_holds_at_the_end(amount, curve, length, changes, usual):
    first = date(2026, 1, 1)
    over = Flight(first, first + timedelta(days=length - 1))
    later = sorted((first + timedelta(days=after), value) for after, value in dict(changes).items())
    days = spread(plan(amount, *(Amount(v, d) for d, v in later), curve=curve), over, np.array(usual))
    holds = [amount, *(v for d, v in later if d <= over.last)][-1]
    assert len(days) == length
    assert (days >= 0).all()
    assert days.sum() == pytest.approx(holds)
