"""Who did what, in an order that cannot be changed unseen.

Each row carries the hash of the row before it, so that an edited, removed or reordered row breaks the chain;
the newest hash also lies in a file of its own, `audit.head`, so that rows cut off at the end are missed too.
Whoever can write both files can forge both: a copy of the head that lies elsewhere tells (docs/security.md).
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CHAPTER", "Audit", "Break", "Entry"]

CHAPTER: Final = Chapter(
    "audit",
    (
        """
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
    detail TEXT NOT NULL, before TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
""",
    ),
)

_START: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. subject: what it was done to, as in "metric cpa". detail: plain values."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold. seq: the first row that is wrong, or 0 for the log as a whole."""

    seq: int
    words: str


class Audit:
    """The log of one book; `audit.head` beside the book's file holds the newest hash."""

    def __init__(self, book: Book) -> None:
        self._book, self._head = book, book.path.with_name("audit.head")
        if not book.read("SELECT 1 FROM sqlite_master WHERE name = 'audit'"):
            book.add(CHAPTER)

    def record(
        self,
        actor: str,
        action: str,
        subject: str,
        *,
        now: datetime,
        detail: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Append one act; within the caller's transaction where there is one.

        The head is written once the row is on the disk: after a fall in between, it is one act behind.
        """
        with self._book.write() as connection:
            last = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
            seq, before = (last["seq"] + 1, last["hash"]) if last else (1, _START)
            at = now.astimezone(UTC).isoformat()
            text = json.dumps(detail or {}, sort_keys=True, ensure_ascii=False, default=str)
            told = _hash(seq, at, actor, action, subject, text, before)
            connection.execute(
                "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [seq, at, actor, action, subject, text, before, told],
            )
            self._book.afterwards(partial(self._write_head, seq, told))
        return Entry(seq, datetime.fromisoformat(at), actor, action, subject, json.loads(text), told)

    def entries(self, *, last: int = 200, subject: str | None = None) -> list[Entry]:
        """The newest acts, newest first; of one subject where it is given."""
        rows = self._book.read(
            "SELECT * FROM audit WHERE ? IS NULL OR subject = ? ORDER BY seq DESC LIMIT ?",
            [subject, subject, last],
        )
        return [
            Entry(
                row["seq"],
                datetime.fromisoformat(row["at"]),
                row["actor"],
                row["action"],
                row["subject"],
                json.loads(row["detail"]),
                row["hash"],
            )
            for row in rows
        ]

    def verify(self, copy: Path | None = None) -> tuple[int, Break | None]:
        """How many rows there are, and the first place at which the chain does not hold.

        copy: a copy of `audit.head` of any day, of which the log must be the continuation.
        """
        # Read before the rows: what is added meanwhile is in them, and not yet in the head.
        heads = [(head.name, _text(head)) for head in (self._head, copy) if head is not None]
        before, seq = _START, 0
        hashes = {0: _START}
        for row in self._book.read("SELECT * FROM audit ORDER BY seq"):
            if row["seq"] != seq + 1:
                return seq, Break(seq + 1, f"row {seq + 1} is missing")
            if row["before"] != before:
                return seq, Break(row["seq"], f"row {row['seq']} does not follow the row before it")
            told = _hash(
                *(row[name] for name in ("seq", "at", "actor", "action", "subject", "detail")), before
            )
            if told != row["hash"]:
                return seq, Break(row["seq"], f"row {row['seq']} was changed after it was written")
            before, seq = told, row["seq"]
            hashes[seq] = told
        return seq, next(filter(None, (_check_head(*head, seq, hashes) for head in heads)), None)

    def _write_head(self, seq: int, told: str) -> None:
        fresh = self._head.with_name(f".{self._head.name}")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(f"{seq} {told}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._head)


def _hash(*parts: object) -> str:
    """SHA-256 over the parts, each with its length, so that no two rows share a text."""
    digest = hashlib.sha256()
    for part in map(str, parts):
        raw = part.encode()
        digest.update(f"{len(raw)}:".encode() + raw)
    return digest.hexdigest()


def _text(head: Path) -> str | None:
    try:
        return head.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _check_head(name: str, text: str | None, seq: int, hashes: Mapping[int, str]) -> Break | None:
    """Whether a log of these hashes has the row that a head names."""
    if text is None:
        return Break(0, f"{name} is missing") if seq else None
    number, _, told = text.strip().partition(" ")
    if not number.isdecimal():
        return Break(0, f"{name} holds no head")
    if int(number) > seq:
        return Break(seq + 1, f"rows {seq + 1} to {number} are missing")
    # A fall may have left the head one act behind; it is still a row of this very chain.
    if hashes[int(number)] != told:
        return Break(int(number), f"row {number} is not the one that was written: the log was replaced")
    return None
