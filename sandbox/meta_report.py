"""The rows of an insights request: the world's cells and events, grouped on the account's own calendar.

Where the clock goes back, the hour that happens twice is one row: both carry the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sandbox import noise
from sandbox.meta_actions import Tally, events_of, tally
from sandbox.meta_attributes import ATTRIBUTES, attribute
from sandbox.meta_dimensions import label_events, split
from sandbox.meta_money import decimals
from sandbox.model import Conversions, Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from sandbox.meta_book import Book
    from sandbox.meta_dates import Span
    from sandbox.meta_dimensions import Dimension
    from sandbox.meta_query import Query
    from sandbox.model import Ints

__all__ = ["Table", "compute"]

_EPOCH = date(1970, 1, 1).toordinal()
_LINK_SHARE, _LANDED_SHARE = 0.88, 0.84
"""Of all clicks, those on the link; of these, those whose page has loaded. Rounded by the ad's hour."""
_DAYS_OVERLAP, _CAMPAIGNS_OVERLAP = 0.18, 0.1
"""Reach over n days is the days' sum times n ** -0.18; over campaigns likewise."""
_SEEN_TWICE = {"adset": 1.08, "ad": 1.15}
"""People who see several ad sets or ads of a campaign count once in it, and in each of these."""
_TINY = 2.0**-16


@dataclass(frozen=True)
class Table:
    """Rows as columns. span: index into the query's spans. entity: id at the query's level (account: 0).

    labels: (rows, dimensions), each a number of the dimension's labels. reach is absent under an hourly
    breakdown and where nobody asked.
    """

    span: Ints
    entity: Ints
    labels: Ints
    impressions: Ints
    clicks: Ints
    link_clicks: Ints
    landings: Ints
    cost_micros: Ints
    reach: Ints | None
    tally: Tally

    @property
    def total(self) -> int:
        """How many rows there are."""
        return int(self.span.size)


@lru_cache(maxsize=131_072)
def _local(zone: ZoneInfo, hour: int) -> tuple[int, int]:
    """Day (since 1970) and hour of the day on the zone's clock of an hour since 1970 UTC."""
    at = datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone)
    return at.toordinal() - _EPOCH, at.hour


def _calendar(zone: ZoneInfo, hours: Ints) -> tuple[Ints, Ints]:
    known, place = np.unique(hours, return_inverse=True)
    pairs = np.array([_local(zone, hour) for hour in known.tolist()], np.int64).reshape(-1, 2)
    return pairs[place, 0], pairs[place, 1]


@dataclass(slots=True)
class _Cells:
    """Delivery on its way to the table. counts: impressions, clicks, link clicks, landings, cost."""

    campaign: Ints
    adset: Ints
    ad: Ints
    day: Ints
    hour: Ints
    device: Ints
    network: Ints
    counts: Ints
    labels: Ints
    reach: noise.Floats

    def take(self, rows: Ints) -> _Cells:
        return _Cells(*(getattr(self, name)[rows] for name in self.__slots__))


_LINKS = frozenset(
    {"actions", "cost_per_action_type", "inline_link_clicks", "inline_link_click_ctr", "outbound_clicks",
     "outbound_clicks_ctr", "cost_per_inline_link_click", "cost_per_outbound_click", "website_ctr",
     "unique_inline_link_clicks", "unique_inline_link_click_ctr", "cost_per_unique_inline_link_click",
     "inline_post_engagement", "cost_per_inline_post_engagement"}
)  # fmt: skip
_PEOPLE = frozenset({"reach", "frequency", "cpp", "unique_ctr", "unique_inline_link_click_ctr"})
_EVENTS = frozenset(
    {"actions", "action_values", "cost_per_action_type", "purchase_roas", "website_purchase_roas",
     "conversions", "conversion_values", "cost_per_conversion", "results", "cost_per_result"}
)  # fmt: skip


class _Maker:
    """Computes one table; a class only because its steps share the query and what follows from it."""

    def __init__(self, book: Book, query: Query, dimensions: tuple[Dimension, ...]) -> None:
        self.book = book
        self.query = query
        self.dimensions = dimensions
        self.zone = book.advertiser.timezone
        metrics = {condition.field for condition in query.conditions} | {metric for metric, _ in query.sort}
        self.names = set(query.fields) | {"actions" if m.startswith("actions:") else m for m in metrics}
        self.divides = any(dimension.divides for dimension in dimensions)
        finer = {condition.kind for condition in query.conditions if condition.field in ATTRIBUTES}
        levels = {query.level, query.kind} | finer
        self.by_ad = bool(levels & {"adset", "ad"} or self.names & _LINKS or self.divides)
        self.axes = {dimension.axis for dimension in dimensions}

    def table(self, spans: Sequence[tuple[int, Span]]) -> Table:
        """The rows of spans that do not overlap and are in order, each with its number."""
        first, last = spans[0][1].since, spans[-1][1].until
        start, end = self.book.midnight(first), self.book.midnight(last + timedelta(days=1))
        end = max(min(end, self.book.at + timedelta(hours=1)), start + timedelta(hours=1))
        cells = self._cells(start, end)
        if self.names & _PEOPLE and not self.query.hourly:
            self._reach(cells, first, last)
        for number, dimension in enumerate(self.dimensions):
            cells = self._split(cells, number, dimension)
        conversions, when = self._conversions(start, end)
        return self._group(spans, cells, conversions, when)

    def _cells(self, start: datetime, end: datetime) -> _Cells:
        traffic: Traffic = self.book.world.traffic(
            self.book.advertiser.id,
            start=start,
            end=end,
            as_of=self.book.at,
            by_ad=self.by_ad,
            by_device="device" in self.axes,
            by_network="network" in self.axes,
        )
        day, hour = _calendar(self.zone, traffic.hour)
        keys = noise.spread(np.array(noise.key(0, "link clicks"), np.uint64), traffic.ad)
        keys = noise.spread(noise.spread(keys, traffic.hour), traffic.device * 8 + traffic.network + 9)
        links = np.floor(traffic.clicks * _LINK_SHARE + noise.uniform(keys)).astype(np.int64)
        keys = noise.spread(keys, traffic.network + 1)
        landings = np.floor(links * _LANDED_SHARE + noise.uniform(keys)).astype(np.int64)
        counts = np.stack([traffic.impressions, traffic.clicks, links, landings, traffic.cost_micros], axis=1)
        cells = _Cells(
            traffic.campaign, traffic.ad_group, traffic.ad, day, hour, traffic.device, traffic.network,
            counts, np.zeros((day.size, len(self.dimensions)), np.int64), np.zeros(day.size),
        )  # fmt: skip
        cells = cells.take(self._mine(cells.campaign, cells.adset, cells.ad).nonzero()[0])
        return self._by_day(cells) if self.divides else cells

    def _by_day(self, cells: _Cells) -> _Cells:
        """Cells summed over the hours of an ad's day: the grain at which shares are applied."""
        first, place = _groups(cells.ad, cells.day, cells.device, cells.network)
        summed = np.zeros((first.size, cells.counts.shape[1]), np.int64)
        np.add.at(summed, place, cells.counts)
        kept = cells.take(first)
        kept.counts = summed
        return kept

    def _mine(self, campaign: Ints, adset: Ints, ad: Ints) -> npt.NDArray[np.bool_]:
        """Which rows belong to the object asked of, and satisfy the conditions on attributes."""
        columns = {"campaign": campaign, "adset": adset, "ad": ad}
        keep = np.ones(campaign.shape, np.bool_)
        if self.query.kind != "account":
            keep &= columns[self.query.kind] == self.query.object_id
        for condition in self.query.conditions:
            if condition.field not in ATTRIBUTES:
                continue
            kind = condition.kind or self.query.level
            if kind not in columns:
                continue
            ids = np.unique(columns[kind][keep])
            good = [
                i for i in ids.tolist() if condition.holds(attribute(self.book, kind, i, condition.field))
            ]
            keep &= np.isin(columns[kind], good)
        return keep

    def _reach(self, cells: _Cells, first: date, last: date) -> None:
        """People reached by each cell: its part of its campaign's daily reach."""
        auctions = self.book.world.auctions(
            self.book.advertiser.id, first=first, last=min(last, self.book.today), as_of=self.book.at
        )
        days = {
            (campaign, day): (reach, shown)
            for campaign, day, reach, shown in zip(
                auctions.campaign.tolist(),
                auctions.day.tolist(),
                auctions.reach.tolist(),
                auctions.impressions.tolist(),
                strict=True,
            )
        }
        told = [
            days.get(pair, (0, 1)) for pair in zip(cells.campaign.tolist(), cells.day.tolist(), strict=True)
        ]
        pairs = np.array(told, np.float64).reshape(-1, 2)
        # A cell's people are in proportion; that parts overlap is told when they are grouped.
        cells.reach = pairs[:, 0] * cells.counts[:, 0] / pairs[:, 1]

    def _split(self, cells: _Cells, number: int, dimension: Dimension) -> _Cells:
        code = {"hour": cells.hour, "device": cells.device, "network": cells.network}.get(
            dimension.axis, np.zeros(cells.day.shape, np.int64)
        )
        unit = 10 ** (6 - decimals(self.book.advertiser.currency))
        counts = cells.counts.copy()
        # In the smallest coin, so that the parts of a cell's cost are exact as well.
        counts[:, 4] //= unit
        keys = noise.spread(
            np.array(noise.key(0, dimension.name), np.uint64), cells.ad + cells.labels.sum(axis=1)
        )
        offset = noise.uniform(noise.spread(keys, cells.day))
        rows, labels, parts = split(dimension, code, counts, np.floor(offset / _TINY) * _TINY)
        part = cells.take(rows)
        part.labels[:, number] = labels
        whole = np.maximum(part.counts[:, 0], 1)
        part.reach = part.reach * parts[:, 0] / whole
        parts[:, 4] *= unit
        part.counts = parts
        return part.take((parts.sum(axis=1) > 0).nonzero()[0])

    def _conversions(self, start: datetime, end: datetime) -> tuple[Conversions, Ints]:
        """The events, and the hour under which each is reported."""
        world, account = self.book.world, self.book.advertiser.id

        def fetch(by: Literal["click", "conversion"]) -> Conversions:
            return world.conversions(account, start=start, end=end, as_of=self.book.at, by=by)

        if not self.names & _EVENTS:
            nothing = np.zeros(0, np.int64)
            return _take(fetch("click"), nothing), nothing
        kinds = events_of(world.conversion_actions(account))
        off = [action for action, event in kinds.items() if event.off_platform]
        match self.query.report_time:
            case "conversion":
                found = fetch("conversion")
                when = found.hour
            case "mixed":
                clicked, happened = fetch("click"), fetch("conversion")
                on_meta = (~np.isin(clicked.action, off)).nonzero()[0]
                off_meta = np.isin(happened.action, off).nonzero()[0]
                when = np.concatenate([clicked.click_hour[on_meta], happened.hour[off_meta]])
                found = _join(_take(clicked, on_meta), _take(happened, off_meta))
            case _:
                found = fetch("click")
                when = found.click_hour
        keep = self._mine(found.campaign, found.ad_group, found.ad)
        if self.query.hourly:
            keep &= ~np.isin(found.action, off)
        rows = keep.nonzero()[0]
        return _take(found, rows), when[rows]

    def _event_labels(self, events: Conversions, hour: Ints) -> Ints:
        labels = np.zeros((hour.size, len(self.dimensions)), np.int64)
        codes = {"hour": hour, "device": events.device, "network": events.network}
        for number, dimension in enumerate(self.dimensions):
            keys = np.array(noise.key(0, f"event {dimension.name}"), np.uint64)
            mark = keys
            for column in (
                events.ad,
                events.click_hour,
                events.action,
                events.value_micros,
                events.delay_hours,
            ):
                mark = noise.spread(mark, column)
            code = codes.get(dimension.axis, np.zeros(hour.shape, np.int64))
            labels[:, number] = label_events(dimension, code, noise.uniform(mark))
        return labels

    def _group(
        self, spans: Sequence[tuple[int, Span]], cells: _Cells, events: Conversions, when: Ints
    ) -> Table:
        day, hour = _calendar(self.zone, when)
        begins = np.array([span.since.toordinal() - _EPOCH for _, span in spans], np.int64)
        numbers = np.array([number for number, _ in spans], np.int64)

        def keys(days: Ints, campaign: Ints, adset: Ints, ad: Ints, labels: Ints) -> Ints:
            entity = {"campaign": campaign, "adset": adset, "ad": ad}.get(self.query.level, campaign * 0)
            place = np.searchsorted(begins, days, side="right") - 1
            return np.column_stack([numbers[place], entity, labels])

        mine = keys(cells.day, cells.campaign, cells.adset, cells.ad, cells.labels)
        theirs = keys(day, events.campaign, events.ad_group, events.ad, self._event_labels(events, hour))
        both = np.concatenate([mine, theirs])
        first, place = _groups(*both.T)
        rows = both[first]
        counts = np.zeros((len(rows), cells.counts.shape[1]), np.int64)
        np.add.at(counts, place[: len(mine)], cells.counts)
        kinds = events_of(self.book.world.conversion_actions(self.book.advertiser.id))
        return Table(
            span=rows[:, 0],
            entity=rows[:, 1],
            labels=rows[:, 2:],
            impressions=counts[:, 0],
            clicks=counts[:, 1],
            link_clicks=counts[:, 2],
            landings=counts[:, 3],
            cost_micros=counts[:, 4],
            reach=self._people(cells, place[: len(mine)], counts[:, 0]),
            tally=tally(events, place[len(mine) :], len(rows), kinds, self.query.windows),
        )

    def _people(self, cells: _Cells, place: Ints, impressions: Ints) -> Ints | None:
        """Different people behind each row: the cells' people, less those met more than once."""
        if not self.names & _PEOPLE or self.query.hourly:
            return None
        people = np.zeros(impressions.shape)
        np.add.at(people, place, cells.reach * _SEEN_TWICE.get(self.query.level, 1.0))
        for column, power in ((cells.day, _DAYS_OVERLAP), (cells.campaign, _CAMPAIGNS_OVERLAP)):
            first, _ = _groups(place, column)
            met = np.bincount(place[first], minlength=impressions.size)
            people /= np.maximum(met, 1) ** power
        return np.clip(np.rint(people), np.minimum(impressions, 1), impressions).astype(np.int64)


def _groups(*columns: Ints) -> tuple[Ints, Ints]:
    """The rows that are equal in all columns as one: (a row of each group, each row's group), in order."""
    key = np.zeros(columns[0].shape, np.int64)
    for column in columns:
        known, rank = np.unique(column, return_inverse=True)
        key = key * max(known.size, 1) + rank
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return first, place


def _take(events: Conversions, rows: Ints) -> Conversions:
    return Conversions(*(getattr(events, name)[rows] for name in Conversions.__slots__))


def _join(first: Conversions, second: Conversions) -> Conversions:
    return Conversions(
        *(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Conversions.__slots__)
    )


def compute(book: Book, query: Query) -> Table | None:
    """The query's rows as of the book's moment, in order of span, object and labels.

    None where it asks for a breakdown that has no data in this world.
    """
    if query.dimensions is None:
        return None
    maker = _Maker(book, query, query.dimensions)
    numbered = list(enumerate(query.spans))
    if not query.overlapping:
        return maker.table(numbered)
    return _stack([maker.table([one]) for one in numbered])


def _stack(tables: Sequence[Table]) -> Table:
    def column(name: str) -> Ints:
        return np.concatenate([getattr(table, name) for table in tables])

    return Table(
        **{
            name: column(name)
            for name in ("span", "entity", "labels", "impressions", "clicks", "link_clicks", "landings",
                         "cost_micros")
        },
        reach=None if tables[0].reach is None else column("reach"),
        tally={
            kind: (
                np.concatenate([table.tally[kind][0] for table in tables]),
                np.concatenate([table.tally[kind][1] for table in tables]),
            )
            for kind in tables[0].tally
        },
    )  # fmt: skip
