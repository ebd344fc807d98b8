"""Reviews: whether a dashboard, a rule or a metric still earns its place, asked again every quarter.

A decision is kept in the book, with who took it, why, and when it is asked again; the audit log has it too.
The date in the file holds until the first decision, then the decision's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from metrics.catalog import Entry, Ref
from warehouse.access import Permission, allow
from warehouse.audit import Audit
from warehouse.book import Book, Chapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warehouse.access import Actor

__all__ = ["CHAPTER", "CHOICES", "Choice", "Decision", "dated", "decide", "history", "latest"]

CHAPTER: Final = Chapter(
    "reviews",
    (
        """
CREATE TABLE review (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL, subject TEXT NOT NULL, by TEXT NOT NULL,
    choice TEXT NOT NULL, note TEXT NOT NULL, next TEXT NOT NULL, filed TEXT NOT NULL
);
CREATE INDEX review_subject ON review (subject);
""",
    ),
)

Choice: TypeAlias = Literal["keep", "change", "retire"]
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)

FURTHEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a review came to. next: when it is asked again. filed: the file's own date when it was decided."""

    subject: str
    at: datetime
    by: str
    choice: Choice
    note: str
    next: date
    filed: str


def filed(one: Entry) -> str:
    """The review's date as the entry's file has it."""
    return one.review.isoformat() if one.review else ""


def decide(
    book: Book, entry: Entry, choice: Choice, *, note: str, upon: date, by: Actor, now: datetime
) -> Decision:
    """Record a decision on an entry as its file has it; it is asked again upon that day.

    Raises Denied; ValueError where nobody says who decides, for a change or an end without a reason, and for
    a day that is past or over a year away.
    """
    subject = str(entry.ref)
    allow(book, by, Permission.REVIEW, subject, now=now)
    note = " ".join(note.split())
    if not by.name:
        raise ValueError("the review has nobody who did it: say who you are")
    if choice not in CHOICES:
        raise ValueError(f"{choice!r} is no decision: {', '.join(CHOICES)}")
    if choice != "keep" and not note:
        raise ValueError(f"say what to {choice}, and why: somebody else will do it")
    if not now.date() < upon <= (now + FURTHEST).date():
        raise ValueError(f"the next review cannot be on {upon}: choose a day within a year from now")
    made = Decision(subject, now.astimezone(UTC), by.name, choice, note, upon, filed(entry))
    with book.write() as connection:
        connection.execute(
            "INSERT INTO review (at, subject, by, choice, note, next, filed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [made.at.isoformat(), subject, made.by, choice, note, upon.isoformat(), made.filed],
        )
        detail = {"decision": choice, "note": note, "next": upon.isoformat()}
        Audit(book).record(by.name, "reviewed", subject, now=now, detail=detail)
    return made


def history(book: Book, ref: Ref) -> list[Decision]:
    """An entry's decisions, newest first."""
    return _read(book, "WHERE subject = ? ORDER BY id DESC", [str(ref)])


def latest(book: Book) -> dict[str, Decision]:
    """The newest decision of each entry, by its name."""
    newest = "WHERE id IN (SELECT max(id) FROM review GROUP BY subject)"
    return {one.subject: one for one in _read(book, newest, [])}


def dated(entries: Iterable[Entry], decided: Mapping[str, Decision]) -> list[Entry]:
    """The entries with their last and next review as the decisions have them.

    Where the file's date has moved since a decision, somebody has written another: that one counts.
    """
    found = []
    for one in entries:
        made = decided.get(str(one.ref))
        if made is not None and made.filed == filed(one):
            one = replace(one, review=made.next)  # noqa: PLW2901  # as it is after its review
        if made is not None:
            one = replace(one, reviewed=max(one.reviewed or date.min, made.at.date()))  # noqa: PLW2901
        found.append(one)
    return found


def _read(book: Book, where: str, params: list[str]) -> list[Decision]:
    rows = book.read(f"SELECT at, subject, by, choice, note, next, filed FROM review {where}", params)  # noqa: S608  # ours
    return [
        Decision(
            row["subject"],
            datetime.fromisoformat(row["at"]),
            row["by"],
            row["choice"],
            row["note"],
            date.fromisoformat(row["next"]),
            row["filed"],
        )
        for row in rows
    ]
