"""An account's hours as they are stored, in the form that what is usual is learned and tested in.

One question to the warehouse for all accounts; then arrays by campaign and hour of the account's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.rows import DayTotal, Delivery
from metrics import watch
from metrics.cohorts import looks, midnights
from metrics.lag import Curve, Looks
from metrics.newest_hours import read
from metrics.reference import RECENT_HOURS, Hours
from warehouse import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from connectors.contract import Account
    from metrics.newest_hours import NewestHours
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = [
    "Cells",
    "Facts",
    "News",
    "Seen",
    "arrivals",
    "came",
    "clock",
    "local_day",
    "newest",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_STREAMS: Final = {"hour": "delivery", "day": "day_totals"}
"""The stream that brings the conversions of each kind of cohort."""

_FRESH: Final = 2.0
"""Hours after a cohort began within which its first look brings news; later, it brings history."""

_DAY: Final = timedelta(days=1)


# -- the account's clock


@dataclass(frozen=True, slots=True)
class Cells:
    """Hours of an account's clock, in order: their starts and lengths in hours, local days and hours."""

    start: Floats
    length: Floats
    day: Ints
    hour_of_day: Ints
    midnight: Floats

    def born(self, lag: Curve) -> Floats:
        """When the cohort of each began, from which the ages of a lag curve count."""
        return self.start if lag.cohort == "hour" else self.midnight

    def place(self, hour: Floats) -> Ints:
        """In which of them each hour (since 1970, as begun) lies, -1 for none. Clocks go by quarter hours."""
        quarters = np.round(np.append(self.start, self.start[-1] + self.length[-1]) * 4).astype(np.int64)
        of = np.repeat(np.arange(len(self.start)), np.diff(quarters))
        at = np.round(hour * 4).astype(np.int64) - quarters[0]
        inside = (at >= 0) & (at < len(of))
        return np.where(inside, of[np.where(inside, at, 0)], -1)

    def cut(self, cells: slice) -> Cells:
        """Some of them."""
        return Cells(
            *(getattr(self, name)[cells] for name in ("start", "length", "day", "hour_of_day", "midnight"))
        )


@lru_cache(maxsize=256)
def clock(zone: ZoneInfo, first: date, last: date) -> Cells:
    """Every hour of the days; one that the clock skips is not there, one that it repeats is twice as long."""
    rows = []
    day = first
    while day <= last:
        midnight = datetime.combine(day, time(), zone).timestamp() / 3600
        for hour in range(24):
            at = datetime.combine(day, time(hour), zone).astimezone(UTC)
            if at.astimezone(zone).hour == hour:
                rows.append((at.timestamp() / 3600, day.toordinal(), hour, midnight))
        day += _DAY
    end = datetime.combine(day, time(), zone).timestamp() / 3600
    start, days, hours, midnights_ = np.array(rows).T
    return Cells(start, np.diff(start, append=end), days.astype(int), hours.astype(int), midnights_)


def newest(zone: ZoneInfo, until: datetime) -> Cells:
    """The newest RECENT_HOURS of a clock up to a moment."""
    day = local_day(until, zone)
    end = until.timestamp() / 3600
    cells = clock(zone, day - timedelta(days=RECENT_HOURS // 24 + 1), day)
    stop = int(np.searchsorted(cells.start, end - 1e-6))
    found = cells.cut(slice(stop - RECENT_HOURS, stop))
    length = np.minimum(found.length, end - found.start)  # in the middle of one that is repeated
    return Cells(found.start, length, found.day, found.hour_of_day, found.midnight)


def local_day(until: datetime, zone: ZoneInfo) -> date:
    """The day that the moment before belongs to."""
    return (until - timedelta(microseconds=1)).astimezone(zone).date()


# -- what is stored


class Seen:
    """When each account's streams were looked at, up to `now`, of the time since `now - reach`."""

    def __init__(self, warehouse: Warehouse, now: datetime, reach: timedelta) -> None:
        self._now = now.timestamp() / 3600
        self._looks = {kind: looks(warehouse, name, now, reach) for kind, name in _STREAMS.items()}

    def of(self, key: AccountKey, lag: Curve) -> Looks | None:
        """An account's looks at its conversions."""
        return self._looks[lag.cohort].get(key)

    def last(self, key: AccountKey, lag: Curve, born: Floats) -> Floats:
        """When the cohorts were last looked at; -inf for never."""
        found = self.of(key, lag)
        return np.full(len(born), -np.inf) if found is None else found.last(born, self._now)


class Facts:
    """Clicks, spend and conversions of accounts in cells of their clocks, asked of the warehouse at once.

    counted: days, up to the newest, whose conversions are needed; None: all. stored: what was read of them,
    by whoever asks for the same more than once; else these accounts' alone are read.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        cells: Mapping[AccountKey, Cells],
        as_of: datetime | None,
        counted: int | None = None,
        stored: NewestHours | None = None,
    ) -> None:
        self._warehouse, self._cells, self._as_of, self._counted = warehouse, cells, as_of, counted
        self._days: dict[AccountKey, tuple[list[str], Ints, Ints, Floats]] | None = None
        self._rows: dict[AccountKey, tuple[list[str], Ints, Floats, Floats]] = {}
        if not cells:
            return
        first = _moment(min(one.start[0] for one in cells.values()))
        rows = stored.since(first) if stored else read(warehouse, first, as_of, cells.keys())
        owner = [one[:2] for one in rows.campaigns]
        for low, high in pairwise(_edges(owner)):
            if (key := owner[low]) in cells:
                part = slice(int(rows.edges[low]), int(rows.edges[high]))
                measures = np.stack([rows.clicks[part], rows.cost[part], rows.conversions[part]])
                names = [one[2] for one in rows.campaigns[low:high]]
                self._rows[key] = names, np.diff(rows.edges[low : high + 1]), rows.hour[part], measures

    def campaigns(self, key: AccountKey) -> tuple[str, ...]:
        """Those of an account that delivered in its cells, in order."""
        if key not in self._rows:
            return ()
        names, sizes, hour, _ = self._rows[key]
        start, end = self._reach(key)
        inside = np.repeat(np.arange(len(names)), sizes)[(hour >= start) & (hour < end)]
        return tuple(names[n] for n in np.unique(inside))

    def _reach(self, key: AccountKey) -> tuple[float, float]:
        cells = self._cells[key]
        return float(cells.start[0]) - 1e-6, float(cells.start[-1] + cells.length[-1]) - 1e-6

    def hours(self, key: AccountKey, campaigns: Sequence[str], lag: Curve, seen: Seen) -> Hours:
        """An account's cells, as its last look left them."""
        cells = self._cells[key]
        born = cells.born(lag)
        shape = len(campaigns), len(cells.start)
        clicks, cost, conversions = (np.zeros(shape) for _ in range(3))
        if key in self._rows:
            names, sizes, hour, measures = self._rows[key]
            row = np.repeat(_rows(names, campaigns), sizes)
            place = cells.place(hour)
            inside = (row >= 0) & (place >= 0)
            flat = row[inside] * shape[1] + place[inside]
            clicks, cost, conversions = (
                np.bincount(flat, np.nan_to_num(one[inside]), shape[0] * shape[1])
                .reshape(shape)
                .astype(float)
                for one in measures
            )
        return Hours(
            start=cells.start,
            born=born,
            looked=seen.last(key, lag, born),
            length=cells.length,
            day=cells.day,
            hour_of_day=cells.hour_of_day,
            clicks=clicks,
            spend=cost / 1e6,
            known=conversions if lag.cohort == "hour" else self._by_day(key, campaigns, clicks),
        )

    def _by_day(self, key: AccountKey, campaigns: Sequence[str], clicks: Floats) -> Floats:
        """Conversions that are known by the day only, spread over the day's hours as its clicks are."""
        day = self._cells[key].day - self._cells[key].day[0]
        days = int(day[-1]) + 1
        total = np.zeros((len(campaigns), days))
        if (found := self._totals().get(key)) is not None:
            names, sizes, on, count = found
            row, place = np.repeat(_rows(names, campaigns), sizes), on - self._cells[key].day[0]
            use = (row >= 0) & (place >= 0) & (place < days)
            np.add.at(total, (row[use], place[use]), count[use])
        bought = np.zeros_like(total)
        np.add.at(bought.T, day, clicks.T)
        return np.asarray(clicks * (total / np.maximum(bought, 1.0))[:, day])

    def _totals(self) -> dict[AccountKey, tuple[list[str], Ints, Ints, Floats]]:
        """Conversions by account, campaign and day; asked when the first account needs them."""
        if self._days is None:
            first = min(int(one.day[0]) for one in self._cells.values())
            last = max(int(one.day[-1]) for one in self._cells.values())
            if self._counted is not None:
                first = max(first, min(int(one.day[-1]) for one in self._cells.values()) - self._counted)
            table = self._warehouse.query(
                f"""SELECT source, account, campaign, list(day) AS day, list(conversions) AS conversions
                FROM (SELECT source, account, campaign, day,
                    CAST(sum(conversions) AS DOUBLE) AS conversions
                  FROM {_relation(DayTotal, self._as_of)} AS day_totals
                  WHERE "primary" AND day BETWEEN $first AND $last GROUP BY ALL)
                GROUP BY ALL ORDER BY source, account, campaign""",  # noqa: S608
                {"first": date.fromordinal(first), "last": date.fromordinal(last)},
            )
            self._days = {
                key: (campaigns, sizes, _ordinals(day), count.to_numpy())
                for key, campaigns, sizes, (day, count) in _listed(table, ("day", "conversions"))
            }
        return self._days


@dataclass(frozen=True, slots=True)
class News:
    """Conversions as looks brought them: of these campaigns so many each, then one element for each of them:
    when its cohort began, whether the look was the first at it, when that was, how many there were.
    """

    campaigns: list[str]
    sizes: Ints
    born: Floats
    first: Bools
    seen: Floats
    count: Floats


def arrivals(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    lags: Mapping[AccountKey, Curve],
    now: datetime,
) -> dict[AccountKey, News]:
    """What looks of the last two days brought, by account."""
    params = {"since": now - timedelta(hours=watch.ARRIVAL_HOURS + 24), "now": now}
    found = {}
    for kind, stream in _STREAMS.items():
        keys = {key for key, lag in lags.items() if lag.cohort == kind}
        if not keys:
            continue
        table = warehouse.query(
            f"""SELECT source, account, campaign,
              list(born) AS born, list(first) AS first, list(seen) AS seen, list(count) AS count
            FROM (SELECT source, account, campaign, {kind} AS born, seen_from IS NULL AS first,
                epoch(seen_to) / 3600 AS seen, CAST(sum(conversions) AS DOUBLE) AS count
              FROM {stream}_ledger
              WHERE seen_to > $since AND seen_to <= $now AND conversions > 0
                {'AND "primary"' if kind == "day" else ""}
              GROUP BY ALL)
            GROUP BY ALL ORDER BY source, account, campaign""",  # noqa: S608
            params,
        )
        for key, campaigns, sizes, (begun, first, seen, count) in _listed(
            table, ("born", "first", "seen", "count")
        ):
            if key not in keys:
                continue
            if kind == "hour":
                born = begun.cast(pa.int64()).to_numpy() / 3.6e9
            else:
                days, place = np.unique(_ordinals(begun), return_inverse=True)
                born = midnights([date.fromordinal(int(day)) for day in days], known[key].timezone)[place]
            fresh = first.to_numpy(zero_copy_only=False).astype(bool)
            found[key] = News(campaigns, sizes, born, fresh, seen.to_numpy(), count.to_numpy())
    return found


def came(
    news: News | None, campaigns: Sequence[str], lag: Curve, hours: Hours, look: Looks
) -> watch.Arrivals:
    """What came in the hours that end at the last look, and what should have."""
    edges = float(look.at.max()) - np.arange(watch.ARRIVAL_HOURS, -1, -1.0)
    count = np.zeros((len(campaigns), watch.ARRIVAL_HOURS))
    if news is not None:
        row = np.repeat(_rows(news.campaigns, campaigns), news.sizes)
        at = np.ceil(news.seen - edges[0] - 1e-9).astype(np.int64) - 1
        fresh = ~news.first | (news.seen - news.born <= _FRESH)
        use = (row >= 0) & (at >= 0) & (at < watch.ARRIVAL_HOURS) & fresh
        np.add.at(count, (row[use], at[use]), news.count[use])
    looked = _last_by(look, hours.born, edges)
    looked = np.where(looked > hours.start[:, None], looked, -np.inf)
    return watch.Arrivals(edges, count, watch.seen_by(lag, hours.born, look.first(hours.born), looked))


def _last_by(look: Looks, born: Floats, edges: Floats) -> Floats:
    """When each cohort was last looked at by each of the moments, shape (cohorts, edges)."""
    found = np.full((len(born), len(edges)), -np.inf)
    before = -np.inf
    for n, edge in enumerate(edges):
        part = (look.at > before) & (look.at <= edge)
        newer = Looks(look.start[part], look.end[part], look.at[part]).last(born, edge)
        found[:, n] = np.maximum(newer, found[:, n - 1]) if n else newer
        before = edge
    return found


def _relation(row: type[Delivery | DayTotal], as_of: datetime | None) -> str:
    return f"({ledger.as_of(row, as_of)})" if as_of else row.table


def _moment(hours: float) -> datetime:
    return datetime.fromtimestamp(hours * 3600, UTC)


def _rows(names: Sequence[str], campaigns: Sequence[str]) -> Ints:
    """Where each of the names stands among the campaigns, -1 for nowhere."""
    place = {campaign: n for n, campaign in enumerate(campaigns)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def _ordinals(days: pa.Array) -> Ints:
    """`date.toordinal()` of each."""
    epoch = date(1970, 1, 1).toordinal()
    return np.asarray(days.cast(pa.int32()).to_numpy().astype(np.int64) + epoch)


def _listed(
    table: pa.Table, columns: Sequence[str]
) -> Iterator[tuple[AccountKey, list[str], Ints, list[pa.Array]]]:
    """Each account of a table in the order of source, account and campaign: its campaigns, how many values
    each of them has, and the values of its list columns end to end.
    """
    owner = list(zip(table["source"].to_pylist(), table["account"].to_pylist(), strict=True))
    campaigns = table["campaign"].to_pylist()
    lists = []
    for name in columns:
        found = table[name].combine_chunks()
        lists.append(found.chunk(0) if isinstance(found, pa.ChunkedArray) else found)
    ends = lists[0].offsets.to_numpy() if owner else np.zeros(1, dtype=np.int64)
    values = [one.values for one in lists]
    for low, high in pairwise(_edges(owner)):
        part = slice(int(ends[low]), int(ends[high]))
        sizes = np.diff(ends[low : high + 1]).astype(np.int64)
        yield owner[low], campaigns[low:high], sizes, [one[part] for one in values]


def _edges(owner: Sequence[AccountKey]) -> list[int]:
    """Where each account's rows begin, and the last one's end."""
    return [n for n in range(len(owner)) if n == 0 or owner[n] != owner[n - 1]] + [len(owner)]
