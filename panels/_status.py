"""Four states, the same everywhere: a colour never stands without its icon and its word."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Badge", "Status", "by_target", "worst"]


@dataclass(frozen=True, slots=True)
class Badge:
    """How a state looks. mark: its letter-sized shape, for tables."""

    color: str
    icon: str
    word: str
    mark: str
    rank: int


class Status(Enum):
    """good, watch, act: measured against a target; none: nothing to measure, or too old to say."""

    good = Badge("green", ":material/check_circle:", "On track", "●", 1)
    watch = Badge("yellow", ":material/warning:", "Watch", "▲", 2)
    act = Badge("red", ":material/error:", "Act now", "■", 3)
    none = Badge("gray", ":material/do_not_disturb_on:", "No data", "○", 0)

    @property
    def pill(self) -> str:
        """The state in a table's cell."""
        return f"{self.value.mark} {self.value.word}"


def worst(states: list[Status]) -> Status:
    """The state that a group is in: its worst member's."""
    return max(states, key=lambda s: s.value.rank, default=Status.none)


def by_target(value: float | None, target: float | None, *, better: str, slack: float = 0.25) -> Status:
    """How `value` stands to `target`: good at or past it, watch within `slack` of it, else act.

    better: lower, higher, or neutral (then both directions count). No value or no target: none.
    """
    if value is None or target is None or target <= 0:
        return Status.none
    off = value / target - 1
    miss = {"lower": off, "higher": -off}.get(better, abs(off))
    if miss <= 0 or (better == "neutral" and miss <= slack / 2):
        return Status.good
    return Status.watch if miss <= slack else Status.act
