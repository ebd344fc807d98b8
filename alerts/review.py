"""Whether a rule still earns its place: what it fired, what people did about it, and what they thought of it.

Everything is read from what happened (`alerts.records`), so that a replay in a book of its own
(`alerts.backtest`) is reviewed by the same measures as the present.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from alerts.notify.contract import Severity
from alerts.observation import Labels
from alerts.records import stamp
from alerts.state import FLAP_WITHIN, FLAPS, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerts.records import Records
    from alerts.rules import Rule

__all__ = ["ACTS", "Episode", "Reviewed", "episodes", "overdue", "review"]

ACTS: Final = ("acknowledged", "snoozed", "useful", "noise", "assigned", "note")
"""What people do about an incident. A vote is an act: somebody looked."""

_SOON: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Episode:
    """A rule fired on a series. Times are the wall clock's; end is None while it goes on."""

    rule: str
    severity: Severity
    labels: Labels
    start: datetime
    end: datetime | None
    incident: int


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What came of a rule within some days.

    fires: times it began to fire, over all series; days: distinct days on which it did, UTC. hours: it fired,
    over all series. flaps: times a series came and went so often that it was silenced for it. incidents: it
    took part in; told: those of which anybody heard; acted: those about which somebody did something.
    acknowledged_after: the median from the first message to the acknowledgement, None without any.
    useful, noise: votes.
    """

    rule: Rule
    fires: int
    days: int
    hours: float
    flaps: int
    incidents: int
    told: int
    acted: int
    acknowledged_after: timedelta | None
    useful: int
    noise: int

    @property
    def acted_rate(self) -> float | None:
        """The share of the incidents that were told about which somebody did something; None without any."""
        return self.acted / self.told if self.told else None


def episodes(records: Records, start: datetime, end: datetime) -> list[Episode]:
    """Every time that a rule began to fire in [start, end), oldest first."""
    open_: dict[str, tuple[datetime, int]] = {}
    found: list[Episode] = []
    rows = records.book.read(
        "SELECT at, incident, alert, what FROM happened WHERE alert <> '' AND at >= ? AND at < ? ORDER BY id",
        [stamp(start), stamp(end)],
    )
    for row in rows:
        at = datetime.fromisoformat(row["at"])
        if row["what"] == State.FIRING:
            open_.setdefault(row["alert"], (at, row["incident"]))
        elif row["what"] == State.RESOLVED and row["alert"] in open_:
            found.append(_episode(row["alert"], *open_.pop(row["alert"]), at))
    found += [_episode(name, began, incident, None) for name, (began, incident) in open_.items()]
    return sorted(found, key=lambda e: (e.start, e.rule, e.labels))


def review(records: Records, rules: Iterable[Rule], start: datetime, end: datetime) -> list[Reviewed]:
    """Each rule's figures over [start, end)."""
    fired = episodes(records, start, end)
    happened = _happened(records, {e.incident for e in fired})
    return [_reviewed(rule, fired, happened, (start, end)) for rule in rules]


def overdue(rules: Sequence[Rule], now: datetime) -> list[Rule]:
    """Rules whose own date of review is within a week, or past; the longest overdue first."""
    return sorted((r for r in rules if r.review <= (now + _SOON).date()), key=lambda r: (r.review, r.name))


def _reviewed(
    rule: Rule,
    fired: Sequence[Episode],
    happened: dict[int, list[dict[str, Any]]],
    span: tuple[datetime, datetime],
) -> Reviewed:
    start, end = span
    mine = [e for e in fired if (e.rule, e.severity) == (rule.id, rule.severity)]
    incidents = {e.incident for e in mine if e.incident}
    lines = {number: happened.get(number, []) for number in incidents}
    people = {n: [one for one in seen if one["who"] and one["what"] in ACTS] for n, seen in lines.items()}
    waits = [wait for seen in lines.values() if (wait := _acknowledged_after(seen)) is not None]
    votes = [(n, one["who"], one["what"]) for n, seen in people.items() for one in seen]
    return Reviewed(
        rule=rule,
        fires=len(mine),
        days=len({e.start.date() for e in mine}),
        hours=sum((min(e.end or end, end) - max(e.start, start)).total_seconds() for e in mine) / 3600,
        flaps=_flaps(mine),
        incidents=len(incidents),
        told=sum(any(one["what"] == "told" for one in seen) for seen in lines.values()),
        acted=sum(bool(seen) for seen in people.values()),
        acknowledged_after=timedelta(seconds=median(waits)) if waits else None,
        useful=len({(n, who) for n, who, what in votes if what == "useful"}),
        noise=len({(n, who) for n, who, what in votes if what == "noise"}),
    )


def _episode(name: str, start: datetime, incident: int, end: datetime | None) -> Episode:
    rule, severity, *labels = json.loads(name)
    return Episode(rule, Severity(severity), Labels(*labels), start, end, incident)


def _happened(records: Records, incidents: set[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in records.book.read(
        "SELECT at, incident, what, who FROM happened WHERE incident > 0 ORDER BY id"
    ):
        if row["incident"] in incidents:
            found.setdefault(row["incident"], []).append(row)
    return found


def _acknowledged_after(seen: Sequence[dict[str, Any]]) -> float | None:
    """Seconds from the first message to the first acknowledgement."""
    told = next((one["at"] for one in seen if one["what"] == "told"), None)
    done = next((one["at"] for one in seen if one["what"] == "acknowledged"), None)
    if told is None or done is None:
        return None
    return max((datetime.fromisoformat(done) - datetime.fromisoformat(told)).total_seconds(), 0.0)


def _flaps(mine: Sequence[Episode]) -> int:
    """How often a series began to flap: FLAPS turns within FLAP_WITHIN, until as long without any."""
    turns: dict[Labels, list[datetime]] = {}
    for one in mine:
        turns.setdefault(one.labels, []).extend(at for at in (one.start, one.end) if at is not None)
    flaps = 0
    for times in turns.values():
        recent: list[datetime] = []
        flapping = False
        for at in sorted(times):
            recent = [*(t for t in recent if at - t < FLAP_WITHIN), at]
            flapping = flapping and len(recent) > 1
            if not flapping and len(recent) >= FLAPS:
                flapping, flaps = True, flaps + 1
    return flaps
