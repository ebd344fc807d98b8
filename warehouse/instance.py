"""One DuckDB file, opened once by one process, and opened anew when DuckDB gave it up.

DuckDB keeps other processes out by a POSIX lock, which has two traps: the process loses it when it closes
*any* descriptor of the file, and it does not keep the process from opening the file twice. So nothing else
here may open the file (`descriptor` is the one to copy it by), and it is opened anew only when every cursor
of the old instance is gone.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import StorageBroken, StorageError, StorageFull, StorageHeld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["STORAGE_ERRORS", "Instance"]

STORAGE_ERRORS = (
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.InterruptException,
    duckdb.IOException,
)
"""DuckDB's errors that are about the file and not about the statement."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.5.0",  # so that tools which still carry DuckDB 1.5 read the file
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allocator_background_threads": "true",  # memory goes back between writes
    "allocator_flush_threshold": "16MB",
}
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_NO_ROOM = re.compile(r"No space left|File too large|Disk quota exceeded", re.IGNORECASE)
_PATIENCE = 30.0
"""Seconds that interrupted queries have to end before the file is opened anew or closed."""

_held: set[Path] = set()
_held_lock = threading.Lock()


class Instance:
    """An open database file.

    prepare: run on a fresh instance, in a transaction, before anyone may use it.
    descriptor: an open file descriptor of the database file; never close it, nor another of the same file.
    quarantined: the log that was put aside because it could not be read back, else None.
    """

    descriptor: int
    _root: duckdb.DuckDBPyConnection

    def __init__(
        self, path: Path, *, read_only: bool, prepare: Callable[[duckdb.DuckDBPyConnection], None]
    ) -> None:
        """Raises StorageHeld, StorageFull, StorageBroken and what `prepare` raises."""
        self.path = path
        self.quarantined: Path | None = None
        self.read_only = read_only
        self._prepare = prepare
        self._broken = ""
        self._closed = False
        self._reviving = False
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._changed = threading.Condition()
        with _held_lock:
            if path in _held:
                raise StorageHeld(
                    f"{path} is already open in this process.",
                    mend="Share the one that is open.",
                    pid=os.getpid(),
                )
            _held.add(path)
        try:
            self._connect()
        except BaseException:
            _held.discard(path)
            raise

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one call; what it did not commit is rolled back.

        Raises StorageFull and StorageBroken; what is wrong with a statement is raised as duckdb.Error.
        """
        with self._changed:
            while self._broken and not self._closed:
                self._revive()
            if self._closed:
                raise StorageBroken(f"{self.path} is closed.", mend="Open it again.")
            cursor = self._root.cursor()
            self._cursors.add(cursor)
        try:
            yield cursor
        except (duckdb.Error, OSError) as error:
            if storage := self._understood(error):
                raise storage from error
            raise
        finally:
            with suppress(duckdb.Error):  # rolling back on an instance that was given up fails once more
                cursor.close()
            with self._changed:
                self._cursors.discard(cursor)
                self._changed.notify_all()

    def close(self) -> None:
        """Interrupt what still runs and release the file."""
        with self._changed:
            self._closed = True
            self._release()
        _held.discard(self.path)

    def _release(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self._cursors:
            if time.monotonic() > deadline:
                raise StorageBroken(
                    f"{self.path}: {len(self._cursors)} queries do not end.", mend="Restart this process."
                )
            for cursor in self._cursors:
                # Again and again: one that comes before its query starts is lost. Its owner may just
                # have closed it.
                with suppress(duckdb.ConnectionException):
                    cursor.interrupt()
            self._changed.wait(0.05)
        self._root.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _revive(self) -> None:
        """Open the file anew, one thread for all: releasing gives up the lock while it waits."""
        if self._reviving:
            self._changed.wait(0.05)
            return
        self._reviving = True
        try:
            self._release()
            if not self._closed:
                self._connect()
                self._broken = ""
        finally:
            self._reviving = False
            self._changed.notify_all()

    def _understood(self, error: Exception) -> StorageError | None:
        """The storage's part in `error`, or None where the statement is to blame."""
        text = _words(error)
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            self._broken = text
        if _NO_ROOM.search(text):
            return StorageFull(
                f"{self.path} could not grow: {text}.",
                mend="Free some disk space; the next poll then catches up.",
            )
        if self._broken:
            return StorageBroken(
                f"{self.path} was given up by the database: {text}.",
                mend="It is opened anew by itself. If this repeats, check the disk.",
            )
        if isinstance(error, duckdb.InterruptException):
            return StorageBroken(f"{self.path} is being closed or opened anew.", mend="Ask again.")
        if isinstance(error, duckdb.IOException | OSError):
            return StorageBroken(
                f"{self.path} could not be read or written: {text}.",
                mend="Check the disk and the file's permissions.",
            )
        return None

    def _unopened(self, error: Exception) -> StorageError:
        storage = self._understood(error)
        if isinstance(storage, StorageFull):
            return storage
        return StorageBroken(
            f"{self.path} cannot be opened: {_words(error)}.",
            mend="Check its permissions. A damaged file can be moved away and `paceline backfill` run.",
        )

    def _connect(self) -> None:
        try:
            root = self._open()
        except duckdb.Error as error:
            root = self._recover(error)
        try:
            if not self.read_only:
                root.execute("BEGIN").fetchall()
                self._prepare(root)
                root.execute("COMMIT").fetchall()
            self.descriptor = os.open(self.path, os.O_RDONLY)
        except (duckdb.Error, OSError) as error:
            root.close()
            raise self._unopened(error) from error
        except StorageError:
            root.close()
            raise
        self._root = root

    def _recover(self, error: duckdb.Error) -> duckdb.DuckDBPyConnection:
        if holder := _HOLDER.search(str(error)):
            raise StorageHeld(
                f"{self.path} is in use by process {holder['pid']} ({holder['program']}).",
                mend="Stop that process, or ask the published copy instead: `paceline query`.",
                pid=int(holder["pid"]),
            ) from error
        wal = self.path.with_name(self.path.name + ".wal")
        if self.read_only or not wal.exists() or "WAL" not in str(error):
            raise self._unopened(error) from error
        self.quarantined = _put_aside(wal)
        try:
            return self._open()
        except duckdb.Error as again:
            raise self._unopened(again) from again

    def _open(self) -> duckdb.DuckDBPyConnection:
        root = duckdb.connect(str(self.path), read_only=self.read_only, config=_CONFIG)
        # Definitions of metrics come from files that people edit: no query may reach outside.
        for setting in (
            "SET GLOBAL TimeZone = 'UTC'",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            root.execute(setting).fetchall()
        return root


def _words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip("!. ")


def _put_aside(wal: Path) -> Path:
    number = 1
    while (aside := wal.with_name(f"{wal.name}.corrupt-{number}")).exists():
        number += 1
    return wal.rename(aside)
