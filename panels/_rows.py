"""What a table holds: columns that say what they are, and the rows, made ready for the browser once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import pyarrow as pa

from metrics.model import Metric
from panels import _format as f
from panels._status import Status

__all__ = ["Column", "Id", "Kind", "Pill", "Rows", "of_metric", "whole"]

Kind: TypeAlias = Literal[
    "name", "text", "amount", "money", "count", "percent", "multiple", "ratio", "seconds", "days",
    "change", "progress", "state", "line", "bars", "moment", "day", "link",
]  # fmt: skip
"""name opens the row. amount: text that is read as a number, as money in many currencies. change: a relative
change. progress: a share of 1, drawn as a bar up to 2. line, bars: a list of numbers. moment: an aware
datetime. link: a URL."""

Id = TypeVar("Id", bound=Hashable)
R = TypeVar("R")

_BETTER = {"higher": "Higher is better.", "lower": "Lower is better."}


@dataclass(frozen=True, slots=True)
class Pill:
    """A state in a cell: its word, after the state's own mark and on its colour."""

    status: Status
    word: str

    @property
    def text(self) -> str:
        """Mark and word."""
        return f"{self.status.value.mark} {self.word}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. shown: whether it is there before anybody has chosen. zone: where a moment is told."""

    name: str
    title: str
    kind: Kind = "text"
    help: str = ""
    currency: str = ""
    shown: bool = True
    width: Literal["small", "medium", "large"] | int | None = None
    zone: str = "UTC"

    @property
    def label(self) -> str:
        """The title, with the unit of money."""
        return f"{self.title}, {self.currency}" if self.kind == "money" and self.currency else self.title

    @property
    def exported(self) -> str:
        """The name in a file: a machine's, with the unit of money."""
        return f"{self.name}_{self.currency.lower()}" if self.kind == "money" and self.currency else self.name


def of_metric(metric: Metric, currency: str = "", *, title: str = "", shown: bool = True) -> Column:
    """The column of a metric: its unit says the format, its `better` and limits the help."""
    told = " ".join(part for part in (_BETTER.get(metric.better, ""), metric.limits) if part)
    return Column(
        metric.name, title or metric.title, metric.unit, f"{told} (version {metric.version})", currency, shown
    )


class Rows(Generic[Id]):
    """A table's rows: a list a column, all of one length, the default order.

    Made ready for the browser once for each choice of columns, whoever and however many look at them: a page
    of a thousand rows that many have open keeps them with its figures (`once`).

    ids: one a row, what opening it is given.
    """

    def __init__(
        self, data: Mapping[str, Sequence[Any]], columns: Sequence[Column], ids: Sequence[Id] = ()
    ) -> None:
        self.data, self.columns, self.ids = data, tuple(columns), tuple(ids)
        self._made: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(next(iter(self.data.values()), ()))

    @cached_property
    def titles(self) -> list[str]:
        """Each row's name in plain text, its id where it has none; [] in a table without names."""
        names = next((self.data[c.name] for c in self.columns if c.kind == "name"), None)
        if names is None:
            return []
        return [f.bare(name) or str(of) for name, of in zip_longest(names, self.ids)]

    def once(self, key: Hashable, make: Callable[[], R]) -> R:
        """What `make` gave when it was first asked for under this key."""
        if key not in self._made:
            self._made[key] = make()
        found: R = self._made[key]
        return found

    def ready(self, drawn: Sequence[Column], *, button: bool) -> pa.Table:
        """The columns that are drawn, as the browser gets them. button: whether names open rows."""
        key = (*(column.name for column in drawn), button)
        return self.once(
            key,
            lambda: pa.table({c.name: cells(c, self.data[c.name], button=button) for c in drawn}),
        )


def _finite(values: Sequence[Any]) -> list[float]:
    return [abs(v) for v in values if v is not None and math.isfinite(v)]


def whole(kind: Kind, values: Sequence[Any]) -> bool:
    """Whether the numbers are read without decimals: money from a thousand on, counts of whole things."""
    if kind == "money":
        return max(_finite(values), default=0.0) >= 1000
    return kind == "count" and all(math.isclose(v, round(v), abs_tol=0.05) for v in _finite(values))


def cells(column: Column, values: Sequence[Any], *, button: bool = False) -> pa.Array:
    """A column's values as the browser gets them. button: whether its names open rows."""
    match column.kind:
        case "name" if button:
            # A list of one: Streamlit would take "[a, b]" for a menu, and ":material/…:" for an icon.
            texts = [f.bare(v) for v in values]
            return pa.array([[t.replace(":material/", ":\u2060material/")] for t in texts])
        case "state":
            return pa.array([[v.text] if v else [] for v in values], pa.list_(pa.string()))
        case "line" | "bars":
            return pa.array([list(v) if v is not None else None for v in values], pa.list_(pa.float64()))
        case "text" | "amount" | "name":
            return pa.array([f.bare(v) if v else v for v in values], pa.string())
        case "link":
            return pa.array(values, pa.string())
        case "moment":
            return pa.array(values, pa.timestamp("us", "UTC"))
        case "day":
            return pa.array(values, pa.date32())
    scale = 100.0 if column.kind in ("percent", "change", "progress") else 1.0
    digits = 0 if whole(column.kind, values) else None
    return pa.array(
        [None if v is None or not math.isfinite(v) else _rounded(v * scale, digits) for v in values],
        pa.float64(),
    )


def _rounded(value: float, digits: int | None) -> float:
    return float(round(value, digits)) if digits is not None else value
