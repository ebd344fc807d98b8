"""What a rule would have fired: the real engine over the past, hour by hour, as it was known then.

A shadow of the warehouse goes through the span; at each step the rule is judged on what was known, and what
it finds goes through the real state machine and pipeline, into a book of its own that nobody reads after.
Nothing is sent. Several forms of a rule (the present one, an edited one) see the same past at once.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerts.engine import Described, Engine
from alerts.judge import judge
from alerts.notify.contract import Reason
from alerts.records import CHAPTER
from alerts.review import Episode, Reviewed, episodes, review
from alerts.scene import Memory, Scene, Target
from warehouse.book import Book
from warehouse.shadow import Shadow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerts.incident import Alert, Notice
    from alerts.routes import Routing
    from alerts.rules import Rule
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["LOOK_BACK", "Backtest", "Replay", "backtest"]

LOOK_BACK: Final = timedelta(days=63)
"""History before the span that rules compare with: eight weeks, and what a week's window reaches back."""

STEP: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Replay:
    """What one form of a rule would have done.

    messages: to whom its severity's route leads, repeats among them and escalations not. by_day: how often it
    began to fire, by day (UTC).
    """

    rule: Rule
    reviewed: Reviewed
    episodes: tuple[Episode, ...]
    messages: int
    by_day: Mapping[date, int]

    @property
    def median_hours(self) -> float | None:
        """How long it fired, usually; None where it did not, or goes on."""
        lengths = sorted((e.end - e.start).total_seconds() / 3600 for e in self.episodes if e.end)
        return lengths[len(lengths) // 2] if lengths else None


@dataclass(frozen=True, slots=True)
class Backtest:
    """Replays by the name that their form was given, over [start, end).

    polled_since: before this moment nobody polled: what is known of that time came later, in one piece.
    asleep: steps at which nobody was polling, and nothing was judged; steps: all there were.
    """

    start: datetime
    end: datetime
    replays: Mapping[str, Replay]
    polled_since: datetime | None
    steps: int
    asleep: int


def backtest(
    warehouse: Warehouse,
    forms: Mapping[str, Rule],
    *,
    start: datetime,
    end: datetime,
    every: Mapping[str, timedelta],
    routing: Routing,
    targets: Sequence[Target] = (),
    metrics: Mapping[str, Metric] | None = None,
    step: timedelta = STEP,
    progress: Callable[[float], None] = lambda _done: None,
) -> Backtest:
    """Go through [start, end) with each form of a rule, at each `step`.

    every: time between polls, by source. progress: is told the share that is done, 0 to 1.
    """
    steps = max(int((end - start) / step), 1)
    asleep = 0
    with tempfile.TemporaryDirectory(prefix="paceline-backtest-") as name:
        folder = Path(name)
        with Shadow.of(warehouse, folder, since=start - LOOK_BACK, start=start) as shadow:
            benches = {
                form: _Bench(folder / f"{n}.sqlite", rule, routing)
                for n, (form, rule) in enumerate(forms.items())
            }
            memory = Memory()
            for number in range(1, steps + 1):
                now = start + number * step
                shadow.advance(now)
                progress(number / steps)
                if not shadow.awake():
                    asleep += 1
                    continue
                scene = Scene(
                    shadow,
                    now,
                    every={source: max(span, step) for source, span in every.items()},
                    started=start - timedelta(days=1),
                    targets=targets,
                    metrics=metrics,
                    memory=memory,
                )
                for bench in benches.values():
                    bench.take(scene, now)
            replays = {form: bench.replay(start, end) for form, bench in benches.items()}
            return Backtest(start, end, replays, shadow.polled_since, steps, asleep)


class _Bench:
    """A form of a rule with an engine and a book of its own."""

    def __init__(self, path: Path, rule: Rule, routing: Routing) -> None:
        self._rule = rule
        self._book = Book.open(path, [CHAPTER])
        self._engine = Engine(self._book, [rule], routing, {}, _described)
        self._due: datetime | None = None

    def take(self, scene: Scene, now: datetime) -> None:
        """Judge, and do what came due since the last step."""
        while self._due is not None and self._due < now:
            self._due = self._engine.tick(self._due)
        found = judge(scene, [self._rule], self._engine.watched())
        self._due = self._engine.take(found, now)

    def replay(self, start: datetime, end: datetime) -> Replay:
        """What came of it; closes the book."""
        records = self._engine.records
        fired = tuple(episodes(records, start, end + timedelta(seconds=1)))
        (said,) = review(records, [self._rule], start, end)
        told = records.book.read("SELECT detail FROM happened WHERE what = 'told'")
        messages = sum(f'"reason": "{Reason.ESCALATION}"' not in row["detail"] for row in told)
        by_day = Counter(e.start.astimezone(UTC).date() for e in fired)
        self._book.close()
        return Replay(self._rule, said, fired, messages, dict(sorted(by_day.items())))


def _described(alert: Alert, notice: Notice, now: datetime) -> Described:  # noqa: ARG001  # a Describer
    return Described(f"{notice.reason}: {len(alert.live)}")
