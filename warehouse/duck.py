"""The warehouse in one DuckDB file, owned by one process.

Every call takes a cursor of its own (a shared connection gives wrong answers) and drains its result (an
open one holds up checkpoints). Writes queue behind one lock; reads go on beside them.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from connectors.rows import ROWS
from warehouse import ingest, journal
from warehouse.compact import compact
from warehouse.errors import ReplyRefused, StorageBroken, StorageFull
from warehouse.instance import STORAGE_ERRORS, Instance
from warehouse.migrations import migrate
from warehouse.publish import publish
from warehouse.reader import only_select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from connectors.schema import Row
    from warehouse.store import Fetch, Slice, Watermark, Written

__all__ = ["MIN_FREE", "DuckWarehouse"]

MIN_FREE = 512 * 2**20
"""Bytes that must be free on the disk before a write: room for a checkpoint and a published copy."""


class DuckWarehouse:
    """A `Warehouse` in a DuckDB file. Safe from any thread.

    data_version: rises with every write that changed a row of a table; for caches.
    """

    def __init__(self, instance: Instance, *, published: Path, min_free: int) -> None:
        """Use `open`."""
        self.data_version = 0
        self._instance = instance
        self._published = published
        self._min_free = min_free
        self._writing = threading.Lock()
        self._unpublished = True

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

        rows: the row types that have tables. min_free: bytes below which nothing is written. published:
        where `publish` puts the copy, by default `published.duckdb` beside the file. Raises StorageHeld,
        StorageTooNew, StorageFull, StorageBroken.
        """
        where = Path(path).resolve()
        where.parent.mkdir(parents=True, exist_ok=True)
        copy = Path(published).resolve() if published else where.with_name("published.duckdb")
        instance = Instance(where, read_only=read_only, prepare=partial(migrate, rows=rows, path=where))
        return cls(instance, published=copy, min_free=min_free)

    @property
    def quarantined(self) -> Path | None:
        """Where a log of recent writes was put aside because it could not be read back, else None.

        What it held is lost until those windows are pulled again: tell people, and pull them.
        """
        return self._instance.quarantined

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
            try:
                written = ingest.store(cursor, piece, reply, seen_at=seen_at)
            except duckdb.DataError as error:
                raise ReplyRefused(
                    f"{piece.source}/{piece.account}/{piece.stream}: a value cannot be stored: {error}",
                    mend="Report it to the connector's author.",
                ) from error
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
        """Put a table back in the order of time: after a backfill, and now and then."""
        with self._transaction() as cursor:
            compact(cursor, row)

    def publish(self) -> None:
        """See `Warehouse.publish`. Does nothing where nothing was written since the last time."""
        with self._writing:
            if not self._unpublished and self._published.exists():
                return
            with self._instance.cursor() as cursor:
                publish(cursor, self._instance.descriptor, self._published)
            self._unpublished = False

    # -- reading

    def query(self, sql: str, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pa.Table:
        """See `Warehouse.query`. `params` by name fill `$name`, by order `?`.

        Raises ValueError for anything but one SELECT and for one that is wrong, StorageBroken.
        """
        try:
            return self._ask(sql, params)
        except StorageBroken:
            # Asked again of the instance that was opened anew; of a file that is lost it fails again.
            return self._ask(sql, params)

    def _ask(self, sql: str, params: Mapping[str, Any] | Sequence[Any] | None) -> pa.Table:
        with self._instance.cursor() as cursor:
            try:
                only_select(cursor, sql)
                # A SELECT may hold a CTE that writes: the transaction is what forbids it.
                cursor.execute("BEGIN TRANSACTION READ ONLY").fetchall()
                return cursor.sql(sql, params=params).to_arrow_table()
            except STORAGE_ERRORS:
                raise
            except duckdb.Error as error:
                raise ValueError(f"{error}\n{sql}") from error

    def watermarks(self) -> list[Watermark]:
        """See `Warehouse.watermarks`."""
        return journal.watermarks(self)

    def operations(self, source: str, *, since: datetime) -> int:
        """See `Warehouse.operations`."""
        return journal.operations(self, source, since=since)

    def close(self) -> None:
        """Finish the write under way and release the file."""
        with self._writing:
            self._instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._instance.read_only:
            raise StorageBroken(f"{self._instance.path} is open read-only.", mend="Open it for writing.")
        with self._writing:
            self._check_room()
            with self._instance.cursor() as cursor:
                cursor.execute("BEGIN").fetchall()
                yield cursor
                cursor.execute("COMMIT").fetchall()
            self._unpublished = True

    def _check_room(self) -> None:
        folder = self._instance.path.parent
        free = shutil.disk_usage(folder).free
        if free < self._min_free:
            raise StorageFull(
                f"{free / 2**20:,.0f} MB are free in {folder}; {self._min_free / 2**20:,.0f} MB are needed "
                "before anything is written.",
                mend="Free some disk space; the next poll then catches up.",
            )
