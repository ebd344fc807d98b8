"""The figures of the Overview, worked out once for each version of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.contract import Account, Window
from metrics import money, pacing, windows
from metrics.compute import answer
from metrics.maturity import Maturity, intervals
from metrics.model import Metric, load
from metrics.plan import Question
from metrics.windows import AccountKey
from panels._facts import compared
from panels._view import View
from warehouse.store import Warehouse

__all__ = ["CampaignLine", "Figures", "Interval", "figures"]

Floats = npt.NDArray[np.float64]

_DAY: Final = timedelta(days=1)
_PRESENT: Final = timedelta(hours=12)
"""Within this an account's watermark is of its present day or of the night before it."""

_METRICS: Final = ("spend", "clicks", "conversions", "revenue")


@dataclass(frozen=True, slots=True)
class Interval:
    """What a provisional figure will come to, with its 80 % interval; None where it is over nothing."""

    low: float | None
    mid: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """A campaign's line in the table; money in units of the scope's currency."""

    source: str
    account: str
    campaign: str
    name: str
    channel: str
    spend: float
    conversions: float
    revenue: float
    pace: pacing.Pace | None
    trend: tuple[float, ...]
    """Spend by the hour on the account's clock, over the day so far."""

    @property
    def roas(self) -> float | None:
        """Revenue over spend."""
        return self.revenue / self.spend if self.spend > 0 else None


@dataclass(frozen=True, slots=True)
class Figures:
    """What the Overview shows.

    now, usual: totals of the window, and of the same hours on the seven days before (a day's mean). known:
    the share of conversions of the window that has usually arrived by now: a figure is compared with `known`
    times the usual one. settled: what conversions, cpa and roas will come to. hours: totals by bucket,
    oldest first.
    """

    view: View
    now: Mapping[str, float]
    usual: Mapping[str, float]
    known: float
    settled: Mapping[str, Interval]
    hours: Mapping[str, tuple[float, ...]]
    pace: pacing.Pace | None
    campaigns: tuple[CampaignLine, ...]
    periods: int
    """Periods that there are to compare with, of those that the comparison asks for."""
    metrics: Mapping[str, Metric]
    """The definitions that they follow, by name."""


def figures(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    view: View,
    now: datetime,
    *,
    own: Path,
    mature: Maturity,
) -> Figures:
    """The Overview of a view. own: the folder of the team's own metrics, which may replace built-in ones.

    mature: how late conversions are, as of the view's moment.
    The pace is always the present day's: an account whose source has said nothing of it is not in it.
    Raises MissingRate.
    """
    reach = windows.watermarks(warehouse, {key: known[key] for key in view.windows})
    until = {key: end for key, end in reach.items() if now - end < _PRESENT}
    today = windows.today(known, until)
    first = warehouse.query("SELECT min(hour) AS hour FROM delivery").to_pylist()[0]["hour"]
    before = [
        period
        for period in compared(view, known)
        if first is not None and period and min(w.start for w in period.values()) >= first
    ]
    defined = load(*([own] if own.is_dir() else []))
    chosen = tuple(defined[name] for name in _METRICS)
    options: dict[str, Any] = {"as_of": view.as_of, "currency": view.convert}
    bucket = "day" if view.step >= _DAY else "hour_of_day"
    asked = dict(view.windows)
    by_bucket = answer(
        warehouse,
        Question(chosen, ("source", "account", bucket), **options),
        [[asked], before] if before else [[asked]],
    )
    of_campaign = ("source", "account", "campaign")
    by_campaign = answer(warehouse, Question(chosen, of_campaign, **options), [[asked]])
    by_hour = answer(
        warehouse, Question(chosen[:1], (*of_campaign, "hour_of_day"), currency=view.convert), [[today]]
    )
    day = _day(warehouse, known, today, view.convert) if view.as_of is None else pacing.Day({}, {})
    totals = {name: _total(by_bucket, name) for name in _METRICS}
    usual = {name: _total(by_bucket, f"{name}__1") / len(before) if before else 0.0 for name in _METRICS}
    return Figures(
        view=view,
        now=totals,
        usual=usual,
        known=_known(by_bucket, bucket, asked, known, mature),
        settled=_settled(intervals(warehouse, mature, asked, **options)),
        hours=_hours(by_bucket, bucket),
        pace=day.total([key for key in view.scope.accounts if key in day.accounts]),
        campaigns=_lines(warehouse, by_campaign, by_hour, day, asked),
        periods=len(before) if usual["spend"] > 0 else 0,
        metrics={name: defined[name] for name in (*_METRICS, "roas")},
    )


def _day(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    today: Mapping[AccountKey, Window],
    currency: str | None,
) -> pacing.Day:
    """The day's pace; in one currency, by the rate of each account's day, where one is given."""
    day = pacing.day(warehouse, known, today)
    if currency is None:
        return day
    rates = {
        key: money.rate(
            warehouse,
            known[key].currency,
            currency,
            window.start.astimezone(known[key].timezone).date(),
        )
        for key, window in today.items()
    }
    return pacing.Day(
        {key: pace.converted(rates[key]) for key, pace in day.accounts.items()},
        {key: pace.converted(rates[key[:2]]) for key, pace in day.campaigns.items()},
    )


def _column(table: pa.Table, name: str) -> Floats:
    values = np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=float)
    return np.asarray(np.nan_to_num(values))


def _total(table: pa.Table, name: str) -> float:
    return float(_column(table, name).sum())


def _hours(table: pa.Table, bucket: str) -> dict[str, tuple[float, ...]]:
    """Totals by bucket over all accounts, every bucket between the first and the last present.

    Of days, the last is left out: it is not over, and would look like a fall.
    """
    keys = table[bucket].to_pylist()
    present = [k for k, spend in zip(keys, _column(table, "spend"), strict=True) if spend > 0]
    if not present:
        return dict.fromkeys(_METRICS, ())
    first, last = min(present), max(present)
    if isinstance(first, int):
        order = list(range(first, last + 1))
    else:
        order = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    place = {key: n for n, key in enumerate(order)}
    out = {}
    for name in _METRICS:
        sums = np.zeros(len(order))
        for key, value in zip(keys, _column(table, name), strict=True):
            if key in place:
                sums[place[key]] += value
        out[name] = tuple(float(v) for v in (sums[:-1] if bucket == "day" else sums))
    return out


def _settled(table: pa.Table) -> dict[str, Interval]:
    row = table.to_pylist()[0]
    return {
        name: Interval(*(row[f"settled_{name}{end}"] for end in ("_low", "", "_high")))
        for name in ("conversions", "cpa", "roas")
    }


def _known(
    table: pa.Table,
    bucket: str,
    asked: Mapping[AccountKey, Window],
    known: Mapping[AccountKey, Account],
    mature: Maturity,
) -> float:
    """Share of the conversions of these buckets that has usually arrived by each watermark."""
    usual = _column(table, "conversions__1" if "conversions__1" in table.column_names else "conversions")
    if "conversions__1" not in table.column_names or usual.sum() <= 0:
        # No history yet: conversions follow the window's own clicks.
        usual = _column(table, "clicks")
    if usual.sum() <= 0:
        return 1.0
    shares: dict[tuple[str, str, int | date], list[float]] = {}
    for key, window in asked.items():
        hours = _hours_of(window)
        for at, share in zip(hours, mature.complete(key, hours), strict=True):
            shares.setdefault((*key, _bucket(at, known[key].timezone, bucket)), []).append(share)
    places = zip(
        table["source"].to_pylist(), table["account"].to_pylist(), table[bucket].to_pylist(), strict=True
    )
    complete = np.array([np.mean(shares.get(place, [1.0])) for place in places])
    return float(min((usual * complete).sum() / usual.sum(), 1.0))


def _hours_of(window: Window) -> list[datetime]:
    count = -((window.start - window.end) // timedelta(hours=1))
    return [window.start + timedelta(hours=n) for n in range(count)]


def _bucket(at: datetime, zone: ZoneInfo, bucket: str) -> int | date:
    local = at.astimezone(zone)
    return local.hour if bucket == "hour_of_day" else local.date()


def _lines(
    warehouse: Warehouse,
    by_campaign: pa.Table,
    by_hour: pa.Table,
    day: pacing.Day,
    until: Mapping[AccountKey, object],
) -> tuple[CampaignLine, ...]:
    names = {
        (r["source"], r["account"], r["campaign"]): (r["name"], r["channel"])
        for r in warehouse.query("SELECT source, account, campaign, name, channel FROM campaign").to_pylist()
    }
    trends: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in by_hour.to_pylist():
        trends.setdefault((row["source"], row["account"], row["campaign"]), {})[row["hour_of_day"]] = row[
            "spend"
        ]
    lines = []
    for row in by_campaign.to_pylist():
        key = (row["source"], row["account"], row["campaign"])
        if key[:2] not in until:
            continue
        name, channel = names.get(key, (row["campaign"], ""))
        hours = trends.get(key, {})
        trend = tuple(hours.get(h, 0.0) for h in range(max(hours, default=-1) + 1))
        lines.append(
            CampaignLine(
                *key,
                name,
                channel,
                row["spend"] or 0.0,
                row["conversions"] or 0.0,
                row["revenue"] or 0.0,
                day.campaigns.get(key),
                trend,
            )
        )
    return tuple(sorted(lines, key=lambda line: -line.spend))
