"""Metrics of every campaign over windows that end at its account's watermark, from sums by the hour.

The sums are kept: whoever asks for the same windows every few minutes reads at each time the days that may
have changed since, which the ledger says, instead of all that the longest of the windows holds.

    sums = Sums(warehouse, known, until, campaigns, memory, hours=192, now=now)
    sums.over({(24, 0): [spend, cpa], (168, 24): [cpa]})      # the last day, the week before it
"""

# ruff: noqa: S608  # names of views, metrics and columns, which were checked; values are bound

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from connectors.contract import Window
from metrics.plan import Plan, Question
from metrics.plan import Sums as Written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.contract import Account
    from metrics.aggregate import Aggregate
    from metrics.model import Metric
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Memory", "Span", "Sums", "told"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Span = tuple[int, int]
"""So many hours, which end so many hours before the watermark."""

_BY: Final = ("source", "account", "campaign")

_WRITTEN: Final = timedelta(hours=1)
"""A reply counts as seen when its fetch begins, and is stored by so much later at the latest."""


_READ: Final = frozenset({"delivery", "delivery_ledger", "day_totals", "day_totals_ledger"})
"""Tables of whose changes the ledger tells."""


def told(metric: Metric) -> bool:
    """Whether sums by the hour tell a metric: extremes do not add up, and days are no hours."""
    view, parts = metric.view, metric.parts
    known = view.name == "delivery" and view.grain == "hour" and _READ.issuperset(view.reads)
    return known and all(one.function in {"sum", "count"} for one in parts.aggregates)


@dataclass(slots=True)
class Memory:
    """What was read: when, of which metrics, up to where (hours since 1970, by campaign), and by aggregate
    the sums of each hour before that, newest first, shape (campaigns, hours).
    """

    read: datetime | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    end: Floats = field(default_factory=lambda: np.zeros(0))
    values: dict[Aggregate, Floats] = field(default_factory=dict)


class Sums:
    """What one pass asks. until: each account's watermark, in whole hours of its clock. campaigns: (source,
    account, id), in the order of the answers. memory: of the same campaigns and definitions. hours: how far
    windows reach back, at most.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        known: Mapping[AccountKey, Account],
        until: Mapping[AccountKey, datetime],
        campaigns: Mapping[tuple[str, str, str], int],
        memory: Memory,
        *,
        hours: int,
        now: datetime,
    ) -> None:
        self._warehouse, self._known, self._until = warehouse, known, until
        self._campaigns, self._memory, self._hours, self._now = campaigns, memory, hours, now
        self._end = np.array([until[key[:2]].timestamp() / 3600 for key in campaigns])
        self._current = False

    def over(self, asked: Mapping[Span, Sequence[Metric]]) -> dict[Span, dict[str, Floats]]:
        """Of each span its metrics by name, shape (campaigns,); NaN where a ratio is over nothing."""
        named = {m.name: m for metrics in asked.values() for m in metrics}
        if not self._current or not named.keys() <= self._memory.metrics.keys():
            self._bring(named)
        # Metrics of the same spans are told together: what is handed to the database is what it costs.
        alike: dict[tuple[Span, ...], list[Metric]] = {}
        for name, metric in named.items():
            spans = tuple(span for span, metrics in asked.items() if any(m.name == name for m in metrics))
            alike.setdefault(spans, []).append(metric)
        found: dict[Span, dict[str, Floats]] = {span: {} for span in asked}
        for spans, metrics in alike.items():
            for name, values in self._told(metrics, spans).items():
                for span, part in zip(spans, values, strict=True):
                    found[span][name] = part
        return found

    def _told(self, metrics: Sequence[Metric], spans: Sequence[Span]) -> dict[str, Floats]:
        """The metrics by name, shape (spans, campaigns), of what is in the memory."""
        kept = self._memory.values
        sums = {
            a: np.concatenate([kept[a][:, skip : skip + hours].sum(1) for hours, skip in spans])
            for a in dict.fromkeys(a for m in metrics for a in m.parts.aggregates)
        }
        of = Written(metrics[0].view, "", (), tuple(sums))
        columns = ", ".join(f"unnest($a{n}) AS {of.column(a)}" for n, a in enumerate(sums))
        named = ", ".join(f"{of.value(m)} AS {m.name}" for m in metrics)
        table = self._warehouse.query(
            f"SELECT {named} FROM (SELECT {columns})",
            {f"a{n}": values.tolist() for n, values in enumerate(sums.values())},
        )
        return {m.name: table[m.name].to_numpy().reshape(len(spans), -1) for m in metrics}

    def _bring(self, asked: Mapping[str, Metric]) -> None:
        """The hours up to the present into the memory: of all that it knows, and of what is asked."""
        memory, end = self._memory, self._end
        metrics = {**memory.metrics, **asked}
        if memory.read is None or metrics.keys() != memory.metrics.keys():
            moved, fresh = np.zeros(len(end), dtype=np.int64), np.full(len(end), self._hours)
        else:
            moved = (end - memory.end).round().astype(np.int64)
            changed = self._changed(memory.read)
            again = end - np.array([changed.get(key[:2], np.inf) for key in self._campaigns])
            fresh = np.clip(np.maximum(moved, again), 0, self._hours).round().astype(np.int64)
        values = self._read(list(metrics.values()), fresh)
        back = np.arange(self._hours)[None]
        if (fresh < self._hours).any():
            # All else was read before, so many places nearer to the watermark.
            place = np.clip(back - moved[:, None], 0, self._hours - 1)
            for aggregate, new in values.items():
                old = np.take_along_axis(memory.values[aggregate], place, axis=1)
                values[aggregate] = np.where(back < fresh[:, None], new, old)
        memory.read, memory.metrics, memory.end, memory.values = self._now, metrics, end, values
        self._current = True

    def _changed(self, read: datetime) -> dict[AccountKey, float]:
        """From which hour on (since 1970) each account's may not be what they were: whole days of its clock,
        over which a day's conversions are spread. Accounts where nothing has changed are left out.
        """
        rows = self._warehouse.query(
            """SELECT source, account, min("day") AS "day" FROM (
              SELECT source, account, min("day") AS "day" FROM delivery_ledger
              WHERE seen_to > $since GROUP BY source, account
              UNION ALL SELECT source, account, min("day") FROM day_totals_ledger
              WHERE seen_to > $since GROUP BY source, account) GROUP BY source, account""",
            {"since": read - _WRITTEN},
        )
        return {
            key: datetime.combine(row["day"], time(), self._known[key].timezone).timestamp() / 3600
            for row in rows.to_pylist()
            if (key := (row["source"], row["account"])) in self._known
        }

    def _read(self, metrics: Sequence[Metric], fresh: Ints) -> dict[Aggregate, Floats]:
        """As stored. fresh: how many of its newest hours are wanted of each campaign; others are zero."""
        aggregates = tuple(dict.fromkeys(a for m in metrics for a in m.parts.aggregates))
        reach: dict[AccountKey, int] = {}
        for key, hours in zip(self._campaigns, fresh.tolist(), strict=True):
            reach[key[:2]] = max(hours, reach.get(key[:2], 0))
        windows = {
            key: Window(self._until[key] - timedelta(hours=hours), self._until[key])
            for key, hours in reach.items()
            if hours
        }
        if not windows:
            return {a: np.zeros((len(self._end), self._hours)) for a in aggregates}
        plan = Plan(self._warehouse, Question(tuple(metrics), _BY), [[windows]], self._known)
        (view,) = plan.views()
        of = plan.sums(view, {"moment": f"v.{view.time}"})
        same = " AND ".join(f"asked.by_{name} = known.{name}" for name in _BY)
        parts = ", ".join(f"{_part(a)} AS {of.column(a)}" for a in of.aggregates)
        plan.params |= {name: [key[n] for key in self._campaigns] for n, name in enumerate(_BY)}
        plan.params["n"] = list(range(len(self._campaigns)))
        lists = ", ".join(f"unnest(${name}) AS {name}" for name in (*_BY, "n"))
        # By number: with a campaign's names at each row the rows would cost several times as much.
        sql, params = plan.text(
            f"SELECT n, epoch(moment) / 3600 AS hour, {parts}\n"
            f"FROM {of.asked} AS asked JOIN (SELECT {lists}) AS known ON {same}"
        )
        rows = self._warehouse.query(sql, params)
        row = rows["n"].to_numpy()
        back = (self._end[row] - rows["hour"].to_numpy() - 1).round().astype(np.int64)
        inside = (back >= 0) & (back < fresh[row])
        place = row[inside] * self._hours + back[inside]
        shape = len(self._end), self._hours
        found = {}
        for aggregate in aggregates:
            added = rows[of.column(aggregate)].to_numpy()[inside]
            whole = np.bincount(place, added, shape[0] * shape[1]).reshape(shape)
            found[aggregate] = np.asarray(whole, dtype=np.float64)
        return found


def _part(aggregate: Aggregate) -> str:
    """What one row adds to a sum or a count."""
    one = aggregate.inner
    if aggregate.function == "count":
        one = "1" if one == "*" else f"CASE WHEN ({one}) IS NOT NULL THEN 1 END"
    kept = f"CASE WHEN {aggregate.condition} THEN {one} END" if aggregate.condition else one
    return f"CAST(coalesce({kept}, 0) AS DOUBLE)"
