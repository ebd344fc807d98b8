"""What was planned to be spent: plans, the flight that a day falls into, and each day's part of the amount.

A plan is a sum of money for a stretch of days (its flight) and for the campaigns that it names. Its curve
says how the sum spreads over the days; a later amount takes effect from its day on, and what was planned
before that day stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["CURVES", "Amount", "Curve", "Flight", "SpendPlan", "flight", "spread", "weekday_index"]

Floats = npt.NDArray[np.float64]

Curve: TypeAlias = Literal["even", "front", "back", "weekday"] | tuple[float, ...]
CURVES: Final = ("even", "front", "back", "weekday")

_SLOPE: Final = 0.5
"""A front-loaded flight begins at 1.5 times its mean day and ends at half of it: 62.5 % by its middle."""

_WEEKS: Final = 4
"""Weeks at which a weekday's own share counts as much as an even one."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What the whole flight may spend; it holds from `since` on (None: from the start)."""

    value: float
    since: date | None = None


@dataclass(frozen=True, slots=True)
class SpendPlan:
    """A plan as the team wrote it.

    currency: of its amounts. amounts: the first holds from the beginning, the others from their day on, in
    order; none at all: the platforms' own budgets are the plan. period: month and quarter are the calendar's
    and repeat; a flight runs from `starts` to `ends`, both included. source, accounts, campaigns: patterns
    with `*` and `?`, the latter two on names or ids; a campaign belongs if each matches it.
    curve: even, front, back, weekday (as the last four weeks were), or weights for equal parts of the flight.
    """

    name: str
    currency: str
    amounts: tuple[Amount, ...] = ()
    owner: str = ""
    period: Literal["month", "quarter", "flight"] = "month"
    starts: date | None = None
    ends: date | None = None
    source: str = "*"
    accounts: tuple[str, ...] = ("*",)
    campaigns: tuple[str, ...] = ("*",)
    curve: Curve = "even"

    def covers(self, source: str, account: tuple[str, str], campaign: tuple[str, str] | None = None) -> bool:
        """Whether an account, or one of its campaigns, belongs to the plan; each given as (id, name)."""
        return (
            fnmatchcase(source, self.source)
            and _matches(account, self.accounts)
            and (campaign is None or _matches(campaign, self.campaigns))
        )


def _matches(named: tuple[str, str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns for text in named)


@dataclass(frozen=True, slots=True)
class Flight:
    """The stretch of days that a plan is about at a given day, `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days the flight has."""
        return (self.last - self.first).days + 1

    def place(self, day: date) -> int:
        """The day's index in the flight; below 0 before it, `days` or more after it."""
        return (day - self.first).days


def flight(plan: SpendPlan, today: date) -> Flight:
    """The flight that `today` is in. A plan of its own dates has one flight, whatever the day."""
    if plan.period == "flight":
        if plan.starts is None or plan.ends is None:
            raise ValueError(f"the plan {plan.name!r} is a flight without its first or last day")
        return Flight(plan.starts, plan.ends)
    months = 3 if plan.period == "quarter" else 1
    first = date(today.year, (today.month - 1) // months * months + 1, 1)
    after = first.month - 1 + months
    return Flight(first, date(first.year + after // 12, after % 12 + 1, 1) - timedelta(days=1))


def spread(plan: SpendPlan, over: Flight, usual: Floats) -> Floats:
    """Each day's part of the amount, shape (days,), in units of the plan's currency.

    usual: seven factors by weekday, Monday first, for the curve `weekday` (see `weekday_index`). The parts
    sum to the amount that holds on the last day. From the day of a later amount on, what it leaves over what
    was planned before is spread by the same curve; one below what was planned before scales that down, and
    plans nothing more.
    """
    weights = _weights(plan.curve, over, usual)
    standing = [a.value for a in plan.amounts if a.since is None or a.since <= over.first]
    out = weights * (standing[-1] if standing else 0.0) / weights.sum()
    for amount in plan.amounts:
        if amount.since is None or not over.first < amount.since <= over.last:
            continue
        at = over.place(amount.since)
        done, rest = out[:at].sum(), weights[at:].sum()
        if amount.value >= done and rest > 0:
            out[at:] = (amount.value - done) * weights[at:] / rest
        else:
            out[:at] *= amount.value / done
            out[at:] = 0.0
    return np.asarray(out)


def _weights(curve: Curve, over: Flight, usual: Floats) -> Floats:
    middle = (np.arange(over.days) + 0.5) / over.days
    match curve:
        case "even":
            return np.ones(over.days)
        case "front":
            return 1 + _SLOPE - 2 * _SLOPE * middle
        case "back":
            return 1 - _SLOPE + 2 * _SLOPE * middle
        case "weekday":
            return np.asarray(usual[(over.first.weekday() + np.arange(over.days)) % 7])
        case _:
            return _parts(np.asarray(curve, dtype=float), over.days)


def _parts(heights: Floats, days: int) -> Floats:
    """Weights for equal parts of the flight, averaged over each day that lies in more than one."""
    edges = np.linspace(0, len(heights), days + 1)
    total = np.interp(edges, np.arange(len(heights) + 1), np.concatenate([[0.0], heights.cumsum()]))
    return np.asarray(np.diff(total))


def weekday_index(totals: Floats, last: date) -> Floats:
    """How each weekday spends relative to the mean day, Monday first, shape (7,), mean 1.

    totals: complete days up to `last`, oldest first. A weekday's mean is shrunk towards an even week by the
    weeks that there are; without any spend the week is even.
    """
    seen = totals > 0
    if not seen.any():
        return np.ones(7)
    weekday = (last.weekday() - np.arange(len(totals) - 1, -1, -1)) % 7
    mean = totals[seen].mean()
    out = np.ones(7)
    for day in range(7):
        of_day = totals[seen & (weekday == day)]
        if len(of_day):
            out[day] = (of_day.sum() / mean + _WEEKS) / (len(of_day) + _WEEKS)
    return np.asarray(out / out.mean())
