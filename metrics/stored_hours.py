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

from connectors.contract import DayTotal, Delivery
from metrics import watch
from metrics.cohorts import looks, midnights
from metrics.lag import Curve, Looks
from metrics.reference import RECENT_HOURS, Hours
from warehouse import ledger

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from connectors.contract import Account
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Cells", "Facts", "News", "Seen", "arrivals", "came", "clock", "local_day", "newest"]

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
    """Clicks, spend and conversions of accounts in cells of their clocks, asked of the warehouse at once."""

    def __init__(
        self,
        warehouse: Warehouse,
        known: Mapping[AccountKey, Account],
        cells: Mapping[AccountKey, Cells],
        as_of: datetime | None,
    ) -> None:
        self._cells = cells
        self._rows: dict[AccountKey, dict[str, tuple[Floats, Floats]]] = {key: {} for key in cells}
        self._days: dict[AccountKey, dict[tuple[str, int], float]] = {}
        if not cells:
            return
        table = warehouse.query(
            # The parts put in are names of row types, and literals of our own making.
            f"""SELECT source, account, campaign, list(epoch(hour) / 3600) AS hour,
              list(clicks) AS clicks, list(cost) AS cost, list(CAST(conversions AS DOUBLE)) AS conversions
            FROM {_relation(Delivery, as_of)} AS delivery
            WHERE hour >= $first AND hour < $last GROUP BY ALL ORDER BY source, account, campaign""",  # noqa: S608
            {
                "first": _moment(min(one.start[0] for one in cells.values())),
                "last": _moment(max(one.start[-1] + one.length[-1] for one in cells.values())),
            },
        )
        lists = {name: _chunk(table, name) for name in ("hour", "clicks", "cost", "conversions")}
        ends = lists["hour"].offsets.to_numpy()
        hour = lists["hour"].flatten().to_numpy()
        values = np.stack(
            [
                lists[name].flatten().to_numpy(zero_copy_only=False).astype(float)
                for name in ("clicks", "cost", "conversions")
            ]
        )
        for n, (key, campaign) in enumerate(_named(table)):
            if key in cells:
                part = slice(ends[n], ends[n + 1])
                self._rows[key][campaign] = hour[part], values[:, part]
        self._known, self._warehouse, self._as_of = known, warehouse, as_of

    def campaigns(self, key: AccountKey) -> tuple[str, ...]:
        """Those of an account that delivered, in order."""
        return tuple(self._rows[key])

    def hours(self, key: AccountKey, campaigns: Sequence[str], lag: Curve, seen: Seen) -> Hours:
        """An account's cells, as its last look left them."""
        cells = self._cells[key]
        born = cells.start if lag.cohort == "hour" else cells.midnight
        figures = np.zeros((3, len(campaigns), len(cells.start)))
        for row, campaign in enumerate(campaigns):
            if (found := self._rows[key].get(campaign)) is None:
                continue
            hour, values = found
            place = np.searchsorted(cells.start, hour + 1e-6) - 1
            inside = (place >= 0) & (hour < cells.start[-1] + cells.length[-1] - 1e-6)
            for into, amount in zip(figures, values, strict=True):
                into[row] = np.bincount(place[inside], amount[inside], len(cells.start))
        clicks, cost, conversions = figures
        known = np.nan_to_num(conversions) if lag.cohort == "hour" else self._by_day(key, campaigns, clicks)
        return Hours(
            start=cells.start,
            born=born,
            looked=seen.last(key, lag, born),
            length=cells.length,
            day=cells.day,
            hour_of_day=cells.hour_of_day,
            clicks=clicks,
            spend=cost / 1e6,
            known=known,
        )

    def _by_day(self, key: AccountKey, campaigns: Sequence[str], clicks: Floats) -> Floats:
        """Conversions that are known by the day only, spread over the day's hours as its clicks are."""
        day = self._cells[key].day
        of_day = self._totals().get(key, {})
        out = np.zeros_like(clicks)
        first = int(day[0])
        for row, campaign in enumerate(campaigns):
            total = np.array([of_day.get((campaign, n), 0.0) for n in range(first, int(day[-1]) + 1)])
            bought = np.bincount(day - first, clicks[row], len(total))
            out[row] = clicks[row] * (total / np.maximum(bought, 1.0))[day - first]
        return out

    def _totals(self) -> dict[AccountKey, dict[tuple[str, int], float]]:
        """Conversions by account, campaign and day; asked when the first account needs them."""
        if not self._days:
            days = [one.day[at] for one in self._cells.values() for at in (0, -1)]
            table = self._warehouse.query(
                f"""SELECT source, account, campaign, day, CAST(sum(conversions) AS DOUBLE) AS conversions
                FROM {_relation(DayTotal, self._as_of)} AS day_totals
                WHERE "primary" AND day BETWEEN $first AND $last GROUP BY ALL""",  # noqa: S608
                {"first": date.fromordinal(min(days)), "last": date.fromordinal(max(days))},
            )
            self._days = {key: {} for key in self._cells}
            columns = (table["day"].to_pylist(), table["conversions"].to_pylist())
            for (key, campaign), on, count in zip(_named(table), *columns, strict=True):
                if key in self._days:
                    self._days[key][campaign, on.toordinal()] = count
        return self._days


@dataclass(frozen=True, slots=True)
class News:
    """Conversions as looks brought them: of which campaign, which cohort, when seen, and how many."""

    campaign: list[str]
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
    """What looks of the last day and an hour brought, by account; `first`: by the first at that time."""
    params = {"since": now - timedelta(hours=watch.ARRIVAL_HOURS + 24), "now": now}
    found = {}
    for kind, name in (("hour", "hour"), ("day", "day")):
        keys = {key for key, lag in lags.items() if lag.cohort == kind}
        if not keys:
            continue
        table = warehouse.query(
            f"""SELECT source, account, campaign, {name} AS born, seen_from IS NULL AS first,
              epoch(seen_to) / 3600 AS seen, CAST(sum(conversions) AS DOUBLE) AS count
            FROM {_STREAMS[kind]}_ledger
            WHERE seen_to > $since AND seen_to <= $now AND conversions > 0
            {'AND "primary"' if kind == "day" else ""}
            GROUP BY ALL ORDER BY source, account""",  # noqa: S608
            params,
        )
        for key, part in _by_account(table, keys).items():
            if kind == "hour":
                born = part["born"].cast(pa.int64()).to_numpy() / 3.6e9
            else:
                born = midnights(part["born"].to_pylist(), known[key].timezone)
            found[key] = News(
                part["campaign"].to_pylist(),
                born,
                part["first"].to_numpy(zero_copy_only=False).astype(bool),
                part["seen"].to_numpy(),
                part["count"].to_numpy(),
            )
    return found


def came(
    news: News | None, campaigns: Sequence[str], lag: Curve, hours: Hours, look: Looks
) -> watch.Arrivals:
    """What came in the hours that end at the last look, and what should have."""
    edges = float(look.at.max()) - np.arange(watch.ARRIVAL_HOURS, -1, -1.0)
    count = np.zeros((len(campaigns), watch.ARRIVAL_HOURS))
    if news is not None:
        place = {campaign: n for n, campaign in enumerate(campaigns)}
        row = np.array([place.get(one, -1) for one in news.campaign], dtype=np.int64)
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


def _chunk(table: pa.Table, name: str) -> pa.ListArray:
    found = table[name].combine_chunks()
    return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found


def _named(table: pa.Table) -> list[tuple[AccountKey, str]]:
    columns = (table[name].to_pylist() for name in ("source", "account", "campaign"))
    return [((source, account), campaign) for source, account, campaign in zip(*columns, strict=True)]


def _by_account(table: pa.Table, keys: Collection[AccountKey]) -> dict[AccountKey, pa.Table]:
    """The rows of each of the accounts; the table is in their order."""
    owner = list(zip(table["source"].to_pylist(), table["account"].to_pylist(), strict=True))
    edges = [n for n in range(len(owner)) if n == 0 or owner[n] != owner[n - 1]] + [len(owner)]
    return {owner[low]: table.slice(low, high - low) for low, high in pairwise(edges) if owner[low] in keys}
