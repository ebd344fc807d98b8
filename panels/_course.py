"""A day's spend against its plan, laid over one clock, whatever clocks the accounts keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from connectors.contract import Account, Window
from metrics.pacing import Pace
from metrics.windows import AccountKey

__all__ = ["Course", "course"]

Floats = npt.NDArray[np.float64]

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Course:
    """Cumulative money of all accounts at the same moments, in units of the paces' currency.

    at: full hours, aware, from the first account's midnight to the last one's. now: the place in `at` of the
    moment up to which all sources vouch. planned, low, mid, high: as long as `at`; spent: up to `now`, and
    low, mid and high begin there.
    """

    at: tuple[datetime, ...]
    now: int
    spent: Floats
    planned: Floats
    low: Floats
    mid: Floats
    high: Floats


def course(
    paces: Mapping[AccountKey, Pace], today: Mapping[AccountKey, Window], known: Mapping[AccountKey, Account]
) -> Course | None:
    """The course of the day of these accounts, each on its own calendar; None without any.

    An account adds to plan and spend from its own midnight on, and stands still after its day's end.
    """
    keys = [key for key in paces if key in today]
    if not keys:
        return None
    clocks = {key: _clock(today[key].start, known[key]) for key in keys}
    start = min(clock[0] for clock in clocks.values())
    hours = int((max(clock[-1] for clock in clocks.values()) - start) / _HOUR)
    at = tuple(start + n * _HOUR for n in range(hours + 1))
    grid = np.arange(hours + 1, dtype=float)
    place = max(int((min(today[key].end for key in keys) - start) / _HOUR), 0)
    spent, planned, mid, below, above = (np.zeros(hours + 1) for _ in range(5))
    for key in keys:
        pace = paces[key]
        own = np.array([(moment - start) / _HOUR for moment in clocks[key]])
        known_hours = ~np.isnan(pace.actual)
        actual = np.interp(grid, own[known_hours], pace.actual[known_hours])
        plan = np.interp(grid, own, pace.planned)
        reached = float(np.interp(place, grid, plan))
        left = max(pace.plan - reached, 1e-9)
        part = np.clip((plan - reached) / left, 0.0, 1.0)
        spent += actual
        planned += plan
        mid += actual[place] + (pace.mid - actual[place]) * part
        below += ((pace.mid - pace.low) * part) ** 2
        above += ((pace.high - pace.mid) * part) ** 2
    end = place + 1
    return Course(
        at,
        place,
        spent[:end],
        planned,
        mid[place:] - np.sqrt(below[place:]),
        mid[place:],
        mid[place:] + np.sqrt(above[place:]),
    )


def _clock(midnight: datetime, account: Account) -> list[datetime]:
    """The moments at which the account's clock shows 0 to 24 on the day that begins at `midnight`."""
    day: date = midnight.astimezone(account.timezone).date()
    hours = [datetime.combine(day, time(hour), account.timezone).astimezone(UTC) for hour in range(24)]
    return [*hours, datetime.combine(day + timedelta(days=1), time(), account.timezone).astimezone(UTC)]
