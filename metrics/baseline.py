"""What an hour's spend and price per click usually are: robust bands by hour of the week.

Spend is expected from the usual level of the weekday, what the last week made of it, and how the day
spreads over its hours; a click's price from its own two weeks at that hour. How far off is far is learned
from the errors that the same method made out of sample: errors in sample are too small, and were the cause
of most false alarms (benchmarks/detect.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "CPC_WINDOWS",
    "SPEND_WINDOWS",
    "cpc_by_hour",
    "cpc_residuals",
    "median",
    "rolled",
    "spend_expected",
    "spend_residuals",
    "spread",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SPEND_WINDOWS = (1, 2, 3, 6, 12)
CPC_WINDOWS = (1, 2, 4, 8)

_DECAY = 0.75
"""Weight of a day's level relative to the day after it."""
_LOWEST, _HIGHEST = 0.6, 1.6
"""How far the last week may move the usual level."""
_PRIOR_DAYS = 4
"""Days of a day type at which its own profile counts as much as the pooled one."""
_FLOOR = 0.10
"""Of the usual hour, added to both sides of a ratio: small hours do not divide by nothing."""
_BEFORE = 12
"""Hours before a window from which it is known whether this is a day of high spend."""
_TRUST = 0.6
"""How much of that day's level is taken over into the hours that follow."""
_CLICK_PRIOR = 50.0
"""Clicks at which an hour of the day's own price counts as much as the campaign's."""
_CLICKS_OF_NOISE = 20.0
"""Clicks at which chance is as large as the drift of the market: of its price, and of its volume."""
_PEERS = 4
"""Campaigns from which on their median says what the account has in common."""
_TINY = 1e-12


def median(values: Floats, use: Bools, axis: int) -> Floats:
    """The median along an axis of what `use` marks, NaN where it marks nothing."""
    if not values.shape[axis]:
        return np.full(values.sum(axis).shape, np.nan)
    marked = np.where(use, values, np.inf)
    # Sorted where they lie side by side: across an array it takes several times as long.
    ordered = np.ascontiguousarray(np.moveaxis(marked, axis, -1))
    ordered.sort(axis=-1)
    count = np.moveaxis(np.broadcast_to(use, values.shape), axis, -1).sum(-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, -1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, ordered.shape[-1] - 1), -1)
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan).squeeze(-1))


def rolled(values: Floats, window: int) -> Floats:
    """Sums over the last `window` hours up to each hour; the first hours sum what there is."""
    total = np.cumsum(values, axis=-1)
    out = total.copy()
    out[..., window:] -= total[..., :-window]
    return out


def spend_expected(rates: Floats, weekdays: Ints, weekday: int) -> Floats:
    """Spend per hour of a day that has not begun, shape (entities, 24).

    rates: spend per hour of the days before, shape (entities, days, 24), oldest first, up to 28 of them.
    weekdays: of those days, 0 to 6. Days without delivery are left out; NaN where there was none.

    The weekday's median total, times the last week's ratio to it, times the median share of the hour on
    days of this kind (working day or weekend), shrunk to all days. The week's ratio is the larger of its
    decayed mean and its median: the first day after a holiday is no excess.
    """
    totals = rates.sum(2)
    active = totals > 0
    level = np.stack(
        [median(totals[:, weekdays == day], active[:, weekdays == day], 1) for day in range(7)], axis=1
    )  # (entities, 7)
    level = np.where(np.isnan(level), median(totals, active, 1)[:, None], level)
    ratio = totals[:, -7:] / np.maximum(level[:, weekdays[-7:]], _TINY)
    on = active[:, -7:]
    weight = _DECAY ** np.arange(on.shape[1])[::-1] * on
    decayed = np.exp((np.log(np.maximum(ratio, 0.2)) * weight).sum(1) / np.maximum(weight.sum(1), _TINY))
    usual = median(ratio, on, 1)
    recent = np.clip(np.fmax(decayed, usual), _LOWEST, _HIGHEST)

    shares = rates / np.maximum(totals, _TINY)[..., None]
    kind = (weekdays >= 5) == (weekday >= 5)
    pooled = median(shares, active[..., None], 1)
    own = median(shares[:, kind], active[:, kind, None], 1)
    days = (active & kind[None]).sum(1)[:, None]
    trust = days / (days + _PRIOR_DAYS)
    share = np.where(days > 0, trust * np.nan_to_num(own) + (1 - trust) * pooled, pooled)
    share = share / np.maximum(share.sum(1, keepdims=True), _TINY)
    return np.asarray(level[:, weekday, None] * recent[:, None] * share)


def spend_residuals(
    spend: Floats, expected: Floats, usual: Floats, price: Floats, peers: Bools
) -> tuple[Floats, Floats]:
    """Logarithm of spent over expected in each window, and the weight that evens out its variance.

    spend, expected: shape (entities, hours), in order of time. usual: spend of an average hour, shape
    (entities,). price: of a click, same shape. peers: which entities are campaigns of this account with an
    expectation. Both results have shape (windows, entities, hours). Chance falls with the clicks that are
    expected (`Var = a² (1 + 20 / clicks)`), so that a quiet night has the same spread as a busy noon.

    What the twelve hours before a window spent above expectation raises the expectation of the window; it
    never lowers it, as what follows a pause or a holiday is what is usual. And where there are at least four
    peers, what their median spends above expectation in a window is taken off each of them: a day on which
    all rise together is not each one's anomaly (it is the account's, which is no peer).
    """
    meant = np.nan_to_num(expected)
    floor = _FLOOR * np.maximum(usual, _TINY)[:, None]
    out = np.empty((len(SPEND_WINDOWS), *spend.shape))
    weight = np.empty_like(out)
    before_seen, before_meant = (rolled(x, _BEFORE) for x in (spend, meant))
    for row, window in enumerate(SPEND_WINDOWS):
        more = floor * window / 2
        gone, due = (_lagged(x, window) for x in (before_seen, before_meant))
        level = np.log((gone + floor * 6) / (due + floor * 6))
        raised = _TRUST * np.clip(level, 0.0, np.log(2))
        total = rolled(meant, window)
        out[row] = np.log((rolled(spend, window) + more) / (total * np.exp(raised) + more))
        clicks = total / np.maximum(price, _TINY)[:, None]
        weight[row] = np.sqrt(clicks / (clicks + _CLICKS_OF_NOISE))
        if peers.sum() >= _PEERS:
            out[row, peers] -= np.maximum(np.median(out[row, peers], axis=0), 0.0)
    return out, weight


def _lagged(values: Floats, steps: int) -> Floats:
    out = np.zeros_like(values)
    out[..., steps:] = values[..., :-steps]
    return out


def cpc_by_hour(spend: Floats, clicks: Floats, hour_of_day: Ints) -> Floats:
    """Usual price of a click by hour of the day, shape (entities, 24), from sums over two weeks.

    spend, clicks: shape (entities, hours). An hour of the day with few clicks leans on the whole day's.
    NaN where there are no clicks at all.
    """
    place = np.zeros((len(hour_of_day), 24))
    place[np.arange(len(hour_of_day)), hour_of_day] = 1
    cost, count = spend @ place, clicks @ place
    with np.errstate(all="ignore"):
        whole = cost.sum(1, keepdims=True) / count.sum(1, keepdims=True)
    return np.asarray((cost + _CLICK_PRIOR * whole) / (count + _CLICK_PRIOR))


def cpc_residuals(spend: Floats, clicks: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """Logarithm of paid over usual price in each window, and the weight that evens out its variance.

    usual: price of a click in each hour, shape (entities, hours). Both results have shape (windows,
    entities, hours). Chance in a window's price falls with its clicks, the market's drift does not:
    `Var = a² (1 + 20 / clicks)`, so that residual times weight has one spread.
    """
    due = clicks * np.nan_to_num(usual)
    out = np.zeros((2, len(CPC_WINDOWS), *spend.shape))
    for row, window in enumerate(CPC_WINDOWS):
        paid, meant, count = (rolled(x, window) for x in (spend, due, clicks))
        some = (count > 0) & (meant > 0) & (paid > 0)
        out[0, row, some] = np.log(paid[some] / meant[some])
        out[1, row] = np.sqrt(count / (count + _CLICKS_OF_NOISE))
    return out[0], out[1]


def spread(residuals: Floats, use: Bools, least: float) -> Floats:
    """Robust standard deviation around zero along the last axis: 1.4826 times the median absolute error."""
    return np.asarray(np.fmax(1.4826 * median(np.abs(residuals), use, residuals.ndim - 1), least))
