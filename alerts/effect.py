"""What another `rules.yaml` would have told: each rule that differs, in both forms, over the same past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts.backtest import backtest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerts.backtest import Replay
    from alerts.routes import Routing
    from alerts.rules import Rule
    from alerts.scene import Target
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["DAYS", "MOST", "Replaying", "RuleEffect", "differing", "effects"]

DAYS: Final = 28

MOST: Final = 4
"""Rules that one proposal is tried for: each costs a pass over the whole past, twice."""


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """One rule that differs. old, new: None where there is no such rule."""

    name: str
    title: str
    old: Replay | None
    new: Replay | None


@dataclass(slots=True)
class Replaying:
    """A replay under way, or over: `share` done, 0 to 1; then what was `found`, or its `fault` in words."""

    share: float = 0.0
    found: list[RuleEffect] | None = None
    fault: str = ""

    @property
    def over(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.found is not None or bool(self.fault)


def differing(before: Sequence[Rule], after: Sequence[Rule]) -> list[tuple[Rule | None, Rule | None]]:
    """The rules that are not the same in both, by name, old and new."""
    were, are = ({rule.name: rule for rule in rules} for rules in (before, after))
    names = dict.fromkeys((*were, *are))
    return [(were.get(name), are.get(name)) for name in names if were.get(name) != are.get(name)]


def effects(
    warehouse: Warehouse,
    pairs: Sequence[tuple[Rule | None, Rule | None]],
    *,
    now: datetime,
    routing: Routing,
    targets: Sequence[Target],
    metrics: Mapping[str, Metric],
    progress: Callable[[float], None] = lambda _done: None,
) -> list[RuleEffect]:
    """The last `DAYS` days by the old form and by the new one; the first `MOST` pairs.

    progress: is told the share that is done, 0 to 1.
    """
    chosen = pairs[:MOST]
    forms = {
        f"{number} {side}": rule
        for number, pair in enumerate(chosen)
        for side, rule in zip(("old", "new"), pair, strict=True)
        if rule is not None
    }
    if not forms:
        return []
    found = backtest(
        warehouse,
        forms,
        start=now - timedelta(days=DAYS),
        end=now,
        routing=routing,
        targets=targets,
        metrics=metrics,
        progress=progress,
    ).replays
    told = []
    for number, (old, new) in enumerate(chosen):
        rule = new or old
        assert rule is not None
        told.append(RuleEffect(rule.name, rule.title, found.get(f"{number} old"), found.get(f"{number} new")))
    return told
