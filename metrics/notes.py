"""What people write beside the numbers: a promotion, a price change, a tracking fix; shown on every chart.

A note says when, about what, and by whom. It is never overwritten: one that is taken back stays in the book.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from warehouse.access import Permission, allow
from warehouse.audit import Audit
from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from connectors.contract import Window
    from warehouse.access import Actor

__all__ = ["CHAPTER", "LONGEST", "Note", "add", "read", "take_back"]

CHAPTER: Final = Chapter(
    "notes",
    (
        """
CREATE TABLE note (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    source TEXT NOT NULL, account TEXT NOT NULL, campaign TEXT NOT NULL,
    text TEXT NOT NULL, author TEXT NOT NULL, created TEXT NOT NULL,
    taken_back TEXT
);
CREATE INDEX note_at ON note (at);
""",
    ),
)
"""Moments are UTC; source, account and campaign are "" where a note is about more than one of them."""

LONGEST: Final = 500
"""Characters of a note."""


@dataclass(frozen=True, slots=True)
class Note:
    """at: the moment it is about. created: when it was written. Scope: "" is "all of them"."""

    id: str
    at: datetime
    text: str
    author: str
    created: datetime
    source: str = ""
    account: str = ""
    campaign: str = ""


def add(
    book: Book,
    text: str,
    *,
    at: datetime,
    by: Actor,
    now: datetime,
    source: str = "",
    account: str = "",
    campaign: str = "",
) -> Note:
    """Write a note down. Raises Denied; ValueError for one that says nothing, too much, or names nobody."""
    allow(book, by, Permission.NOTES, "notes", now=now)
    text, author = text.strip(), by.name
    if not text:
        raise ValueError("the note is empty: say what happened")
    if len(text) > LONGEST:
        raise ValueError(f"the note has {len(text)} characters; at most {LONGEST} fit on a chart")
    if not author:
        raise ValueError("the note has no author: say who you are, so that others can ask you")
    if (account and not source) or (campaign and not account):
        raise ValueError("an id is unique only within its source and account: give those too")
    note = Note(
        uuid.uuid4().hex, at.astimezone(UTC), text, author, now.astimezone(UTC), source, account, campaign
    )
    with book.write() as connection:
        connection.execute(
            "INSERT INTO note (id, at, source, account, campaign, text, author, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [note.id, _said(at), source, account, campaign, text, author, _said(now)],
        )
        Audit(book).record(author, "noted", f"note {note.id}", now=now, detail={"text": text})
    return note


def take_back(book: Book, id: str, *, by: Actor, now: datetime) -> None:  # noqa: A002  # the note's id
    """Show a note no longer. Raises Denied, and KeyError where there is no such note (any more)."""
    allow(book, by, Permission.NOTES, f"note {id}", now=now)
    with book.write() as connection:
        done = connection.execute(
            "UPDATE note SET taken_back = ? WHERE id = ? AND taken_back IS NULL", [_said(now), id]
        )
        if done.rowcount == 0:
            raise KeyError(id)
        Audit(book).record(by.name, "took back", f"note {id}", now=now)


def read(book: Book, window: Window, where: Mapping[str, Any] | None = None) -> list[Note]:
    """The notes about a window, oldest first.

    where: as a question's filters, of which those on source, account and campaign are heeded; a note about
    all accounts belongs to each of them.
    """
    rows = book.read(
        "SELECT id, at, source, account, campaign, text, author, created FROM note "
        "WHERE taken_back IS NULL AND at >= ? AND at < ? ORDER BY at, created, rowid",
        [_said(window.start), _said(window.end)],
    )
    kept = {name: _listed((where or {}).get(name)) for name in ("source", "account", "campaign")}
    return [
        Note(**{**row, "at": _moment(row["at"]), "created": _moment(row["created"])})
        for row in rows
        if all(values is None or not row[name] or row[name] in values for name, values in kept.items())
    ]


def _listed(value: Any) -> Sequence[str] | None:
    return [value] if isinstance(value, str) else value


def _said(at: datetime) -> str:
    # Always with microseconds: texts of one shape sort as the moments do.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
