"""Views that a team has named, "Brand DE, last 7 days": a page's address with all that is chosen on it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from warehouse.access import Permission, allow
from warehouse.audit import Audit
from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection

    from warehouse.access import Actor

__all__ = ["CHAPTER", "LONGEST", "SavedView", "delete", "read", "rename", "save"]

CHAPTER: Final = Chapter(
    "views",
    (
        """
CREATE TABLE saved_view (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    page TEXT NOT NULL, query TEXT NOT NULL,
    owner TEXT NOT NULL, created TEXT NOT NULL
);
""",
    ),
)
"""folded: the name without regard to case, by which no two views are the same. query: as in a URL."""

LONGEST: Final = 80
"""Characters of a name."""

_LONGEST_QUERY: Final = 4000


@dataclass(frozen=True, slots=True)
class SavedView:
    """page: its path in the address, "" for the first page. query: (key, value) pairs, a key may repeat."""

    id: str
    name: str
    page: str
    query: tuple[tuple[str, str], ...] = field(repr=False)
    owner: str
    created: datetime

    @property
    def search(self) -> str:
        """The query as it stands in an address, without the question mark."""
        return urlencode(self.query)


def save(
    book: Book, name: str, *, page: str, query: Iterable[tuple[str, str]], by: Actor, now: datetime
) -> SavedView:
    """Give the address a name. Raises Denied; ValueError for no owner, or no name, a long or a taken one."""
    allow(book, by, Permission.VIEWS, "views", now=now)
    owner = by.name
    if not owner:
        raise ValueError("the view has no owner: say who you are, so that others can ask you")
    view = SavedView(uuid.uuid4().hex, _clean(name), page, tuple(query), owner, now.astimezone(UTC))
    if len(view.search) > _LONGEST_QUERY:
        raise ValueError("this page's address is too long to be saved: choose less")
    with book.write() as connection:
        _free(connection, view)
        connection.execute(
            "INSERT INTO saved_view (id, name, folded, page, query, owner, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                view.id,
                view.name,
                view.name.casefold(),
                view.page,
                view.search,
                view.owner,
                view.created.isoformat(),
            ],
        )
        Audit(book).record(owner, "saved", f"view {view.id}", now=now, detail={"name": view.name})
    return view


def rename(book: Book, view: SavedView, name: str, *, by: Actor, now: datetime) -> SavedView:
    """Call a view something else. Raises Denied and ValueError as `save` does, KeyError where it is gone."""
    allow(book, by, Permission.VIEWS, f"view {view.id}", now=now)
    renamed = replace(view, name=_clean(name))
    with book.write() as connection:
        _free(connection, renamed)
        done = connection.execute(
            "UPDATE saved_view SET name = ?, folded = ? WHERE id = ?",
            [renamed.name, renamed.name.casefold(), view.id],
        )
        if done.rowcount == 0:
            raise KeyError(view.id)
        Audit(book).record(by.name, "renamed", f"view {view.id}", now=now, detail={"name": renamed.name})
    return renamed


def delete(book: Book, view: SavedView, *, by: Actor, now: datetime) -> None:
    """Forget a view; one that is gone already is no error. Raises Denied."""
    allow(book, by, Permission.VIEWS, f"view {view.id}", now=now)
    with book.write() as connection:
        if connection.execute("DELETE FROM saved_view WHERE id = ?", [view.id]).rowcount:
            Audit(book).record(by.name, "deleted", f"view {view.id}", now=now, detail={"name": view.name})


def read(book: Book) -> list[SavedView]:
    """All views of the team, by name."""
    rows = book.read("SELECT id, name, page, query, owner, created FROM saved_view ORDER BY folded")
    return [
        SavedView(
            row["id"],
            row["name"],
            row["page"],
            tuple(parse_qsl(row["query"], keep_blank_values=True)),
            row["owner"],
            datetime.fromisoformat(row["created"]),
        )
        for row in rows
    ]


def _clean(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise ValueError("the view has no name: say what it shows")
    if len(name) > LONGEST:
        raise ValueError(f"the name has {len(name)} characters; at most {LONGEST} fit in the list")
    return name


def _free(connection: Connection, view: SavedView) -> None:
    """Raises ValueError where another view has this name; within the transaction that takes it."""
    taken = connection.execute(
        "SELECT owner FROM saved_view WHERE folded = ? AND id <> ?", [view.name.casefold(), view.id]
    ).fetchone()
    if taken:
        raise ValueError(f"{taken['owner']} has saved a view of this name: choose another")
