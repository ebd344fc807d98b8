"""The tests of an account's newest hours against what its history leads one to expect.

A function of its arguments alone, so that a past moment is judged as it was, by passing what was known then.
The adapter to stored data is metrics/anomalies.py; how often these are right is measured in
benchmarks/detect.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from metrics import baseline, counts, discovery, drift
from metrics.lag import Curve
from metrics.reference import NEEDED_RATE_DAYS, Hours, Reference, residuals

__all__ = [
    "ARRIVAL_HOURS",
    "LIMITS",
    "MATTERS",
    "Arrivals",
    "Metric",
    "Tests",
    "decline",
    "graded",
    "judge",
    "seen_by",
    "spend",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Metric = Literal["conversions by click", "conversions by arrival", "spend", "cpc", "drift"]

ARRIVAL_HOURS: Final = 24
"""Hours of arrivals that `judge` needs."""

COHORT_WINDOWS: Final = (2, 3, 4, 6, 8, 12, 16, 24, 36, 48)
ARRIVAL_WINDOWS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24)

MATTERS: Final = {"conversions": 0.6, "drift": drift.LEAST_RATIO, "spend": 1.8, "cpc": 1.35}
"""Effects that matter: seen over expected, at most for conversions, at least for money."""

LIMITS: Final[dict[Metric, tuple[float, float]]] = {
    "conversions by click": (1e-4, 5e-5),
    "conversions by arrival": (1e-5, 1.5e-4),
    "spend": (1e-4, 1e-4),
    "cpc": (5e-5, 5e-5),
    "drift": (2e-4, 3.5e-3),
}
"""p of a campaign's signal and of its account's. Drift is tested once a day, the others at every poll."""

_DRIFT_LAW: Final = ((0.035, 0.58), (0.07, 1.0))
"""Chance that a day's cumulative sum first passes S, `a exp(-b S)`: of a campaign and of an account, fitted
to synthetic accounts without decline (benchmarks/detect.py)."""

_Z80: Final = 1.2815515655446004
"""Standard normal quantile of 0.9."""

_FRESH: Final = 2.0
_NEEDED_TO_TIME: Final = 50.0
"""Conversions from which a lag curve must be learned to say when others should arrive."""

_SPEND_HOURS: Final = 2 * baseline.SPEND_WINDOWS[-1]
"""A window, and the hours before it."""

_LEAST_CLICKS: Final = 8.0
_TAIL: Final[dict[Metric, float]] = {"spend": 100.0, "cpc": 20.0}
"""Degrees of freedom of the errors' law: their tails are heavier than normal."""


@dataclass(frozen=True, slots=True)
class Tests:
    """One kind of test over all entities, arrays of shape (campaigns + 1,), the account last.

    p: NaN where there is no verdict. matters: whether the effect is large enough. seen, mid: in the metric's
    unit over the window of `hours` that stands out most. spread: variance beyond Poisson's of a count, the
    standard deviation of the logarithm of money.
    """

    metric: Metric
    p: Floats
    matters: Bools
    seen: Floats
    mid: Floats
    spread: Floats
    hours: Ints

    def band(self, entity: int) -> tuple[float, float]:
        """Where four in five such figures lie."""
        mid, spread = self.mid[[entity]], self.spread[[entity]]
        if self.metric in ("spend", "cpc"):
            reach = np.exp(_Z80 * spread)
            return float((mid / reach)[0]), float((mid * reach)[0])
        low, high = counts.band(mid, spread)
        return float(low[0]), float(high[0])

    @property
    def family(self) -> str:
        """What a reader calls it: both views of conversions are one."""
        return "conversions" if self.metric.startswith("conversions") else self.metric

    @property
    def limits(self) -> Floats:
        """What p must be below: an account's own series are few and matter most, its campaigns' are many."""
        campaign, account = LIMITS[self.metric]
        found = np.full(len(self.p), campaign)
        found[-1] = account
        return found


def decline(reference: Reference) -> Tests:
    """The slow decline of conversions, once a day.

    The tail of a cumulative sum's law is exponential (Siegmund 1985); a campaign's is the heavier one, as its
    rate wanders from week to week.
    """
    scale, slope = np.array(_DRIFT_LAW).T[:, [0] * (len(reference.drift) - 1) + [1]]
    seen, meant, extra = reference.drift_counts
    return Tests(
        metric="drift",
        p=np.minimum(scale * np.exp(-slope * reference.drift), 1.0),
        matters=seen < MATTERS["drift"] * meant,
        seen=seen,
        mid=meant,
        spread=extra,
        hours=reference.drift_days * 24,
    )


@dataclass(frozen=True, slots=True)
class Arrivals:
    """New conversions as polls saw them come, by hours that end at a poll.

    edges: ends of the hours, hours since 1970, shape (n + 1,). count: in each, withdrawals not counted,
    shape (campaigns, n). known: shape (click hours, n + 1), the share of each click hour's conversions that
    the looks until each edge could have brought (`seen_by`).
    """

    edges: Floats
    count: Floats
    known: Floats


def seen_by(lag: Curve, born: Floats, first: Floats, looked: Floats) -> Floats:
    """The share of each click hour's conversions that had arrived by looks, withdrawals not counted.

    born, first: when its cohort began, and was first looked at, shape (click hours,). looked: when it was
    last looked at before each edge (-inf: never), shape (click hours, edges). What the first look at an hour
    brought is no arrival where it came later than two hours after the hour began: that is history.
    """

    def gross(ages: Floats) -> Floats:
        share = lag.at(ages) - lag.withdrawn_at(ages) + lag.withdrawn_at(0)
        return np.where(ages > 0, share, 0.0)

    late = first - born > _FRESH
    before = np.where(late, gross(np.where(late, first - born, 0.0)), 0.0)
    return np.asarray(np.maximum(gross(looked - born[:, None]) - before[:, None], 0.0))


def judge(reference: Reference, hours: Hours, arrivals: Arrivals) -> list[Tests]:
    """Every test of the newest hours.

    hours: RECENT_HOURS of them, up to the watermark; clicks and spend of all of them are complete.
    arrivals: of the last ARRIVAL_HOURS.
    """
    return [
        _by_click(reference, hours),
        _by_arrival(reference, hours, arrivals),
        spend(reference, hours),
        _cpc(reference, hours),
    ]


def graded(tests: Sequence[Tests]) -> list[Bools]:
    """Which series of each of the tests are signals, all tests of one moment and installation together.

    Four families, each with its own false-discovery control: campaigns and accounts, of the hour and of the
    day (`metrics.discovery`).
    """
    found = [np.zeros(len(test.p), dtype=bool) for test in tests]
    for level in (slice(None, -1), slice(-1, None)):
        for daily in (False, True):
            of = [n for n, test in enumerate(tests) if (test.metric == "drift") is daily]
            if not of:
                continue
            p, limits, matters = (
                np.concatenate([getattr(tests[n], name)[level] for n in of])
                for name in ("p", "limits", "matters")
            )
            signals = discovery.signals(p, limits, matters)
            for n in of:
                size = len(tests[n].p[level])
                found[n][level], signals = signals[:size], signals[size:]
    return found


def _final(reference: Reference, hours: Hours) -> Floats:
    factor = reference.factors[hours.hour_of_day]
    return np.asarray(hours.clicks * reference.rates.mean[:, None] * factor[None])


def _below(
    reference: Reference,
    metric: Metric,
    windows: tuple[int, ...],
    *,
    seen: Floats,
    meant: Floats,
    unsure: Floats,
) -> Tests:
    """Counts of the last hours against expectation; columns run back in time from the newest hour.

    unsure: what of `meant` hangs on the lag curve being right: its standard deviation.
    """
    at = np.array(windows) - 1
    seen, meant, unsure = (x.cumsum(1)[:, at] for x in (seen, meant, unsure))
    own = (reference.own + reference.rates.doubt[:, None]) * meant**2
    extra = np.concatenate([own + unsure**2, (own.sum(0) + unsure.sum(0) ** 2)[None]])
    seen, meant = (np.concatenate([x, x.sum(0)[None]]) for x in (seen, meant))
    extra[-1] += reference.shared * meant[-1] ** 2
    tail = counts.lower_tail(seen, meant, extra)
    matters = seen < MATTERS["conversions"] * meant
    ranked = np.where(matters, tail, 1 + tail)
    best = ranked.argmin(1)
    pick = np.arange(len(seen)), best
    ready = np.append(reference.active >= NEEDED_RATE_DAYS, True) & reference.enough & (meant[:, -1] > 0)
    return Tests(
        metric=metric,
        p=np.where(ready, tail[pick], np.nan),
        matters=matters[pick],
        seen=seen[pick],
        mid=meant[pick],
        spread=extra[pick],
        hours=np.array(windows)[best],
    )


def _by_click(reference: Reference, hours: Hours) -> Tests:
    recent = hours.last(COHORT_WINDOWS[-1])
    ages = recent.looked - recent.born
    final = _final(reference, recent)
    meant, unsure = (final * x[None] for x in (reference.lag.at(ages), reference.lag.error_at(ages)))
    windows: tuple[int, ...] = COHORT_WINDOWS
    if reference.lag.cohort == "day":
        # Conversions of a day are not known by its hours: windows begin at midnights.
        starts = np.flatnonzero(np.diff(recent.day, prepend=recent.day[0] - 1))
        windows = tuple(int(len(recent.day) - at) for at in starts[::-1][:2])
    back = slice(None, None, -1)
    return _below(
        reference,
        "conversions by click",
        windows,
        seen=recent.known[:, back],
        meant=meant[:, back],
        unsure=unsure[:, back],
    )


def _by_arrival(reference: Reference, hours: Hours, arrivals: Arrivals) -> Tests:
    final = _final(reference, hours)
    meant = counts.expected_arrivals(final, arrivals.known, arrivals.edges, reference.tail)
    back = slice(None, None, -1)
    if reference.lag.seen < _NEEDED_TO_TIME:
        meant = np.zeros_like(meant)
    return _below(
        reference,
        "conversions by arrival",
        ARRIVAL_WINDOWS,
        seen=arrivals.count[:, back],
        meant=meant[:, back],
        unsure=np.zeros_like(meant),
    )


def _above(
    metric: Metric,
    windows: tuple[int, ...],
    *,
    z: Floats,
    ratio: Floats,
    seen: Floats,
    sigma: Floats,
) -> Tests:
    """Ratios against their past errors, arrays of shape (windows, entities)."""
    p = special.stdtr(_TAIL[metric], -z)
    matters = ratio > MATTERS[metric]
    ranked = np.where(np.isnan(p), 3.0, np.where(matters, p, 1 + p))
    best = ranked.argmin(0)
    pick = best, np.arange(z.shape[1])
    mid = seen[pick] / np.maximum(ratio[pick], 1e-12)
    return Tests(
        metric=metric,
        p=p[pick],
        matters=matters[pick],
        seen=seen[pick],
        mid=mid,
        spread=sigma[pick],
        hours=np.array(windows)[best],
    )


def spend(reference: Reference, hours: Hours) -> Tests:
    """The spend of the newest hours, the arguments as of `judge`."""
    recent = hours.last(_SPEND_HOURS)
    back = np.clip(recent.day - reference.day + 1, 0, 1)
    ready = reference.ready
    expected = reference.spend[:, back, recent.hour_of_day] * recent.length[None]
    expected = np.where(ready[:, None], expected, np.nan)
    residual, weight = (
        x[:, :, -1] for x in residuals(recent.spend, expected, reference.usual, reference.price)
    )
    some = np.append(ready & np.isfinite(expected[:, -1]), ready.any())
    with np.errstate(all="ignore"):
        sigma = reference.spend_spread / weight
    z = np.where(some[None], residual / sigma, np.nan)
    spent = np.concatenate([recent.spend, np.where(ready[:, None], recent.spend, 0.0).sum(0)[None]])
    seen = np.stack([spent[:, -w:].sum(1) for w in baseline.SPEND_WINDOWS])
    return _above("spend", baseline.SPEND_WINDOWS, z=z, ratio=np.exp(residual), seen=seen, sigma=sigma)


def _cpc(reference: Reference, hours: Hours) -> Tests:
    recent = hours.last(baseline.CPC_WINDOWS[-1])
    usual = reference.cpc[:, recent.hour_of_day]
    residual, weight = (x[:, :, -1] for x in baseline.cpc_residuals(recent.spend, recent.clicks, usual))
    clicks = np.stack([recent.clicks[:, -w:].sum(1) for w in baseline.CPC_WINDOWS])
    with np.errstate(all="ignore"):
        paid = np.stack([recent.spend[:, -w:].sum(1) for w in baseline.CPC_WINDOWS]) / clicks
        sigma = reference.cpc_spread / weight
    enough = (reference.active >= NEEDED_RATE_DAYS)[None] & (clicks >= _LEAST_CLICKS)
    z = np.where(enough, residual * weight / reference.cpc_spread, np.nan)
    none = np.full((len(z), 1), np.nan)
    z, ratio, paid, sigma = (np.concatenate([x, none], axis=1) for x in (z, np.exp(residual), paid, sigma))
    return _above("cpc", baseline.CPC_WINDOWS, z=z, ratio=ratio, seen=paid, sigma=sigma)
