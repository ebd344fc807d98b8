"""Where the day's spend will end, from the hours seen so far; for a flight's rest see `metrics.outlook`.

On logarithms of spend, for many entities at once, on the account's own calendar. The method and its accuracy
are measured in `benchmarks/projection.py` and described in docs/pacing.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metrics.baseline import median

__all__ = ["Past", "Projection", "cumulative_share", "day_shares", "past", "project", "project_day"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_Z80 = 1.2815515655446004
"""Standard normal quantile of 0.9: an 80 % interval leaves a tenth on each side."""

_WIDEN_DAY = 1.3
"""In-sample errors are too small by this factor (measured: benchmarks/projection.py)."""

_DECAY = 0.8
"""Weight of a day's level relative to the day after it."""

_TINY = 1e-9
_PRIOR_DAYS = 4
"""Days of a day type at which its own profile counts as much as the pooled one."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Expected total with its 80 % interval; arrays of shape (entities,), in the unit of the spend.

    sigma: standard deviation of the logarithm of the total, for other quantiles.
    """

    low: Floats
    mid: Floats
    high: Floats
    sigma: Floats


def _weighted_level(ratios: Floats, active: npt.NDArray[np.bool_]) -> Floats:
    """The decayed mean of the last seven days' log ratios, over active days; 0 where there are none."""
    recent, on = ratios[:, -7:], active[:, -7:]
    weights = _DECAY ** np.arange(recent.shape[1])[::-1] * on
    return np.asarray((recent * weights).sum(1) / np.maximum(weights.sum(1), _TINY))


def _spread(errors: Floats, valid: npt.NDArray[np.bool_], least: float, unknown: float) -> Floats:
    """Robust standard deviation (1.4826 median absolute error) along the last axis.

    Bounded below by `least`; `unknown` where fewer than three errors are valid.
    """
    found = np.maximum(1.4826 * median(np.abs(errors), valid, -1), least)
    return np.where(valid.sum(-1) >= 3, found, unknown)


def day_shares(history: Floats, weekdays: Ints, weekday: int) -> Floats:
    """How a day of this weekday spreads its spend over 24 hours.

    history: spend, shape (entities, days, 24), complete days, oldest first. weekdays: 0 (Monday) to 6 for
    each day. Returns shares that sum to 1, shape (entities, 24): the mean over days of the same kind
    (working day or weekend), shrunk to the mean over all days, which itself is shrunk to the mean over
    all entities and, without any spend at all, to an even day.
    """
    totals = history.sum(2)
    active = totals > 0
    shares = np.where(active[..., None], history / np.maximum(totals, _TINY)[..., None], 0.0)

    def mean(days: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        use = active & days[None]
        seen = use.sum(1)
        return (shares * use[..., None]).sum(1) / np.maximum(seen, 1)[:, None], seen.astype(float)

    everything, seen = mean(np.ones_like(weekdays, dtype=bool))
    overall = history.sum((0, 1))
    common = overall / overall.sum() if overall.sum() > 0 else np.full(24, 1 / 24)
    pooled = (everything * seen[:, None] + common) / (seen[:, None] + 1)
    own, kind = mean((weekdays >= 5) == (weekday >= 5))
    weight = (kind / (kind + _PRIOR_DAYS))[:, None]
    return np.asarray(weight * own + (1 - weight) * pooled)


def cumulative_share(shares: Floats, hour: float) -> Floats:
    """The share of a day that is over at `hour` (0..24, fractions run evenly), shape (entities,)."""
    edges = np.concatenate([np.zeros((len(shares), 1)), np.cumsum(shares, axis=1)], axis=1)
    whole = min(int(hour), 23)
    return np.asarray(edges[:, whole] + (hour - whole) * shares[:, whole])


def _until(days: Floats, hour: float) -> Floats:
    """Spend of each day until `hour`, shape (..., days)."""
    whole = min(int(hour), 23)
    return np.asarray(days[..., :whole].sum(-1) + (hour - whole) * days[..., whole])


@dataclass(frozen=True, slots=True)
class Past:
    """What complete days say of one day to come, the same at each of its hours.

    history, active, logs: spend by day and hour, which days delivered, their totals' logarithms. weekdays: of
    these days. level, error_of_level: the logarithm of the total by them alone, and its error. shares: of a
    day like the one to come; kinds: of working days and of weekends.
    """

    history: Floats
    active: npt.NDArray[np.bool_]
    logs: Floats
    weekdays: Ints
    level: Floats
    error_of_level: Floats
    shares: Floats
    kinds: tuple[Floats, Floats]


def past(history: Floats, weekdays: Ints, weekday: int) -> Past:
    """What `project` goes by, for a day of this weekday; the arguments are `project_day`'s."""
    entities, days, _ = history.shape
    totals = history.sum(2)
    active = totals > 0
    logs = np.log(np.maximum(totals, _TINY))

    # A weekday that never delivered is taken to be like all the others.
    overall = np.nan_to_num(median(totals, active, 1))
    of_day = [median(totals[:, of], active[:, of], 1) for of in (weekdays == day for day in range(7))]
    level = np.stack([np.where(np.isnan(one), overall, one) for one in of_day], axis=1)  # (entities, 7)
    ratios = logs - np.log(np.maximum(level[:, weekdays], _TINY))
    misses = (
        np.stack(
            [ratios[:, i] - _weighted_level(ratios[:, :i], active[:, :i]) for i in range(min(7, days), days)],
            axis=1,
        )
        if days > 7
        else np.zeros((entities, 0))
    )
    return Past(
        history,
        active,
        logs,
        weekdays,
        np.log(np.maximum(level[:, weekday], _TINY)) + _weighted_level(ratios, active),
        _spread(misses, active[:, days - misses.shape[1] :], 0.03, 0.5),
        day_shares(history, weekdays, weekday),
        (day_shares(history, weekdays, 0), day_shares(history, weekdays, 5)),
    )


def project_day(
    history: Floats,
    weekdays: Ints,
    weekday: int,
    spent: Floats,
    hour: float,
    *,
    expected: Floats | None = None,
) -> Projection:
    """The day's total, given what was spent until `hour`.

    Combines two estimates in logs, weighted by their own past errors: the level of the weekday times that
    of the last week, and what was spent divided by the share of the day that is over.

    history: shape (entities, days, 24), at least seven complete days before the one asked about, zeros on
    days without delivery. weekdays: of those days. weekday: of the day asked about. spent: shape
    (entities,), until `hour` (0..24) on the account's clock, which is that of the source's watermark and
    not the present. expected: the total to assume for an entity that never delivered (its budget).
    An entity silent for the last two days and today is projected at what it has spent.
    """
    return project(past(history, weekdays, weekday), spent, hour, expected=expected)


def project(of: Past, spent: Floats, hour: float, *, expected: Floats | None = None) -> Projection:
    """`project_day` for days that are known already."""
    active, prior, error_of_level = of.active, of.level, of.error_of_level
    never = ~active.any(1)
    if expected is not None:
        prior = np.where(never, np.log(np.maximum(expected, _TINY)), prior)
    mu, sigma = prior, error_of_level
    if hour > 0:
        over = cumulative_share(of.shares, hour)
        working, weekend = (cumulative_share(shares, hour) for shares in of.kinds)
        past_over = np.where(of.weekdays >= 5, weekend[:, None], working[:, None])
        until = _until(of.history, hour)
        usable = active & (until > 0)
        errors = np.log(np.maximum(until, _TINY)) - np.log(np.maximum(past_over, _TINY)) - of.logs
        error_of_share = _spread(errors, usable, 0.01, 0.5)
        scaled = np.log(np.maximum(spent, _TINY) / np.maximum(over, _TINY))
        weight = np.where(spent > 0, error_of_share**-2 / (error_of_share**-2 + error_of_level**-2), 0.0)
        # Nothing spent: what is left of the day may still come, what is over will not.
        left = prior + np.log(np.maximum(1 - over, _TINY))
        mu = np.where(spent > 0, weight * scaled + (1 - weight) * prior, left)
        sigma = np.where(spent > 0, (error_of_share**-2 + error_of_level**-2) ** -0.5, error_of_level)
    silent = (spent <= 0) & ~active[:, -2:].any(1) & (~never | (expected is None))
    mid = np.where(silent, spent, np.maximum(np.exp(mu), spent))
    wide = _Z80 * _WIDEN_DAY * sigma
    return Projection(
        low=np.where(silent, spent, np.maximum(np.exp(mu - wide), spent)),
        mid=mid,
        high=np.where(silent, spent, np.maximum(np.exp(mu + wide), spent)),
        sigma=np.where(silent, 0.0, sigma * _WIDEN_DAY),
    )
