"""Figures beside what they are compared with, at the same hours of the day, on each account's calendar.

Every comparison says its name. A comparison is of the same hours on the clock: today until ten with
yesterday until ten, whatever the clock did in between. Conversions of the past have had longer to arrive:
the settled metrics (metrics.maturity) take that out, and so does the past at the same age (`mature`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Window
from metrics import windows
from metrics.as_known import at_the_same_age
from metrics.compute import answer
from metrics.plan import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from metrics.as_known import Basis
    from metrics.dimensions import Convention
    from metrics.maturity import Maturity
    from metrics.model import Metric
    from metrics.plan import Relation
    from metrics.windows import AccountKey, Windows
    from warehouse.store import Warehouse

__all__ = ["Compared", "Comparison", "compare", "periods", "prior", "with_targets"]

_DAY: Final = timedelta(days=1)


class Comparison(StrEnum):
    """What a figure is held against."""

    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"
    WEEK_AVERAGE = "week_average"
    PRIOR = "prior"
    TARGET = "target"

    @property
    def label(self) -> str:
        """Its name for people."""
        return _LABELS[self]


_LABELS: Final = {
    Comparison.YESTERDAY: "vs same hours yesterday",
    Comparison.LAST_WEEK: "vs same hours, same weekday last week",
    Comparison.WEEK_AVERAGE: "vs same hours, 7-day average",
    Comparison.PRIOR: "vs the period before",
    Comparison.TARGET: "vs target",
}
_AGES: Final[Mapping[Basis, str]] = {
    "ledger": "as known at the same age",
    "curve": "scaled to the same age by the lag curve",
    "both": "as known at the same age, or scaled to it by the lag curve",
}
_DAYS_BACK: Final = {
    Comparison.YESTERDAY: (1,),
    Comparison.LAST_WEEK: (7,),
    Comparison.WEEK_AVERAGE: (1, 2, 3, 4, 5, 6, 7),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """Figures and what they are compared with.

    table: as `evaluate`'s, and beside each metric a column `NAME__before` (DOUBLE; NULL where there is
        nothing to compare with). label: the comparison's name for people.
    periods: how many periods with data stand behind `__before`; 0: the accounts are too young.
    same_age: where the past is as it was known at the age of the present: what that rests on; else None.
    """

    table: pa.Table
    comparison: Comparison
    periods: int
    same_age: Basis | None = None

    @property
    def label(self) -> str:
        """The comparison's name: how many days an average has where they are not seven, and at which age."""
        return f"{self._period}, {_AGES[self.same_age]}" if self.same_age else self._period

    @property
    def _period(self) -> str:
        if self.comparison is Comparison.WEEK_AVERAGE and 0 < self.periods < len(_DAYS_BACK[self.comparison]):
            return f"vs same hours, {self.periods}-day average"
        return self.comparison.label


def compare(
    warehouse: Warehouse,
    metrics: Iterable[Metric],
    window: Windows,
    against: Comparison,
    by: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    where: Mapping[str, Any] | None = None,
    currency: str | None = None,
    convention: Convention | None = None,
    relations: Mapping[str, Relation] | None = None,
    mature: Maturity | None = None,
) -> Compared:
    """`evaluate` in `window` and in the hours it is compared with, in one statement.

    window: end it at the watermark (windows.today, windows.latest): then both sides are cut at the same hour.
    An average is of the days since the first data of the asked accounts; of a sum it is the sum by their
    number, of a ratio the ratio of the sums.
    mature: hold the present against the past as it was known at the same age, of campaigns' hours and
        actions' days (not of ads and segments): from the ledger where watched, else by the lag curve.
    Raises ValueError for a window longer than a day against an average of days, and for TARGET: targets
    are no past, see `with_targets`.
    """
    if against is Comparison.TARGET:
        raise ValueError("a target is not looked up in the past: use with_targets")
    question = Question(tuple(metrics), tuple(by), where or {}, as_of, currency, convention, relations or {})
    known = windows.accounts(warehouse, where)
    each = dict.fromkeys(known, window) if isinstance(window, Window) else dict(window)
    if against is Comparison.WEEK_AVERAGE and any(
        w.end - w.start > timedelta(hours=25) for w in each.values()
    ):
        raise ValueError(
            "an average of days is for a window of at most a day: compare with the period before"
        )
    zones = {key: known[key].timezone for key in each}
    past = periods(each, zones, against)
    basis: Basis | None = None
    if mature is not None:
        then, basis = at_the_same_age(warehouse, known, each, past, mature, as_of=as_of)
        question = replace(question, relations={**then, **question.relations})
    table = answer(warehouse, question, [[window], past], known)
    counted = {
        view: _since(pc.min(table[f"{view}_first"]).as_py(), past, zones)
        for view in {m.view.name for m in question.metrics}
    }
    return Compared(_beside(table, question.metrics, counted), against, max(counted.values()), basis)


def with_targets(table: pa.Table, targets: Mapping[str, float]) -> Compared:
    """`evaluate`'s table with each metric's target as its `__before`; NULL for one without.

    targets: metric -> value, in the metric's own unit and the table's currency.
    """
    for name in [n for n in table.column_names if pa.types.is_floating(table.schema.field(n).type)]:
        value = targets.get(name)
        column = pa.array([value] * table.num_rows, pa.float64())
        table = table.append_column(f"{name}__before", column)
    return Compared(table, Comparison.TARGET, 1)


def periods(
    each: Mapping[AccountKey, Window], zones: Mapping[AccountKey, ZoneInfo], against: Comparison
) -> list[dict[AccountKey, Window]]:
    """The periods that a window is compared with, the nearest first, each as windows by account."""
    if against is Comparison.PRIOR:
        return [{key: prior(window, zones[key]) for key, window in each.items()}]
    moved = [
        {key: windows.shift(window, -back, zones[key]) for key, window in each.items()}
        for back in _DAYS_BACK[against]
    ]
    return [{key: w for key, w in period.items() if w is not None} for period in moved]


def prior(window: Window, zone: ZoneInfo) -> Window:
    """The period before: of several days, as many days before at the same hours; else as much time before."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    days = len(window.days(zone))
    if start.time() == time() and (days > 1 or end.time() == time()):
        moved = windows.shift(window, -days, zone)
        if moved is not None:
            return moved
    return Window(window.start - (window.end - window.start), window.start)


def _since(
    first: datetime | date | None,
    past: Sequence[Mapping[AccountKey, Window]],
    zones: Mapping[AccountKey, ZoneInfo],
) -> int:
    """How many of the periods end after the first of the data that they hold together."""
    if first is None:
        return 0
    if isinstance(first, datetime):
        return sum(any(w.end > first for w in period.values()) for period in past)
    return sum(any(w.days(zones[key])[-1] >= first for key, w in period.items()) for period in past)


def _beside(table: pa.Table, metrics: Sequence[Metric], periods: Mapping[str, int]) -> pa.Table:
    """The answer with each metric's past as `NAME__before`: a sum by its periods, NULL without any."""
    table = table.drop_columns([f"{view}_first" for view in periods])
    for metric in metrics:
        at = table.column_names.index(f"{metric.name}__1")
        past, number = table[f"{metric.name}__1"], periods[metric.view.name]
        if number == 0:
            past = pa.nulls(table.num_rows, pa.float64())
        elif metric.additive:
            past = pc.divide(past, float(number))
        table = table.set_column(at, f"{metric.name}__before", past)
    return table
