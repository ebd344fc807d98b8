"""What an explanation says: a change, its parts, and one sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from metrics.words import change, figure

if TYPE_CHECKING:
    from metrics.model import Metric, Unit

__all__ = ["Effect", "Explanation", "Mover"]

_STEADY: Final = 0.005
"""A change of less than half a percent is none that a reader would ask about."""

_ALL: Final = 1.15
"""A factor that explains up to this many times the change explains all of it: the rest is small."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One factor of the metric and what its change did.

    before, now: the factor itself, in `unit` (None where it is over nothing). amount: what it adds to the
    change, in the metric's unit. share: of the change; above 1 or below 0 where factors work against each
    other. lead: who moved the factor most, and what part of its change that is.
    """

    name: str
    unit: Unit
    before: float | None
    now: float | None
    amount: float
    share: float | None
    lead: str
    lead_share: float

    @property
    def relative(self) -> float | None:
        """The factor's own relative change."""
        return _relative(self.before, self.now)


@dataclass(frozen=True, slots=True)
class Mover:
    """A member of the group and what it adds to the change: `amount` = `mix` + `rate`.

    key: its identity, as the dimension's columns (source, account, campaign …). before, now: the metric of
    the member alone. volume_before, volume: its denominator, or the sum itself. mix, rate: 0 and the amount
    where the metric is a sum. state: new and gone say that it had nothing in the other period.
    """

    key: tuple[str, ...]
    name: str
    before: float | None
    now: float | None
    volume_before: float
    volume: float
    amount: float
    mix: float
    rate: float
    state: Literal["", "new", "gone"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A change and its parts: effects add up to `delta`, so do movers, so do `mix` and `rate`.

    by: the dimension of the movers. label: what it is compared with. periods: how many periods stand behind
    `before`; 0: there are none. before, now: NULL as None. effects in the order of their size, movers too;
    both empty where there is no change to explain (one of the two is not defined). mix, rate: None for a sum.
    view: where it was read, when that is not the metric's own view.
    """

    metric: Metric
    by: str
    currency: str
    label: str
    periods: int
    before: float | None
    now: float | None
    effects: tuple[Effect, ...]
    movers: tuple[Mover, ...]
    mix: float | None
    rate: float | None
    view: str

    @property
    def delta(self) -> float | None:
        """The change, in the metric's unit."""
        return None if self.before is None or self.now is None else self.now - self.before

    @property
    def relative(self) -> float | None:
        """The change as a part of what was before."""
        return _relative(self.before, self.now)

    def shown(self, value: float | None) -> str:
        """A value of the metric as people read it."""
        return figure(value, self.metric.unit, self.currency)

    @property
    def sentence(self) -> str:
        """All of it in one line: what moved, by how much, by which factor, and whose it mostly is."""
        title = self.metric.title
        if self.now is None:
            return f"{title} is not defined now: there is nothing to divide by."
        if self.before is None:
            return f"{title} is {self.shown(self.now)}; there is nothing to compare it with."
        delta = self.now - self.before
        if delta == 0 or (self.relative is not None and abs(self.relative) < _STEADY):
            return f"{title} held at {self.shown(self.now)}."
        word = "rose" if delta > 0 else "fell"
        much = f" {change(abs(self.relative or 0)).lstrip('+')}" if self.relative is not None else ""
        said = f"{title} {word}{much} ({self.shown(self.before)} → {self.shown(self.now)})"
        because = self._because(delta)
        return f"{said}: {because}." if because else f"{said}."

    def _because(self, delta: float) -> str:
        """The factor that moved it, or the mix, and the member that adds most."""
        lead = next((m for m in self.movers if m.amount * delta > 0), None)
        whose = _led(lead.name, lead.amount / delta) if lead and len(self.movers) > 1 else ""
        towards = [e for e in self.effects if e.amount * delta > 0]
        if len(self.effects) > 1 and towards:
            top = towards[0]
            against = [e for e in self.effects if e.amount * delta < 0]
            if not against or (top.share or 0) <= _ALL:
                part = "all of it" if round(top.share or 0, 2) > 1 else _part(top.share)
                return f"{_moved(top)} explains {part}{whose}"
            return (
                f"{_moved(top)} ({self._signed(top.amount)}) outweighs "
                f"{_moved(against[0])} ({self._signed(against[0].amount)}){whose}"
            )
        if self.mix is not None and self.rate is not None and len(self.movers) > 1:
            if self.mix / delta >= 0.5:
                return f"the mix of {_plural(self.by)} explains {_part(self.mix / delta)}{whose}"
            return f"the {_plural(self.by)}' own rates explain {_part(self.rate / delta)}{whose}"
        return whose.removeprefix("; ")

    def _signed(self, amount: float) -> str:
        return ("+" if amount > 0 else "") + self.shown(amount)


def _relative(before: float | None, now: float | None) -> float | None:
    return now / before - 1 if before and now is not None else None


def _moved(effect: Effect) -> str:
    return f"{effect.name} {change(effect.relative)}" if effect.relative is not None else effect.name


def _part(share: float | None) -> str:
    return f"{round((share or 0) * 100)} %"


def _led(name: str, part: float) -> str:
    """Who adds most, where that is worth a word: a quarter of the change or more."""
    if part < 0.25:
        return ""
    return f"; {name} alone adds {'more than all of it' if round(part, 2) > 1 else _part(part)}"


def _plural(by: str) -> str:
    word = by.removesuffix("_name").replace("_", " ")
    return word[:-1] + "ies" if word.endswith("y") else word + "s"
