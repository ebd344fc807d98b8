"""What a site's visits are worth: how many came, whether they stayed, what they did, how often it failed."""

from __future__ import annotations

from collections import defaultdict
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
_WEEK: Final = 7 * _DAY
_STALE: Final = timedelta(days=2)
"""A site of which nothing newer is known says nothing of the present."""


@dataclass(frozen=True, slots=True)
class Visits:
    """A site over the last 24 hours that its source vouches for: each of METRICS, None where it is not known.

    usual: the same over the seven days before, as far back as the site is known; of a sum, the mean of a day,
    those on which nobody came among them. None of a site that is known for today alone.
    """

    window: Window
    now: Mapping[str, float | None]
    usual: Mapping[str, float | None]


def visits(warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime) -> dict[AccountKey, Visits]:
    """Every site whose visits are known, by source and account."""
    chosen = tuple(metrics[name] for name in METRICS)
    sites: dict[Window, set[AccountKey]] = defaultdict(set)
    for mark in warehouse.watermarks():
        if mark.stream == "web" and mark.data_as_of is not None and now - mark.data_as_of < _STALE:
            sites[_last(mark.data_as_of)].add((mark.source, mark.account))
    found = {}
    for window, keys in sites.items():
        where = {"source": sorted({s for s, _ in keys}), "account": sorted({a for _, a in keys})}
        before = Window(window.start - _WEEK, window.start)
        table = answer(warehouse, Question(chosen, ("account",), where), [[window], [before]], {})
        for row in table.to_pylist():
            key, first = (row["source"], row["account"]), row["web_first"]
            # Of a site that was connected lately there are fewer days to take the mean of.
            days = 0 if first is None else -((first - before.end) // _DAY)
            usual = {}
            for metric in chosen:
                value = row[f"{metric.name}__1"] if days else None
                usual[metric.name] = value / days if metric.additive and value is not None else value
            if key in keys:
                found[key] = Visits(window, {m.name: row[m.name] for m in chosen}, usual)
    return found


def _last(until: datetime) -> Window:
    """The last 24 whole hours."""
    end = until.replace(minute=0, second=0, microsecond=0)
    return Window(end - _DAY, end)
