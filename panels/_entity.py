"""What the Campaign page shows of one account, campaign, ad group or ad, worked out once a data version.

Accounts and campaigns are known by the hour; what is below them by the account's day only (`ads` view), so
that there no comparison at the same hour exists: whole days are compared with whole days, and today stands
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.contract import Account, Window
from metrics import pacing, windows
from metrics.compare import Comparison, compare
from metrics.compute import evaluate, series
from metrics.entities import Changed, Described, Entity, Limit, history, limits
from metrics.maturity import Maturity, intervals
from metrics.model import Metric, views
from metrics.windows import AccountKey
from panels._facts import Interval
from panels._view import View
from warehouse.store import Warehouse

__all__ = ["AUCTION", "FIGURES", "PROPER", "Line", "Numbers", "Points", "Sheet", "reconciled", "sheet"]

FIGURES: Final = (
    *("spend", "impressions", "clicks", "conversions", "revenue"),
    *("ctr", "cpc", "cpa", "roas", "conversion_rate"),
)
AUCTION: Final = ("impression_share", "lost_to_budget", "lost_to_rank", "frequency")

_DAY: Final = timedelta(days=1)
_TREND_DAYS: Final = 14
"""Days in a sparkline, and at least as many in the series of what is known by the day."""

Numbers = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A part of the entity: one level down, or a segment. figures: by metric. trend: spend, oldest first."""

    id: str
    name: str
    status: str
    kind: str
    figures: Numbers
    trend: tuple[float, ...] = ()
    serving: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """A series and what it is held against, from `start` on.

    step: hour or day. at: hour on the account's clock, or date, one a point. before: at the same place of the
    period compared with; empty without one.
    """

    step: str
    start: datetime
    at: tuple[Any, ...]
    now: Mapping[str, tuple[float | None, ...]]
    before: Mapping[str, tuple[float | None, ...]]
    label: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything on the page.

    now, before: by metric; before is None where there is nothing to compare with, label says with what.
    settled: what conversions, cpa, roas and conversion_rate will come to; completeness: the share of the
    conversions that is known (1 for what is known by the day only).
    campaign_spend, ads_spend: the same days twice, once as campaign, once as its ads; None but for campaigns.
    """

    described: Described
    currency: str
    metrics: Mapping[str, Metric]
    now: Numbers
    before: Numbers
    settled: Mapping[str, Interval]
    completeness: float
    label: str
    days: str
    points: Points
    children: tuple[Line, ...]
    devices: tuple[Line, ...]
    networks: tuple[Line, ...]
    hours: tuple[Line, ...]
    auction: Numbers
    auction_days: str
    auction_before: Numbers
    campaign_spend: float | None
    ads_spend: float | None
    pace: pacing.Pace | None
    limits: tuple[Limit, ...]
    changes: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An entity, where it is looked up, its account's day so far, and the moment replayed (None: now)."""

    warehouse: Warehouse
    defined: Mapping[str, Metric]
    entity: Entity
    account: Account
    today: Window
    as_of: datetime | None

    @property
    def key(self) -> AccountKey:
        return (self.entity.source, self.entity.account)

    @property
    def daily(self) -> bool:
        """Whether the entity is known by the day only."""
        return bool(self.entity.ad_group)

    def metrics(self, view: str = "") -> list[Metric]:
        return [self.defined[name].over(views()[view]) if view else self.defined[name] for name in FIGURES]

    def figures(self, chosen: Sequence[Metric], window: Window | None) -> dict[str, float | None]:
        """The figures of the entity in a window; nothing for none."""
        if window is None:
            return {}
        found = evaluate(
            self.warehouse, chosen, {self.key: window}, where=self.entity.where, as_of=self.as_of
        ).to_pylist()[0]
        return {metric.name: found[metric.name] for metric in chosen}

    def lines(self, chosen: Sequence[Metric], window: Window, by: str) -> dict[Any, Numbers]:
        """The figures of each group."""
        rows = evaluate(
            self.warehouse, chosen, {self.key: window}, by=(by,), where=self.entity.where, as_of=self.as_of
        )
        return {row[by]: {m.name: row[m.name] for m in chosen} for row in rows.to_pylist()}


def sheet(
    warehouse: Warehouse,
    defined: Mapping[str, Metric],
    described: Described,
    account: Account,
    view: View,
    *,
    mature: Maturity,
) -> Sheet:
    """The page of one entity.

    defined: every metric by name. view: of the entity's account alone. mature: how late conversions are.
    """
    entity = described.entity
    key: AccountKey = (entity.source, entity.account)
    asked = view.windows[key]
    today = windows.today({key: account}, {key: view.as_known})[key]
    of = _Asked(warehouse, defined, entity, account, today, view.as_of)
    recent = windows.earlier(today, _TREND_DAYS - 1, account.timezone)
    if of.daily:
        chosen = of.metrics("ads")
        window, prior, days = _days(of, asked)
        now: Numbers = of.figures(chosen, window)
        before: Numbers = of.figures(chosen, prior)
        label = "vs the days before" if prior else "today stands alone: ads are known by the day"
        points = _by_day(of, chosen, window if prior and window != prior else recent)
    else:
        chosen = of.metrics()
        window, days = asked, ""
        compared = compare(
            warehouse, chosen, {key: window}, view.against, where=entity.where, as_of=view.as_of
        )
        row = compared.table.to_pylist()[0]
        now = {m.name: row[m.name] for m in chosen}
        before = {m.name: row[f"{m.name}__before"] for m in chosen}
        label = compared.label if compared.periods else "nothing to compare with yet"
        if _short(window):
            points = _by_hour(of, chosen, today if view.span == "1h" else window, view.against)
        else:
            points = _by_day(of, chosen, window)
    settled, completeness = _settled(of, window, now, mature) if not of.daily else ({}, 1.0)
    context = [defined[name] for name in (*AUCTION, "cpm")]
    auctioned, auctioned_before, auction_days = _whole_days(of, asked)
    own, ads = _twice(of) if entity.level == "campaign" else (None, None)
    whole = not of.daily
    return Sheet(
        described=described,
        currency=account.currency,
        metrics={metric.name: metric for metric in (*chosen, *context)},
        now=now,
        before=before,
        settled=settled,
        completeness=completeness,
        label=label,
        days=days,
        points=points,
        children=_children(of, window, recent),
        devices=_segments(of, window, "device") if whole else (),
        networks=_segments(of, window, "network") if whole else (),
        hours=_segments(of, window, "hour_of_day") if whole else (),
        auction=of.figures(context, auctioned) if whole else {},
        auction_before=of.figures(context, auctioned_before) if whole else {},
        auction_days=auction_days,
        campaign_spend=own,
        ads_spend=ads,
        pace=_pace(of),
        limits=tuple(limits(warehouse, entity)),
        changes=tuple(history(warehouse, entity, until=view.as_of or view.as_known))
        if entity.campaign
        else (),
    )


def _settled(of: _Asked, window: Window, now: Numbers, mature: Maturity) -> tuple[dict[str, Interval], float]:
    """What the window's figures will come to, and the share of its conversions that is known by now."""
    found = intervals(of.warehouse, mature, {of.key: window}, where=of.entity.where, as_of=of.as_of)
    row = found.to_pylist()[0]
    ends = ("_low", "", "_high")
    said = {n: Interval(*(row[f"settled_{n}{end}"] for end in ends)) for n in ("conversions", "cpa", "roas")}
    clicks, counts = now.get("clicks"), said["conversions"]
    if clicks:
        parts = (counts.low, counts.mid, counts.high)
        said["conversion_rate"] = Interval(*(part / clicks if part is not None else None for part in parts))
    share = row["completeness"]
    return said, share if share is not None else 1.0


def reconciled(campaign: float, ads: float, *, slack: float = 0.005) -> bool:
    """Whether the ads' spend adds up to the campaign's, but for what two polls apart may differ."""
    return abs(ads - campaign) <= max(slack * campaign, 0.01)


def _short(window: Window) -> bool:
    """Whether a window is of one day, the longest of which has 25 hours."""
    return window.end - window.start <= timedelta(hours=25)


def _days(of: _Asked, asked: Window) -> tuple[Window, Window | None, str]:
    """The whole days of a window, as many before them, and their name; today alone where it is that."""
    if asked.start >= of.today.start or asked.end - asked.start <= timedelta(hours=2):
        return of.today, None, "today so far"
    return _whole_days(of, asked)


def _whole_days(of: _Asked, asked: Window) -> tuple[Window, Window, str]:
    """The whole days of a window, yesterday where it has none; as many before them; and their name."""
    today = of.today.days(of.account.timezone)[0]
    touched = asked.days(of.account.timezone)
    last = min(touched[-1], today - _DAY)
    first = min(touched[0], last)
    count = (last - first).days + 1
    known = {of.key: of.account}
    whole = windows.days(known, first, last)[of.key]
    before = windows.days(known, first - count * _DAY, first - _DAY)[of.key]
    name = f"{first:%-d %b} to {last:%-d %b}, whole days" if count > 1 else f"{first:%-d %b}, the whole day"
    return whole, before, name


def _by_hour(of: _Asked, chosen: Sequence[Metric], window: Window, against: Comparison) -> Points:
    """A day by the hour, beside the same hours of what it is compared with."""
    held = against if against is not Comparison.PRIOR else Comparison.YESTERDAY
    compared = compare(
        of.warehouse,
        chosen,
        {of.key: window},
        held,
        by=("hour_of_day",),
        where=of.entity.where,
        as_of=of.as_of,
    )
    rows = compared.table.to_pylist()
    before = {m.name: tuple(row[f"{m.name}__before"] for row in rows) for m in chosen}
    return Points(
        "hour",
        window.start,
        tuple(row["hour_of_day"] for row in rows),
        {m.name: tuple(row[m.name] for row in rows) for m in chosen},
        before if compared.periods else {},
        compared.label.removeprefix("vs "),
    )


def _by_day(of: _Asked, chosen: Sequence[Metric], window: Window) -> Points:
    """The window by the day, beside as many days before it."""
    count = len(window.days(of.account.timezone))
    moved = windows.shift(window, -count, of.account.timezone)

    def rows(span: Window | None) -> list[dict[str, Any]]:
        if span is None:
            return []
        found = series(of.warehouse, chosen, {of.key: span}, step=_DAY, where=of.entity.where, as_of=of.as_of)
        return list(found.to_pylist())

    now, past = rows(window), rows(moved)
    same = len(past) == len(now) and any(row["spend"] for row in past)
    return Points(
        "day",
        window.start,
        tuple(row["at"] for row in now),
        {m.name: tuple(row[m.name] for row in now) for m in chosen},
        {m.name: tuple(row[m.name] for row in past) for m in chosen} if same else {},
        f"the {count} days before" if count > 1 else "the day before",
    )


def _twice(of: _Asked) -> tuple[float | None, float | None]:
    """A campaign's spend over the last seven whole days, as itself and as the sum of its ads."""
    first = of.today.days(of.account.timezone)[0]
    week = windows.days({of.key: of.account}, first - 7 * _DAY, first - _DAY)[of.key]
    spend = of.defined["spend"]
    return of.figures([spend], week)["spend"], of.figures([spend.over(views()["ads"])], week)["spend"]


def _pace(of: _Asked) -> pacing.Pace | None:
    if of.daily:
        return None
    day = pacing.day(of.warehouse, {of.key: of.account}, {of.key: of.today})
    if not of.entity.campaign:
        return day.accounts.get(of.key)
    return day.campaigns.get((*of.key, of.entity.campaign))


_NAMES: Final = {
    "account": (
        "campaign",
        "SELECT campaign AS id, name, status, serving, channel AS kind FROM campaign WHERE {}",
    ),
    "campaign": (
        "ad_group",
        (
            "SELECT ad_group AS id, max(ad_group_name) AS name, '' AS status, '' AS serving, '' AS kind "
            "FROM ad WHERE {} GROUP BY ad_group"
        ),
    ),
    "ad_group": ("ad", "SELECT ad AS id, ad_name AS name, status, serving, '' AS kind FROM ad WHERE {}"),
}
"""By level: the level below, and how its members are called."""


def _children(of: _Asked, window: Window, recent: Window) -> tuple[Line, ...]:
    """One level down, most money first, each with its spend by the hour of today or by the recent days."""
    if of.entity.level == "ad":
        return ()
    below, sql = _NAMES[of.entity.level]
    where = of.entity.where
    condition = " AND ".join(f"{name} = ${name}" for name in where)
    named = {row["id"]: row for row in of.warehouse.query(sql.format(condition), where).to_pylist()}
    fine = below == "campaign"
    chosen = of.metrics("" if fine else "ads")
    found = of.lines(chosen, window, below)
    by_hour = fine and _short(window)
    stepped = series(
        of.warehouse,
        chosen[:1],
        {of.key: of.today if by_hour else recent},
        step=timedelta(hours=1) if by_hour else _DAY,
        by=(below,),
        where=where,
        as_of=of.as_of,
    )
    trends: dict[str, list[float]] = {}
    for name, spend in zip(stepped[below].to_pylist(), stepped["spend"].to_pylist(), strict=True):
        trends.setdefault(name, []).append(spend)
    nothing: Numbers = {m.name: 0.0 if m.additive else None for m in chosen}
    lines = []
    for child in {**found, **named}:
        row = named.get(child, {"name": "", "status": "", "kind": "", "serving": ""})
        lines.append(
            Line(
                child,
                row["name"] or child,
                row["status"],
                row["kind"],
                found.get(child, nothing),
                tuple(trends.get(child, ())),
                row["serving"],
            )
        )
    return tuple(sorted(lines, key=lambda line: (-(line.figures["spend"] or 0.0), line.name)))


PROPER: Final = {"iphone": "iPhone", "ipad": "iPad", "ipod": "iPod"}
"""Names of devices that are no plain words."""


def _segments(of: _Asked, window: Window, by: str) -> tuple[Line, ...]:
    """The entity by device, network or hour of the day; known for campaigns and accounts."""
    hour = by == "hour_of_day"
    found = of.lines(of.metrics("" if hour else "segments"), window, by)

    def name(key: Any) -> str:
        if hour:
            return f"{key:02d}:00"
        return PROPER.get(key) or str(key).replace("_", " ").capitalize()

    lines = [Line(str(key), name(key), "", "", figures) for key, figures in found.items()]
    return tuple(lines if hour else sorted(lines, key=lambda line: -(line.figures["spend"] or 0.0)))
