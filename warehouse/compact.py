"""Rows back in the order of time, which is worth more to every query than any index."""

# ruff: noqa: S608  # the parts put into SQL are names of row types and columns, quoted; values are bound

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from warehouse.tables import columns, describe, layout, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from connectors.schema import Row

__all__ = ["compact"]


def compact(cursor: DuckDBPyConnection, row: type[Row]) -> None:
    """Write a table anew in the order of time, a month after the other, within the caller's transaction.

    Polls append in order anyway; a backfill and months of restatements do not. Memory holds one month.
    """
    table = describe(row)
    if not table.time:
        return
    types = layout(row)[table.name]
    name, fresh, at = quoted(table.name), quoted(f"{table.name}_compacted"), quoted(table.time)
    listed, order = columns(types), columns((table.time, "source", "account"))
    cursor.execute(
        f"CREATE TABLE {fresh} ({', '.join(f'{quoted(c)} {kind}' for c, kind in types.items())})"
    ).fetchall()
    month = f"CAST(date_trunc('month', {at}) AS {types[table.time]})"
    months = (
        cursor.sql(f"SELECT DISTINCT {month} AS m FROM {name} ORDER BY m").to_arrow_table()["m"].to_pylist()
    )
    for low, high in zip_longest(months, months[1:]):
        within, bounds = f"{at} >= $low", {"low": low}
        if high is not None:
            within, bounds = f"{within} AND {at} < $high", bounds | {"high": high}
        cursor.execute(
            f"INSERT INTO {fresh} SELECT {listed} FROM {name} WHERE {within} ORDER BY {order}", bounds
        ).fetchall()
    cursor.execute(f"DROP TABLE {name}").fetchall()
    cursor.execute(f"ALTER TABLE {fresh} RENAME TO {name}").fetchall()
