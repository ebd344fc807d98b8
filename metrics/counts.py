"""Too few conversions: a count against what clicks, the usual rate and the lag curve lead one to expect.

Conversions are negative binomial: Poisson around a mean that itself is not known exactly. Three doubts add
up in its variance, `Var = E + V`: the rate wanders from day to day (`dispersion`), an entity's own rate is
known from a finite count (`Rates.doubt`), and so is the lag curve.

Two views of the same conversions, because each is blind where the other sees: by the hour of the click
(a landing page that breaks loses the conversions of the clicks since) and by the hour of arrival (a tag
that breaks loses those of clicks of many days, and an hour of arrivals is complete as soon as it ends).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = [
    "PRIOR",
    "Rates",
    "band",
    "daily_dispersion",
    "expected_arrivals",
    "hour_factors",
    "lower_tail",
    "shrink",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEAST_SHAPE, _MOST_SHAPE = 1.0, 15.0
"""Bounds on the prior in conversions: two campaigns tell little of how far campaigns lie apart."""

_HOUR_PRIOR = 30.0
"""Expected conversions at which an hour of the day's own factor counts as much as an even day."""

PRIOR = (0.01, 0.003)
"""Dispersion of a campaign's day, and of an account's beyond that, assumed before there is history."""

_PRIOR_DAYS = 14
"""Days at which history counts as much."""

_LEAST_DISPERSION = 0.1
"""Of the prior."""
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Rates:
    """Conversions per click, shape (entities,), as a Gamma posterior.

    mean: its mean. doubt: its squared coefficient of variation, 1 / shape.
    """

    mean: Floats
    doubt: Floats


def shrink(conversions: Floats, exposure: Floats) -> Rates:
    """Each entity's rate, shrunk to the rate of all of them: Gamma-Poisson with a prior by moments.

    conversions: shape (entities,). exposure: clicks times their completeness, same shape. The prior's mean is
    the overall rate r, its variance the spread between entities beyond Poisson's (Robbins 1956; Marshall
    1991): `v = Σ[(C - rE)² - C] / ΣE²`, its strength `k = r / v` clicks, kept between 1 and 15 conversions.
    """
    total = exposure.sum()
    overall = float(conversions.sum() / total) if total > 0 else 0.0
    if overall <= 0:
        return Rates(np.zeros_like(exposure), np.ones_like(exposure))
    spread = float(((conversions - overall * exposure) ** 2 - conversions).sum() / (exposure**2).sum())
    shape = float(np.clip(overall**2 / max(spread, _EPSILON), _LEAST_SHAPE, _MOST_SHAPE))
    seen = np.maximum(conversions, 0.0) + shape
    return Rates(seen / (exposure + shape / overall), 1 / seen)


def hour_factors(hour_of_day: Ints, observed: Floats, expected: Floats) -> Floats:
    """How much readier to convert the clicks of each hour of the day are, shape (24,), 1 on an even day.

    observed, expected: of all entities together, by hour, shape (hours,).
    """
    seen = np.bincount(hour_of_day, observed, 24)
    meant = np.bincount(hour_of_day, expected, 24)
    return np.asarray((seen + _HOUR_PRIOR) / (meant + _HOUR_PRIOR))


def daily_dispersion(
    observed: Floats, expected: Floats, prior: tuple[float, float] = PRIOR
) -> tuple[float, float]:
    """How far days scatter beyond chance: of single campaigns, and of the account beyond theirs.

    observed, expected: shape (entities, days). Both by moments, `φ = Σ[(O - E)² - E] / ΣE²`, the tenth of
    the days that lie farthest off left out (an outage is no dispersion), steadied by a prior.
    """
    own = _moments(observed, expected, 0.0, prior[0])
    together = observed.sum(0)[None], expected.sum(0)[None]
    shared = _moments(*together, own * (expected**2).sum(0)[None], prior[1])
    return own, shared


def _moments(observed: Floats, expected: Floats, explained: Floats | float, prior: float) -> float:
    days = observed.shape[1]
    beyond = ((observed - expected) ** 2 - expected - explained).sum(0)
    scale = (expected**2).sum(0)
    kept = np.argsort(beyond / np.maximum(scale, _EPSILON))[: max(1, int(0.9 * days))]
    total = float(scale[kept].sum())
    found = float(beyond[kept].sum() / total) if total > 0 else prior
    steadied = (days * max(found, 0.0) + _PRIOR_DAYS * prior) / (days + _PRIOR_DAYS)
    return float(max(steadied, _LEAST_DISPERSION * prior))


def expected_arrivals(exposure: Floats, arrived: Floats, edges: Floats, tail: Floats) -> Floats:
    """Conversions that should arrive between successive `edges`, shape (entities, edges - 1).

    exposure: expected final conversions of each click hour, shape (entities, click hours). arrived: the share
    of an hour's that has come by each edge, shape (click hours, edges). tail: what arrives per hour of clicks
    older than all of these, shape (entities,). edges: in hours.
    """
    return np.asarray(exposure @ np.diff(arrived, axis=1) + tail[:, None] * np.diff(edges))


def lower_tail(observed: Floats, expected: Floats, extra: Floats) -> Floats:
    """P(X <= observed) for a negative binomial of mean `expected` and variance `expected + extra`.

    Fractional counts (data-driven attribution) are read on the continuous form, the regularised incomplete
    beta function `I_p(r, x + 1)`, which is the distribution function at whole x.
    """
    mean = np.maximum(expected, _EPSILON)
    size = mean**2 / np.maximum(extra, 1e-9 * mean**2)
    return np.asarray(special.betainc(size, np.maximum(observed, 0.0) + 1, size / (size + mean)))


def band(expected: Floats, extra: Floats, share: float = 0.8) -> tuple[Floats, Floats]:
    """The narrowest whole counts between which at least `share` of such counts lie, evenly cut off."""
    mean = np.maximum(expected, _EPSILON)
    size = mean**2 / np.maximum(extra, 1e-9 * mean**2)
    odds = size / (size + mean)
    # Counts are bounded by a few standard deviations: a bisection over them finds both ends at once.
    far = np.ceil(mean + 12 * np.sqrt(mean + extra) + 12)
    ends = []
    for quantile in ((1 - share) / 2, (1 + share) / 2):
        low, high = np.full_like(mean, -1.0), far.copy()
        while np.any(high - low > 1):
            middle = np.floor((low + high) / 2)
            reached = special.betainc(size, middle + 1, odds) >= quantile
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        ends.append(high)
    return ends[0], ends[1]
