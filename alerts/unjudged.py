"""A rule that fails is an alert of its own, to that rule's owner: what it watches is watched by nobody.

It is one of the engine's own, written in no file. Its series is the rule that fails, by name; it fires at the
first failure, and ends when the rule was judged for an hour without one, so that what fails now and then is
one incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from alerts.conditions.contract import Condition, Watched
from alerts.conditions.contract import Scope as _Scope
from alerts.notify.contract import Severity
from alerts.observation import Labels, Observation, Result
from alerts.rules import Rule

if TYPE_CHECKING:
    from alerts.scene import Scene

__all__ = ["FAILS", "about", "kind", "told", "which"]


class Unjudged(Condition):
    """A rule could not be judged. It is told by whoever judged the rules, not by a scene."""

    reads: ClassVar[tuple[str, ...]] = ()
    by_clock: ClassVar[bool] = True

    kind: Literal["unjudged"] = "unjudged"

    def evaluate(self, scene: Scene, scope: _Scope, watched: Watched) -> Sequence[Observation]:  # noqa: ARG002
        return ()


FAILS: Final = Rule.model_validate(
    {
        "id": "rule-fails",
        "title": "A rule cannot be judged",
        "owner": "the rule's own",
        "severity": Severity.WARNING,
        "condition": Unjudged(),
        "keep_firing_for": timedelta(hours=1),
        "runbook": "Nothing that this rule watches is told until it can be judged again: the log says where "
        "it fails. Mend the rule or its kind, or take it out of rules.yaml.",
        "review": date.max,
    }
)


def about(rule: str) -> Labels:
    """The series of a rule, by its name."""
    return Labels("", "", "", rule)


def which(labels: Labels) -> str:
    """The rule that a series is about, by its name."""
    return labels.part


def kind(fault: str) -> str:
    """The type of a rule's fault, which may be sent out: its text may hold what was at hand, a token too."""
    return fault.partition(":")[0]


def told(faults: Mapping[str, str], watched: Iterable[Labels], now: datetime) -> dict[Labels, Observation]:
    """What is to be said of the rules that were judged. faults: by their names, why it failed, or "".

    watched: the series that have a state; of the others only failures are told.
    """
    known = set(watched)
    return {
        about(name): Observation(
            about(name),
            Result.TRUE if fault else Result.FALSE,
            now,
            said=f"Rule cannot be judged: {kind(fault)}" if fault else "",
        )
        for name, fault in faults.items()
        if fault or about(name) in known
    }
