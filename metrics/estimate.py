"""What conversions will come to: the settled estimate and its interval, from sums.

Bornhuetter and Ferguson (1972): what is known, plus what the lag curve (`metrics.lag`) says is still to come
at the usual conversion rate. Accuracy is measured in `benchmarks/maturity.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["DISPERSION", "Settled", "settle", "settled", "usual_rate"]

Floats = npt.NDArray[np.float64]

DISPERSION = 0.006
"""Extra-Poisson variance of a campaign's conversions: Var = E + 0.006 E² (benchmarks/maturity.py)."""

_OUTSIDE: Final = 0.2
"""Share of what comes that lies outside the interval."""

_RATE_PRIOR = 15.0
"""Conversions at which an entity's own conversion rate counts as much as its account's."""


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
    known: Floats,
    clicks: Floats,
    complete: Floats,
    rate: Floats,
    *,
    error: Floats | float = 0.0,
    withdrawn: Floats | float = 0.0,
) -> Settled:
    """The settled estimate of sums over hours.

    known: conversions so far, shape (..., ) summed over the hours. clicks: shape (..., hours).
    complete: completeness of each hour, shape (hours,) or (..., hours). rate: usual conversions per click,
    shape (...,). error: standard error of `complete`. withdrawn: conversions yet to be taken back, as a share
    of the final ones, like `complete`.
    """
    lost = (clicks * np.asarray(withdrawn)).sum(-1) * rate
    late = (clicks * (1 - complete)).sum(-1) * rate + lost
    doubt = (clicks * np.asarray(error)).sum(-1) * rate
    return settled(known, late, lost, noise=late + lost, more=DISPERSION * late**2 + doubt**2)


def settled(known: Floats, late: Floats, lost: Floats, *, noise: Floats, more: Floats) -> Settled:
    """The settled estimate from sums over any hours, all of one shape.

    known: conversions so far. late, lost: expected still to come, and to be taken back. noise: the variance
    that chance alone gives the two; late + lost where each conversion counts whole, less where credit for it
    is shared. more: variance beyond chance.
    """
    late, lost = np.maximum(late, 0.0), np.maximum(lost, 0.0)
    # Those that come less those that go: as skewed as those that come, where none go, and even where both do.
    low, high = (end - 2 * lost for end in _between(late + lost, noise, more))
    mid = np.maximum(known + late - lost, 0.0)
    with np.errstate(all="ignore"):
        share = np.where(mid > 0, known / np.maximum(mid, 1e-12), 1.0)
    return Settled(np.maximum(known + low, 0.0), mid, np.maximum(known + high, mid), np.clip(share, 0.0, 1.0))


def _between(mean: Floats, noise: Floats, more: Floats) -> tuple[Floats, Floats]:
    """The ends between which four in five such counts lie: negative binomial, in units of one credit.

    As many are left out below as above; where nothing at all is likelier than a fifth, none can be left out
    below, and all that is left out lies above. Without that two in three intervals of small counts would
    hold nine in ten.
    """
    mean = np.maximum(mean, 1e-9)
    noise = np.clip(noise, 0.01 * mean, mean)
    unit, extra = noise / mean, np.maximum(more / noise, 1e-6)
    law = stats.nbinom(mean / unit / extra, 1 / (1 + extra))
    low = _quantile(law, _OUTSIDE / 2)
    high = _quantile(law, np.where(low < 0, 1 - _OUTSIDE, 1 - _OUTSIDE / 2))
    return np.maximum(low, 0.0) * unit, np.maximum(high, 0.0) * unit


def _quantile(law: Any, share: Floats | float) -> Floats:
    """Of a law of whole counts, each spread evenly over half a unit to either side: so that the interval of
    a small count neither swells to the next whole number nor jumps with it.
    """
    above = law.ppf(share)
    below = law.cdf(above - 1)
    return np.asarray(above - 0.5 + (share - below) / np.maximum(law.cdf(above) - below, 1e-12))
