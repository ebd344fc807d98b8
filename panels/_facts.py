"""The figures of a page, once for each version of the data: totals, what is usual, series, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np

from connectors.contract import Account, Window
from metrics import windows
from metrics.compare import Comparison, prior
from metrics.compute import answer, series
from metrics.maturity import Maturity, intervals
from metrics.model import Metric
from metrics.plan import Question, Relation
from metrics.windows import AccountKey
from panels._status import Status
from panels._view import View
from warehouse.store import Warehouse

__all__ = [
    "PROVISIONAL",
    "SETTLED",
    "Fact",
    "Facts",
    "Group",
    "Interval",
    "Trend",
    "compared",
    "facts",
    "groups",
    "trend",
    "with_intervals",
]

_DAY: Final = timedelta(days=1)
_DAYS_BACK: Final = {
    Comparison.YESTERDAY: (1,),
    Comparison.LAST_WEEK: (7,),
    Comparison.WEEK_AVERAGE: range(1, 8),
}
_PERIODS: Final = 4
"""Periods of the same length before one of several days, in which to see what is usual."""
_AROUND: Final = 0.10
"""How far beyond all that was seen before a figure must lie to be called unusual."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A metric's figure, what it is compared with, and the range of the periods before.

    now, before: None where there is nothing to divide by, or nothing to compare with. low, high: the least
    and the most of the `periods` periods before that had any; equal hours each.
    """

    metric: Metric
    now: float | None
    before: float | None
    low: float | None
    high: float | None
    periods: int

    @property
    def change(self) -> float | None:
        """The relative change against what it is compared with."""
        return self.now / self.before - 1 if self.now is not None and self.before else None

    @property
    def status(self) -> tuple[Status, str]:
        """Whether the figure lies where it usually does, in its state and a word.

        Outside of all that the periods before have seen, and a tenth more, is unusual: worth a look if it
        is to the better, a warning if to the worse. Fewer than three periods say nothing.
        """
        if self.now is None:
            return Status.none, "No data"
        if self.periods < 3 or self.low is None or self.high is None:
            return Status.none, "Learning"
        if self.low * (1 - _AROUND) <= self.now <= self.high * (1 + _AROUND):
            return Status.good, "Usual"
        above = self.now > self.high
        worse = {"higher": not above, "lower": above}.get(self.metric.better, True)
        word = "Unusually high" if above else "Unusually low"
        return (Status.watch, word) if worse else (Status.good, word)


SETTLED: Final = {
    "conversions": "settled_conversions",
    "conversion_rate": "settled_conversion_rate",
    "cpa": "settled_cpa",
    "cpl": "settled_cpl",
    "revenue": "settled_revenue",
    "roas": "settled_roas",
}
"""What a metric that rests on conversions will come to once all of them have arrived: the metric of that."""

PROVISIONAL: Final = 0.985
"""Below this share of arrived conversions a figure that rests on them is provisional."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What a provisional figure will come to, with its 80 % interval; None where it is over nothing."""

    low: float | None
    mid: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """A page's figures by metric, and the name of the comparison for people."""

    by: Mapping[str, Fact]
    against: str
    coming: Mapping[str, Interval] = field(default_factory=dict)
    """By metric: what it will come to, where that was asked."""

    def __getitem__(self, name: str) -> Fact:
        return self.by[name]

    def settled(self, name: str) -> Fact | None:
        """What a metric will come to once its conversions have arrived; None where nothing is late in it."""
        return self.by.get(SETTLED.get(name, ""))

    @property
    def complete(self) -> float:
        """The share of the window's conversions that is known; 1 where that is not asked, or none is late."""
        known, settled = self.by.get("conversions"), self.settled("conversions")
        if known is None or settled is None or not settled.now:
            return 1.0
        return min((known.now or 0.0) / settled.now, 1.0)


@dataclass(frozen=True, slots=True)
class Trend:
    """Series over the view's window, and over the period it is compared with, step by step.

    at: the start of each whole step. A step that has only begun is not in it.
    """

    at: tuple[datetime | date, ...]
    now: Mapping[str, tuple[float | None, ...]]
    before: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class Group:
    """One group's figures: its key by dimension, its name, each metric now and before."""

    key: Mapping[str, str]
    name: str
    now: Mapping[str, float | None]
    before: Mapping[str, float | None]


def facts(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    metrics: Sequence[Metric],
    view: View,
    *,
    relations: Mapping[str, Relation] | None = None,
) -> Facts:
    """Every metric in the view's window, in what it is compared with, and in the periods before it.

    Raises MissingRate where money cannot be converted.
    """
    periods = _periods(view, known)
    question = Question(tuple(metrics), (), {}, view.as_of, view.convert, None, dict(relations or {}))
    table = answer(
        warehouse, question, [[dict(view.windows)], compared(view, known), *([p] for p in periods)], known
    )
    row = table.to_pylist()[0] if table.num_rows else {}
    # A period in which nothing at all is known is one before the accounts' first data.
    alive = [n for n in range(len(periods)) if any(_number(row.get(f"{m.name}__{n + 2}")) for m in metrics)]
    found = {}
    for metric in metrics:
        seen = [v for n in alive if (v := _number(row.get(f"{metric.name}__{n + 2}"))) is not None]
        before = _number(row.get(f"{metric.name}__1"))
        if metric.additive and before is not None and view.against is Comparison.WEEK_AVERAGE:
            before = before / len(alive) if alive else None
        found[metric.name] = Fact(
            metric,
            _number(row.get(metric.name)),
            before or None,
            min(seen, default=None),
            max(seen, default=None),
            len(seen),
        )
    return Facts(found, _named(view, known, len(alive), any(fact.before for fact in found.values())))


def with_intervals(told: Facts, warehouse: Warehouse, view: View, mature: Maturity) -> Facts:
    """The same with the 80 % intervals of what conversions, cost and return will come to."""
    row = intervals(
        warehouse, mature, dict(view.windows), as_of=view.as_of, currency=view.convert
    ).to_pylist()[0]
    ends = ("_low", "", "_high")
    coming = {
        name: Interval(*(_number(row[f"settled_{name}{end}"]) for end in ends))
        for name in ("conversions", "cpa", "roas")
    }
    return replace(told, coming=coming)


def _named(view: View, known: Mapping[AccountKey, Account], alive: int, found: bool) -> str:
    """What the figures are compared with, for people."""
    if not found:
        return "nothing to compare with yet"
    if view.against is Comparison.WEEK_AVERAGE:
        return f"vs same hours, {alive}-day average" if alive < 7 else view.against.label
    if view.against is Comparison.PRIOR and view.step >= _DAY:
        key, window = next(iter(view.windows.items()))
        return f"vs the {len(window.days(known[key].timezone))} days before"
    return view.against.label


def trend(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    metrics: Sequence[Metric],
    view: View,
    *,
    relations: Mapping[str, Relation] | None = None,
) -> Trend:
    """The metrics step by step; the period compared with is laid over it (of an average: the day before)."""
    step = view.step if all(m.view.grain == "hour" for m in metrics) else _DAY
    options: dict[str, Any] = {
        "step": step,
        "as_of": view.as_of,
        "currency": view.convert,
        "relations": relations,
    }
    shown = _wide(view, known) if view.span == "1h" else dict(view.windows)
    table = series(warehouse, metrics, shown, **options)
    back = 7 if view.against is Comparison.LAST_WEEK else 1
    past = (
        {key: prior(w, known[key].timezone) for key, w in shown.items()}
        if view.against is Comparison.PRIOR
        else {key: windows.shift(w, -back, known[key].timezone) for key, w in shown.items()}
    )
    other = series(warehouse, metrics, {k: w for k, w in past.items() if w is not None}, **options)
    whole = _whole(table["at"].to_pylist(), shown, known, step)
    return Trend(
        tuple(table["at"].to_pylist()[:whole]),
        {m.name: tuple(map(_number, table[m.name].to_pylist()[:whole])) for m in metrics},
        {m.name: tuple(map(_number, other[m.name].to_pylist()[:whole])) for m in metrics},
    )


def groups(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    metrics: Sequence[Metric],
    view: View,
    by: Sequence[str],
    *,
    name: str = "",
    relations: Mapping[str, Relation] | None = None,
) -> list[Group]:
    """The metrics by group, the largest of the first metric first; beside the period compared with.

    name: the dimension that names a group; the last of `by` where it is not given.
    """
    keys = [*by, *([name] if name and name not in by else [])]
    question = Question(
        tuple(metrics), tuple(keys), {}, view.as_of, view.convert, None, dict(relations or {})
    )
    past = compared(view, known)
    table = answer(warehouse, question, [[dict(view.windows)], past], known)
    days = len(past) if view.against is Comparison.WEEK_AVERAGE else 1
    found = []
    for row in table.to_pylist():
        before = {m.name: _number(row.get(f"{m.name}__1")) for m in metrics}
        for metric in metrics:
            value = before[metric.name]
            if metric.additive and value is not None:
                before[metric.name] = value / days
        found.append(
            Group(
                {key: str(row[key]) for key in table.column_names if key in _KEYS or key in by},
                str(row[name or by[-1]]),
                {m.name: _number(row[m.name]) for m in metrics},
                before,
            )
        )
    return sorted(found, key=lambda g: -(g.now[metrics[0].name] or 0))


_KEYS: Final = ("source", "account", "campaign")


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _periods(view: View, known: Mapping[AccountKey, Account]) -> list[dict[AccountKey, Window]]:
    """The periods in which to see what is usual: the seven days before, or four as long as the window."""
    longest = max(w.end - w.start for w in view.windows.values())
    each = 1 if longest <= timedelta(hours=25) else -(-longest // _DAY)
    count = 7 if each == 1 else _PERIODS
    found = []
    for n in range(1, count + 1):
        moved = {k: windows.shift(w, -n * each, known[k].timezone) for k, w in view.windows.items()}
        found.append({key: w for key, w in moved.items() if w is not None})
    return found


def compared(view: View, known: Mapping[AccountKey, Account]) -> list[dict[AccountKey, Window]]:
    """The periods that the view is compared with: several where it is an average of days."""
    if view.against is Comparison.PRIOR:
        return [{key: prior(w, known[key].timezone) for key, w in view.windows.items()}]
    periods = _periods(view, known)
    return [periods[back - 1] for back in _DAYS_BACK[view.against]]


def _wide(view: View, known: Mapping[AccountKey, Account]) -> dict[AccountKey, Window]:
    """An hour alone is no series: the day that it belongs to."""
    return dict(windows.today(known, {key: w.end for key, w in view.windows.items()}))


def _whole(
    at: Sequence[datetime | date],
    shown: Mapping[AccountKey, Window],
    known: Mapping[AccountKey, Account],
    step: timedelta,
) -> int:
    """How many of the steps are over in every account: the last, half a step would look like a fall."""
    if not at or not shown:
        return 0
    if not isinstance(at[0], datetime):
        first_open = min(
            (w.end - timedelta(microseconds=1)).astimezone(known[k].timezone).date() for k, w in shown.items()
        )
        ended = all(
            w.end.astimezone(known[k].timezone).time().replace(tzinfo=None) == datetime.min.time()
            for k, w in shown.items()
        )
        kept = sum(day < first_open or (ended and day == first_open) for day in at)
        return max(kept, min(len(at), 1))
    end = min(w.end for w in shown.values())
    return sum(moment + step <= end for moment in at)
