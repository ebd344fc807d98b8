"""How much a figure moves by chance alone: for readers who are about to act on a difference.

Conversions of a day are counts: with mean m they scatter by m (Poisson) and, as healthy accounts' days do, by
φ m² beyond (metrics.counts). A cost per result scatters as its count does, upside down.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from metrics.counts import PRIOR, band

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BEYOND", "cost_range", "days_to_see", "false_winners", "inside"]

BEYOND: Final = PRIOR[0]
"""φ of a single campaign: the variance of its days beyond chance, relative to the square of their mean."""

_SURE: Final = 1.6449 + 0.8416
"""Normal quantiles: of 20 differences that are none one or two are believed, of 5 that are four are seen."""

_LONGEST: Final = 365


def cost_range(
    spend: float, usual: float, *, share: float = 0.8, beyond: float = BEYOND
) -> tuple[float, float | None]:
    """Between which costs per result `share` of such days lie, though nothing has changed.

    usual: the cost per result as it usually is. The upper end is None where a day without any result is among
    them: then no cost is too high. Raises ValueError for a spend or a cost that is not positive.
    """
    if spend <= 0 or usual <= 0:
        raise ValueError("a day without spend has no cost per result")
    mean = np.array([spend / usual])
    low, high = (float(end[0]) for end in band(mean, beyond * mean**2, share))
    return spend / max(high, 1.0), spend / low if low > 0 else None


def days_to_see(per_day: float, change: float, *, before: int = 28, beyond: float = BEYOND) -> int | None:
    """Days until a lasting relative change of a rate stands out from chance; None where a year is too short.

    per_day: results a day. change: 0.2 for a fifth more or less. before: days that it is compared with. The
    log of a ratio of two counts has the variance 1/n of each, and φ a day (delta method).
    """
    if per_day <= 0 or change == 0:
        return None
    a_day = 1 / per_day + beyond
    room = (abs(np.log1p(change)) / _SURE) ** 2 - a_day / before
    if room <= 0:
        return None
    days = int(np.ceil(a_day / room))
    return days if days <= _LONGEST else None


@lru_cache(maxsize=8)
def false_winners(looks: int, *, runs: int = 20_000, seed: int = 1) -> float:
    """The share of tests between two equal arms that show p < 5 % at one of so many evenly spaced looks.

    By simulation of the test statistic, a sum of independent steps; its standard error is under 0.004.
    """
    steps = np.random.default_rng(seed).standard_normal((runs, looks)).cumsum(1)
    found = np.abs(steps) / np.sqrt(np.arange(1, looks + 1)) > 1.959964
    return float(found.any(1).mean())


def inside(costs: Sequence[float | None], ranges: Sequence[tuple[float, float | None]]) -> int:
    """How many days' costs lie within their range; a day without a result has none (None)."""
    return sum(
        (high is None) if cost is None else low <= cost and (high is None or cost <= high)
        for cost, (low, high) in zip(costs, ranges, strict=True)
    )
