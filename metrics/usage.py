"""How often the catalogue's entries are looked at: counted by day, its readers told apart but not named.

A page counts when somebody goes to it, a metric when somebody opens where its number comes from. A reader is
kept as a hash with this installation's own salt: enough to tell one reader from five, not to say who.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    from metrics.catalog import Ref

__all__ = ["CHAPTER", "Usage", "count", "read", "since"]

CHAPTER: Final = Chapter(
    "usage",
    (
        """
CREATE TABLE viewed (
    day TEXT NOT NULL, subject TEXT NOT NULL, reader TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (day, subject, reader)
) WITHOUT ROWID;
CREATE TABLE usage_about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO usage_about VALUES ('salt', lower(hex(randomblob(16))));
""",
    ),
)

KEPT: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Usage:
    """times: looks. readers: different people. last: the newest day."""

    times: int
    readers: int
    last: date


def count(book: Book, ref: Ref, reader: str, now: datetime) -> None:
    """One look of a reader at an entry."""
    (row,) = book.read("SELECT value FROM usage_about WHERE name = 'salt'")
    hashed = hashlib.sha256(f"{row['value']} {reader}".encode()).hexdigest()[:16]
    with book.write() as connection:
        connection.execute(
            "INSERT INTO viewed VALUES (?, ?, ?, 1) "
            "ON CONFLICT (day, subject, reader) DO UPDATE SET times = times + 1",
            [now.date().isoformat(), str(ref), hashed],
        )
        connection.execute("DELETE FROM viewed WHERE day < ?", [(now - KEPT).date().isoformat()])


def read(book: Book, since: date) -> dict[str, Usage]:
    """Looks from a day on, by the entry's name; an entry that nobody looked at is not in it."""
    rows = book.read(
        "SELECT subject, sum(times) AS times, count(DISTINCT reader) AS readers, max(day) AS last "
        "FROM viewed WHERE day >= ? GROUP BY subject",
        [since.isoformat()],
    )
    return {
        row["subject"]: Usage(row["times"], row["readers"], date.fromisoformat(row["last"])) for row in rows
    }


def since(book: Book) -> date | None:
    """The first day that is counted; None before anything was."""
    (row,) = book.read("SELECT min(day) AS day FROM viewed")
    return date.fromisoformat(row["day"]) if row["day"] else None
