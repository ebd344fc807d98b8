"""What a row is: a table's name, its key, and the columns that its fields' types give in Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

__all__ = ["Batch", "Micros", "Quantity", "Row", "schema", "to_batch"]

Micros = Annotated[int, "micros"]
"""Money in millionths of the account's currency unit."""

Quantity = Annotated[float, pa.decimal128(18, 6)]
"""A count that may be fractional (data-driven attribution), stored exactly to six decimals."""


@dataclass(frozen=True, slots=True)
class Row:
    """A typed row of a stream; its subclasses name the tables of the warehouse.

    table: the table's name.
    key: the columns that identify a row within (source, account).
    kind: `fact` has measures (every column outside the key) whose changes go to the ledger as
        differences; `attribute` has values whose changes are kept as history; `event` is an
        occurrence that is written once.
    time: the key column by which a window selects rows (facts and events); "" for attributes.
    """

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    kind: ClassVar[Literal["fact", "attribute", "event"]]
    time: ClassVar[str] = ""
    derived: ClassVar[tuple[str, ...]] = ()
    """Columns that follow from the key (a local day from an hour); never part of a difference."""
    may_be_none: ClassVar[bool] = False
    """Of attributes: whether an empty reply says that there are none left; of others it says nothing."""


Batch: TypeAlias = Sequence[Row] | pa.RecordBatch


_ARROW: Mapping[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    date: pa.date32(),
    datetime: pa.timestamp("us", "UTC"),
}


def _arrow(hint: Any) -> tuple[pa.DataType, bool]:
    nullable = False
    if get_origin(hint) in (Union, UnionType):
        inner = [h for h in get_args(hint) if h is not type(None)]
        nullable, hint = len(inner) < len(get_args(hint)), inner[0]
    if get_origin(hint) is Annotated:
        base, mark = get_args(hint)
        return (mark if isinstance(mark, pa.DataType) else _ARROW[base]), nullable
    return _ARROW[hint], nullable


_schemas: dict[type[Row], pa.Schema] = {}


def schema(row: type[Row]) -> pa.Schema:
    """The Arrow schema of a row type, in field order; `X | None` is nullable, all else is not."""
    if row not in _schemas:  # reading the type hints takes a millisecond, each batch asks
        hints = get_type_hints(row, include_extras=True)
        _schemas[row] = pa.schema([pa.field(f.name, *_arrow(hints[f.name])) for f in fields(row)])
    return _schemas[row]


def to_batch(row: type[Row], batch: Batch) -> pa.RecordBatch:
    """`batch` as Arrow in the row's own schema.

    Numbers are cast where nothing is lost but digits past a Quantity's sixth. Raises ValueError for a
    missing or unknown column, or a null where the row allows none.
    """
    want = schema(row)
    if isinstance(batch, pa.RecordBatch):
        have = set(batch.schema.names)
        if have != set(want.names):
            raise ValueError(
                f"{row.__name__}: columns {sorted(have ^ set(want.names))} are missing or unknown"
            )
        columns = {name: batch.column(name) for name in want.names}
    else:
        columns = {name: pa.array([getattr(r, name) for r in batch]) for name in want.names}
    arrays = []
    for target in want:
        array = columns[target.name]
        if pa.types.is_decimal(target.type) and pa.types.is_integer(array.type):
            array = array.cast(pa.float64())  # Arrow wants room for any int64 in a Quantity's digits
        array = array.cast(target.type)
        if array.null_count and not target.nullable:
            raise ValueError(f"{row.__name__}.{target.name} holds {array.null_count} nulls")
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=want)
