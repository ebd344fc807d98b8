"""The day's course of several accounts on one clock, against sums worked out by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from connectors.contract import Account, Window
from metrics.pacing import Pace
from panels._course import course

BERLIN, YORK = ("google_ads", "1"), ("meta_ads", "2")
KNOWN = {
    BERLIN: Account(*BERLIN, "Shop", "EUR", ZoneInfo("Europe/Berlin")),
    YORK: Account(*YORK, "Store", "EUR", ZoneInfo("America/New_York")),
}


def even(hourly: float, hour: int, *, plan: float = 240) -> Pace:
    """A day of even spend, planned evenly, known until `hour`; it will end as it began, give or take 24."""
    actual = np.arange(25) * hourly
    actual = np.where(np.arange(25) <= hour, actual, np.nan)
    end = 24 * hourly
    return Pace(
        plan=plan,
        spent=hour * hourly,
        expected=plan / 24 * hour,
        low=end - 24,
        mid=end,
        high=end + 24,
        planned=np.arange(25) * plan / 24,
        actual=actual,
        hour=hour,
    )


def at(hour: int) -> datetime:
    return datetime(2026, 11, 10, tzinfo=UTC) + timedelta(hours=hour)


def test_one_account_is_its_own_day():
    found = course({BERLIN: even(12, 10)}, {BERLIN: Window(at(-1), at(9))}, KNOWN)
    assert (found.at[0], found.at[-1], found.now) == (at(-1), at(23), 10)
    assert found.spent.tolist() == [12 * n for n in range(11)]
    assert found.planned[24] == 240
    # At 240 plan and 288 to come, from 120 by now; a band that opens from nothing to 24 either way.
    assert (found.mid[0], found.mid[-1]) == (120, 288)
    assert (found.low[0], found.low[-1], found.high[-1]) == (120, 264, 312)


def test_accounts_of_two_clocks_are_added_at_the_same_moments():
    # At 15:00 UTC Berlin has had sixteen hours of its day, New York ten.
    found = course(
        {BERLIN: even(10, 16), YORK: even(20, 10)},
        {BERLIN: Window(at(-1), at(15)), YORK: Window(at(5), at(15))},
        KNOWN,
    )
    assert (found.at[0], found.at[-1]) == (at(-1), at(29))
    assert found.spent[6] == 60  # New York's midnight: Berlin's six hours alone
    assert found.spent[found.now] == 16 * 10 + 10 * 20
    assert found.planned[found.now] == pytest.approx(16 * 10 + 10 * 10)
    assert found.mid[-1] == 240 + 480
    assert found.high[-1] - found.mid[-1] == pytest.approx(np.hypot(24, 24))


def test_what_is_past_the_slowest_source_is_not_drawn():
    found = course(
        {BERLIN: even(10, 16), YORK: even(20, 8)},
        {BERLIN: Window(at(-1), at(15)), YORK: Window(at(5), at(13))},
        KNOWN,
    )
    assert found.at[found.now] == at(13)
    assert found.spent[-1] == 14 * 10 + 8 * 20


def test_a_day_of_25_hours_has_them():
    long = {BERLIN: Window(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 11, tzinfo=UTC))}
    found = course({BERLIN: even(10, 12)}, long, KNOWN)
    assert len(found.at) == 26
    assert (found.now, found.spent[-1]) == (13, 120)


def test_no_accounts_no_course():
    assert course({}, {}, KNOWN) is None
