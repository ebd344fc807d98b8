"""Proposals: changes of the workspace's files that somebody else must approve; and what came into force when.

A proposal is open, then applied, rejected or withdrawn; nothing is ever deleted. Here is who may take which
step; what a file must be to be valid, and how it is written, is the service's.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias

from warehouse.access import Denied, Permission, allow
from warehouse.audit import Audit
from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from connectors.contract import Window
    from warehouse.access import Actor

__all__ = [
    "CHAPTER",
    "Came",
    "Proposal",
    "State",
    "applied",
    "began",
    "came",
    "came_into_force",
    "closed",
    "find",
    "propose",
    "read",
    "reopened",
]

State: TypeAlias = Literal["open", "applying", "applied", "rejected", "withdrawn"]

CHAPTER: Final = Chapter(
    "proposals",
    (
        """
CREATE TABLE proposal (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL, before TEXT, after TEXT, why TEXT NOT NULL,
    author TEXT NOT NULL, proven INTEGER NOT NULL, created TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT NOT NULL DEFAULT '', decided TEXT, comment TEXT NOT NULL DEFAULT '',
    reverts INTEGER, revision TEXT NOT NULL DEFAULT ''
);
CREATE TABLE came_into_force (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL
);
CREATE INDEX came_into_force_at ON came_into_force (at);
""",
    ),
)

LONGEST_WHY: Final = 200
"""Characters: the reason becomes a line of the metric's file and the subject of a commit."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """path: the file, seen from the workspace. before, after: its whole text; None where there is no file.

    proven: whether a login or a token vouches for the author. revision: the commit, where there is one.
    """

    id: int
    path: str
    before: str | None
    after: str | None
    why: str
    author: str
    proven: bool
    created: datetime
    state: State
    decided_by: str = ""
    decided: datetime | None = None
    comment: str = ""
    reverts: int | None = None
    revision: str = ""

    @property
    def diff(self) -> str:
        """What changes, as a unified diff; empty lines of context included."""
        before, after = ((text or "").splitlines(keepends=True) for text in (self.before, self.after))
        lines = difflib.unified_diff(before, after, f"a/{self.path}", f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Came:
    """A definition that came into force. kind: metric or rule. who: by whom; "" by the file alone."""

    at: datetime
    kind: str
    name: str
    what: str
    who: str


def propose(
    book: Book,
    path: str,
    *,
    before: str | None,
    after: str | None,
    why: str,
    by: Actor,
    now: datetime,
    reverts: int | None = None,
) -> Proposal:
    """Write a proposal down. Raises Denied; ValueError for one without a reason, or that changes nothing."""
    allow(book, by, Permission.PROPOSE, path, now=now)
    why = " ".join(why.split())
    if not why:
        raise ValueError("say why: whoever approves it, and whoever wonders in a year, will read it")
    if len(why) > LONGEST_WHY:
        raise ValueError(f"the reason has {len(why)} characters; at most {LONGEST_WHY} fit")
    if before == after:
        raise ValueError("nothing is changed")
    if not by.name:
        raise ValueError("the proposal has no author: say who you are")
    with book.write() as connection:
        cursor = connection.execute(
            "INSERT INTO proposal (path, before, after, why, author, proven, created, state, reverts) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?)",
            [path, before, after, why, by.name, by.proven, _said(now), reverts],
        )
        number = int(cursor.lastrowid or 0)
        detail = {"path": path, "why": why}
        Audit(book).record(by.name, "proposed", f"proposal {number}", now=now, detail=detail)
    return find(book, number)


def read(book: Book, *, last: int = 200) -> list[Proposal]:
    """The proposals, newest first."""
    return [_proposal(row) for row in book.read("SELECT * FROM proposal ORDER BY id DESC LIMIT ?", [last])]


def find(book: Book, number: int) -> Proposal:
    """One proposal. Raises KeyError."""
    rows = book.read("SELECT * FROM proposal WHERE id = ?", [number])
    if not rows:
        raise KeyError(f"there is no proposal {number}")
    return _proposal(rows[0])


def began(book: Book, number: int, after: str | None, *, by: Actor, comment: str, now: datetime) -> Proposal:
    """Approve it: from now on `after` is what its file is to become, whatever happens in between.

    Raises Denied for too little of a role, for the author, and where nobody vouches for who is who;
    ValueError where it is not open.
    """
    allow(book, by, Permission.DECIDE, f"proposal {number}", now=now)
    found = find(book, number)
    refusal = ""
    if not (by.proven and found.proven):
        refusal = "nobody vouches for who proposed it and who approves: set up a login, or review it in git"
    elif by.name.casefold() == found.author.casefold():
        refusal = f"{by.name} proposed it: somebody else must approve"
    if refusal:
        _refuse(book, found, "approval", refusal, by=by, now=now)
    with book.write() as connection:
        _leave_open(connection, number, "applying", by=by, comment=comment, now=now)
        connection.execute("UPDATE proposal SET after = ? WHERE id = ?", [after, number])
        detail = {"path": found.path, "author": found.author}
        Audit(book).record(by.name, "approved", f"proposal {number}", now=now, detail=detail)
    return find(book, number)


def applied(book: Book, number: int, revision: str) -> None:
    """Its file is written. revision: the commit, or ""."""
    with book.write() as connection:
        connection.execute(
            "UPDATE proposal SET state = 'applied', revision = ? WHERE id = ?", [revision, number]
        )


def reopened(book: Book, number: int, why: str, *, now: datetime) -> None:
    """It could not be written: it is open again, and its approval counts no more."""
    with book.write() as connection:
        connection.execute(
            "UPDATE proposal SET state = 'open', decided_by = '', decided = NULL, comment = '' WHERE id = ?",
            [number],
        )
        Audit(book).record("Paceline", "could not apply", f"proposal {number}", now=now, detail={"why": why})


def closed(
    book: Book,
    number: int,
    state: Literal["rejected", "withdrawn"],
    *,
    by: Actor,
    comment: str = "",
    now: datetime,
) -> Proposal:
    """Reject it, or take it back; only its author does the latter. Raises Denied, ValueError."""
    needed = Permission.DECIDE if state == "rejected" else Permission.PROPOSE
    allow(book, by, needed, f"proposal {number}", now=now)
    found = find(book, number)
    if state == "withdrawn" and by.name.casefold() != found.author.casefold():
        refusal = f"{found.author} proposed it: nobody else takes it back"
        _refuse(book, found, "withdrawal", refusal, by=by, now=now)
    with book.write() as connection:
        _leave_open(connection, number, state, by=by, comment=comment, now=now)
        detail = {"comment": comment.strip()}
        Audit(book).record(by.name, state, f"proposal {number}", now=now, detail=detail)
    return find(book, number)


def came_into_force(book: Book, found: Sequence[Came]) -> None:
    """Write down what came into force, for the charts and the catalogue."""
    with book.write() as connection:
        connection.executemany(
            "INSERT INTO came_into_force (at, kind, name, what, who) VALUES (?, ?, ?, ?, ?)",
            [(_said(one.at), one.kind, one.name, one.what, one.who) for one in found],
        )


def came(book: Book, window: Window | None = None) -> list[Came]:
    """What came into force in a window, or ever; oldest first."""
    start, stop = (_said(window.start), _said(window.end)) if window else ("", "~")
    rows = book.read(
        "SELECT at, kind, name, what, who FROM came_into_force WHERE at >= ? AND at < ? ORDER BY at, id",
        [start, stop],
    )
    return [Came(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]


def _leave_open(
    connection: sqlite3.Connection, number: int, state: State, *, by: Actor, comment: str, now: datetime
) -> None:
    """Take an open proposal to another state, within a transaction. Raises ValueError where somebody has."""
    moved = connection.execute(
        "UPDATE proposal SET state = ?, decided_by = ?, decided = ?, comment = ? "
        "WHERE id = ? AND state = 'open'",
        [state, by.name, _said(now), comment.strip(), number],
    )
    if moved.rowcount != 1:
        row = connection.execute("SELECT state FROM proposal WHERE id = ?", [number]).fetchone()
        raise ValueError(f"proposal {number} is {row['state']} already")


def _refuse(book: Book, found: Proposal, what: str, why: str, *, by: Actor, now: datetime) -> NoReturn:
    """Log a refusal as every other, and raise Denied."""
    Audit(book).record(by.name, "was refused", f"proposal {found.id}", now=now, detail={what: why})
    raise Denied(why)


def _proposal(row: dict[str, Any]) -> Proposal:
    decided = datetime.fromisoformat(row["decided"]) if row["decided"] else None
    moments = {"created": datetime.fromisoformat(row["created"]), "decided": decided}
    return Proposal(**{**row, **moments, "proven": bool(row["proven"])})


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
