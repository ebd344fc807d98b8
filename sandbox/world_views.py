"""Blocks as a platform reports them at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from sandbox import noise
from sandbox.model import Auctions, Conversions, Traffic
from sandbox.world_delivery import Block, Leaves, volume
from sandbox.world_events import NEVER
from sandbox.world_grid import SPLIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sandbox.noise import Floats, Ints
    from sandbox.world_events import Events

__all__ = ["auctions_of", "conversions_of", "traffic_of"]

Flags = npt.NDArray[np.bool_]
_Axes = tuple[bool, bool, bool]
"""Whether to split by ad, by device, by network."""

_HOUR, _DAY = 3_600.0, 86_400.0
_CHUNK = 1_000_000
"""Leaves expanded at a time."""
_MEASURES = ("impressions", "clicks", "cost_micros")
_TRAFFIC = ("campaign", "ad_group", "ad", "hour", "device", "network", *_MEASURES)


def traffic_of(
    blocks: Iterable[Block],
    start: datetime,
    end: datetime,
    seen: datetime | None,
    *,
    axes: _Axes,
) -> Traffic:
    """The cells that begin in [start, end), split by (ad, device, network) as asked, seen up to `seen`."""
    parts = [part for block in blocks for part in _block_traffic(block, start, end, seen, axes)]
    return Traffic(*_stack(parts, [np.int64] * len(_TRAFFIC)))


def _stack(parts: Sequence[Sequence[npt.NDArray[Any]]], types: Sequence[type]) -> list[npt.NDArray[Any]]:
    """The parts' columns, each one after the other; empty columns of `types` where there is no part."""
    if not parts:
        return [np.zeros(0, t) for t in types]
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


@dataclass(frozen=True, slots=True)
class _Cells:
    """M cells of a block. filled: share (0..1) that had happened. invalid: whether such clicks still show."""

    c: Ints
    d: Ints
    s: Ints
    filled: Floats
    invalid: Flags

    def at(self, pick: Ints | slice) -> _Cells:
        return _Cells(self.c[pick], self.d[pick], self.s[pick], self.filled[pick], self.invalid[pick])


def _block_traffic(
    block: Block, start: datetime, end: datetime, seen: datetime | None, axes: _Axes
) -> Iterable[list[Ints]]:
    begin = block.days.start
    inside = block.days.valid & (begin >= start.timestamp()) & (begin < end.timestamp())
    if seen is not None:
        inside &= begin < seen.timestamp()
    d, s = inside.nonzero()
    if not d.size:
        return
    rows = np.arange(len(block.grid.campaign))
    c = np.repeat(rows, d.size)
    d, s = np.tile(d, rows.size), np.tile(s, rows.size)
    cells = _Cells(c, d, s, _filled(block, c, d, s, seen), _with_invalid(block, c, d, s, seen))
    whole, part = (cells.filled >= 1).nonzero()[0], ((cells.filled > 0) & (cells.filled < 1)).nonzero()[0]
    if any(axes):
        yield from _chunks(block, cells.at(whole), axes, partial=False)
    else:
        yield _plain(block, cells.at(whole))
    yield from _chunks(block, cells.at(part), axes, partial=True)


def _filled(block: Block, c: Ints, d: Ints, s: Ints, seen: datetime | None) -> Floats:
    """Share (0..1) of each cell's delivery that had happened at `seen`; incidents bend the hour's course."""
    if seen is None:
        return np.ones(c.shape)
    begin = block.days.start[d, s]
    share = np.clip((seen.timestamp() - begin) / _HOUR, 0, 1)
    part = ((share > 0) & (share < 1)).nonzero()[0]
    if part.size:
        at = begin[part]
        whole = volume(block.seed, block.grid, block.incidents, at, at + _HOUR)
        until = np.full(at.shape, seen.timestamp())
        so_far = volume(block.seed, block.grid, block.incidents, at, until)
        pick = (c[part], np.arange(part.size))
        ratio = so_far[pick] / np.maximum(whole[pick], 1e-9)
        share[part] = np.where(whole[pick] > 0, np.clip(share[part] * ratio, 0, 1), share[part])
    return share


def _with_invalid(block: Block, c: Ints, d: Ints, s: Ints, seen: datetime | None) -> Flags:
    """Whether the cell's invalid clicks are still in the report: they leave it after 24 to 36 hours."""
    if seen is None:
        return np.zeros(c.shape, np.bool_)
    wait = (24 + 12 * block.offset("invalid found", c, block.days.hour[d, s])) * _HOUR
    return np.asarray(seen.timestamp() < block.days.start[d, s] + wait)


def _plain(block: Block, cells: _Cells) -> list[Ints]:
    """Whole cells, not split."""
    at = (cells.c, cells.d, cells.s)
    clicks = block.valid[at] + np.where(cells.invalid, block.invalid[at], 0)
    cost = block.cost[at] + np.where(cells.invalid, block.cost_invalid[at], 0)
    zero = np.zeros(cells.c.shape, np.int64)
    columns = [
        block.grid.campaign[cells.c],
        zero,
        zero,
        block.days.hour[cells.d, cells.s],
        zero - 1,
        zero - 1,
        clicks + block.unclicked[at],
        clicks,
        cost * block.grid.setup.unit,
    ]
    some = columns[6] > 0
    return [column[some] for column in columns]


def _chunks(block: Block, cells: _Cells, axes: _Axes, *, partial: bool) -> Iterable[list[Ints]]:
    step = max(_CHUNK // (block.grid.ad.shape[1] * SPLIT), 1)
    for n in range(0, cells.c.size, step):
        yield _split(block, cells.at(slice(n, n + step)), axes, partial=partial)


def _split(block: Block, cells: _Cells, axes: _Axes, *, partial: bool) -> list[Ints]:
    by_ad, by_device, by_network = axes
    c, d, s = cells.c, cells.d, cells.s
    # An hour that is still filling is always worked out by leaf, so that every split adds up to the same.
    ads_only = not (partial or by_device or by_network)
    leaves = block.leaves(c, d, s, ads_only=ads_only)
    if partial:
        leaves = _partly(block, leaves, cells)
    late = cells.invalid[:, None]
    clicks = leaves.valid + np.where(late, leaves.invalid, 0)
    cost = leaves.cost + np.where(late, leaves.cost_invalid, 0)
    shape = (c.size, block.grid.ad.shape[1], *((1, 1) if ads_only else (3, 3)))
    folded = [
        _fold(values.reshape(shape), axes)
        for values in (clicks + leaves.unclicked, clicks, cost * block.grid.setup.unit)
    ]
    n, a, device, network = folded[0].nonzero()
    row = c[n]
    zero = np.zeros(n.shape, np.int64)
    return [
        block.grid.campaign[row],
        block.grid.ad_group[row, a] if by_ad else zero,
        block.grid.ad[row, a] if by_ad else zero,
        block.days.hour[d[n], s[n]],
        device if by_device else zero - 1,
        network if by_network else zero - 1,
        *(values[n, a, device, network] for values in folded),
    ]


def _fold(values: Ints, axes: _Axes) -> Ints:
    drop = tuple(n + 1 for n, kept in enumerate(axes) if not kept)
    return np.asarray(values.sum(axis=drop, keepdims=True)) if drop else values


def _partly(block: Block, leaves: Leaves, cells: _Cells) -> Leaves:
    """The leaves of an hour that is still filling: each grows by whole counts, none ever shrinks."""
    hour = block.days.hour[cells.d, cells.s]
    keys = noise.spread(noise.spread(noise.key(block.seed, "filling"), block.grid.campaign)[cells.c], hour)
    ripe = noise.uniform(noise.spread(keys[:, None], np.arange(leaves.valid.shape[1])))

    def grown(counts: Ints) -> Ints:
        return np.floor(counts * cells.filled[:, None] + ripe).astype(np.int64)

    valid, invalid, unclicked = grown(leaves.valid), grown(leaves.invalid), grown(leaves.unclicked)
    google = block.grid.setup.platform == "google_ads"
    billed, of = (valid, leaves.valid) if google else (valid + unclicked, leaves.valid + leaves.unclicked)
    return Leaves(
        valid,
        invalid,
        unclicked,
        leaves.cost * billed // np.maximum(of, 1),
        leaves.cost_invalid * invalid // np.maximum(leaves.invalid, 1),
    )


_CONVERSIONS = (np.int64,) * 8 + (np.float64, np.int64, np.bool_, np.int64)


def conversions_of(
    pairs: Iterable[tuple[Block, Events]],
    window: tuple[datetime, datetime, datetime],
    seen: datetime | None,
    by: Literal["click", "conversion"],
) -> Conversions:
    """Events whose click's (or own) clock hour begins in the window and that are known at `seen`.

    window: (earliest click, start, end).
    """
    earliest, start, end = (moment.timestamp() for moment in window)
    parts = []
    for block, events in pairs:
        grid, days = block.grid, block.days
        click = days.start[events.d, events.s]
        # Clock hours of a half-hour zone begin at half past by UTC.
        shift = days.start[0, 0] % _HOUR
        own = np.floor((events.at - shift) / _HOUR) * _HOUR + shift
        moment = click if by == "click" else own
        keep = (click >= earliest) & (moment >= start) & (moment < end)
        if seen is None:
            keep &= events.retracted == NEVER
        else:
            keep &= (events.reported <= seen.timestamp()) & (events.retracted > seen.timestamp())
        left = keep.nonzero()[0]
        c, leaf = events.c[left], events.leaf[left]
        actions = np.array([a.action.id for a in grid.setup.actions], np.int64)
        parts.append(
            [
                grid.campaign[c],
                grid.ad_group[c, leaf // SPLIT],
                grid.ad[c, leaf // SPLIT],
                days.hour[events.d[left], events.s[left]],
                np.ceil(own[left] / _HOUR).astype(np.int64),
                leaf % SPLIT // 3,
                leaf % 3,
                actions[events.action[left]],
                events.credit[left] / 1e6,
                events.value[left] * grid.setup.unit,
                events.view[left],
                (events.at[left] - events.clicked[left]) // 3600,
            ]
        )
    return Conversions(*_stack(parts, _CONVERSIONS))


def auctions_of(blocks: Sequence[Block], traffic: Traffic, as_of: datetime | None) -> Auctions:
    """Shares by campaign and local day for the traffic's cells."""
    parts = []
    for block in blocks:
        grid, days = block.grid, block.days
        count, width = len(grid.campaign), days.start.shape[0]
        totals = np.zeros((count, width), np.int64)
        order = np.argsort(grid.campaign)
        hours = days.hour[days.valid]
        mine = np.isin(traffic.hour, hours)
        row = order[np.searchsorted(grid.campaign[order], traffic.campaign[mine])]
        day = np.broadcast_to(np.arange(width)[:, None], days.hour.shape)[days.valid]
        np.add.at(totals, (row, day[np.searchsorted(hours, traffic.hour[mine])]), traffic.impressions[mine])
        ready = np.ones(width, np.bool_)
        if as_of is not None and grid.setup.platform == "google_ads":
            ready = as_of.timestamp() >= days.start[:, 0] + _DAY + 18 * _HOUR
        c, d = ((totals > 0) & ready[None]).nonzero()
        number = days.first + np.arange(width)
        keys = noise.spread(noise.key(block.seed, "rank"), grid.campaign)[:, None]
        outranked = np.clip(0.24 + 0.09 * noise.smooth(keys, number[None] / 4), 0.02, 0.6)
        rank = (1 - block.lost_to_budget) * outranked
        keys = noise.spread(noise.key(block.seed, "frequency"), grid.campaign)[:, None]
        often = 1.25 + 0.2 * np.exp(0.4 * noise.smooth(keys, number[None] / 5))
        shown = totals[c, d]
        share = np.maximum(1 - block.lost_to_budget - rank, 1e-3)[c, d]
        parts.append(
            [
                grid.campaign[c],
                number[d],
                shown,
                np.rint(shown / share).astype(np.int64),
                block.lost_to_budget[c, d],
                rank[c, d],
                np.maximum(np.rint(shown / often[c, d]), 1).astype(np.int64),
            ]
        )
    types = (np.int64,) * 4 + (np.float64, np.float64, np.int64)
    return Auctions(*_stack(parts, types))
