"""What people change over time: budgets, pauses, flights. All is told by the calendar, never by a counter.

A budget may change once in a week of the calendar and does so every eighth week at the latest, so that its
amount at any moment is found by looking back eight weeks. A pause lies within one four-week period. A
flight is a calendar quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from sandbox import noise

if TYPE_CHECKING:
    from sandbox.world_catalog import AccountSetup, BudgetSetup, CampaignSetup

__all__ = ["Level", "amount_at", "flight", "levels", "pauses"]

_MONDAY = datetime(2020, 1, 6, tzinfo=UTC)
_WEEK = timedelta(weeks=1)
_LEVELS = (0.8, 0.9, 1.0, 1.0, 1.1, 1.25, 1.4)
_CHANGES_A_WEEK = 0.25


@dataclass(frozen=True, slots=True)
class Level:
    """From `at` on a budget is `factor` times what it was set up with; before, it was `before` times."""

    at: datetime
    before: float
    factor: float


@lru_cache(maxsize=65_536)
def _draw(seed: int, budget: int, week: int) -> tuple[datetime, float] | None:
    """The change of a week, whether or not it changes anything: (when, factor)."""
    forced = (week + budget) % 8 == 0
    if not forced and noise.unit(seed, "budget change", budget, week) >= _CHANGES_A_WEEK:
        return None
    minutes = int(noise.unit(seed, "budget change at", budget, week) * 5 * 480)
    at = _MONDAY + week * _WEEK + timedelta(days=minutes // 480, hours=8, minutes=minutes % 480)
    return at, noise.choice(_LEVELS, seed, "budget level", budget, week)


def _before(seed: int, budget: int, week: int) -> float:
    for back in range(1, 9):
        drawn = _draw(seed, budget, week - back)
        if drawn is not None:
            return drawn[1]
    raise AssertionError("a budget changes every eighth week at the latest")


def _week(at: datetime) -> int:
    return (at - _MONDAY) // _WEEK


def levels(seed: int, budget: BudgetSetup, start: datetime, end: datetime) -> list[Level]:
    """The budget's level at `start` (first, with `at` = start), then its changes in (start, end)."""
    factor = _before(seed, budget.id, _week(start))
    drawn = _draw(seed, budget.id, _week(start))
    if drawn is not None and drawn[0] <= start:
        factor = drawn[1]
    found = [Level(start, factor, factor)]
    for week in range(_week(start), _week(end) + 1):
        drawn = _draw(seed, budget.id, week)
        if drawn is not None and start < drawn[0] < end and drawn[1] != found[-1].factor:
            found.append(Level(drawn[0], found[-1].factor, drawn[1]))
    return found


def last_change(seed: int, budget: BudgetSetup, at: datetime) -> datetime:
    """When the budget was last changed before `at`."""
    found = levels(seed, budget, at - 20 * _WEEK, at + timedelta(microseconds=1))
    return found[-1].at


def amount_at(seed: int, account: AccountSetup, budget: BudgetSetup, at: datetime) -> int:
    """The budget's amount in minor units: a day's, or the flight's where its period is TOTAL."""
    factor = levels(seed, budget, at, at + timedelta(microseconds=1))[0].factor
    return scaled(account, budget, factor, at)


def scaled(account: AccountSetup, budget: BudgetSetup, factor: float, at: datetime) -> int:
    """The budget's amount at a level, in minor units."""
    if budget.period == "TOTAL":
        first, last = flight(at.astimezone(account.advertiser.timezone).date())
        return budget.amount * ((last - first).days + 1)
    return round(budget.amount * factor)


def flight(day: date) -> tuple[date, date]:
    """First and last day of the flight that `day` is in: its calendar quarter."""
    first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    after = date(first.year + first.month // 10, (first.month + 2) % 12 + 1, 1)
    return first, after - timedelta(days=1)


def pauses(
    seed: int, campaign: CampaignSetup, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """When the campaign was paused, as [from, to) spans that touch [start, end), oldest first."""
    found = []
    for period in range(_week(start) // 4, _week(end) // 4 + 1):
        if noise.unit(seed, "pause", campaign.id, period) >= 0.12:
            continue
        begin = int(noise.unit(seed, "pause from", campaign.id, period) * 20)
        days = 1 + int(noise.unit(seed, "pause days", campaign.id, period) * 4)
        minute = int(noise.unit(seed, "pause minute", campaign.id, period) * 480)
        at = _MONDAY + 4 * period * _WEEK + timedelta(days=begin, hours=8, minutes=minute)
        until = at + timedelta(days=days, minutes=minute % 97)
        if at < end and until > start:
            found.append((at, until))
    return found
