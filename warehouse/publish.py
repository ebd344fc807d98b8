"""The read-only copy that notebooks, BI tools and other processes read while the app runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["publish"]


_CHUNK = 4 * 2**20


def publish(cursor: DuckDBPyConnection, source: int, target: Path) -> None:
    """Put a complete copy of the database in the place of `target`, or leave `target` as it was.

    source: an open descriptor of the database file, which stays open: closing it would give up DuckDB's
    lock on the file. The caller holds the write lock: nothing may be committed between the checkpoint and
    the copy's end. Whoever has the old copy open goes on reading it. Raises OSError, duckdb.Error.
    """
    # A plain CHECKPOINT is refused while a reader is open after an update; FORCE is not, and spares it.
    cursor.execute("FORCE CHECKPOINT").fetchall()
    fresh = target.with_name(target.name + ".new")
    try:
        with fresh.open("wb") as out:
            offset = 0
            while chunk := os.pread(source, _CHUNK, offset):
                offset += out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)  # the new name is not durable before its folder is
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
