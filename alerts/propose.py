"""A better threshold for a rule that cries too often: the strictest that would still have told what mattered.

What mattered is what people said and did: an episode is good where it was voted useful more often than noise,
or acted on and never voted noise; bad where it was told, and voted noise or left alone. The candidates are
replayed beside the present form (`alerts.backtest`), so that a proposal comes with its proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from alerts.backtest import backtest, edited, figures
from alerts.observation import Labels
from alerts.records import stamp
from alerts.review import ACTS, episodes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerts.backtest import Replay
    from alerts.records import Records
    from alerts.review import Episode
    from alerts.routes import Routing
    from alerts.rules import Rule
    from alerts.scene import Target
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["Proposed", "Verdict", "propose", "verdicts"]

_STRICTER: Final[Mapping[str, tuple[float, ...]]] = {
    "above": (1.25, 1.5, 2.0),
    "below": (0.8, 0.6, 0.4),
    "times": (1.25, 1.5, 2.0),
    "share": (1.25, 1.5, 2.0),
    "floor": (1.5, 2.0, 4.0),
}
"""Figures that make a rule stricter, and by which factors; of several the first that a rule has is tried."""

_SLACK: Final = timedelta(hours=2)
"""A replay at hourly steps begins and ends up to so much beside what happened."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What people thought of one episode of a rule that they were told of."""

    labels: Labels
    start: datetime
    end: datetime
    good: bool


@dataclass(frozen=True, slots=True)
class Proposed:
    """A figure to change: kept good episodes, all that the replay shows; dropped bad ones, of so many shown.

    unseen, unseen_good: episodes that the replay of the present form does not show, and the good ones among
    them: it looks once an hour, and at hours when nobody polled it does not look. Of them nothing is known.
    """

    rule: Rule
    figure: str
    present: float
    proposed: float
    kept: int
    dropped: int
    bad: int
    unseen: int
    unseen_good: int
    replays: Mapping[str, Replay]


def verdicts(records: Records, rule: Rule, start: datetime, end: datetime) -> list[Verdict]:
    """Of the episodes of a rule in [start, end), those that somebody was told of, with what came of them."""
    mine = [e for e in episodes(records, start, end) if (e.rule, e.severity) == (rule.id, rule.severity)]
    told: set[int] = set()
    said: dict[int, list[str]] = {}
    rows = records.book.read(
        "SELECT incident, what, who FROM happened WHERE incident > 0 AND at >= ? ORDER BY id", [stamp(start)]
    )
    for row in rows:
        if row["what"] == "told":
            told.add(row["incident"])
        elif row["who"] and row["what"] in ACTS:
            said.setdefault(row["incident"], []).append(row["what"])
    return [
        Verdict(e.labels, e.start, e.end or end, _good(said.get(e.incident, [])))
        for e in mine
        if e.incident in told
    ]


def _good(said: Sequence[str]) -> bool:
    noise = said.count("noise")
    return said.count("useful") > noise or (bool(said) and not noise)


def propose(
    warehouse: Warehouse,
    rule: Rule,
    known: Sequence[Verdict],
    *,
    start: datetime,
    end: datetime,
    routing: Routing,
    targets: Sequence[Target] = (),
    metrics: Mapping[str, Metric] | None = None,
    progress: Callable[[float], None] = lambda _done: None,
) -> Proposed | None:
    """The strictest form that keeps every good episode and drops bad ones; None where there is none.

    Both of those that the replay shows.
    """
    tuned = _tuned(rule)
    if all(one.good for one in known) or tuned is None:
        return None
    name, present, tried = tuned
    forms = {"present": rule} | {f"{name} {value:g}": edited(rule, {name: value}) for value in tried}
    found = backtest(
        warehouse,
        forms,
        start=start,
        end=end,
        routing=routing,
        targets=targets,
        metrics=metrics,
        progress=progress,
    ).replays
    seen = [one for one in known if _told(one, found["present"].episodes)]
    good, bad = ([one for one in seen if one.good is kind] for kind in (True, False))
    for value in reversed(tried):
        form = f"{name} {value:g}"
        fired = found[form].episodes
        dropped = sum(not _told(one, fired) for one in bad)
        if dropped and all(_told(one, fired) for one in good):
            return Proposed(
                rule=rule,
                figure=name,
                present=present,
                proposed=value,
                kept=len(good),
                dropped=dropped,
                bad=len(bad),
                unseen=len(known) - len(seen),
                unseen_good=sum(one.good for one in known) - len(good),
                replays={"present": found["present"], form: found[form]},
            )
    return None


def _tuned(rule: Rule) -> tuple[str, float, list[float]] | None:
    """The figure to change, what it is, and what to try, the mildest first."""
    known: Mapping[str, Any] = figures(rule)
    for name, factors in _STRICTER.items():
        present = known.get(name)
        if isinstance(present, int | float) and present > 0:
            tried = [round(present * factor, 4) for factor in factors]
            return name, float(present), [v for v in tried if _valid(rule, name, v)]
    return None


def _valid(rule: Rule, name: str, value: float) -> bool:
    try:
        edited(rule, {name: value})
    except ValueError:  # a share over one
        return False
    return True


def _told(one: Verdict, fired: Sequence[Episode]) -> bool:
    """Whether a replay fired on the same series at about the same time."""
    return any(
        e.labels == one.labels
        and e.start <= one.end + _SLACK
        and (e.end is None or e.end >= one.start - _SLACK)
        for e in fired
    )
