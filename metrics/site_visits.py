"""What a site's visits are worth: how many came, whether they stayed, what they did, how often it failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from connectors.contract import Window
from metrics.compute import answer
from metrics.plan import Question

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from metrics.model import Metric
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["METRICS", "Visits", "visits"]

METRICS: Final = ("sessions", "engagement_rate", "session_conversion_rate", "error_rate")

_DAY: Final = timedelta(days=1)
_STALE: Final = timedelta(days=2)
"""A site of which nothing newer is known says nothing of the present."""


@dataclass(frozen=True, slots=True)
class Visits:
    """A site over the last 24 hours that its source vouches for: each of METRICS, None where it is not known.

    usual: the same over the same hours of the seven days before, of those that had any session; a sum's mean.
    """

    window: Window
    now: Mapping[str, float | None]
    usual: Mapping[str, float | None]


def visits(warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime) -> dict[AccountKey, Visits]:
    """Every site whose visits are known, by source and account."""
    chosen = tuple(metrics[name] for name in METRICS)
    windows = {
        (mark.source, mark.account): _last(mark.data_as_of)
        for mark in warehouse.watermarks()
        if mark.stream == "web" and mark.data_as_of is not None and now - mark.data_as_of < _STALE
    }
    if not windows:
        return {}
    before = [
        {key: Window(w.start - n * _DAY, w.end - n * _DAY) for key, w in windows.items()} for n in range(1, 8)
    ]
    # The days by themselves say how many there are to take the mean of.
    slots = [[windows], before, *([day] for day in before)]
    table = answer(warehouse, Question(chosen, ("account",)), slots, {})
    found = {}
    for row in table.to_pylist():
        days = sum(bool(row[f"sessions__{n}"]) for n in range(2, len(slots)))
        usual = {}
        for metric in chosen:
            value = row[f"{metric.name}__1"]
            usual[metric.name] = (
                value / days if metric.additive and value and days else value if days else None
            )
        key = (row["source"], row["account"])
        found[key] = Visits(windows[key], {m.name: row[m.name] for m in chosen}, usual)
    return found


def _last(until: datetime) -> Window:
    """The last 24 whole hours."""
    end = until.replace(minute=0, second=0, microsecond=0)
    return Window(end - _DAY, end)
