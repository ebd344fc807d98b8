"""The tables that follow from a row type: the current state, and beside it how it came to be.

| kind      | tables                        | beside the row's own columns                              |
|-----------|-------------------------------|-----------------------------------------------------------|
| fact      | `delivery`, `delivery_ledger` | the ledger's measures are differences; seen_from, seen_to |
| attribute | `campaign`, `campaign_history`| the history's rows hold in [valid_from, valid_to)         |
| event     | `change`                      | seen_at                                                   |

Every table starts with `source` and `account`. There are no primary keys: they make the file six times
larger and writes twenty times slower; the writes themselves keep keys unique.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING

import pyarrow as pa

from connectors.schema import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.schema import Row

__all__ = ["OWNER", "Table", "columns", "describe", "layout", "quoted"]

OWNER = ("source", "account")
"""The columns that the warehouse puts before a row's own."""

_TYPES: Mapping[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
_NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL")


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Table:
    """A row type as the database sees it.

    types: SQL type of each of the row's own columns, in order.
    key, derived, values: the same columns by role; a fact's values are its measures.
    nullable: the columns that may be NULL. defaults: what older rows get for a column added later.
    match: the columns by which a row is found within its account (`account` for the row of the account).
    """

    row: type[Row]
    name: str
    types: Mapping[str, str]
    key: tuple[str, ...]
    derived: tuple[str, ...]
    values: tuple[str, ...]
    nullable: frozenset[str]
    defaults: Mapping[str, object]
    match: tuple[str, ...]

    @property
    def time(self) -> str:
        """The column by which a window selects rows, or ""."""
        return self.row.time

    @property
    def daily(self) -> bool:
        """Whether a window selects rows by the account-local day rather than by the instant."""
        return self.types.get(self.time) == "DATE"

    @property
    def ledger(self) -> str:
        """Name of the table of a fact's differences."""
        return f"{self.name}_ledger"

    @property
    def history(self) -> str:
        """Name of the table of an attribute's past values."""
        return f"{self.name}_history"

    def known(self) -> tuple[str, ...]:
        """The measures that may be NULL: the ledger counts beside each whether it is known."""
        return tuple(m for m in self.values if m in self.nullable)


_described: dict[type[Row], Table] = {}


def describe(row: type[Row]) -> Table:
    """The table of a row type. Raises TypeError where the row type contradicts its kind."""
    if row not in _described:  # each write asks several times
        _described[row] = _describe(row)
    return _described[row]


def _describe(row: type[Row]) -> Table:
    arrow = schema(row)
    types = {f.name: _sql(f.type) for f in arrow}
    outside = (*row.key, *row.derived)
    table = Table(
        row=row,
        name=row.table,
        types=types,
        key=row.key,
        derived=row.derived,
        values=tuple(name for name in types if name not in outside),
        nullable=frozenset(f.name for f in arrow if f.nullable),
        defaults={f.name: f.default for f in fields(row) if f.default is not MISSING},
        match=row.key or ("account",),
    )
    _check(table)
    return table


def _sql(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _TYPES[kind]


def _check(table: Table) -> None:
    name = table.row.__name__
    if missing := [c for c in (*table.key, *table.derived, table.time) if c and c not in table.types]:
        raise TypeError(f"{name}: key, derived or time names {missing}, which are no columns of it")
    if clash := set(table.types) & {*OWNER, "seen_from", "seen_to", "seen_at", "valid_from", "valid_to"}:
        raise TypeError(f"{name}: {sorted(clash)} are the warehouse's own column names")
    if nulls := set(table.key) & table.nullable:
        raise TypeError(f"{name}: the key columns {sorted(nulls)} may not be None")
    if table.row.kind == "attribute":
        return
    if table.time not in table.key or table.types[table.time] not in ("DATE", "TIMESTAMP WITH TIME ZONE"):
        raise TypeError(f"{name}: the time of a {table.row.kind} is a date or datetime column of its key")
    if table.row.kind == "fact":
        words = [m for m in table.values if not table.types[m].startswith(_NUMBERS)]
        if words:
            raise TypeError(f"{name}: {words} are no numbers; a fact's other columns are key or derived")
        if odd := [m for m in table.values if table.defaults.get(m)]:
            raise TypeError(f"{name}: {odd} default to more than 0, which no reply ever said")


def layout(row: type[Row]) -> dict[str, dict[str, str]]:
    """The SQL type of every column of every table of a row type, by table name."""
    table = describe(row)
    stamp = _TYPES[pa.timestamp("us", "UTC")]
    owner = dict.fromkeys(OWNER, "VARCHAR")
    own = {**owner, **table.types}
    if row.kind == "event":
        return {table.name: {**own, "seen_at": stamp}}
    if row.kind == "attribute":
        return {table.name: own, table.history: {**own, "valid_from": stamp, "valid_to": stamp}}
    ledger = {
        **own,
        **{f"{m}_known": "TINYINT" for m in table.known()},
        "seen_from": stamp,
        "seen_to": stamp,
    }
    return {table.name: own, table.ledger: ledger}


def columns(names: Iterable[str], alias: str = "") -> str:
    """`names` as an SQL list, each from `alias` if that is given."""
    dot = f"{alias}." if alias else ""
    return ", ".join(f"{dot}{quoted(name)}" for name in names)
