"""What to mark on a chart of time: what people changed, what they wrote, what the sources took back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from metrics import changes, notes, proposals, restated, windows
from metrics.words import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.contract import Window
    from warehouse.book import Book
    from warehouse.store import Warehouse

__all__ = ["Annotation", "Mark", "marks"]

Mark: TypeAlias = Literal["change", "note", "restatement", "definition", "incident"]
"""`incident` is for the room that knows of alerts to add."""

_TOGETHER: Final = timedelta(minutes=10)
"""Changes of one person within this are one mark: an editor posts many at once."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One mark: when (UTC), what kind, what to say, and who did it ("" where nobody did)."""

    at: datetime
    kind: Mark
    label: str
    who: str = ""


def marks(
    warehouse: Warehouse, book: Book, window: Window, where: Mapping[str, Any] | None = None
) -> list[Annotation]:
    """The marks of a window, oldest first.

    where: source, account and campaign are heeded. Restatements stand on the day they are about, at its
    account's midnight, added up over campaigns.
    """
    found = _edits(changes.edits(warehouse, window, where))
    found += [Annotation(n.at, "note", n.text, n.author) for n in notes.read(book, window, where)]
    found += _restated(warehouse, window, where)
    found += [Annotation(c.at, "definition", c.what, c.who) for c in proposals.came(book, window)]
    return sorted(found, key=lambda a: (a.at, a.kind, a.label))


def _edits(found: list[changes.Edit]) -> list[Annotation]:
    told: list[Annotation] = []
    begun: dict[tuple[str, str, str], tuple[datetime, list[str]]] = {}
    for edit in reversed(found):
        key = (edit.source, edit.account, edit.actor)
        first, said = begun.get(key, (edit.at, []))
        if said and edit.at - first > _TOGETHER:
            told.append(_together(first, said, edit.actor))
            first, said = edit.at, []
        begun[key] = (first, [*said, f"{edit.scope}: {edit.what}"])
    told += [_together(first, said, actor) for (_, _, actor), (first, said) in begun.items()]
    return told


def _together(at: datetime, said: list[str], who: str) -> Annotation:
    label = said[0] if len(said) == 1 else f"{said[0]} and {len(said) - 1} more"
    return Annotation(at, "change", label, who)


def _restated(warehouse: Warehouse, window: Window, where: Mapping[str, Any] | None) -> list[Annotation]:
    known = windows.accounts(warehouse)
    days: dict[datetime, float] = {}
    for one in restated.restated(warehouse, window.start, where):
        account = known.get((one.source, one.account))
        zone = account.timezone if account else UTC
        at = datetime.combine(one.day, time(), zone).astimezone(UTC)
        if window.start <= at < window.end:
            days[at] = days.get(at, 0.0) + one.conversions
    return [
        Annotation(at, "restatement", f"conversions of this day {'+' if c > 0 else ''}{count(c)} since")
        for at, c in days.items()
        if abs(c) >= 1
    ]
