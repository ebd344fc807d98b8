"""How late conversions come: the lag curve of an account, from how its cohorts of clicks grew.

A chain ladder (Mack 1993) over the cohorts gives the share that is known at each age, its ratios steadied by
a prior curve until there is enough. A cohort counts at an age only if it was watched by then: what a
backfill brings says nothing of how it grew. `metrics.cohorts` reads the cohorts from the ledger.

Sources that give conversions by the hour of the click (Google Ads) have hours as cohorts. Of one that gives
them by the day only (Meta) the cohort is the account's local day, and its curve is the completeness of the
clicks *so far*: what is known of the day, over what the clicks until then come to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["AGES", "PRIOR", "Cohort", "Curve", "Growth", "Looks", "learn", "prior"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Cohort = Literal["hour", "day"]

AGES: Floats = np.concatenate([np.arange(0, 73), np.arange(96, 91 * 24, 24)]).astype(float)
"""Grid of ages in hours since the start of the cohort: hourly for three days, then daily to 90 days."""

_PRIOR_WEIGHT: Final = 20.0
"""Conversions at which an account's own ratios count as much as the prior curve's."""

_MEMORY: Final = 60 * 24.0
"""Hours: a step from one age to the next counts where it was lived through within them."""

_FEW: Final = 0.02
"""Share of a day's clicks below which its completeness is the prior's: two noises, one over the other."""


def _mixture(ages: Floats) -> Floats:
    """Completeness by age before anything is known: half within hours, a fifth after more than two days."""
    parts = ((0.50, 1.5), (0.30, 18.0), (0.20, 60.0))
    shape = np.zeros_like(ages)
    for weight, mean in parts:
        shape += weight * (1 - np.exp(-np.maximum(ages - 1, 0) / mean))
    return shape


PRIOR: Floats = np.asarray(_mixture(AGES) / _mixture(AGES[-1:]))


def prior(cohort: Cohort) -> Floats:
    """What is assumed of a cohort's completeness at AGES; of a day's, for clicks that come evenly."""
    if cohort == "hour":
        return PRIOR.copy()
    clicked = np.arange(24) + 0.5
    past = np.maximum(AGES[:, None] - clicked, 0.0)
    done = np.where(AGES[:, None] > clicked, np.interp(past, AGES, PRIOR), 0.0)
    counts = np.maximum((AGES[:, None] > clicked).sum(1), 1)
    return np.asarray(done.sum(1) / counts)


@dataclass(frozen=True, slots=True)
class Curve:
    """Completeness by age: the share of a cohort's final conversions that is known at that age.

    complete: at each of AGES; above 1 where more will be withdrawn than will still come. error: its standard
    error. seen: conversions it was learned from. withdrawn: at each of AGES, conversions yet to be taken
    back, as a share of the final ones. cohort: what ages count from, the start of the click hour or of the
    account's day.
    """

    complete: Floats
    error: Floats
    seen: float
    withdrawn: Floats = field(default_factory=lambda: np.zeros_like(AGES))
    cohort: Cohort = "hour"

    def at(self, age_hours: npt.ArrayLike) -> Floats:
        """Completeness at ages in hours since the start of the cohort, 0 before it, 1 past the grid."""
        return self._at(self.complete, age_hours, 1.0)

    def error_at(self, age_hours: npt.ArrayLike) -> Floats:
        """Standard error of the completeness at those ages."""
        return self._at(self.error, age_hours, 0.0)

    def withdrawn_at(self, age_hours: npt.ArrayLike) -> Floats:
        """Conversions yet to be taken back at those ages, as a share of the final ones."""
        return self._at(self.withdrawn, age_hours, 0.0)

    def age_at(self, share: float) -> float:
        """Hours after which this share is known: the first age on the grid, interpolated."""
        reached = np.maximum.accumulate(self.complete)
        n = int(np.searchsorted(reached, share))
        if n == 0 or n == len(AGES):
            return float(AGES[min(n, len(AGES) - 1)])
        part = (share - reached[n - 1]) / (reached[n] - reached[n - 1])
        return float(AGES[n - 1] + part * (AGES[n] - AGES[n - 1]))

    @staticmethod
    def _at(values: Floats, age_hours: npt.ArrayLike, after: float) -> Floats:
        ages = np.asarray(age_hours, dtype=float)
        return np.asarray(np.interp(ages, AGES, values, left=0.0, right=after))


@dataclass(frozen=True, slots=True)
class Looks:
    """When spans of time were asked for and answered: arrays of equal length, in hours since 1970."""

    start: Floats
    end: Floats
    at: Floats

    def first(self, moments: Floats) -> Floats:
        """When each of the moments (ascending) was first looked at; inf for one that never was."""
        return self._each(moments, -self.at, np.inf)

    def last(self, moments: Floats, until: float) -> Floats:
        """When each was last looked at, up to `until`; -inf for one that was not."""
        return self._each(moments, np.where(self.at <= until, self.at, -np.inf), -np.inf)

    def _each(self, moments: Floats, rank: Floats, never: float) -> Floats:
        """For each moment `at` of the look over it that ranks highest."""
        order = np.argsort(rank, kind="stable")
        order = order[np.isfinite(rank[order])]
        low = np.searchsorted(moments, self.start[order], side="left")
        size = np.maximum(np.searchsorted(moments, self.end[order], side="left") - low, 0)
        place = np.repeat(low - np.cumsum(size) + size, size) + np.arange(size.sum())
        found = np.full(len(moments), never)
        found[place] = np.repeat(self.at[order], size)  # of several for one place the last one stays
        return found


@dataclass(frozen=True, slots=True)
class Growth:
    """How an account's cohorts grew, all times in hours since 1970.

    starts: of the cohorts, ascending. looks: at them. Then one element a difference: index of its cohort,
    low and high (the look before, NaN where there was none, and the one that saw it), gained and lost
    conversions. shares: of a day's clicks those so far, at AGES; None where cohorts are hours.
    """

    starts: Floats
    looks: Looks
    index: Ints
    low: Floats
    high: Floats
    gained: Floats
    lost: Floats
    shares: Floats | None = None


def learn(growth: Growth, now: float, curve: Floats | None = None) -> Curve:
    """The lag curve as of `now` (hours since 1970): differences and looks after it are not there yet.

    curve: the prior completeness at AGES. A step from one age to the next counts the cohorts that were
    watched from before it and looked at after it, within the memory. Where the two looks around a
    difference are far apart, it is spread over the ages between them as the prior grows.
    """
    shares = growth.shares
    kind: Cohort = "hour" if shares is None else "day"
    curve = prior(kind) if curve is None else curve
    grows = curve if shares is None else curve * shares
    starts, known = growth.starts, growth.high <= now
    index, high = growth.index[known], growth.high[known] - starts[growth.index[known]]
    entry = growth.looks.first(starts) - starts
    until = growth.looks.last(starts, now) - starts
    # What the first reply with a row brought came since the first look, be it an empty one; what that look
    # itself brought came since the cohort's start, if it was soon enough to tell.
    low = growth.low[known] - starts[index]
    begun = np.where(entry[index] < high, entry[index], np.where(entry[index] <= 1, 0.0, high))
    low = np.where(np.isnan(low), begun, low)
    row, step, part = _spread(low, high, grows)
    lost, gained = (
        _added(index[row], step, amount[known][row] * part, len(starts))
        for amount in (growth.lost, growth.gained)
    )
    grown = (gained - lost).cumsum(axis=1)
    lived = (until[:, None] >= AGES[None, 1:]) & (now - starts[:, None] - AGES[None, 1:] <= _MEMORY)
    counts = lived & (np.where(entry <= 1, 0.0, entry)[:, None] <= AGES[None, :-1])
    before = (grown[:, :-1] * counts).sum(0) + _PRIOR_WEIGHT * grows[:-1]
    after = np.maximum((grown[:, 1:] * counts).sum(0) + _PRIOR_WEIGHT * grows[1:], 1e-12)
    ratio = np.clip(before / after, 0.0, 2.0)
    taken = (lost[:, 1:] * counts).sum(0) / after
    complete, withdrawn, relative = np.ones(len(AGES)), np.zeros(len(AGES)), np.zeros(len(AGES))
    complete[:-1] = _up(np.multiply, ratio)
    withdrawn[:-1] = _up(np.add, taken * complete[1:])
    # The ratio is a share of `after` trials; its relative errors add up along the ladder.
    relative[:-1] = _up(np.add, (np.abs(1 - ratio) + 2 * taken) / np.maximum(ratio * after, 1e-12))
    error = complete * np.sqrt(relative)
    if shares is not None:
        enough = shares >= _FEW
        over = np.where(enough, shares, 1.0)
        complete = np.where(enough, complete / over, curve)
        error = error / over
    seen = float((grown[:, 1:] * counts).sum(0).max(initial=0.0))
    return Curve(complete, error, seen, withdrawn, kind)


def _up(how: np.ufunc, steps: Floats) -> Floats:
    """Each step together with all the later ones."""
    return np.asarray(how.accumulate(steps[::-1])[::-1])


def _spread(low: Floats, high: Floats, grows: Floats) -> tuple[Ints, Ints, Floats]:
    """Each difference over the steps from low to high: its number, the step, the part of it that came there.

    Step n is from AGES[n - 1] up to AGES[n].
    """
    last = np.clip(np.searchsorted(AGES, high, side="left"), 0, len(AGES) - 1)
    first = np.clip(np.searchsorted(AGES, low, side="right"), 0, last)
    each = np.where(low < high, last - first + 1, 1)
    row = np.repeat(np.arange(len(low)), each)
    step = np.repeat(last + 1 - np.cumsum(each), each) + np.arange(each.sum())
    top = np.minimum(AGES[step], high[row])
    bottom = np.maximum(AGES[np.maximum(step - 1, 0)], low[row])
    part = np.maximum(np.interp(top, AGES, grows) - np.interp(bottom, AGES, grows), 0.0) + 1e-9
    return row, step, part / np.bincount(row, part, minlength=len(low))[row]


def _added(index: Ints, step: Ints, amount: Floats, cohorts: int) -> Floats:
    """Amounts by cohort and step, shape (cohorts, AGES)."""
    flat = np.bincount(index * len(AGES) + step, amount, minlength=cohorts * len(AGES))
    return np.asarray(flat.reshape(cohorts, len(AGES)), dtype=float)
