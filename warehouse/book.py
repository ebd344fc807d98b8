"""The book: what the process decides and what people say of it, beside the warehouse's facts.

Alerts and their notifications, acknowledgements, notes, saved views, proposals, the audit log: few rows,
each a promise, written in small transactions that must survive the next instant. They lie in a SQLite file
of their own, so that no rewrite of facts delays them and none of them is lost with the facts
(docs/adr/0004-a-book-beside-the-warehouse.md).
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.errors import StorageBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Book", "Chapter"]

_VERSIONS = "CREATE TABLE IF NOT EXISTS chapter (name TEXT PRIMARY KEY, version INTEGER NOT NULL)"


@dataclass(frozen=True, slots=True)
class Chapter:
    """One room's tables: `steps[n]` is the SQL that leads from version n to n + 1, never changed once out.

    Times are TEXT in ISO 8601 with an offset, in UTC; nested values are JSON.
    """

    name: str
    steps: tuple[str, ...]


class Book:
    """A SQLite file that one process owns; safe from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._writer, self._reader = connection, reader
        self._write_lock, self._read_lock = threading.RLock(), threading.Lock()
        self._afterwards: list[Callable[[], None]] = []

    @classmethod
    def open(cls, path: Path, chapters: Sequence[Chapter] = ()) -> Book:
        """Open or create the file and bring each chapter up to date.

        Raises StorageBroken where the file is no book, or was written by a newer version.
        """
        try:
            writer, reader = _connect(path), _connect(path)
            reader.execute("PRAGMA query_only = ON")
            book = cls(path, writer, reader)
            for chapter in chapters:
                book.add(chapter)
        except sqlite3.DatabaseError as error:
            raise StorageBroken(
                f"{path.name} cannot be opened: {error}", mend="put the file aside; a new one is made"
            ) from error
        return book

    def add(self, chapter: Chapter) -> None:
        """Bring one chapter's tables up to date, in one transaction."""
        with self.write() as connection:
            connection.execute(_VERSIONS)
            row = connection.execute("SELECT version FROM chapter WHERE name = ?", [chapter.name]).fetchone()
            version = row["version"] if row else 0
            if version > len(chapter.steps):
                raise StorageBroken(
                    f"its {chapter.name} tables have version {version}, and this program knows up to "
                    f"{len(chapter.steps)}",
                    mend="run the newer version of Paceline that wrote them",
                )
            for step in chapter.steps[version:]:
                for statement in _statements(step):
                    connection.execute(statement)
            connection.execute(
                "INSERT OR REPLACE INTO chapter VALUES (?, ?)",
                [chapter.name, len(chapter.steps)],
            )

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block or nothing of it, on the disk when the block is left.

        A block within a block of the same thread belongs to the outer one's transaction. Rows are read by
        column name.
        """
        with self._write_lock:
            if self._writer.in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                self._afterwards.clear()
                raise
            self._writer.execute("COMMIT")
            acts, self._afterwards = self._afterwards, []
            for act in acts:
                act()

    def afterwards(self, act: Callable[[], None]) -> None:
        """Call `act` once the present thread's transaction is on the disk; never, if it is not to be."""
        with self._write_lock:
            if self._writer.in_transaction:
                self._afterwards.append(act)
            else:
                act()

    def read(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """The rows of one SELECT, as committed."""
        with self._read_lock:
            return [dict(row) for row in self._reader.execute(sql, params).fetchall()]

    def close(self) -> None:
        """Release the file."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an acknowledged row survives the machine's fall
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one: `executescript` would commit the transaction under way."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
    if held.strip():
        yield held
