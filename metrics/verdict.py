"""What a running A/B test says, in words that stay true however often one looks.

A verdict is given only where it is safe to act on: after whole weeks, with enough conversions, on a split
that is as it was meant to be, by a confidence sequence (`metrics.sequential`). Until then the answer is
"keep running", with what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from metrics.arms import Arm, Effect, Side, compare_logs, compare_totals
from metrics.sequential import Valid, sequence
from metrics.split import SplitWatch
from metrics.words import change, percent

__all__ = ["Data", "Judgement", "Ratio", "Rules", "State", "judge", "path"]

Floats = npt.NDArray[np.float64]

MINIMUM_DAYS: Final = 7
"""A whole week: an arm that does better on weekdays must also have met a weekend."""

MINIMUM_COUNT: Final = 5
"""Conversions an arm below which nothing normal can be said of them."""

_INITIALS: Final = 4
"""Letters up to which a metric's name is its initials: cpa, roas."""

_SPLIT_P: Final = 0.001
_SPLIT_POINTS: Final = 0.05


class State(StrEnum):
    """Where a test stands."""

    COLLECTING = "collecting"
    RUNNING = "running"
    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    HARM = "harm"
    BROKEN = "broken"
    OPEN = "open"
    """Over, without an answer."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A metric as a ratio of sums: names of its two columns, and whether more of it is better.

    below: "" for a total, which is compared over the arms' shares of the traffic.
    """

    name: str
    above: str
    below: str
    higher: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """How a test is judged; fixed before it starts.

    planned: units (hours or days, of both arms) at its planned end. minimum_effect: the smallest relative
    effect worth having. treatments: arms compared with the control; alpha is divided among them. shares: of
    what is split, by arm, as it is meant to be; None: nothing is. It is watched where `Data` has the units.
    """

    metric: Ratio
    planned: float
    minimum_effect: float = 0.1
    alpha: float = 0.05
    guardrails: tuple[Ratio, ...] = ()
    treatments: int = 1
    shares: tuple[float, float] | None = None

    @property
    def level(self) -> float:
        """Alpha of one comparison (Bonferroni)."""
        return self.alpha / max(self.treatments, 1)


@dataclass(frozen=True)
class Data:
    """What came in, unit by unit: columns of equal length for the control and for the treatment.

    A unit is an hour, or a day where a source knows conversions by the day only: units must be independent.
    The column `units`: how many of what was split among the arms (sessions) fell to each; missing where that
    is not known, for impressions and clicks are what an arm made of its share. days: whole days covered.
    """

    control: Mapping[str, Floats]
    treatment: Mapping[str, Floats]
    days: float
    over: bool = False

    def until(self, units: int) -> Data:
        """The same, as it stood after so many units."""
        part = units / max(self.units, 1)
        return Data(
            {name: values[:units] for name, values in self.control.items()},
            {name: values[:units] for name, values in self.treatment.items()},
            self.days * part,
        )

    @property
    def units(self) -> int:
        """Units of one arm."""
        return len(next(iter(self.control.values()), ()))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A test's state, the figures behind it, and the sentence for people.

    effect: by how much the treatment's figure is above the control's, relative to it (0.1: 10 % more); None
    while unknown. low, high: its confidence sequence. p: its always-valid p-value.
    probability: that the treatment is better; only where a verdict is safe, else None.
    days_left: until the interval is as narrow as the minimum effect, at the present pace; None where unknown.
    harmed: guardrails.
    """

    state: State
    words: str
    control: float | None
    treatment: float | None
    effect: float | None
    low: float
    high: float
    p: float
    probability: float | None = None
    days_left: float | None = None
    split_p: float | None = None
    harmed: tuple[str, ...] = field(default=())


def judge(rules: Rules, data: Data, *, names: tuple[str, str] = ("A", "B")) -> Judgement:
    """The verdict by now."""
    effect = _effect(rules.metric, rules, data)
    valid = sequence(effect, planned=rules.planned, alpha=rules.level)
    low, high = _relative(valid.low), _relative(valid.high)
    split = _split(rules, data)
    harmed = tuple(g.name for g in rules.guardrails if _harmed(g, rules, data))
    shown = {
        "control": _figure(rules.metric, data.control),
        "treatment": _figure(rules.metric, data.treatment),
        "effect": _relative(effect.estimate) if effect.known else None,
        "low": low,
        "high": high,
        "p": valid.p,
        "split_p": split[0] if split else None,
        "harmed": harmed,
    }

    def said(state: State, words: str, **more: float | None) -> Judgement:
        return Judgement(state=state, words=words, **shown, **more)  # type: ignore[arg-type]

    if split and split[0] < _SPLIT_P and abs(split[1] - split[2]) > _SPLIT_POINTS:
        got, meant = percent(split[1], digits=0), percent(split[2], digits=0)
        return said(
            State.BROKEN,
            f"Broken: the split is off. {names[1]} got {got} of the traffic, and should get {meant}. "
            "No result of this test can be trusted; mend the split and start again.",
        )
    least = min(_events(rules.metric, data.control), _events(rules.metric, data.treatment))
    if data.days < MINIMUM_DAYS or least < MINIMUM_COUNT or not effect.known:
        return said(State.COLLECTING, _missing(data.days, least))
    if harmed:
        return said(
            State.HARM,
            f"{names[1]} harms {', '.join(map(_plain, harmed))}, whatever it gains: stop, or look into it.",
        )
    gain = effect.estimate if rules.metric.higher else -effect.estimate
    if valid.p < rules.level:
        better, worse = (names[1], names[0]) if gain > 0 else (names[0], names[1])
        chance = float(stats.norm.cdf(abs(effect.estimate) / effect.error))
        return said(
            State.BETTER if gain > 0 else State.WORSE,
            f"{better} is better than {worse} (safe to act): "
            f"{names[1]} changes {_plain(rules.metric.name)} by "
            f"{change(_relative(effect.estimate))}, certainly between {change(low)} and {change(high)}.",
            probability=chance if gain > 0 else 1 - chance,
        )
    if max(abs(low), abs(high)) <= rules.minimum_effect:
        return said(
            State.SAME,
            f"No difference larger than {percent(rules.minimum_effect, digits=0)}: take what is simpler.",
        )
    if data.over:
        return said(
            State.OPEN,
            f"Over without an answer: the effect lies between {change(low)} and {change(high)}.",
        )
    left = _days_left(rules, data, effect)
    wait = ""
    if left is not None:
        planned = data.days * (rules.planned / max(effect.n, 1.0) - 1)
        wait = f" About {left:.0f} more days at this pace" + (
            ", more than are planned." if left > planned else "."
        )
    return said(
        State.RUNNING,
        f"Keep running: the effect lies between {change(low)} and {change(high)}, which is no verdict yet."
        + wait,
        days_left=left,
    )


def path(rules: Rules, data: Data, looks: Sequence[int]) -> list[tuple[int, float, Valid]]:
    """The interval as it closed: (units, relative effect, interval) at each number of units in `looks`."""
    out = []
    for units in looks:
        then = data.until(units)
        effect = _effect(rules.metric, rules, then)
        valid = sequence(effect, planned=rules.planned, alpha=rules.level)
        out.append(
            (units, _relative(effect.estimate), Valid(_relative(valid.low), _relative(valid.high), valid.p))
        )
    return out


def _relative(log: float) -> float:
    """A log ratio as a relative difference."""
    return float(np.expm1(log))


def _arm(metric: Ratio, columns: Mapping[str, Floats]) -> Arm:
    return Arm.ratio(columns[metric.above], columns[metric.below])


def _effect(metric: Ratio, rules: Rules, data: Data) -> Effect:
    if metric.below:
        return compare_logs(_arm(metric, data.control), _arm(metric, data.treatment))
    shares = rules.shares or (0.5, 0.5)
    return compare_totals(data.control[metric.above], data.treatment[metric.above], shares)


def _figure(metric: Ratio, columns: Mapping[str, Floats]) -> float | None:
    if not len(columns[metric.above]):
        return None
    return _arm(metric, columns).mean if metric.below else float(columns[metric.above].sum())


def _events(metric: Ratio, columns: Mapping[str, Floats]) -> float:
    """The rarer of what the metric counts: conversions, or clicks; money is as plenty as what it buys."""
    counted = [
        columns[name].sum() for name in (metric.above, metric.below) if name not in ("cost", "revenue", "")
    ]
    return float(min(counted)) if counted else float(columns["conversions"].sum())


def _missing(days: float, least: float) -> str:
    needs = []
    if days < MINIMUM_DAYS:
        needs.append(f"{MINIMUM_DAYS} whole days ({int(days)} so far)")
    if least < MINIMUM_COUNT:
        needs.append(f"{MINIMUM_COUNT} conversions in each arm ({least:.0f} so far)")
    return f"Collecting: a verdict needs {' and '.join(needs) or 'some variation in each arm'}."


def _harmed(guard: Ratio, rules: Rules, data: Data) -> bool:
    effect = _effect(guard, rules, data)
    side: Side = "less" if guard.higher else "greater"
    return sequence(effect, planned=rules.planned, alpha=rules.level, side=side).p < rules.level


def _days_left(rules: Rules, data: Data, effect: Effect) -> float | None:
    """Days until the interval's half-width is the minimum effect, its spread staying as it is."""
    if data.days <= 0:
        return None
    per_day = effect.n / data.days
    for more in range(1, 366):
        n = effect.n + more * per_day
        later = replace(effect, error=effect.error * float(np.sqrt(effect.n / n)), n=n)
        if sequence(later, planned=rules.planned, alpha=rules.level).half <= np.log1p(rules.minimum_effect):
            return float(more)
    return None


def _split(rules: Rules, data: Data) -> tuple[float, float, float] | None:
    """(p-value, the treatment's share of the units, the share meant), or None where it cannot be known.

    Sessions come in bursts, so their counts are divided by how much more the hourly shares vary than single
    sessions would (the design effect), before they are held against the split.
    """
    if rules.shares is None or "units" not in data.control:
        return None
    a, b = data.control["units"], data.treatment["units"]
    both = a + b
    total = float(both.sum())
    if total <= 0:
        return None
    meant = rules.shares[1] / sum(rules.shares)
    seen = float(b.sum()) / total
    some = both > 0
    spread = seen * (1 - seen)
    excess = float((((b - seen * both)[some] ** 2) / (both[some] * max(spread, 1e-9))).sum())
    effect = max(1.0, excess / max(int(some.sum()) - 1, 1))
    watch = SplitWatch(rules.shares)
    p = watch.look([float(a.sum()) / effect, float(b.sum()) / effect])
    return p, seen, meant


def _plain(name: str) -> str:
    """A metric's name as a sentence has it: conversion rate, CPA."""
    return name.upper() if len(name) <= _INITIALS else name.replace("_", " ")
