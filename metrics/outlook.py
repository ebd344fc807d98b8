"""Where a flight will end: draws of the spend that is still to come, day by day, for many purses at once.

A purse is what one budget pays for. Its coming days are the level of their weekday times a ratio to it, which
wanders as an autoregression of first order: it starts from where today will end (the last week's level,
decayed, and what today has shown: metrics.projection), returns to 1, and takes its shocks from the purse's
own past (a bootstrap). All purses draw the shocks of the same past day, so that what moves them together
moves the total. Deviations from the median are widened by a measured factor, and
each day is clipped by what the platform allows. Accuracy: benchmarks/projection.py, docs/pacing.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from metrics.in_steps import Steps, finished
from metrics.projection import Projection

__all__ = ["Limits", "Outlook", "Past", "outlook", "outlook_in_steps"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DRAWS: Final = 500
_WIDEN: Final = (1.1, 1.4)
"""Conformal factor on the draws' deviations from their median, for one coming day and for fifteen and more
(measured: benchmarks/projection.py): the further ahead, the more four weeks of history mislead."""

_FAR_AHEAD: Final = 15

_FAR: Final = float(np.log(3))
"""A day that is further off its weekday's level than this says nothing of the days after it."""

_ENOUGH: Final = 14
"""Days of delivery from which a purse's own shocks are drawn; below, a wide guess stands for them."""

_UNKNOWN: Final = 0.35
"""Standard deviation, in logarithms, of the level of a purse that has hardly delivered yet."""

_TINY: Final = 1e-9
_CHUNK: Final = 64


@dataclass(frozen=True, slots=True)
class Past:
    """What P purses spent, and how far today has come; money in one unit.

    history: (P, H) complete days, oldest first, zeros where nothing was delivered. weekday: (P,) of today,
    0 for Monday. today: where today will end. spent: (P,) today so far. usual: (P,) what to assume for a day
    of a purse that never delivered.
    """

    history: Floats
    weekday: Ints
    today: Projection
    spent: Floats
    usual: Floats

    def cut(self, part: slice) -> Past:
        """Some of the purses."""
        today = Projection(*(getattr(self.today, f.name)[part] for f in fields(Projection)))
        return Past(self.history[part], self.weekday[part], today, self.spent[part], self.usual[part])


@dataclass(frozen=True, slots=True)
class Limits:
    """What the platform lets P purses spend on N coming days; infinite where there is no such limit.

    day: (P,) on one day. block: (P, N) which stretch (a week, a month, a flight) each coming day belongs to,
    numbered from 0, which holds today. left: (P, blocks) what may still be spent in each stretch; in that of
    today, today's spend so far is off already.
    """

    day: Floats
    block: Ints
    left: Floats

    def cut(self, part: slice) -> Limits:
        """Some of the purses."""
        return Limits(self.day[part], self.block[part], self.left[part])


@dataclass(frozen=True, slots=True)
class Outlook:
    """Draws of what is spent from today on.

    days: (draws, 1 + N) by day, all purses together; the first is today's total, spent part included.
    rest: (P,) mean of what each purse will spend after today.
    """

    days: Floats
    rest: Floats


@dataclass(frozen=True, slots=True)
class _Model:
    """Of each purse: log level by weekday (P, 7), its spread, its persistence, its shocks (P, S)."""

    level: Floats
    spread: Floats
    phi: Floats
    shocks: Floats
    together: float

    def cut(self, part: slice) -> _Model:
        """Some of the purses."""
        return _Model(self.level[part], self.spread[part], self.phi[part], self.shocks[part], self.together)


@dataclass(frozen=True, slots=True)
class _Chance:
    """What the purses share. picked: (draws, N) the past day whose shocks each coming day takes."""

    rng: np.random.Generator
    picked: Ints
    common: Mapping[str, Floats]
    together: float

    def normal(self, name: str, purses: int) -> Floats:
        """Standard normal draws, shape (purses, draws), correlated between purses by `together`."""
        own = self.rng.normal(size=(purses, len(self.picked)))
        return np.asarray(np.sqrt(self.together) * self.common[name] + np.sqrt(1 - self.together) * own)


def outlook(
    past: Past, runs: npt.NDArray[np.bool_], limits: Limits, *, draws: int = DRAWS, seed: int = 0
) -> Outlook:
    """Draw the coming days. runs: (P, N), whether a purse spends on a coming day at all."""
    return finished(outlook_in_steps(past, runs, limits, draws=draws, seed=seed))


def outlook_in_steps(
    past: Past, runs: npt.NDArray[np.bool_], limits: Limits, *, draws: int = DRAWS, seed: int = 0
) -> Steps[Outlook]:
    """The same, some purses a step."""
    rng = np.random.default_rng(seed)
    purses, ahead = runs.shape
    model = _model(past, rng)
    names = ("today", "level", *(f"weekday {n}" for n in range(7)))
    picked = rng.integers(0, model.shocks.shape[1], (draws, ahead))
    chance = _Chance(rng, picked, {name: rng.normal(size=draws) for name in names}, model.together)
    days, rest = np.zeros((draws, 1 + ahead)), np.zeros(purses)
    for begin in range(0, purses, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        first, coming = _draw(past.cut(part), model.cut(part), runs[part], chance)
        capped = _capped(first, coming, limits.cut(part), past.spent[part])
        days += capped.sum(0)
        rest[part] = capped[:, :, 1:].sum(2).mean(1)
        yield len(capped)
    return Outlook(days, rest)


def _model(past: Past, rng: np.random.Generator) -> _Model:
    history = past.history
    purses, length = history.shape
    weekdays = (past.weekday[:, None] - np.arange(length, 0, -1)) % 7
    active = history > 0
    seen = active.sum(1)
    with np.errstate(all="ignore"):
        shown = np.where(active, history, np.nan)
        overall = np.where(seen > 0, np.nanmedian(np.where(seen[:, None] > 0, shown, 1.0), axis=1), 0.0)
        level = np.empty((purses, 7))
        for day in range(7):
            of_day = np.where(weekdays == day, shown, np.nan)
            some = ~np.isnan(of_day).all(1)
            level[:, day] = overall
            level[some, day] = np.nanmedian(of_day[some], axis=1)
    level = np.where(seen[:, None] > 0, level, past.usual[:, None])
    logs = np.log(np.maximum(level, _TINY))
    ratios = np.where(active, np.log(np.maximum(history, _TINY)) - np.take_along_axis(logs, weekdays, 1), 0.0)
    known = seen >= _ENOUGH
    spread = np.sqrt((ratios**2 * active).sum(1) / np.maximum(seen, 1))
    phi = _persistence(ratios, active)
    both = active[:, 1:] & active[:, :-1]
    shocks = np.where(both, ratios[:, 1:] - phi[:, None] * ratios[:, :-1], 0.0)
    shocks -= np.where(both, (shocks.sum(1) / np.maximum(both.sum(1), 1))[:, None], 0.0)
    for row in np.flatnonzero(known):  # days without a shock of their own borrow one of another day
        own = shocks[row, both[row]]
        if len(own):
            shocks[row, ~both[row]] = rng.choice(own, (~both[row]).sum())
    return _Model(
        level=logs,
        spread=np.where(known, spread, _UNKNOWN),
        phi=phi,
        shocks=np.where(known[:, None], shocks, 0.0),
        together=_together(ratios[known], spread[known]),
    )


def _persistence(ratios: Floats, active: npt.NDArray[np.bool_]) -> Floats:
    """Correlation of a day's ratio with the next day's, its small-sample bias allowed for, within 0.3 to 0.9.

    The bias is -(1 + 3 phi) / n (Kendall 1954).
    """
    both = active[:, 1:] & active[:, :-1]
    n = np.maximum(both.sum(1), 1)
    after, before = ratios[:, 1:] * both, ratios[:, :-1] * both
    mean = (ratios * active).sum(1) / np.maximum(active.sum(1), 1)
    cross = ((after - mean[:, None] * both) * (before - mean[:, None] * both)).sum(1)
    own = (((ratios - mean[:, None]) * active) ** 2).sum(1)
    lag = np.where(own > 0, cross / np.maximum(own, _TINY), 0.0)
    return np.asarray(np.clip(lag + (1 + 3 * lag) / n, 0.3, 0.9))


def _together(ratios: Floats, spread: Floats) -> float:
    """The mean correlation of the purses' ratios, 0 to 0.9."""
    some = spread > _TINY
    count = int(some.sum())
    if count < 2:
        return 0.0
    scaled = ratios[some] / spread[some, None]
    of_sum = float(scaled.sum(0).var())
    return float(np.clip((of_sum - count) / (count * (count - 1)), 0.0, 0.9))


def _draw(past: Past, model: _Model, runs: npt.NDArray[np.bool_], chance: _Chance) -> tuple[Floats, Floats]:
    """Today's totals (purses, draws) and the coming days' (purses, draws, N), before any limit."""
    draws, ahead = chance.picked.shape
    purses, rows = len(runs), np.arange(len(runs))
    mid, sigma = past.today.mid[:, None], past.today.sigma[:, None]
    today = np.maximum(mid * np.exp(sigma * chance.normal("today", purses)), past.spent[:, None])
    first = np.where(sigma > 0, today, mid)
    phi, spread = model.phi[:, None], model.spread[:, None]
    enough = (past.history > 0).sum(1)[:, None] >= _ENOUGH
    of_level = np.where(enough, np.sqrt((1 + phi) / (1 - phi) / past.history.shape[1]), 1.0)
    offset = spread * of_level * chance.normal("level", purses)
    of_weekday = np.where(enough, 1.25 * spread * np.sqrt((1 - phi) / 4), 0.0)
    bias = np.stack([of_weekday * chance.normal(f"weekday {n}", purses) for n in range(7)])
    ratio = np.log(np.maximum(first, _TINY)) - model.level[rows, past.weekday][:, None]
    now = np.where(first > 0, np.clip(ratio, -_FAR, _FAR), 0.0)
    coming = np.zeros((purses, draws, ahead))
    for day in range(ahead):
        now = phi * now + model.shocks[:, chance.picked[:, day]]
        on = (past.weekday + day + 1) % 7
        spend = np.exp(model.level[rows, on][:, None] + now + offset + bias[on, rows])
        coming[:, :, day] = np.where(runs[:, day, None], spend, 0.0)
    total = coming.sum(2)
    middle = np.median(total, axis=1, keepdims=True)
    factor = _WIDEN[0] + (_WIDEN[1] - _WIDEN[0]) * min(ahead / _FAR_AHEAD, 1.0)
    away = np.log(np.maximum(total, _TINY) / np.maximum(middle, _TINY))
    wider = np.where(middle > 0, np.exp((factor - 1) * away), 1.0)
    return first, coming * wider[:, :, None]


def _capped(first: Floats, coming: Floats, limits: Limits, spent: Floats) -> Floats:
    """Today and the coming days (purses, draws, 1 + N), each at most what its day and its stretch leave."""
    day, block = limits.day[:, None], limits.block
    left = np.repeat(limits.left[:, None, :], first.shape[1], axis=1)
    done = spent[:, None]
    today = np.maximum(np.minimum(np.minimum(first, day), done + left[:, :, 0]), done)
    out = np.empty((*first.shape, 1 + coming.shape[2]))
    out[:, :, 0] = today
    left[:, :, 0] -= today - done
    rows = np.arange(len(first))
    for n in range(coming.shape[2]):
        which = block[:, n]
        room = np.maximum(left[rows, :, which], 0.0)
        now = np.minimum(np.minimum(coming[:, :, n], day), room)
        out[:, :, n + 1] = now
        left[rows, :, which] -= now
    return out
