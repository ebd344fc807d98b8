"""What an account's history leads one to expect of a day: learned once a day, from what was known by then.

The conversions of a click are expected at the campaign's usual rate, shrunk to its account's; spend and
price by robust bands; a decline by a cumulative sum. `metrics.watch` tests the day's hours against it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from metrics import baseline, counts, drift
from metrics.lag import Curve

if TYPE_CHECKING:
    from metrics.forecasts import Forecast

__all__ = [
    "HISTORY_DAYS",
    "NEEDED_RATE_DAYS",
    "RECENT_HOURS",
    "Hours",
    "Reference",
    "learn",
    "readiness",
    "residuals",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HISTORY_DAYS: Final = 49
"""Complete days that a reference is learned from: 28 to expect spend, on each of 21 to know its errors."""

RECENT_HOURS: Final = 192
"""Hours before the present that tests need: a week of clicks may still bring conversions."""

_RATE_DAYS: Final = 14
_DISPERSION_DAYS: Final = 28
_ERROR_DAYS: Final = 21
_SPEND_DAYS: Final = 28
_CPC_DAYS: Final = 14
_BLOCK: Final = 3
"""Days that are summed to see how slowly the rate wanders."""

_WANDER: Final = (0.013, 0.001)
"""Dispersion of such a block, assumed before there is history."""

NEEDED_DAYS: Final = 14
"""Days of delivery without which a campaign's spend has no usual level."""
NEEDED_RATE_DAYS: Final = 7
"""Days of delivery without which its own conversions and prices are not judged."""
NEEDED_AFTER_PAUSE: Final = 3
_PAUSE_DAYS: Final = 3
_NEEDED_ERRORS: Final = 240
"""Hours of past errors without which their spread is its account's."""
_NEEDED_CONVERSIONS: Final = 15.0

_LEAST_SPREAD: Final = {"spend": 0.08, "cpc": 0.05}


@dataclass(frozen=True, slots=True)
class Hours:
    """An account's hours in order of time, one column each, on the account's own clock.

    start: hours since 1970 at which each begins. born: at which its cohort does, from which the ages of the
    lag curve count: the same hour, or local midnight where conversions are known by the day only. looked: at
    which its conversions were last looked at. length: 1, or 2 where the clock goes back and the source
    reports the repeated hour once. day: `date.toordinal()`. hour_of_day: 0 to 23. clicks, spend, known:
    shape (campaigns, hours); known: conversions of the clicks of each hour, as of `looked`.
    """

    start: Floats
    born: Floats
    looked: Floats
    length: Floats
    day: Ints
    hour_of_day: Ints
    clicks: Floats
    spend: Floats
    known: Floats

    def last(self, count: int) -> Hours:
        """The newest `count` hours."""
        return Hours(
            self.start[-count:],
            self.born[-count:],
            self.looked[-count:],
            self.length[-count:],
            self.day[-count:],
            self.hour_of_day[-count:],
            self.clicks[:, -count:],
            self.spend[:, -count:],
            self.known[:, -count:],
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """What the days before `day` lead one to expect of it. Campaigns first, the account last.

    active: days of delivery before it, shape (campaigns,). resumed: days since a pause, or -1.
    """

    day: int
    lag: Curve
    rates: counts.Rates
    factors: Floats
    own: float
    shared: float
    tail: Floats
    spend: Floats
    """Expected per hour of the day before and of the day, shape (campaigns, 2, 24)."""
    usual: Floats
    price: Floats
    spend_spread: Floats
    cpc: Floats
    cpc_spread: Floats
    drift: Floats
    drift_counts: tuple[Floats, Floats, Floats]
    """Seen, expected and extra variance over the run's days since the sum last left zero."""
    drift_days: Ints
    active: Ints
    resumed: Ints
    enough: bool

    @property
    def ready(self) -> Bools:
        """Which campaigns' spend has a usual level."""
        paused = (self.resumed >= 0) & (self.resumed < NEEDED_AFTER_PAUSE)
        return np.asarray((self.active >= NEEDED_DAYS) & ~paused)


def _grid(values: Floats, hours: Hours, first: int, days: int) -> Floats:
    """Sums by day and hour of the day, shape (campaigns, days, 24)."""
    place = (hours.day - first) * 24 + hours.hour_of_day
    inside = (place >= 0) & (place < days * 24)
    out = np.zeros((len(values), days * 24))
    if np.array_equal(np.diff(place[inside]), np.ones(max(inside.sum() - 1, 0))):
        out[:, place[inside]] = values[:, inside]
    else:
        np.add.at(out.T, place[inside], values[:, inside].T)
    return out.reshape(len(values), days, 24)


def _rates(spend: Floats, length: Floats) -> Floats:
    """Per real hour; an hour that the clock skipped is taken to be like the one before it."""
    with np.errstate(all="ignore"):
        rates = spend / length[None]
    for day, hour in zip(*np.nonzero(length == 0), strict=True):
        rates[:, day, hour] = rates[:, day, hour - 1] if hour else 0.0
    return np.nan_to_num(rates)


def _pauses(active: Bools) -> tuple[Ints, Ints]:
    """Days of delivery, and days since the end of the last pause of three days or more (-1: none lately).

    active: shape (campaigns, days). What comes before the first day of delivery is no pause.
    """
    seen = active.sum(1)
    since = np.full(len(active), -1)
    for row, on in enumerate(active):
        days = np.nonzero(on)[0]
        if not len(days):
            continue
        ends = np.append(days, on.size)
        gaps = np.diff(ends) - 1
        long = np.nonzero(gaps >= _PAUSE_DAYS)[0]
        if len(long):
            since[row] = on.size - ends[long[-1] + 1]
    return seen, since


def readiness(reference: Reference, campaign: int) -> tuple[int, int] | None:
    """(days so far, days needed) while a campaign's spend is being learned; None once there is a verdict."""
    if reference.active[campaign] < NEEDED_DAYS:
        return int(reference.active[campaign]), NEEDED_DAYS
    if 0 <= reference.resumed[campaign] < NEEDED_AFTER_PAUSE:
        return int(reference.resumed[campaign]), NEEDED_AFTER_PAUSE
    return None


def learn(
    hours: Hours,
    lag: Curve,
    *,
    day: int,
    memory: MutableMapping[int, Floats] | None = None,
    forecast: Forecast | None = None,
) -> Reference:
    """The reference for `day` (ordinal) from the hours before it.

    hours: complete days, up to HISTORY_DAYS of them; later hours are ignored. memory: the expected spend of
    days that was already worked out for the same campaigns. forecast: what says the expected spend, instead
    of the bands (`metrics.forecasts`).
    """
    first = day - HISTORY_DAYS
    grid = _grid(np.stack([hours.length]), hours, first, HISTORY_DAYS)[0]
    spend = _rates(_grid(hours.spend, hours, first, HISTORY_DAYS), grid)
    delivered = spend.sum(2) > 0
    active, resumed = _pauses(delivered)
    begun = int(np.argmax(grid.sum(1) > 0)) if grid.any() else HISTORY_DAYS
    bought = _grid(hours.clicks, hours, first, HISTORY_DAYS).sum((1, 2))
    paid = _grid(hours.spend, hours, first, HISTORY_DAYS).sum((1, 2))
    price = np.append(paid, paid.sum()) / np.maximum(np.append(bought, bought.sum()), 1.0)
    weekdays = (first - 1 + np.arange(HISTORY_DAYS + 1)) % 7
    if forecast is None:
        expected = _expected(spend, delivered, weekdays, first=first, begun=begun, memory=memory)
    else:
        expected = _forecast(forecast, spend, delivered, weekdays, begun)
    spend_today, usual, spend_spread = _learn_spend(spend, delivered, price, expected)
    cpc, cpc_spread = _learn_cpc(hours, spend, first, grid)
    rates, factors, tail, dispersion, drifted = _learn_conversions(hours, lag, day)
    return Reference(
        day=day,
        lag=lag,
        rates=rates,
        factors=factors,
        own=dispersion[0],
        shared=dispersion[1],
        tail=tail,
        spend=spend_today,
        usual=usual,
        price=price,
        spend_spread=spend_spread,
        cpc=cpc,
        cpc_spread=cpc_spread,
        drift=drifted[0],
        drift_counts=drifted[1],
        drift_days=drifted[2],
        active=active,
        resumed=resumed,
        enough=HISTORY_DAYS - begun >= NEEDED_RATE_DAYS,
    )


def _expected(
    spend: Floats,
    delivered: Bools,
    weekdays: Ints,
    *,
    first: int,
    begun: int,
    memory: MutableMapping[int, Floats] | None,
) -> Floats:
    """Spend per hour of the past days whose errors count, and of today, by the bands."""
    memory = {} if memory is None else memory
    campaigns, days, _ = spend.shape
    from_day = max(begun + NEEDED_DAYS, days - _ERROR_DAYS)
    expected = np.full((campaigns, _ERROR_DAYS + 1, 24), np.nan)
    for at in range(from_day, days + 1):
        key = first + at
        if key not in memory or len(memory[key]) != campaigns:
            low = max(begun, at - _SPEND_DAYS)
            before = delivered[:, :at].sum(1) >= NEEDED_DAYS
            said = baseline.spend_expected(spend[:, low:at], weekdays[low:at], int(weekdays[at]))
            memory[key] = np.where(before[:, None], said, np.nan)
        expected[:, at - days + _ERROR_DAYS] = memory[key]
    for key in [k for k in memory if k < first]:
        del memory[key]
    return expected


def _forecast(forecast: Forecast, spend: Floats, delivered: Bools, weekdays: Ints, begun: int) -> Floats:
    """The same by another method."""
    days = spend.shape[1]
    from_day = max(begun + NEEDED_DAYS, days - _ERROR_DAYS)
    expected = np.full((len(spend), _ERROR_DAYS + 1, 24), np.nan)
    if from_day <= days:
        said = forecast(spend, weekdays, from_day, begun)
        so_far = np.stack([delivered[:, :at].sum(1) for at in range(from_day, days + 1)], axis=1)
        expected[:, from_day - days - 1 :] = np.where(so_far[..., None] >= NEEDED_DAYS, said, np.nan)
    return expected


def _learn_spend(
    spend: Floats, delivered: Bools, price: Floats, expected: Floats
) -> tuple[Floats, Floats, Floats]:
    """Expected of yesterday and today, usual hour, and the spread of past errors by window."""
    campaigns = len(spend)
    total = np.where(delivered.sum(1) > 0, spend.sum((1, 2)) / np.maximum(delivered.sum(1), 1) / 24, 0.0)
    usual = np.append(total, total.sum())

    seen = spend[:, -_ERROR_DAYS:]
    valid = np.isfinite(expected[:, :-1]) & delivered[:, -_ERROR_DAYS:, None]
    errors, weight = residuals(
        seen.reshape(campaigns, -1), expected[:, :-1].reshape(campaigns, -1), usual, price
    )
    each = valid.reshape(campaigns, -1)
    use = np.concatenate([each, np.any(each, axis=0, keepdims=True)])
    spread = baseline.spread(errors * weight, use[None], _LEAST_SPREAD["spend"])
    return expected[:, -2:], usual, _borrowed(spread, use.sum(1)[None])


def _borrowed(spread: Floats, hours: Ints) -> Floats:
    """Spreads of past errors, shape (windows, entities); those of few hours are no less than their account's
    widest. hours: how many, of the same shape.
    """
    own = np.where(hours >= _NEEDED_ERRORS, spread, -np.inf)
    widest = own.max(1, keepdims=True)
    found = np.where(np.isfinite(own), own, np.maximum(spread, widest))
    return np.asarray(np.where(np.isfinite(widest), found, np.nan))


def residuals(spend: Floats, expected: Floats, usual: Floats, price: Floats) -> tuple[Floats, Floats]:
    """Of the campaigns and of those with an expectation together, shape (windows, campaigns + 1, hours)."""
    known = np.isfinite(expected)
    seen = np.where(known, spend, 0.0)
    meant = np.nan_to_num(expected)
    everything = np.concatenate([seen, seen.sum(0)[None]])
    due = np.concatenate([meant, meant.sum(0)[None]])
    peers = np.append(known[:, -1], False)
    return baseline.spend_residuals(everything, due, usual, price, peers)


def _learn_cpc(hours: Hours, spend: Floats, first: int, length: Floats) -> tuple[Floats, Floats]:
    """Usual price by hour of the day, shape (campaigns, 24), and the spread of past errors by window."""
    campaigns, days, _ = spend.shape
    clicks = _grid(hours.clicks, hours, first, days)
    cost = spend * length[None]
    # Sums over the fourteen days before each of the past days, and before today.
    sums = [np.concatenate([np.zeros((campaigns, 1, 24)), x.cumsum(1)], axis=1) for x in (cost, clicks)]
    usual = []
    for at in range(days - _ERROR_DAYS, days + 1):
        spent, count = (x[:, at] - x[:, max(at - _CPC_DAYS, 0)] for x in sums)
        usual.append(baseline.cpc_by_hour(spent, count, np.arange(24)))
    past = np.stack(usual[:-1], axis=1).reshape(campaigns, -1)
    seen_cost, seen_clicks = (x[:, -_ERROR_DAYS:].reshape(campaigns, -1) for x in (cost, clicks))
    residual, weight = baseline.cpc_residuals(seen_cost, seen_clicks, past)
    use = (weight > 0) & np.isfinite(past)[None]
    spread = baseline.spread(residual * weight, use, _LEAST_SPREAD["cpc"])
    return usual[-1], _borrowed(spread, use.sum(-1))


def _learn_conversions(
    hours: Hours, lag: Curve, day: int
) -> tuple[
    counts.Rates, Floats, Floats, tuple[float, float], tuple[Floats, tuple[Floats, Floats, Floats], Ints]
]:
    complete = lag.at(hours.looked - hours.born)
    exposure = hours.clicks * complete
    recent = (hours.day < day) & (hours.day >= day - _RATE_DAYS)
    rates = counts.shrink(hours.known[:, recent].sum(1), exposure[:, recent].sum(1))
    final = hours.clicks[:, recent] * rates.mean[:, None]
    factors = counts.hour_factors(
        hours.hour_of_day[recent], hours.known[:, recent].sum(0), (final * complete[recent]).sum(0)
    )
    span = max(float(hours.length[recent].sum()), 1.0)
    # Clicks older than the hours that are at hand: what they still bring, evenly.
    late = max(0.0, 1.0 - float(lag.at(RECENT_HOURS) - lag.withdrawn_at(RECENT_HOURS)))
    tail = final.sum(1) / span * late

    first, days = day - _DISPERSION_DAYS, _DISPERSION_DAYS
    seen = _grid(hours.known, hours, first, days).sum(2)
    meant = _grid(exposure, hours, first, days).sum(2)
    ratio = seen.sum(1) / np.maximum(meant.sum(1), 1e-12)
    there = _grid(np.stack([hours.length]), hours, first, days)[0].sum(1) > 0
    dispersion = counts.daily_dispersion(seen[:, there], (meant * ratio[:, None])[:, there])
    return rates, factors, tail, dispersion, _learn_drift(hours, exposure, day)


def _learn_drift(
    hours: Hours, exposure: Floats, day: int
) -> tuple[Floats, tuple[Floats, Floats, Floats], Ints]:
    """The cumulative sum of each campaign and of the account at the end of the run."""
    run, frozen = drift.RUN_DAYS, drift.REFERENCE_DAYS
    first, days = day - run - frozen, run + frozen
    seen = _grid(hours.known, hours, first, days).sum(2)
    exposed = _grid(exposure, hours, first, days).sum(2)
    rates = counts.shrink(seen[:, :frozen].sum(1), exposed[:, :frozen].sum(1))
    ready = ((exposed[:, :frozen] > 0).sum(1) >= NEEDED_DAYS) & (
        seen[:, :frozen].sum(1) >= _NEEDED_CONVERSIONS
    )
    meant = exposed * rates.mean[:, None]
    blocks = [x[:, :frozen][:, frozen % _BLOCK :].reshape(len(x), -1, _BLOCK).sum(2) for x in (seen, meant)]
    own, shared = (_BLOCK * x for x in counts.daily_dispersion(blocks[0], blocks[1], _WANDER))
    seen, meant = seen[:, frozen:], meant[:, frozen:]
    extra = (own + rates.doubt[:, None]) * meant**2
    ok = ready[:, None]
    both = [np.concatenate([x, np.where(ok, x, 0.0).sum(0)[None]]) for x in (seen, meant, extra)]
    both[2][-1] += shared * both[1][-1] ** 2
    sums = drift.cusum(*both)
    final = np.where(np.append(ready, ready.any()), sums[:, -1], np.nan)
    since = np.array([int(np.nonzero(row <= 0)[0][-1]) + 1 if (row <= 0).any() else 0 for row in sums])
    inside = np.arange(run)[None] >= np.minimum(since, run - 1)[:, None]
    totals = tuple((x * inside).sum(1) for x in both)
    return final, (totals[0], totals[1], totals[2]), inside.sum(1)
