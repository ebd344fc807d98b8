"""Conversions arrive late: how complete an hour is by now, and what it will come to once settled.

The lag curve of an account is learned from the ledger, which holds every restatement with the time at which
it was seen: a chain ladder over click hours (Mack 1993), its ratios steadied by a prior curve until there
is enough. The settled estimate is Bornhuetter and Ferguson's: what is known, plus what the curve says is
still to come at the usual conversion rate. Accuracy is measured in `benchmarks/maturity.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["AGES", "PRIOR", "Curve", "Settled", "learn", "settle", "usual_rate"]

Floats = npt.NDArray[np.float64]

AGES: Floats = np.concatenate([np.arange(0, 73), np.arange(96, 91 * 24, 24)]).astype(float)
"""Grid of ages in hours since the start of the click hour: hourly for three days, then daily to 90 days."""

_PRIOR_WEIGHT = 20.0
"""Conversions at which an account's own ratios count as much as the prior curve's."""

_DISPERSION = 0.006
"""Extra-Poisson variance of conversions: Var = E + 0.006 E² (calibrated: benchmarks/maturity.py)."""

_RATE_PRIOR = 15.0
"""Conversions at which an entity's own conversion rate counts as much as its account's."""


def _prior() -> Floats:
    """Completeness by age before anything is known: half within hours, a fifth after more than two days."""
    parts = ((0.50, 1.5), (0.30, 18.0), (0.20, 60.0))
    shape = np.zeros_like(AGES)
    for weight, mean in parts:
        shape += weight * (1 - np.exp(-np.maximum(AGES - 1, 0) / mean))
    return np.asarray(shape / shape[-1])


PRIOR: Floats = _prior()


@dataclass(frozen=True, slots=True)
class Curve:
    """Completeness by age: the share of an hour's final conversions that is known at that age.

    complete: at each of AGES, rising to 1. error: its standard error. seen: conversions it was learned from.
    """

    complete: Floats
    error: Floats
    seen: float

    def at(self, age_hours: npt.ArrayLike) -> Floats:
        """Completeness at ages in hours since the start of the click hour, 0 before it, 1 past the grid."""
        ages = np.asarray(age_hours, dtype=float)
        return np.asarray(np.interp(ages, AGES, self.complete, left=0.0, right=1.0))

    def error_at(self, age_hours: npt.ArrayLike) -> Floats:
        """Standard error of the completeness at those ages."""
        ages = np.asarray(age_hours, dtype=float)
        return np.asarray(np.interp(ages, AGES, self.error, left=0.0, right=0.0))


def learn(
    cohort: npt.NDArray[np.int64], age: Floats, amount: Floats, *, now: int, prior: Floats = PRIOR
) -> Curve:
    """The lag curve from the ledger's differences.

    One element a ledger row: cohort is the click hour (hours since 1970), age the hours from the start of
    that hour until the difference was seen, amount the conversions that came (negative: withdrawn). now:
    the present in hours since 1970.

    A cohort counts at an age only if it was watched from before that age (a backfill sees an old hour late,
    and says nothing of how it grew) and has lived past the next one.
    """
    if not len(cohort):
        return Curve(prior.copy(), np.sqrt(prior * (1 - prior) / _PRIOR_WEIGHT), 0.0)
    hours, index = np.unique(cohort, return_inverse=True)
    entry = np.full(len(hours), np.inf)
    np.minimum.at(entry, index, age)
    step = np.clip(np.searchsorted(AGES, age, side="left"), 0, len(AGES) - 1)
    grown = np.zeros((len(hours), len(AGES)))
    np.add.at(grown, (index, step), amount)
    grown = grown.cumsum(axis=1)
    lived = (now - hours)[:, None] >= AGES[None, 1:]
    watched = entry[:, None] <= AGES[None, :-1] + 1
    counts = lived & watched
    before = (grown[:, :-1] * counts).sum(0) + _PRIOR_WEIGHT * prior[:-1]
    after = (grown[:, 1:] * counts).sum(0) + _PRIOR_WEIGHT * prior[1:]
    ratio = np.clip(before / np.maximum(after, 1e-12), 0.0, 1.0)
    complete = np.ones(len(AGES))
    complete[:-1] = np.cumprod(ratio[::-1])[::-1]
    # The ratio is a share of `after` trials; its relative errors add up along the ladder.
    relative = np.zeros(len(AGES))
    relative[:-1] = np.cumsum(((1 - ratio) / np.maximum(ratio * after, 1e-12))[::-1])[::-1]
    return Curve(complete, complete * np.sqrt(relative), float((grown[:, 1:] * counts).sum(0).max()))


def usual_rate(conversions: Floats, clicks_settled: Floats) -> Floats:
    """Conversions per click of each entity, shrunk to the rate of all of them together.

    conversions: known so far over the reference window, shape (entities,). clicks_settled: clicks of the
    same window times their completeness.
    """
    total = clicks_settled.sum()
    overall = conversions.sum() / total if total > 0 else 0.0
    if overall <= 0:
        return np.zeros_like(clicks_settled)
    strength = _RATE_PRIOR / overall
    return np.asarray((conversions + _RATE_PRIOR) / (clicks_settled + strength))


@dataclass(frozen=True, slots=True)
class Settled:
    """What conversions will come to: the estimate with its 80 % interval, shape of the input."""

    low: Floats
    mid: Floats
    high: Floats
    completeness: Floats
    """Known share of the estimate, 0..1; 1 where nothing is expected."""


def settle(
    known: Floats, clicks: Floats, complete: Floats, rate: Floats, *, error: Floats | float = 0.0
) -> Settled:
    """The settled estimate of sums over hours.

    known: conversions so far, shape (..., ) summed over the hours. clicks: shape (..., hours).
    complete: completeness of each hour, shape (hours,) or (..., hours). rate: usual conversions per click,
    shape (...,). error: standard error of `complete`.
    """
    missing = (clicks * (1 - complete)).sum(-1) * rate
    doubt = (clicks * np.asarray(error)).sum(-1) * rate
    variance = missing + _DISPERSION * missing**2 + doubt**2
    low, high = (_late(missing, variance, q) for q in (0.1, 0.9))
    mid = known + missing
    with np.errstate(all="ignore"):
        share = np.where(mid > 0, known / np.maximum(mid, 1e-12), 1.0)
    return Settled(known + low, mid, known + high, np.clip(share, 0.0, 1.0))


def _late(mean: Floats, variance: Floats, quantile: float) -> Floats:
    """Quantile of the conversions still to come: negative binomial with this mean and variance.

    Counts are spread evenly over half a unit to either side, so that an 80 % interval of a small count does
    not swell to the next whole number.
    """
    mean = np.maximum(mean, 1e-9)
    extra = np.maximum(variance / mean - 1, 1e-6)
    law = stats.nbinom(mean / extra, 1 / (1 + extra))
    above = law.ppf(quantile)
    below = law.cdf(above - 1)
    part = (quantile - below) / np.maximum(law.cdf(above) - below, 1e-12)
    return np.asarray(np.maximum(above - 0.5 + part, 0.0))
