"""When a definition became another: noted by the process, whoever changed the file and by whatever way.

A metric's header has its own log. Rules, dashboards and sources have none, and a log can be forgotten: so
each start, and each reload, compares what is in force with what was last seen, and keeps what differs.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metrics.catalog import Catalog, Entry, Ref

__all__ = ["CHAPTER", "Change", "newest", "note", "numbered", "read"]

CHAPTER: Final = Chapter(
    "history",
    (
        """
CREATE TABLE definition (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL, at TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX definition_subject ON definition (subject, id);
""",
    ),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A definition as it was from a moment on. before: None where it was new; text: "" where it was gone."""

    at: datetime
    before: str | None
    text: str

    @property
    def what(self) -> str:
        """In a word."""
        return "first seen" if self.before is None else "removed" if not self.text else "changed"

    @property
    def diff(self) -> str:
        """The lines that went and came; "" where it was first seen."""
        if self.before is None:
            return ""
        lines = difflib.unified_diff(self.before.splitlines(), self.text.splitlines(), lineterm="", n=1)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def note(book: Book, catalog: Catalog, now: datetime) -> list[str]:
    """Keep what differs from what was last seen; the names of what did."""
    rows = book.read(
        "SELECT subject, text FROM definition WHERE id IN (SELECT max(id) FROM definition GROUP BY subject)"
    )
    known = {row["subject"]: row["text"] for row in rows}
    present = {str(ref): entry.text for ref, entry in catalog.entries.items()}
    gone = {subject: "" for subject in known if subject not in present}
    changed = {s: text for s, text in {**present, **gone}.items() if known.get(s) != text}
    if changed:
        at = now.astimezone(UTC).isoformat()
        with book.write() as connection:
            connection.executemany(
                "INSERT INTO definition (subject, at, text) VALUES (?, ?, ?)",
                [(subject, at, text) for subject, text in changed.items()],
            )
    return sorted(changed)


def read(book: Book, ref: Ref) -> list[Change]:
    """An entry's changes, newest first."""
    rows = book.read("SELECT at, text FROM definition WHERE subject = ? ORDER BY id", [str(ref)])
    texts = [None, *(row["text"] for row in rows)]
    found = [
        Change(datetime.fromisoformat(row["at"]), before, row["text"])
        for row, before in zip(rows, texts, strict=False)
    ]
    return found[::-1]


def numbered(book: Book, entries: Iterable[Entry]) -> list[Entry]:
    """The entries, those without a log of their own with the versions that were in force here.

    The first is the one that was first seen; each that differed from the one before has the next number.
    """
    states: dict[str, list[str]] = {}
    for row in book.read("SELECT subject, at FROM definition WHERE text <> '' ORDER BY id"):
        states.setdefault(row["subject"], []).append(row["at"])
    found = []
    for one in entries:
        seen = [] if one.own_log else states.get(str(one.ref), [])
        log = [
            f"{n} {datetime.fromisoformat(at).date()} {'changed' if n > 1 else 'first seen here'}"
            for n, at in enumerate(seen, 1)
        ]
        found.append(replace(one, version=len(log), changes=tuple(log[::-1])) if log else one)
    return found


def newest(book: Book, last: int = 50) -> list[tuple[str, Change]]:
    """The newest changes of all entries, newest first; without what was only seen for the first time."""
    rows = book.read(
        "SELECT subject, at, text, lag(text) OVER (PARTITION BY subject ORDER BY id) AS before "
        "FROM definition ORDER BY id DESC"
    )
    found = [
        (row["subject"], Change(datetime.fromisoformat(row["at"]), row["before"], row["text"]))
        for row in rows
        if row["before"] is not None
    ]
    return found[:last]
