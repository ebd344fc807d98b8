"""What channels remember in the book: where an incident's thread is, and which buttons were pressed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from warehouse.book import Chapter

if TYPE_CHECKING:
    from warehouse.book import Book

__all__ = ["CHAPTER", "Pressed", "Threads"]

CHAPTER: Final = Chapter(
    "notify",
    (
        """
CREATE TABLE thread (
    incident TEXT NOT NULL, recipient TEXT NOT NULL,
    place TEXT NOT NULL, parent TEXT NOT NULL,
    PRIMARY KEY (incident, recipient)
);
CREATE TABLE pressed (
    incident TEXT NOT NULL, action TEXT NOT NULL, user TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (incident, action, user)
);
""",
    ),
)

_ONCE_IN: Final = timedelta(minutes=10)
"""A button pressed again within this is the same press: delivered twice, or pressed twice by impatience."""


class Threads:
    """Where each incident's parent message stands, by incident and recipient."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def get(self, incident: str, recipient: str) -> tuple[str, str] | None:
        """(place, parent) as `put` was given."""
        rows = self._book.read(
            "SELECT place, parent FROM thread WHERE incident = ? AND recipient = ?", [incident, recipient]
        )
        return (rows[0]["place"], rows[0]["parent"]) if rows else None

    def put(self, incident: str, recipient: str, place: str, parent: str) -> None:
        """Remember a parent."""
        with self._book.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO thread VALUES (?, ?, ?, ?)", [incident, recipient, place, parent]
            )

    def forget(self, incident: str, recipient: str) -> None:
        """The parent is gone."""
        with self._book.write() as connection:
            connection.execute(
                "DELETE FROM thread WHERE incident = ? AND recipient = ?", [incident, recipient]
            )


class Pressed:
    """Which buttons were pressed: an envelope that comes twice does nothing the second time."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def first(self, incident: str, action: str, user: str, at: datetime) -> bool:
        """Whether this press is the first of its kind; in one transaction with what it causes."""
        with self._book.write() as connection:
            row = connection.execute(
                "SELECT at FROM pressed WHERE incident = ? AND action = ? AND user = ?",
                [incident, action, user],
            ).fetchone()
            if row is not None and at - datetime.fromisoformat(row["at"]) < _ONCE_IN:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO pressed VALUES (?, ?, ?, ?)", [incident, action, user, at.isoformat()]
            )
        return True
