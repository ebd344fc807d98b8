"""A question of a person, asked of the published copy: it can read the tables, and nothing else."""

from __future__ import annotations

from threading import Timer
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import StorageBroken

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["read"]

# No file, no network, no extension, and no way to change that; little enough memory to share a machine.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    "threads": "2",
}


def read(path: Path, sql: str, *, seconds: float = 60) -> pa.Table:
    """The answer of one SELECT, as Arrow, timestamps in UTC.

    Raises ValueError with the database's words for what is no single SELECT, reaches outside, is wrong
    or takes longer than `seconds`; StorageBroken where there is no readable copy.
    """
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_CONFIG)
    except duckdb.Error as error:
        raise StorageBroken(
            f"{path} cannot be read: {error}", mend="Run one cycle (`paceline poll --once`) to publish it."
        ) from error
    timer = Timer(seconds, connection.interrupt)
    with connection:
        try:
            connection.execute("SET TimeZone = 'UTC'").fetchall()
            connection.execute("SET lock_configuration = true").fetchall()
            only_select(connection, sql)
            timer.start()
            return connection.sql(sql).to_arrow_table()
        except duckdb.InterruptException as error:
            raise ValueError(f"The question took longer than {seconds:g} s.") from error
        except duckdb.Error as error:
            raise ValueError(str(error)) from error
        finally:
            timer.cancel()


def only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise ValueError unless `sql` is exactly one SELECT.

    That alone does not make it harmless: a CTE may write. The connection must be read-only too.
    """
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    if kinds != [duckdb.StatementType.SELECT]:
        said = ", ".join(kind.name for kind in kinds) or "nothing"
        raise ValueError(f"Only one SELECT may be asked here, this is: {said}.")
