"""What the platforms themselves allow a daily budget to spend, beyond it and at most.

Google Ads: twice the day's budget on one day, 30.4 times it in a calendar month; after a change, what was
spent so far and the new budget for each day that is left. Meta: 75 % over on one day, seven days' budget in a
week from Sunday to Saturday. (Meta's documents give both 25 % and 75 %; the wider one is the limit here.)
Days, weeks and months are the account's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["RULES", "Overspend", "Rule", "allowance", "blocks", "overspend"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DUST: Final = 1.02
"""Up to this multiple of a budget is rounding, not overspending."""


@dataclass(frozen=True, slots=True)
class Rule:
    """day: multiple of the budget on one day. block: the stretch that evens out, and its multiple."""

    day: float
    block: Literal["week", "month"]
    times: float


RULES: Final[Mapping[str, Rule]] = {
    "google_ads": Rule(2.0, "month", 30.4),
    "meta_ads": Rule(1.75, "week", 7.0),
}
"""By source; a source that is not here has no rules that we know of."""


@dataclass(frozen=True, slots=True)
class Overspend:
    """A budget that was spent beyond: `times` of it in a `span`, of at most `most`."""

    span: Literal["day", "week", "month"]
    times: float
    most: float

    @property
    def allowed(self) -> bool:
        """Whether the platform's own rules explain it."""
        return self.times <= self.most * _DUST

    def __str__(self) -> str:
        """For people: "allowed by the platform (1.8x of 2x a day)", or "unexplained (2.6x of 2x a day)"."""
        word = "allowed by the platform" if self.allowed else "unexplained"
        return f"{word} ({self.times:.3g}× of {self.most:.3g}× a {self.span})"


def starts(rule: Rule, day: date) -> date:
    """First day of the stretch that `day` is in: its month, or its week from Sunday."""
    if rule.block == "month":
        return day.replace(day=1)
    return day - timedelta(days=(day.weekday() + 1) % 7)


@lru_cache(maxsize=64)
def blocks(rule: Rule, today: date, ahead: int) -> Ints:
    """Which stretch each of the coming days is in, shape (ahead,): 0 for that of today, then 1, 2, …"""
    days = [today + timedelta(days=n) for n in range(ahead + 1)]
    begun = [starts(rule, day) for day in days]
    found = np.cumsum([b != a for a, b in pairwise(begun)], dtype=np.int64)
    found.setflags(write=False)  # shared by all who ask
    return found


def allowance(rule: Rule, today: date, budgets: Floats) -> float:
    """What the stretch of today may spend in all.

    budgets: the daily budget in force on each past day and today, oldest first, at least since the stretch
    began. Unchanged since then it is the rule's multiple of the budget; else each day's own, and today's for
    the days that are left.
    """
    first = starts(rule, today)
    passed = (today - first).days
    held = budgets[-(passed + 1) :]
    now = float(budgets[-1])
    if np.all(held == now):
        return rule.times * now
    days = 7 if rule.block == "week" else _days_of_month(today)
    return float(held.sum()) + now * (days - len(held))


def _days_of_month(day: date) -> int:
    after = day.replace(day=28) + timedelta(days=4)
    return (after - timedelta(days=after.day)).day


def overspend(rule: Rule, today: date, budgets: Floats, spend: Floats) -> Overspend | None:
    """How far a daily budget is overspent today, or else in its week or month; None where it is not.

    budgets, spend: by day, today last, of equal length, at least since the stretch began. A day is measured
    against the higher of the budgets in force at its ends.
    """
    most = float(budgets[-2:].max())
    if most <= 0:
        return None
    passed = (today - starts(rule, today)).days + 1
    allowed = allowance(rule, today, budgets)
    block = float(spend[-passed:].sum())
    if allowed > 0 and block > allowed * _DUST:
        return Overspend(rule.block, block * rule.times / allowed, rule.times)
    times = float(spend[-1]) / most
    return Overspend("day", times, rule.day) if times > _DUST else None
