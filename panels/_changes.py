"""What the Changes page shows: everything that happened in a window, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from connectors.contract import Window
from metrics import changes, notes, restated, windows
from metrics.aftermath import Aftermath, aftermath
from metrics.annotations import Annotation, marks
from metrics.changes import KINDS, Edit
from metrics.compute import series
from metrics.notes import Note
from metrics.restated import Restatement
from metrics.same_age import Complete
from metrics.words import count, money
from panels._slot import Process
from panels._view import View

__all__ = ["CHARTED", "Event", "EventKind", "Happened", "Line", "happened", "line", "titled"]

EventKind: TypeAlias = changes.Kind | Literal["restatement", "note"]

CHARTED: Final = ("spend", "cpa", "roas", "conversions")
"""Metrics that the page can draw under the marks."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the page. source, account and campaign: ids, "" where it is about more than one.

    after: what came of it, where that can be said. edit, note: what it was made of.
    """

    id: str
    at: datetime
    kind: EventKind
    source: str
    account: str
    campaign: str
    scope: str
    what: str
    who: str
    edit: Edit | None = None
    note: Note | None = None
    after: Aftermath | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """Everything that happened in a window, the newest first, and its marks. window: over all accounts."""

    events: tuple[Event, ...]
    marks: tuple[Annotation, ...]
    window: Window


def titled(kind: EventKind) -> str:
    """A kind's name for people."""
    return {"restatement": "Restated", "note": "Note"}.get(kind) or KINDS[kind]  # type: ignore[index]


def happened(of: Process, view: View, now: datetime, complete: Complete) -> Happened:
    """All changes, notes and restatements of the view's accounts within its windows.

    A window that reaches to what the sources vouch for reaches to `now` here: people are ahead of reports.
    complete: how much of each hour's conversions is known.
    """
    window = Window(min(w.start for w in view.windows.values()), max(w.end for w in view.windows.values()))
    known = windows.accounts(of.warehouse, view.where)
    until = windows.watermarks(of.warehouse, known)
    if any(key in until and w.end >= until[key] for key, w in view.windows.items()):
        window = Window(window.start, max(window.end, now.astimezone(UTC)))
    edits = [
        e for e in changes.edits(of.warehouse, window, view.where) if (e.source, e.account) in view.windows
    ]
    after = aftermath(of.warehouse, of.metrics(), edits, until, complete=complete)
    events = [_of_edit(edit, after.get((edit.source, edit.account, edit.id))) for edit in edits]
    events += [_of_note(note, of) for note in notes.read(of.book, window, view.where)]
    events += _of_restatements(restated.restated(of.warehouse, window.start, view.where), view)
    return Happened(
        tuple(sorted(events, key=lambda e: (e.at, e.id), reverse=True)),
        tuple(marks(of.warehouse, of.book, window, view.where)),
        window,
    )


def _of_edit(edit: Edit, after: Aftermath | None) -> Event:
    campaign = edit.campaigns[0] if len(edit.campaigns) == 1 else ""
    return Event(
        f"{edit.source}/{edit.account}/{edit.id}",
        edit.at,
        edit.kind,
        edit.source,
        edit.account,
        campaign,
        edit.scope,
        edit.what,
        edit.actor,
        edit=edit,
        after=after,
    )


def _of_note(note: Note, of: Process) -> Event:
    known = windows.accounts(of.warehouse)
    account = known.get((note.source, note.account))
    scope = account.name if account else of.workspace.sources.get(note.source, "All accounts")
    return Event(
        note.id,
        note.at,
        "note",
        note.source,
        note.account,
        note.campaign,
        scope,
        note.text,
        note.author,
        note=note,
    )


def _of_restatements(found: Sequence[Restatement], view: View) -> list[Event]:
    """One line an account and day: a source restates most of its campaigns at once."""
    days: dict[tuple[str, str, Any], list[Restatement]] = {}
    for one in found:
        if (one.source, one.account) in view.windows:
            days.setdefault((one.source, one.account, one.day), []).append(one)
    events = []
    for (source, account, day), parts in days.items():
        first = parts[0]
        more = sum(p.conversions for p in parts)
        cost = sum(p.cost for p in parts)
        said = []
        if abs(more) >= 0.05:
            now = sum(p.conversions_now for p in parts)
            said.append(
                f"conversions {count(now - more)} → {count(now)} ({'+' if more > 0 else ''}{count(more)})"
            )
        if abs(cost) >= 0.005:
            said.append(f"spend {'+' if cost > 0 else ''}{money(cost, first.currency)}")
        if not said:
            continue
        whose = first.name if len(parts) == 1 else f"{len(parts)} campaigns"
        events.append(
            Event(
                f"restated/{source}/{account}/{day}",
                max(p.at for p in parts),
                "restatement",
                source,
                account,
                first.campaign if len(parts) == 1 else "",
                whose,
                f"{day:%a %-d %b}: {', '.join(said)}",
                "",
            )
        )
    return events


@dataclass(frozen=True, slots=True)
class Line:
    """A metric over the window. at: a step's start (aware) or a local day, one a value."""

    metric: str
    at: tuple[Any, ...]
    values: tuple[float | None, ...]


def line(of: Process, view: View, name: str, where: Mapping[str, Any]) -> Line:
    """One of CHARTED over the view's steps; a ratio by the hour covers the 24 hours up to each."""
    metric = of.metrics()[name]
    rolling = 24 * view.step if view.step.days == 0 and not metric.additive else None
    table = series(
        of.warehouse,
        [metric],
        view.windows,
        step=view.step,
        rolling=rolling,
        where={**view.where, **where},
        currency=view.convert,
        as_of=view.as_of,
    )
    return Line(name, tuple(table["at"].to_pylist()), tuple(table[name].to_pylist()))
