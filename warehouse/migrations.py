"""The database file's version: what was changed by hand, in order, and what follows from the row types.

A numbered migration changes what the row types do not describe: the journal, or the meaning of what
is stored. New tables, and new columns that may be NULL or have a default, follow from the row types alone.
A file that a newer Paceline wrote is refused, untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from warehouse.errors import StorageBroken, StorageTooNew
from warehouse.tables import describe, layout, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from connectors.schema import Row

__all__ = ["MIGRATIONS", "Migration", "migrate"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the file's format; steps are never edited once released, only added."""

    number: int
    title: str
    statements: tuple[str, ...]


_JOURNAL = """
CREATE TABLE journal (
    source VARCHAR, account VARCHAR, stream VARCHAR,
    window_start TIMESTAMPTZ, window_end TIMESTAMPTZ,
    started TIMESTAMPTZ, seen_at TIMESTAMPTZ, took_ms BIGINT,
    outcome VARCHAR, "rows" BIGINT, changed BIGINT,
    operations BIGINT, utilisation DOUBLE, api_version VARCHAR, request_ids VARCHAR[],
    error VARCHAR, cause VARCHAR, mend VARCHAR, retry_at TIMESTAMPTZ
)"""

_WATERMARK = """
CREATE TABLE watermark (
    source VARCHAR, account VARCHAR, stream VARCHAR,
    data_as_of TIMESTAMPTZ, polled_at TIMESTAMPTZ, tried_at TIMESTAMPTZ,
    outcome VARCHAR, error VARCHAR, cause VARCHAR, mend VARCHAR, retry_at TIMESTAMPTZ
)"""

MIGRATIONS: tuple[Migration, ...] = (Migration(1, "Journal and watermarks", (_JOURNAL, _WATERMARK)),)


def migrate(
    cursor: DuckDBPyConnection,
    rows: Sequence[type[Row]],
    path: Path,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Bring the file to the newest format and to the row types, within the caller's transaction.

    Raises StorageTooNew, or StorageBroken where a stored column has another type than its row type.
    """
    cursor.execute("CREATE TABLE IF NOT EXISTS meta (schema_version BIGINT)").fetchall()
    stored = cursor.execute("SELECT max(schema_version) FROM meta").fetchall()[0][0] or 0
    newest = max(m.number for m in migrations)
    if stored > newest:
        raise StorageTooNew(
            f"{path} has format {stored}; this version of Paceline knows formats up to {newest}.",
            mend="Update Paceline, or start with another file.",
        )
    for step in migrations:
        if step.number > stored:
            for statement in step.statements:
                cursor.execute(statement).fetchall()
            cursor.execute("INSERT INTO meta VALUES (?)", [step.number]).fetchall()
    for row in rows:
        for name, want in layout(row).items():
            _conform(cursor, row, name, want, path)


def _conform(cursor: DuckDBPyConnection, row: type[Row], name: str, want: dict[str, str], path: Path) -> None:
    found = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE NOT internal AND table_name = ?", [name]
    ).fetchall()
    have = dict(found)
    if not have:
        listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in want.items())
        cursor.execute(f"CREATE TABLE {quoted(name)} ({listed})").fetchall()
        return
    table = describe(row)
    for column, kind in want.items():
        if column not in have:
            default = _default(table.defaults.get(column))
            if column in table.types and column not in table.nullable and default is None:
                raise StorageBroken(
                    f"{path}: {name} has no column {column}, which {row.__name__} needs.",
                    mend=f"Give {row.__name__}.{column} a default or let it be None, or write a migration.",
                )
            # A ledger column is a difference: before it existed nothing was seen to change.
            ending = "" if default is None or name == table.ledger else f" DEFAULT {default}"
            cursor.execute(
                f"ALTER TABLE {quoted(name)} ADD COLUMN {quoted(column)} {kind}{ending}"
            ).fetchall()
        elif have[column] != kind:
            raise StorageBroken(
                f"{path}: {name}.{column} is {have[column]}, {row.__name__} says {kind}.",
                mend="Write a migration that converts the stored column.",
            )


def _default(value: object) -> str | None:
    """`value` as an SQL literal; None where it has none."""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, str | date):
        return "'" + str(value).replace("'", "''") + "'"
    return None
