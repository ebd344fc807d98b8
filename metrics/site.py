"""Is the site able to convert right now: each landing page as it is, and what its ads spend an hour."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from connectors.contract import Window
from connectors.landing_pages import page_of
from metrics import money
from metrics.compute import evaluate, series
from metrics.site_funnel import Funnel, funnels
from metrics.site_visits import Visits, visits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metrics.model import Metric
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = [
    "Active",
    "Hour",
    "Minute",
    "Page",
    "Payer",
    "Site",
    "active",
    "hours",
    "look",
    "money_at_risk",
    "pages",
    "paid",
    "payers",
]

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Payer:
    """A campaign whose running ads lead to a page.

    ads: how many of its running ads do. an_hour: what it pays for that, in units of `currency`. reported: the
    same in the reporting currency, by the day's rate; None where there is none.
    """

    source: str
    account: str
    campaign: str
    name: str
    currency: str
    ads: int
    an_hour: float
    reported: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A landing page at its last look.

    failure, words: what is wrong, "" where it works. since: the first of the looks in a row that failed.
    availability, p95: `availability` and `load_time_p95`, seconds, of the last day. payers: the largest
    first.
    """

    url: str
    failure: str
    words: str
    checked: datetime
    since: datetime | None
    availability: float | None
    p95: float | None
    certificate_ends: date | None
    payers: tuple[Payer, ...]

    @property
    def known(self) -> bool:
        """Whether the page could be asked at all."""
        return self.failure != "blocked"

    @property
    def broken(self) -> bool:
        """Whether a visitor can do nothing there."""
        return self.known and self.failure != ""


@dataclass(frozen=True, slots=True)
class Hour:
    """All pages in one hour: `availability` and `load_time_p95`, seconds."""

    at: datetime
    availability: float
    p95: float | None


@dataclass(frozen=True, slots=True)
class Minute:
    """`active_users` of one minute; nobody where no row was brought."""

    at: datetime
    users: float


@dataclass(frozen=True, slots=True)
class Active:
    """Who is there, as one source tells it: of several the one that knows of more, for sites may be the same.

    minutes: up to the newest that was brought. users: `active_users` over `window`, the last five of them.
    """

    source: str
    minutes: Sequence[Minute]
    users: float
    window: Window


@dataclass(frozen=True, slots=True)
class Site:
    """The whole of it at one moment; each part is empty where no source brings it."""

    pages: Sequence[Page]
    hours: Sequence[Hour]
    active: Active | None
    funnels: Sequence[Funnel]
    visits: Mapping[AccountKey, Visits]

    @property
    def at(self) -> datetime | None:
        """The newest look at any page."""
        return max((p.checked for p in self.pages), default=None)


def look(warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime, currency: str) -> Site:
    """The site as it is known at `now`, by the definitions in force. currency: that of reports."""
    return Site(
        pages(warehouse, metrics, now, currency),
        hours(warehouse, metrics, now),
        active(warehouse, metrics, now),
        funnels(warehouse, metrics, now),
        visits(warehouse, metrics, now),
    )


def pages(warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime, currency: str) -> list[Page]:
    """Every page looked at within a day and still looked at, the costliest failure first.

    currency: that of reports.
    """
    rows = warehouse.query(
        """WITH looks AS (
          SELECT *, max(checked) OVER (PARTITION BY url) AS newest FROM page_check WHERE checked >= $since
        ), sound AS (
          SELECT url, max(checked) AS works FROM looks WHERE failure = '' GROUP BY url
        )
        SELECT l.url, arg_max(failure, checked) AS failure, arg_max(words, checked) AS words,
          max(checked) AS checked,
          min(checked) FILTER (WHERE failure <> '' AND (works IS NULL OR checked > works)) AS since,
          arg_max(certificate_ends, checked) AS certificate_ends
        FROM looks l LEFT JOIN sound ON sound.url = l.url
        GROUP BY l.url
        HAVING max(checked) >= (SELECT max(checked) - INTERVAL 30 MINUTE FROM page_check)""",
        {"since": now - _DAY},
    ).to_pylist()
    if not rows:
        return []
    led = _reported(warehouse, payers(warehouse, metrics, now), currency, now.date())
    chosen = [metrics["availability"], metrics["load_time_p95"]]
    table = evaluate(warehouse, chosen, Window(now - _DAY, now), by=("page",)).to_pylist()
    of_day = {row["page"]: (row["availability"], row["load_time_p95"]) for row in table}
    found = []
    for row in rows:
        availability, p95 = of_day.get(row["url"], (None, None))
        found.append(Page(**row, availability=availability, p95=p95, payers=led.get(row["url"], ())))
    return sorted(found, key=lambda p: (not p.broken, -sum(x.reported or 0.0 for x in p.payers), p.url))


def money_at_risk(found: Sequence[Page], currency: str) -> dict[str, float]:
    """What ads pay an hour for pages that are broken: in the reporting currency, by the day's rates.

    Where a rate is missing, each currency by itself, for they are never added up.
    """
    payers = [payer for page in found if page.broken for payer in page.payers]
    if all(payer.reported is not None for payer in payers):
        return {currency: sum(payer.reported or 0.0 for payer in payers)} if payers else {}
    total: dict[str, float] = defaultdict(float)
    for payer in payers:
        total[payer.currency] += payer.an_hour
    return dict(sorted(total.items()))


def paid(warehouse: Warehouse, now: datetime) -> dict[AccountKey, Window]:
    """Each account's last day of delivery up to `now`."""
    rows = warehouse.query(
        "SELECT source, account, max(hour) AS newest FROM delivery WHERE cost > 0 AND hour < $now "
        "GROUP BY source, account",
        {"now": now},
    ).to_pylist()
    return {
        (row["source"], row["account"]): Window(row["newest"] + _HOUR - _DAY, row["newest"] + _HOUR)
        for row in rows
    }


def payers(
    warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime
) -> dict[str, tuple[Payer, ...]]:
    """By page: a campaign's `spend` an hour over its account's last day, in equal shares of its ads.

    The sources give no spend by ad and hour, so that an ad's share is an estimate. The largest come first.
    """
    rows = warehouse.query(
        """SELECT ad.source, ad.account, ad.campaign, c.name, a.currency, ad.final_url
        FROM ad JOIN campaign AS c USING (source, account, campaign)
        JOIN account AS a USING (source, account)
        WHERE ad.status = 'enabled' AND c.status = 'enabled' AND ad.final_url <> ''"""
    ).to_pylist()
    day = paid(warehouse, now) if rows else {}
    table = evaluate(warehouse, [metrics["spend"]], day, by=("campaign",)).to_pylist() if day else []
    spent = {(row["source"], row["account"], row["campaign"]): row["spend"] or 0.0 for row in table}
    running = Counter((r["source"], r["account"], r["campaign"]) for r in rows)
    found: dict[str, dict[tuple[str, ...], Payer]] = defaultdict(dict)
    for row in rows:
        key = (row["source"], row["account"], row["campaign"])
        led = found[page_of(row["final_url"])]
        ads, sofar = (led[key].ads, led[key].an_hour) if key in led else (0, 0.0)
        share = spent.get(key, 0.0) / 24 / running[key]
        led[key] = Payer(*key, row["name"], row["currency"], ads + 1, sofar + share)
    return {url: tuple(sorted(p.values(), key=lambda one: -one.an_hour)) for url, p in found.items()}


def _reported(
    warehouse: Warehouse, led: Mapping[str, tuple[Payer, ...]], currency: str, day: date
) -> dict[str, tuple[Payer, ...]]:
    """The same with what it is in the reporting currency, the largest first."""
    factors = _factors(warehouse, {p.currency for paying in led.values() for p in paying}, currency, day)

    def priced(payer: Payer) -> Payer:
        factor = factors.get(payer.currency)
        return replace(payer, reported=None if factor is None else payer.an_hour * factor)

    return {url: tuple(priced(payer) for payer in paying) for url, paying in led.items()}


def _factors(warehouse: Warehouse, currencies: set[str], to: str, day: date) -> dict[str, float]:
    """The factor from each currency that has one to the reporting currency."""
    found = money.rates(warehouse, currencies, to, day, day)
    return {**dict(zip(found.currency, found.rate, strict=True)), to: 1.0}


def hours(warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime) -> list[Hour]:
    """All pages together, by each hour of the last day in which any could be asked."""
    chosen = [metrics["availability"], metrics["load_time_p95"]]
    start = now.replace(minute=0, second=0, microsecond=0) + _HOUR - _DAY
    rows = series(warehouse, chosen, Window(start, start + _DAY), step=_HOUR).to_pylist()
    return [
        Hour(row["at"], row["availability"], row["load_time_p95"])
        for row in rows
        if row["availability"] is not None
    ]


def active(
    warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime, *, back: int = 60
) -> Active | None:
    """Who was there in the last `back` minutes; None where no source tells of any of them."""
    metric = metrics["active_users"]
    start = now.replace(second=0, microsecond=0) - back * _MINUTE
    window = Window(start, now.replace(second=0, microsecond=0) + _MINUTE)
    told: dict[str, dict[datetime, float]] = defaultdict(dict)
    for row in series(warehouse, [metric], window, step=_MINUTE, by=("source",)).to_pylist():
        if row[metric.name] is not None:
            told[row["source"]][row["at"]] = row[metric.name]
    if not told:
        return None
    source, users = max(told.items(), key=lambda one: sum(one[1].values()))
    newest = max(users)
    minutes, at = [], min(users)
    while at <= newest:
        minutes.append(Minute(at, users.get(at, 0.0)))
        at += _MINUTE
    last = Window(max(newest - 4 * _MINUTE, minutes[0].at), newest + _MINUTE)
    row = evaluate(warehouse, [metric], last, where={"source": source}).to_pylist()[0]
    return Active(source, minutes, row[metric.name] or 0.0, last)
