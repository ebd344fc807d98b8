"""How fresh each source is, and what keeps it from being fresher, in words that say how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from panels._format import age, clock
from panels._status import Status
from warehouse.store import Watermark

__all__ = ["Freshness", "Stale", "Trouble", "of_sources", "old", "stale", "troubles"]

LEADING = "delivery"
"""The stream by which a source's freshness is told: every total comes from it."""

_LATE = timedelta(minutes=20)
_STALE = timedelta(minutes=45)
"""Time since the last good poll; three missed polls of the slowest permitted interval."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """One source's badge. status: by the time since its last good poll, the worst of its accounts."""

    source: str
    title: str
    status: Status
    label: str
    help: str


@dataclass(frozen=True, slots=True)
class Stale:
    """Figures too old to judge. label: "Stale, 47 min"; note: when they are tried again; help: whose."""

    label: str
    note: str
    help: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps accounts' data from coming: cause, mend, since when, next try.

    accounts: whom it hits; one dead token is one trouble, however many accounts it served.
    """

    source: str
    accounts: tuple[str, ...]
    stream: str
    cause: str
    mend: str
    polled_at: datetime | None
    retry_at: datetime | None
    held: bool


def of_sources(marks: Iterable[Watermark], titles: Mapping[str, str], now: datetime) -> list[Freshness]:
    """One badge a source, in the order of `titles`. now: aware, in the reader's zone."""
    leading: dict[str, list[Watermark]] = {name: [] for name in titles}
    for mark in marks:
        if mark.stream == LEADING and mark.source in leading:
            leading[mark.source].append(mark)
    return [_badge(name, titles[name], found, now) for name, found in leading.items() if found]


def _badge(name: str, title: str, marks: list[Watermark], now: datetime) -> Freshness:
    polled = [mark.polled_at for mark in marks if mark.polled_at is not None]
    if not polled:
        return Freshness(name, title, Status.none, f"{title} · no data yet", "The first poll is under way.")
    refused = [mark for mark in marks if mark.error]
    late = refused or [mark for mark in marks if mark.polled_at is None or now - mark.polled_at > _LATE]
    oldest = min(polled)
    status = Status.good if not late else Status.watch
    if late and (len(late) == len(marks) or now - oldest > _STALE):
        status = Status.act
    span = now - (max(polled) if status is Status.good else oldest)
    word = "updated" if status is Status.good else "failing, last good" if refused else "stale"
    ago = age(span) if age(span) == "now" else f"{age(span)} ago"
    of = f" ({len(late)} of {len(marks)} accounts)" if late and len(late) < len(marks) else ""
    vouched = [mark.data_as_of for mark in marks if mark.data_as_of is not None]
    as_of = f"Its numbers reach to {clock(min(vouched), now)}. " if vouched else ""
    return Freshness(
        name,
        title,
        status,
        f"{title} · {word} {ago}{of}",
        f"{as_of}Last good poll {clock(max(polled), now)}; what failed is under Data health.",
    )


def troubles(marks: Iterable[Watermark]) -> list[Trouble]:
    """What failed at its last attempt, one a (source, cause), the widest first."""
    found: dict[tuple[str, str], list[Watermark]] = {}
    for mark in marks:
        if mark.error or mark.outcome == "held":
            found.setdefault((mark.source, mark.cause), []).append(mark)
    told = []
    for (source, cause), hit in found.items():
        leading = next((m for m in hit if m.stream == LEADING), hit[0])
        tries = [m.retry_at for m in hit if m.retry_at is not None]
        told.append(
            Trouble(
                source,
                tuple(sorted({m.account for m in hit if m.account})),
                leading.stream,
                cause,
                leading.mend,
                leading.polled_at,
                min(tries, default=None),
                held=all(m.outcome == "held" for m in hit),
            )
        )
    return sorted(told, key=lambda t: (t.held, t.stream != LEADING, -len(t.accounts), t.source))


def old(marks: Iterable[Watermark], now: datetime) -> dict[tuple[str, str], Watermark]:
    """The accounts whose delivery is too old to judge, with their marks. now: aware."""
    return {
        (mark.source, mark.account): mark
        for mark in marks
        if mark.stream == LEADING and (mark.polled_at is None or now - mark.polled_at > _STALE)
    }


TELLS = 0.1
"""Share of the traffic that must be stale for a figure to be stale: less cannot turn a verdict."""


def stale(
    marks: Iterable[Watermark],
    weights: Mapping[tuple[str, str], float],
    names: Mapping[tuple[str, str], str],
    now: datetime,
) -> Stale | None:
    """Whether figures over these accounts are too old to judge; None where they are not.

    weights: the traffic of each counted account. names: of accounts. now: aware, in the reader's zone.
    """
    found = [mark for key, mark in old(marks, now).items() if key in weights]
    total = sum(weights.values())
    part = sum(weights[mark.source, mark.account] for mark in found)
    if not found or (total > 0 and part < TELLS * total):
        return None
    polled = [mark.polled_at for mark in found if mark.polled_at is not None]
    tries = [mark.retry_at for mark in found if mark.retry_at is not None and mark.retry_at > now]
    listed = ", ".join(sorted(names.get((m.source, m.account), m.account) for m in found))
    return Stale(
        f"Stale, {age(now - min(polled))}" if polled else "Stale",
        f"next try {clock(min(tries), now)}" if tries else "",
        f"{listed}: the last good poll was {clock(min(polled), now) if polled else 'never'}. "
        "Data health says what is wrong, and how to mend it.",
    )
