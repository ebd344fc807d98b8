"""The SQL of a question, put together from views, metrics, windows, groups, filters and currencies.

    delivery_rows   the view, for the windows' outer bounds
    delivery_asked  its rows inside the windows: groups, measures in one currency, which window
    delivery_sums   each aggregate once per group, however many metrics it serves

Names in the text come from files that were checked and from the tables below; values are bound.
"""

# ruff: noqa: S608  # see above

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from connectors.rows import ROWS
from metrics import branches, money, windows
from metrics.dimensions import JOINS, Convention, Dimension, resolve
from metrics.model import views
from warehouse.ledger import as_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connectors.contract import Account
    from metrics.aggregate import Aggregate
    from metrics.model import Metric, View
    from metrics.windows import AccountKey, Span, Windows
    from warehouse.store import Warehouse

__all__ = ["Plan", "Question", "Relation", "Sums"]

Relation: TypeAlias = str | pa.Table
"""What a caller supplies for a view to read: SQL, or rows of text, numbers and moments."""

_FACTS: Final = {row.table: row for row in ROWS}
_PLACE: Final = re.compile(r"{(\d+)}")
_TYPES: Final[Mapping[pa.DataType, str]] = {
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True)
class Question:
    """What is asked, apart from when.

    by: names of dimensions. where: dimension -> the values to keep. as_of: what was known then.
    currency: the one to convert money to; None: leave each group in its own. convention: naming dimensions.
    relations: what a view reads beside the warehouse's tables (a completeness curve), or in the place of
        one, by name: its SQL, or its rows.
    """

    metrics: tuple[Metric, ...]
    by: tuple[str, ...] = ()
    where: Mapping[str, Sequence[Any] | Any] = field(default_factory=dict)
    as_of: datetime | None = None
    currency: str | None = None
    convention: Convention | None = None
    relations: Mapping[str, Relation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sums:
    """The aggregates of one view's metrics: the relation that holds its rows, and how each is written."""

    view: View
    asked: str
    keys: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]

    def column(self, aggregate: Aggregate, slot: int = 0) -> str:
        """Name of the column that holds an aggregate's result in a window."""
        return f"{self.view.name}_{self.aggregates.index(aggregate)}_{slot}"

    def value(self, metric: Metric, slot: int = 0, *, joined: bool = False) -> str:
        """The metric over the aggregates' results.

        joined: views stand side by side, so that a group may have no row of this one.
        """

        def put(match: re.Match[str]) -> str:
            aggregate = metric.parts.aggregates[int(match[1])]
            column = self.column(aggregate, slot)
            return aggregate.known(column) if joined else column

        return f"CAST({_PLACE.sub(put, metric.parts.outer)} AS DOUBLE)"


class Plan:
    """One statement under construction: its relations in order, and its parameters.

    slots: the sets of windows that figures are wanted for. known: the accounts, where they are at hand.
    currency: of every money figure, "" where there is none, None where each group has its own.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        question: Question,
        slots: Sequence[Sequence[Windows]],
        known: Mapping[AccountKey, Account] | None = None,
    ) -> None:
        self.warehouse = warehouse
        self.question = question
        self.known = windows.accounts(warehouse, question.where) if known is None else known
        self.relations: dict[str, str] = {}
        self.params: dict[str, Any] = {}
        self.slots = slots
        every = [s for view in self.views() for slot in slots for s in self._spans(view, slot)]
        self.hull = windows.hull(every)
        self.params |= {
            "start": self.hull.window.start,
            "stop": self.hull.window.end,
            "first_day": self.hull.first_day,
            "last_day": self.hull.last_day,
        }
        if question.convention is not None:
            self.params["convention"] = question.convention.pattern
        self.currency, self._converted = self._money()

    def views(self) -> list[View]:
        """The views of the metrics, each once, in order of appearance."""
        return list({m.view.name: m.view for m in self.question.metrics}.values())

    def bind(self, value: Any) -> str:
        """A parameter that holds `value`."""
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"${name}"

    def text(self, select: str) -> tuple[str, dict[str, Any]]:
        """The whole statement that ends in `select`, and the parameters it uses."""
        listed = ",\n".join(f"{name} AS (\n{sql}\n)" for name, sql in self.relations.items())
        sql = f"WITH {listed}\n{select}" if listed else select
        return sql, self._used(sql)

    def _used(self, sql: str) -> dict[str, Any]:
        """The parameters that stand in a text: the database refuses any other."""
        named = set(re.findall(r"\$(\w+)", sql))
        return {name: value for name, value in self.params.items() if name in named}

    def sums(self, view: View, extra: Mapping[str, str] | None = None) -> Sums:
        """Add the view's rows inside the windows; `extra` are further columns over `v`, by name."""
        metrics = [m for m in self.question.metrics if m.view is view]
        aggregates = tuple(dict.fromkeys(a for m in metrics for a in m.parts.aggregates))
        used = sorted({c for m in metrics for c in m.parts.columns})
        self._add_view(view)
        dimensions = resolve(self.question.by, view, self.question.convention)
        keys = {name: sql for d in dimensions for name, sql in d.columns.items()}
        joins = {d.join for d in dimensions if d.join}
        conditions = self._filters(view, dimensions, joins)
        columns = {f"by_{name}": sql for name, sql in keys.items()}
        columns |= self._measures(view, used, joins, monetary=any(m.monetary for m in metrics))
        columns |= extra or {}
        tests = [
            " OR ".join(self._inside(view, s) for s in self._spans(view, slot)) or "false"
            for slot in self.slots
        ]
        if len(tests) > 1:
            columns |= {f"slot_{n}": test for n, test in enumerate(tests)}
        conditions.append(" OR ".join(tests))
        listed = ",\n  ".join(f"{sql} AS {name}" for name, sql in columns.items())
        joined = "\n".join([f"FROM {view.name}_rows AS v", *(JOINS[j] for j in sorted(joins - {"money"}))])
        if "money" in joins:
            joined += "\nLEFT JOIN rates AS dm ON dm.currency = da.currency AND dm.day = v.day"
        kept = " AND ".join(f"({c})" for c in conditions)
        self.relations[f"{view.name}_asked"] = f"SELECT {listed or '1 AS one'}\n{joined}\nWHERE {kept}"
        return Sums(view, f"{view.name}_asked", tuple(keys), aggregates)

    def own_currency(self, view: View) -> bool:
        """Whether the view's rows carry `currency`: several are possible and none was chosen."""
        return self.currency is None and any(m.monetary and m.view is view for m in self.question.metrics)

    def _measures(
        self, view: View, used: Iterable[str], joins: set[str], *, monetary: bool
    ) -> dict[str, str]:
        """The columns that the metrics read, money in the reporting currency."""
        columns = {name: f"v.{name}" for name in used}
        if monetary and self._converted:
            joins |= {"account", "money"}
            for name in columns:
                if view.columns[name].kind == "money":
                    columns[name] = f"v.{name} * dm.rate"
            columns["unrated"] = "CASE WHEN dm.rate IS NULL THEN concat(da.currency, ' ', v.day) END"
        elif monetary and self.currency is None:
            joins.add("account")
            columns["own_currency"] = "coalesce(da.currency, '')"
        return columns

    def unrated(self, view: View) -> bool:
        """Whether the view's rows carry `unrated`: the currency and day of a row that has no rate."""
        return self._converted and any(m.monetary and m.view is view for m in self.question.metrics)

    def _money(self) -> tuple[str | None, bool]:
        """The currency of all figures (None: each its own), and whether rows are converted to it."""
        if not any(m.monetary for m in self.question.metrics):
            return "", False
        found = {a.currency for a in self.known.values()}
        wanted = self.question.currency
        if wanted is None:
            return (next(iter(found), ""), False) if len(found) <= 1 else (None, False)
        if found <= {wanted}:
            return wanted, False
        rates = money.rates(self.warehouse, found, wanted, self.hull.first_day, self.hull.last_day)
        listed = [self.bind(column) for column in (rates.currency, rates.day, rates.rate)]
        self.relations["rates"] = (
            f"SELECT unnest({listed[0]}) AS currency, unnest({listed[1]}) AS day, unnest({listed[2]}) AS rate"
        )
        return wanted, True

    def _summed(self, view: View) -> frozenset[str] | None:
        """The columns of the view that are all that is wanted of it, for sums alone; else None."""
        own = [m for m in self.question.metrics if m.view is view]
        if any(a.function != "sum" for m in own for a in m.parts.aggregates):
            return None
        found = {column for m in own for column in m.parts.columns}
        for other in self.views():
            if f"{view.name}_rows" in other.reads:
                wanted = self._summed(other)
                read = None if wanted is None else branches.summed(other, wanted, view)
                if read is None:
                    return None
                found |= read
        return frozenset(found)

    def _add_view(self, view: View) -> None:
        """The view's relation, after the tables it reads: as they stood, or as they are supplied."""
        if f"{view.name}_rows" in self.relations:
            return
        self._add_reads(view)
        self.relations[f"{view.name}_rows"] = branches.pruned(view, self._summed(view), self._idle(view))

    def _idle(self, view: View) -> str:
        """The part of the view that can give nothing now, or "". What was known in the past is not probed."""
        part, of = view.probe
        if not part or self.question.as_of is not None:
            return ""
        sql = f"SELECT 1 FROM ({branches.relation(view, of)}) LIMIT 1"
        return "" if self.warehouse.query(sql, self._used(sql)).num_rows else part

    def _add_reads(self, view: View) -> None:
        """What a view reads: another view, what the caller supplies, or a table as it stood."""
        moment = self.question.as_of
        for name in sorted(view.reads, key=lambda n: not n.endswith("_ledger")):
            base = name.removesuffix("_ledger")
            if name.endswith("_rows"):
                self._add_view(views()[name.removesuffix("_rows")])
            elif name in self.question.relations:
                supplied = self.question.relations[name]
                self.relations[name] = self._supplied(supplied if base in _FACTS else self._near(supplied))
            elif base not in _FACTS:
                wanting = ", ".join(m.name for m in self.question.metrics if m.view is view) or view.name
                raise ValueError(f"{wanting} needs the relation `{name}`, which was not supplied")
            elif moment is not None and name not in self.relations:
                if name == base:
                    self.relations[name] = as_of(_FACTS[base], moment)
                else:
                    self.relations[name] = f"SELECT * FROM {name} WHERE seen_to <= {self.bind(moment)}"

    def _near(self, relation: Relation) -> Relation:
        """Of a relation by the hour, the hours that are asked about: a few days of six weeks."""
        if isinstance(relation, str) or "hour" not in relation.column_names:
            return relation
        window = self.hull.window
        return relation.filter((pc.field("hour") >= window.start) & (pc.field("hour") < window.end))

    def _supplied(self, relation: Relation) -> str:
        if isinstance(relation, str):
            return relation
        columns = []
        for name, column in zip(relation.column_names, relation.columns, strict=True):
            kind = _TYPES.get(column.type)
            values = column.to_pylist() if kind is None else _listed_text(column)
            columns.append(f"unnest(CAST({self.bind(values)} AS {kind or 'VARCHAR'}[])) AS {name}")
        return f"SELECT {', '.join(columns)}"

    def _spans(self, view: View, slot: Iterable[Windows]) -> list[Span]:
        return [s for each in slot for s in windows.spans(each, self.known, view.grain)]

    def _inside(self, view: View, span: Span) -> str:
        if view.grain == "day":
            test = f"v.{view.time} BETWEEN {self.bind(span.first_day)} AND {self.bind(span.last_day)}"
        else:
            start, end = self.bind(span.window.start), self.bind(span.window.end)
            test = f"v.{view.time} >= {start} AND v.{view.time} < {end}"
        return f"({test})" if span.only is None else f"({test} AND {self._among(span.only)})"

    def _among(self, keys: Iterable[AccountKey]) -> str:
        listed = ", ".join(f"({self.bind(source)}, {self.bind(account)})" for source, account in keys)
        return f"(v.source, v.account) IN ({listed})"

    def _filters(self, view: View, grouped: Iterable[Dimension], joins: set[str]) -> list[str]:
        conditions = []
        grouped_names = {d.name for d in grouped}
        for dimension in resolve(self.question.where, view, self.question.convention):
            values = _listed(self.question.where[dimension.name]) or []
            listed = ", ".join(map(self.bind, values))
            if not values:
                conditions.append("false")
            elif dimension.name == "label" and "label" not in grouped_names:
                # A campaign with two of the labels counts once.
                found = f"len(list_intersect(string_split(labels, ','), [{listed}])) > 0"
                conditions.append(
                    "(v.source, v.account, v.campaign) IN "
                    f"(SELECT (source, account, campaign) FROM campaign WHERE {found})"
                )
            else:
                if dimension.join:
                    joins.add(dimension.join)
                conditions.append(f"{dimension.own} IN ({listed})")
        return conditions


def _listed(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [value] if isinstance(value, str | int) else list(value)


def _listed_text(column: pa.ChunkedArray) -> str:
    """A column as the text of a list. A month of hours is read a third as long from that as from objects."""
    return f"[{', '.join(column.cast(pa.string()).fill_null('NULL').to_pylist())}]"
