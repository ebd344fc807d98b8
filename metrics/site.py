"""Is the site able to convert right now: each landing page as it is, and what its ads spend an hour."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from connectors.landing_pages import page_of
from metrics import money
from metrics.site_funnel import Funnel, funnels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.store import Warehouse

__all__ = [
    "Hour",
    "Minute",
    "Page",
    "Payer",
    "Site",
    "hours",
    "look",
    "minutes",
    "money_at_risk",
    "pages",
    "payers",
]

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
    availability: the share of the last day's looks at which it worked. p95: milliseconds that 95 % of the
    last day's looks came in under. payers: the largest first.
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
    """All pages in one hour. p95: of the time in which they came, milliseconds."""

    at: datetime
    availability: float
    p95: float | None


@dataclass(frozen=True, slots=True)
class Minute:
    """The site in one minute; nobody where no row was brought."""

    at: datetime
    users: int


@dataclass(frozen=True, slots=True)
class Site:
    """The whole of it at one moment; each part is empty where no source brings it."""

    pages: Sequence[Page]
    hours: Sequence[Hour]
    minutes: Sequence[Minute]
    funnels: Sequence[Funnel]

    @property
    def at(self) -> datetime | None:
        """The newest look at any page."""
        return max((p.checked for p in self.pages), default=None)


def look(warehouse: Warehouse, now: datetime, currency: str) -> Site:
    """The site as it is known at `now`. currency: that of reports."""
    return Site(
        pages(warehouse, now, currency),
        hours(warehouse, now),
        minutes(warehouse, now),
        funnels(warehouse, now),
    )


def pages(warehouse: Warehouse, now: datetime, currency: str) -> list[Page]:
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
          count(*) FILTER (WHERE failure = '') / nullif(count(*) FILTER (WHERE failure <> 'blocked'), 0)
            AS availability,
          quantile_cont(total_ms, 0.95) AS p95, arg_max(certificate_ends, checked) AS certificate_ends
        FROM looks l LEFT JOIN sound ON sound.url = l.url
        GROUP BY l.url
        HAVING max(checked) >= (SELECT max(checked) - INTERVAL 30 MINUTE FROM page_check)""",
        {"since": now - _DAY},
    ).to_pylist()
    led = _reported(warehouse, payers(warehouse, now), currency, now.date()) if rows else {}
    found = [Page(**row, payers=led.get(row["url"], ())) for row in rows]
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


def payers(warehouse: Warehouse, now: datetime) -> dict[str, tuple[Payer, ...]]:
    """By page: a campaign's spend an hour over its account's last day, in equal shares of its ads.

    The sources give no spend by ad and hour, so that an ad's share is an estimate. The largest come first.
    """
    rows = warehouse.query(
        """WITH reach AS (
          SELECT source, account, max(hour) FILTER (WHERE cost > 0) AS newest FROM delivery
          WHERE hour < $now GROUP BY source, account
        ), spent AS (
          SELECT source, account, campaign, sum(cost) / 1e6 / 24 AS an_hour
          FROM delivery JOIN reach USING (source, account)
          WHERE hour > newest - INTERVAL 24 HOUR AND hour < $now GROUP BY source, account, campaign
        )
        SELECT ad.source, ad.account, ad.campaign, c.name, a.currency, ad.final_url,
          coalesce(s.an_hour, 0) AS an_hour
        FROM ad JOIN campaign AS c USING (source, account, campaign)
        JOIN account AS a USING (source, account)
        LEFT JOIN spent AS s USING (source, account, campaign)
        WHERE ad.status = 'enabled' AND c.status = 'enabled' AND ad.final_url <> ''""",
        {"now": now},
    ).to_pylist()
    running = Counter((r["source"], r["account"], r["campaign"]) for r in rows)
    found: dict[str, dict[tuple[str, ...], Payer]] = defaultdict(dict)
    for row in rows:
        key = (row["source"], row["account"], row["campaign"])
        led = found[page_of(row["final_url"])]
        ads, sofar = (led[key].ads, led[key].an_hour) if key in led else (0, 0.0)
        share = row["an_hour"] / running[key]
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


def hours(warehouse: Warehouse, now: datetime) -> list[Hour]:
    """All pages together, by each hour of the last day in which any could be asked."""
    rows = warehouse.query(
        """SELECT date_trunc('hour', checked) AS at, count(*) FILTER (WHERE failure = '') / count(*)
          AS availability, quantile_cont(total_ms, 0.95) AS p95
        FROM page_check WHERE checked >= $since AND failure <> 'blocked' GROUP BY 1 ORDER BY 1""",
        {"since": now - _DAY},
    )
    return [Hour(**row) for row in rows.to_pylist()]


def minutes(warehouse: Warehouse, now: datetime, *, back: int = 60) -> list[Minute]:
    """The last `back` minutes up to the newest that was brought; empty where that is older than they are.

    Sites together; a source that counts the same site as another would double it, so the fuller one counts.
    """
    rows = warehouse.query(
        """SELECT source, minute AS at, sum(users) AS users FROM web_minute WHERE minute >= $since
        GROUP BY 1, 2""",
        {"since": now - timedelta(minutes=back)},
    ).to_pylist()
    by_source: dict[str, dict[datetime, int]] = defaultdict(dict)
    for row in rows:
        by_source[row["source"]][row["at"]] = int(row["users"])
    if not by_source:
        return []
    users = max(by_source.values(), key=lambda one: sum(one.values()))
    at, end, found = min(users), max(users), []
    while at <= end:
        found.append(Minute(at, users.get(at, 0)))
        at += timedelta(minutes=1)
    return found
