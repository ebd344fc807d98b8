"""What a rule would have fired: the real engine over the past, hour by hour, as it was known then.

A shadow of the warehouse goes through the span; at each step the rule is judged on what was known, and what
it finds goes through the real state machine and pipeline, into a book of its own that nobody reads after.
Nothing is sent. Several forms of a rule (the present one, an edited one) see the same past at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from alerts.engine import Engine
from alerts.judge import judge
from alerts.notify.contract import Reason
from alerts.records import CHAPTER
from alerts.review import Episode, Reviewed, episodes, review
from alerts.scene import Memory, Scene, Target
from alerts.telling import Described
from warehouse.book import Book
from warehouse.shadow import Shadow, scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerts.incident import Alert, Notice
    from alerts.routes import Routing
    from alerts.rules import Rule
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["LOOK_BACK", "Backtest", "Replay", "backtest", "edited", "figures"]

LOOK_BACK: Final = timedelta(days=63)
"""History before the span that rules compare with: eight weeks, and what a week's window reaches back."""

STEP: Final = timedelta(hours=1)

_TIMES: Final = ("hold", "keep_firing_for", "no_data")


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
    routing: Routing,
    targets: Sequence[Target] = (),
    metrics: Mapping[str, Metric] | None = None,
    step: timedelta = STEP,
    progress: Callable[[float], None] = lambda _done: None,
) -> Backtest:
    """Go through [start, end) with each form of a rule, at each `step`.

    progress: is told the share that is done, 0 to 1. Raises ValueError where a form cannot be judged.
    """
    steps = max(int((end - start) / step), 1)
    asleep = 0
    with scratch() as folder, Shadow.of(warehouse, folder, since=start - LOOK_BACK, start=start) as shadow:
        benches = {
            form: _Bench(folder / f"{n}.sqlite", rule, routing)
            for n, (form, rule) in enumerate(forms.items())
        }
        memory, every = Memory(most=None), {mark.source: step for mark in shadow.watermarks()}
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
                every=every,
                started=start - timedelta(days=1),
                targets=targets,
                metrics=metrics,
                memory=memory,
            )
            for bench in benches.values():
                bench.take(scene, now)
        replays = {form: bench.replay(start, end) for form, bench in benches.items()}
        return Backtest(start, end, replays, shadow.polled_since, steps, asleep)


def figures(rule: Rule) -> dict[str, Any]:
    """What may be tried of a rule: its condition's figures, and its times."""
    condition = rule.condition.model_dump(mode="json", exclude={"kind"})
    written = rule.model_dump(mode="json", by_alias=True, include=set(_TIMES))
    return {**condition, **written}


def edited(rule: Rule, tried: Mapping[str, Any]) -> Rule:
    """The rule with some of its `figures` changed. Raises ValueError, which names what is wrong."""
    known = figures(rule)
    if unknown := sorted(set(tried) - set(known)):
        near = get_close_matches(unknown[0], known, 1)
        hint = f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
        raise ValueError(f"{unknown[0]!r} is no figure of this rule{hint}")
    written = rule.model_dump(mode="json", by_alias=True, exclude={"condition", "routes"})
    condition = rule.condition.model_dump(mode="json")
    for name, value in tried.items():
        (written if name in written else condition)[name] = value
    try:
        made = type(rule).model_validate({**written, "condition": condition, "routes": rule.routes})
    except ValidationError as error:
        fault = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    return made.model_copy(update={"condition": made.condition.like(rule.condition)})


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
        if fault := found[self._rule.name].fault:
            raise ValueError(f"{self._rule.name} cannot be judged at {now:%Y-%m-%d %H:%M} UTC: {fault}")
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
