"""The read-only copy that notebooks, BI tools and other processes read while the app runs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["publish"]


def publish(cursor: DuckDBPyConnection, source: Path, target: Path) -> None:
    """Put a complete copy of `source` in the place of `target`, or leave `target` as it was.

    The caller holds the write lock: nothing may be committed between the checkpoint and the copy's end.
    Whoever has the old copy open goes on reading it. Raises OSError, duckdb.Error.
    """
    # A plain CHECKPOINT is refused while a reader is open after an update; FORCE is not, and spares it.
    cursor.execute("FORCE CHECKPOINT").fetchall()
    fresh = target.with_name(target.name + ".new")
    try:
        shutil.copyfile(source, fresh)
        _sync(fresh)
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
