"""An incident to find, as the lesson knows it: what may be wrong, how each shows, and which one it is.

Two things are asked of the reader: in which account, and what. The numbers alone tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from warehouse.book import Chapter

if TYPE_CHECKING:
    from warehouse.book import Book

__all__ = ["CHAPTER", "KINDS", "Kind", "Practised", "keep", "kept"]

CHAPTER: Final = Chapter(
    "practice",
    (
        """
CREATE TABLE practised (
    id INTEGER NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, account TEXT NOT NULL,
    at TEXT NOT NULL, begun TEXT NOT NULL, also TEXT NOT NULL
);
""",
    ),
)


class Kind(NamedTuple):
    """title: what it is. shows: by what it is told from the others. mend: what to do first."""

    title: str
    shows: str
    mend: str


KINDS: Final[Mapping[str, Kind]] = {
    "tracking_outage": Kind(
        "The conversion tag is gone from the site",
        "Money and clicks go on as usual; in all campaigns of the account at once no conversions come in, "
        "and its landing pages answer.",
        "Put the tag back, and do not let bids learn from those hours.",
    ),
    "landing_page_down": Kind(
        "A landing page answers with an error",
        "Money and clicks go on as usual; one campaign has no conversions from an hour on, and Website shows "
        "that the page it leads to fails.",
        "Pause what leads there until the page is back.",
    ),
    "budget_runaway": Kind(
        "A campaign runs away from its budget",
        "One campaign buys about three times its clicks at the usual price of a click, past its budget, and "
        "they convert half as well.",
        "Pause the campaign, then ask the platform for the money of the invalid clicks.",
    ),
    "cpc_spike": Kind(
        "A click has become dearer",
        "One campaign has its usual impressions, and each click costs nearly twice as much: spend rises with "
        "the price, or its budget is used up earlier.",
        "See who else bids (auction insights) before you bid against them.",
    ),
    "viral_moment": Kind(
        "A wave of cheap, curious visitors",
        "One campaign has many times its clicks, each at about a third of the price, and few of them buy.",
        "Keep bids from learning from it; nothing is broken.",
    ),
}
"""The sandbox's incidents that an hour's numbers tell apart, by its names."""


@dataclass(frozen=True, slots=True)
class Practised:
    """The incident under way.

    at: since when the numbers are disturbed. begun: when somebody began it. also: accounts in which other
    incidents are under way, which are not asked for.
    """

    id: int
    kind: str
    source: str
    account: str
    at: datetime
    begun: datetime
    also: frozenset[str]

    @property
    def explanation(self) -> str:
        """How it shows, and what to do first."""
        _, shows, mend = KINDS[self.kind]
        return f"{shows} First: {mend[:1].lower()}{mend[1:]}"

    def judge(self, account: tuple[str, str], kind: str) -> tuple[bool, str]:
        """Whether an answer is right, and what to say of it."""
        told = KINDS[kind]
        if account != (self.source, self.account):
            other = "Something is wrong there, too, and longer. " if account[1] in self.also else ""
            return False, (
                f"{other}It is another account. Look for the one whose figures changed at "
                "one hour of the last few, and were as usual until then."
            )
        if kind != self.kind:
            return False, f"The account is right. But then it would be so: {told.shows} Look again."
        return True, self.explanation


def keep(book: Book, one: Practised | None) -> None:
    """Keep the incident under way in the place of the one before; None: there is none any more."""
    with book.write() as connection:
        connection.execute("DELETE FROM practised")
        if one is not None:
            connection.execute(
                "INSERT INTO practised VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    *(one.id, one.kind, one.source, one.account),
                    *(one.at.isoformat(), one.begun.isoformat(), json.dumps(sorted(one.also))),
                ],
            )


def kept(book: Book) -> Practised | None:
    """The incident that was kept last."""
    rows = book.read("SELECT * FROM practised")
    if not rows:
        return None
    row = rows[0]
    at, begun = (datetime.fromisoformat(row[name]) for name in ("at", "begun"))
    also = frozenset(json.loads(row["also"]))
    return Practised(row["id"], row["kind"], row["source"], row["account"], at, begun, also)
