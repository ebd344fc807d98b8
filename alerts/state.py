"""The state of one series under one rule: pending, firing, resolved.

    (none) --TRUE--> pending --TRUE, `for` over--> firing --FALSE, `keep_firing_for` over--> resolved
             pending --FALSE--> (none)        resolved --TRUE--> pending, or firing at once

Pure functions: what was, what is told, what is. Two clocks are kept apart. How long a condition has held is
told on the clock of the data, so that a source that lags three hours is no outage. How often the state
turned, which is what tires people, is told on the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeAlias

from alerts.notify.contract import Severity
from alerts.observation import Labels, Observation, Result

__all__ = ["FLAPS", "FLAP_WITHIN", "Instance", "Key", "NoData", "State", "Timing", "calm", "step"]

NoData: TypeAlias = Literal["keep", "alert", "ok"]
"""What a result that is neither true nor false counts as: the state as it is, TRUE, or FALSE."""

FLAPS: Final = 4
"""So many turns between firing and resolved ..."""
FLAP_WITHIN: Final = timedelta(hours=1)
"""... within this time are flapping, which ends when there was no turn for as long."""

_MISSES: Final = 2
"""Fresh evaluations without the series that end its alert."""


class State(StrEnum):
    """Where an instance stands; one that is none of these is not kept."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Key(NamedTuple):
    """What makes an instance the one it is."""

    rule: str
    severity: Severity
    labels: Labels


@dataclass(frozen=True, slots=True)
class Timing:
    """A rule's own times. hold: how long the condition holds before it fires; keep: how long it must have
    ceased before it is resolved.
    """

    hold: timedelta = timedelta(0)
    keep: timedelta = timedelta(0)
    no_data: NoData = "keep"


@dataclass(frozen=True, slots=True)
class Instance:
    """A rule on one series.

    at: the data's moment of the last evaluation that counted. since: that of the first TRUE.
    fired, resolved: when it last fired and resolved, by the data's clock. quiet: the first FALSE since the
    last TRUE, while firing. missing: fresh evaluations in a row that did not know the series.
    told: the last TRUE observation. turns: wall-clock times at which it fired or resolved, of the last hour.
    incident: the one it belongs to, 0 for none.
    """

    key: Key
    state: State
    at: datetime
    since: datetime
    told: Observation
    fired: datetime | None = None
    resolved: datetime | None = None
    quiet: datetime | None = None
    missing: int = 0
    turns: tuple[datetime, ...] = ()
    flapping: bool = False
    incident: int = 0

    @property
    def firing(self) -> bool:
        """Whether it fires; one whose condition has ceased fires on until `keep` is over."""
        return self.state is State.FIRING


def step(
    before: Instance | None,
    told: Observation | None,
    timing: Timing,
    *,
    key: Key,
    now: datetime,
    fresh: datetime | None = None,
) -> Instance | None:
    """The instance after an evaluation; None where nothing is to be kept.

    told: what the rule says of the series; None where it does not know it (any more), and then
        `fresh` is the moment of the data by which the rule was evaluated (None: it was not).
    An evaluation of data no newer than the last one's changes nothing.
    """
    if before is not None:
        before = calm(before, now)
    result = _counted(told, timing)
    if told is None or result is None:
        if told is not None or before is None:
            return before if before is None else replace(before, missing=0)
        return _missed(before, fresh, now)
    if before is None:
        return _begin(told, timing, key=key, now=now, turns=(), flapping=False) if result else None
    if told.at <= before.at:
        return before
    if result:
        return _true(before, told, timing, now)
    return _false(replace(before, at=told.at, missing=0), timing, now)


def calm(instance: Instance, now: datetime) -> Instance:
    """The instance with the turns of the last hour; flapping ends with an hour that had none."""
    turns = tuple(at for at in instance.turns if now - at < FLAP_WITHIN)
    if turns == instance.turns:
        return instance
    return replace(instance, turns=turns, flapping=instance.flapping and bool(turns))


def _counted(told: Observation | None, timing: Timing) -> bool | None:
    if told is None:
        return None
    match told.result:
        case Result.TRUE:
            return True
        case Result.FALSE:
            return False
        case _:
            return {"keep": None, "alert": True, "ok": False}[timing.no_data]


def _begin(
    told: Observation,
    timing: Timing,
    *,
    key: Key,
    now: datetime,
    turns: tuple[datetime, ...],
    flapping: bool,
    incident: int = 0,
) -> Instance:
    pending = Instance(
        key,
        State.PENDING,
        told.at,
        told.at,
        told,
        turns=turns,
        flapping=flapping,
        incident=incident,
    )
    return pending if timing.hold else _fire(pending, now)


def _true(before: Instance, told: Observation, timing: Timing, now: datetime) -> Instance:
    if before.state is not State.RESOLVED and before.told.began and told.began:
        # What is judged by a window of so many hours would begin later with each look.
        told = replace(told, began=min(before.told.began, told.began))
    match before.state:
        case State.RESOLVED:
            return _begin(
                told,
                timing,
                key=before.key,
                now=now,
                turns=before.turns,
                flapping=before.flapping,
                incident=before.incident,
            )
        case State.PENDING:
            pending = replace(before, at=told.at, told=told, missing=0)
            return _fire(pending, now) if told.at - before.since >= timing.hold else pending
        case State.FIRING:
            return replace(before, at=told.at, told=told, quiet=None, missing=0)


def _false(before: Instance, timing: Timing, now: datetime) -> Instance | None:
    match before.state:
        case State.RESOLVED:
            return before
        case State.PENDING:
            return _forget(before)
        case State.FIRING:
            quiet = before.quiet or before.at
            ended = before.at - quiet >= timing.keep
            kept = replace(before, quiet=quiet)
            return _resolve(kept, now) if ended else kept


def _missed(before: Instance, fresh: datetime | None, now: datetime) -> Instance | None:
    if fresh is None or fresh <= before.at or before.state is State.RESOLVED:
        return before
    missed = replace(before, at=fresh, missing=before.missing + 1)
    if missed.missing < _MISSES:
        return missed
    return _forget(missed) if before.state is State.PENDING else _resolve(missed, now)


def _forget(pending: Instance) -> Instance | None:
    """A pending one that came to nothing leaves no trace, unless it has fired before within the hour."""
    if not pending.turns and not pending.incident:
        return None
    return replace(pending, state=State.RESOLVED, resolved=pending.resolved or pending.at, missing=0)


def _fire(pending: Instance, now: datetime) -> Instance:
    return _turn(
        replace(pending, state=State.FIRING, fired=pending.at, resolved=None, quiet=None, missing=0), now
    )


def _resolve(firing: Instance, now: datetime) -> Instance:
    return _turn(replace(firing, state=State.RESOLVED, resolved=firing.at, missing=0), now)


def _turn(instance: Instance, now: datetime) -> Instance:
    turns = (*instance.turns, now)
    return replace(instance, turns=turns, flapping=instance.flapping or len(turns) >= FLAPS)
