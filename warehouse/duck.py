"""The warehouse in one DuckDB file, owned by one process.

DuckDB lets one process hold a file; within it every call takes a cursor of its own (a shared connection
gives wrong answers) and drains its result (an open one holds up checkpoints). Writes queue behind one
lock; reads go on beside them.
"""

# ruff: noqa: S608  # the parts put into SQL are names of row types and columns, quoted; values are bound

from __future__ import annotations

import re
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from connectors.contract import ROWS
from warehouse import ingest, journal
from warehouse.errors import StorageBroken, StorageError, StorageFull, StorageHeld
from warehouse.migrations import migrate
from warehouse.publish import publish
from warehouse.reader import only_select
from warehouse.tables import columns, describe, layout, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from connectors.contract import Row
    from warehouse.store import Fetch, Slice, Watermark, Written

__all__ = ["MIN_FREE", "DuckWarehouse"]

MIN_FREE = 512 * 2**20
"""Bytes that must be free on the disk before a write: room for a checkpoint and a published copy."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.5.0",  # so that BI tools which still carry DuckDB 1.5 read the copy
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_NO_ROOM = re.compile(r"No space left|File too large|Disk quota exceeded|not enough space", re.IGNORECASE)
_open_here: set[Path] = set()


class DuckWarehouse:
    """A `Warehouse` in a DuckDB file. Safe from any thread.

    quarantined: where a log of recent writes was put aside because it could not be read back, else None.
        What it held is lost until those windows are pulled again: tell people, and pull them.
    data_version: rises with every write that changed a row of a table; for caches.
    """

    def __init__(
        self, path: Path, rows: Sequence[type[Row]], *, published: Path, read_only: bool, min_free: int
    ) -> None:
        """Use `open`."""
        self.path = path
        self.published = published
        self.quarantined: Path | None = None
        self.data_version = 0
        self._rows = tuple(rows)
        self._read_only = read_only
        self._min_free = min_free
        self._lock = threading.RLock()
        self._broken = ""
        self._dirty = True
        self._root = self._connect()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        rows: Sequence[type[Row]] = ROWS,
        read_only: bool = False,
        min_free: int = MIN_FREE,
        published: str | Path | None = None,
    ) -> Self:
        """Open or create the file and bring it to the newest format.

        rows: the row types that have tables. published: where `publish` puts the copy, by default
        `published.duckdb` beside the file. Raises StorageHeld, StorageTooNew, StorageFull, StorageBroken.
        """
        where = Path(path).resolve()
        if where in _open_here:
            raise StorageHeld(f"{where} is already open in this process.", mend="Share the one that is open.")
        where.parent.mkdir(parents=True, exist_ok=True)
        copy = Path(published).resolve() if published else where.with_name("published.duckdb")
        warehouse = cls(where, rows, published=copy, read_only=read_only, min_free=min_free)
        _open_here.add(where)
        return warehouse

    # -- writing

    def write(
        self,
        piece: Slice,
        batches: Iterable[pa.RecordBatch],
        *,
        seen_at: datetime,
        vouched: datetime,
        fetch: Fetch,
    ) -> Written:
        """See `Warehouse.write`. Raises ReplyRefused for a reply that contradicts itself or its window."""
        owner = (piece.source, piece.account, piece.stream, piece.window)
        if owner != (fetch.source, fetch.account, fetch.stream, fetch.window):
            raise ValueError(f"the fetch is of another slice: {fetch} for {piece}")
        reply = ingest.gather(piece, batches)
        with self._transaction() as cursor:
            written = ingest.store(cursor, piece, reply, seen_at=seen_at)
            done = replace(fetch, rows=written.rows, changed=written.changed)
            as_of = vouched if written.newest is None else max(vouched, written.newest)
            journal.append(cursor, done, seen_at=seen_at)
            journal.mark(cursor, done, data_as_of=as_of, polled_at=seen_at)
        if written.changed:
            self.data_version += 1
        return written

    def record(self, fetch: Fetch) -> None:
        """See `Warehouse.record`."""
        if fetch.outcome == "ok":
            raise ValueError("a fetch that went well is written with its reply, be it empty")
        with self._transaction() as cursor:
            journal.append(cursor, fetch, seen_at=None)
            journal.mark(cursor, fetch)

    def compact(self, row: type[Row]) -> None:
        """Put a table back in the order of time, which a backfill breaks and every query profits from."""
        table = describe(row)
        if not table.time:
            return
        types = layout(row)[table.name]
        listed, fresh = columns(types), quoted(f"{table.name}_compacted")
        with self._transaction() as cursor:
            kinds = ", ".join(f"{quoted(c)} {kind}" for c, kind in types.items())
            order = columns((table.time, "source", "account"))
            for statement in (
                f"CREATE TABLE {fresh} ({kinds})",
                f"INSERT INTO {fresh} SELECT {listed} FROM {quoted(table.name)} ORDER BY {order}",
                f"DROP TABLE {quoted(table.name)}",
                f"ALTER TABLE {fresh} RENAME TO {quoted(table.name)}",
            ):
                cursor.execute(statement).fetchall()

    def publish(self) -> None:
        """See `Warehouse.publish`. Does nothing where nothing was written since the last time."""
        with self._lock:
            self._ready()
            if not self._dirty and self.published.exists():
                return
            cursor = self._root.cursor()
            try:
                publish(cursor, self.path, self.published)
            except (duckdb.Error, OSError) as error:
                raise self._understood(error) from error
            finally:
                cursor.close()
            self._dirty = False

    # -- reading

    def query(self, sql: str, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pa.Table:
        """See `Warehouse.query`. `params` by name fill `$name`, by order `?`.

        Raises ValueError for anything but one SELECT, and for one that is wrong.
        """
        cursor = self._reading()
        try:
            only_select(cursor, sql)
            # A SELECT may hold a CTE that writes: the transaction is what forbids it.
            cursor.execute("BEGIN TRANSACTION READ ONLY").fetchall()
            return cursor.sql(sql, params=params).to_arrow_table()
        except (duckdb.FatalException, duckdb.IOException, duckdb.InternalException) as error:
            raise self._understood(error) from error
        except duckdb.Error as error:
            raise ValueError(f"{error}\n{sql}") from error
        finally:
            cursor.close()

    def watermarks(self) -> list[Watermark]:
        """See `Warehouse.watermarks`."""
        return journal.watermarks(self)

    def operations(self, source: str, *, since: datetime) -> int:
        """See `Warehouse.operations`."""
        return journal.operations(self, source, since=since)

    def close(self) -> None:
        """Finish the write under way and release the file."""
        with self._lock:
            self._root.close()
            _open_here.discard(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the file

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            self._ready()
            self._room()
            cursor = self._root.cursor()
            try:
                cursor.execute("BEGIN").fetchall()
                yield cursor
                cursor.execute("COMMIT").fetchall()
            except (duckdb.Error, OSError) as error:
                raise self._understood(error) from error
            finally:
                cursor.close()  # rolls back what was not committed
            self._dirty = True

    def _room(self) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < self._min_free:
            raise StorageFull(
                f"{free / 2**20:,.0f} MB are free in {self.path.parent}; "
                f"{self._min_free / 2**20:,.0f} MB are needed before anything is written.",
                mend="Free some disk space; the next poll then catches up.",
            )

    def _understood(self, error: Exception) -> StorageError:
        text = str(error)
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            self._broken = text
        if _NO_ROOM.search(text):
            return StorageFull(
                f"{self.path} could not grow: {text}",
                mend="Free some disk space; the next poll then catches up.",
            )
        return StorageBroken(
            f"{self.path} failed: {text}",
            mend="The next write opens the file anew. If this repeats, restore the file or move it away.",
        )

    def _ready(self) -> None:
        """Open the file anew if the instance was given up; its committed writes are all in the file."""
        if self._broken:
            self._root.close()
            self._root = self._connect()
            self._broken = ""

    def _reading(self) -> duckdb.DuckDBPyConnection:
        if self._broken:
            with self._lock:
                self._ready()
        try:
            return self._root.cursor()
        except duckdb.Error as error:
            raise self._understood(error) from error

    def _connect(self) -> duckdb.DuckDBPyConnection:
        try:
            root = self._open()
        except duckdb.Error as error:
            if holder := _HOLDER.search(str(error)):
                raise StorageHeld(
                    f"{self.path} is in use by process {holder['pid']} ({holder['program']}).",
                    mend="Stop that process, or ask the published copy instead: `paceline query`.",
                    pid=int(holder["pid"]),
                ) from error
            wal = self.path.with_name(self.path.name + ".wal")
            if self._read_only or not wal.exists() or "WAL" not in str(error):
                raise self._understood(error) from error
            self.quarantined = _put_aside(wal)
            try:
                root = self._open()
            except duckdb.Error as again:
                raise self._understood(again) from again
        try:
            if not self._read_only:
                root.execute("BEGIN").fetchall()
                migrate(root, self._rows, self.path)
                root.execute("COMMIT").fetchall()
        except StorageError:
            root.close()
            raise
        except duckdb.Error as error:
            root.close()
            raise self._understood(error) from error
        return root

    def _open(self) -> duckdb.DuckDBPyConnection:
        root = duckdb.connect(str(self.path), read_only=self._read_only, config=_CONFIG)
        # Definitions of metrics come from files that people edit: no query may reach outside.
        for setting in (
            "SET GLOBAL TimeZone = 'UTC'",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            root.execute(setting).fetchall()
        return root


def _put_aside(wal: Path) -> Path:
    number = 1
    while (aside := wal.with_name(f"{wal.name}.corrupt-{number}")).exists():
        number += 1
    return wal.rename(aside)
