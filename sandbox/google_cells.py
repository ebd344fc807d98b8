"""An account's delivery and conversions as a query splits them: cells with a key and integer measures.

Days and hours are the account's own; the hour that a clock repeats is one hour here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.google_snapshot import KEYWORD_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.google_snapshot import Snapshot
    from sandbox.model import Ints

__all__ = ["EPOCH", "MEASURES", "Cells", "Needs", "gather", "utc_bounds"]

EPOCH = date(1970, 1, 1)
_BEGINNING = date(2000, 1, 1)
"""Earlier than anything in a sandbox."""

MEASURES = (
    "impressions",
    "clicks",
    "cost_micros",
    "conversions",
    "conversions_value",
    "all_conversions",
    "all_conversions_value",
    "view_through_conversions",
    "conversions_by_conversion_date",
    "conversions_value_by_conversion_date",
    "all_conversions_by_conversion_date",
    "all_conversions_value_by_conversion_date",
)
"""What cells measure. Conversions are counted in millionths, values in micros."""

_LAG_EDGES = (*range(1, 15), 21, 30, 45, 60)
"""Days at which the buckets of segments.conversion_lag_bucket end."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a query needs to have counted, and by what."""

    traffic: bool
    clicked: bool
    """Conversions by the hour of their click."""
    converted: bool
    """Conversions by their own hour."""
    by_device: bool
    by_network: bool


@dataclass(frozen=True, slots=True)
class Cells:
    """Columns of equal length.

    entity: the row of the snapshot that a cell belongs to. day: since 1970. hour: of the day. device,
    network: as in model.Traffic. action: conversion action id, 0 for traffic. lag: index of the lag bucket.
    view: 1 where a conversion is attributed to a view. measures: by name, (len(MEASURES), n).
    """

    entity: Ints
    day: Ints
    hour: Ints
    device: Ints
    network: Ints
    action: Ints
    lag: Ints
    view: Ints
    measures: Ints

    def where(self, keep: Any) -> Cells:
        """The cells that a mask or index leaves."""
        columns = {name: getattr(self, name)[keep] for name in _COLUMNS}
        return Cells(**columns, measures=self.measures[:, keep])


_COLUMNS = ("entity", "day", "hour", "device", "network", "action", "lag", "view")


def utc_bounds(snapshot: Snapshot, first: date | None, last: date | None) -> tuple[datetime, datetime]:
    """From the local midnight before `first` to the one after `last`, in UTC; an open side has no bound."""
    zone = snapshot.advertiser.timezone
    # Platforms report a day that is still under way, never one to come.
    until = min(last or snapshot.today, snapshot.today) + timedelta(days=1)
    ends = [datetime.combine(day, datetime.min.time(), zone) for day in (first or _BEGINNING, until)]
    return ends[0].astimezone(UTC), ends[1].astimezone(UTC)


def gather(
    snapshot: Snapshot,
    resource: str,
    entities: Mapping[int, int],
    needs: Needs,
    bounds: tuple[datetime, datetime],
) -> Cells:
    """The cells of `bounds` that belong to `entities`, as reported at the snapshot's moment.

    entities: from the id by which the resource is told apart in traffic (see `_owner`) to the entity's row.
    """
    start, end = bounds
    nothing = dict.fromkeys(_COLUMNS, np.zeros(0, np.int64))
    parts = [Cells(**nothing, measures=np.zeros((len(MEASURES), 0), np.int64))]
    if start < end:
        if needs.traffic and resource != "conversion_action":
            parts += _traffic(snapshot, resource, entities, needs, bounds)
        for wanted, by in ((needs.clicked, "click"), (needs.converted, "conversion")):
            if wanted:
                parts += _conversions(snapshot, resource, entities, by, bounds)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return Cells(**columns, measures=np.concatenate([part.measures for part in parts], axis=1))


def _traffic(
    snapshot: Snapshot,
    resource: str,
    entities: Mapping[int, int],
    needs: Needs,
    bounds: tuple[datetime, datetime],
) -> Iterable[Cells]:
    found = snapshot.world.traffic(
        snapshot.customer,
        start=bounds[0],
        end=bounds[1],
        as_of=snapshot.at,
        by_ad=resource in {"ad_group", "ad_group_ad", "keyword_view"},
        by_device=needs.by_device,
        by_network=needs.by_network,
    )
    day, hour = _local(found.hour, snapshot)
    measures = np.zeros((len(MEASURES), len(day)), np.int64)
    measures[:3] = found.impressions, found.clicks, found.cost_micros
    zero = np.zeros(len(day), np.int64)
    for owner, share in _owners(resource, found, measures):
        entity = _rows(owner, entities)
        cells = Cells(entity, day, hour, found.device, found.network, zero, zero, zero, share)
        yield cells.where(entity >= 0)


def _conversions(
    snapshot: Snapshot, resource: str, entities: Mapping[int, int], by: Any, bounds: tuple[datetime, datetime]
) -> Iterable[Cells]:
    found = snapshot.world.conversions(
        snapshot.customer, start=bounds[0], end=bounds[1], as_of=snapshot.at, by=by
    )
    day, hour = _local(found.click_hour if by == "click" else found.hour, snapshot)
    primary = np.isin(found.action, [a.id for a in snapshot.actions.values() if a.primary])
    quantity = np.rint(found.quantity * 1e6).astype(np.int64)
    # What follows a view has a column of its own and is in no other.
    counted, viewed = ~found.view, found.view.astype(np.int64)
    columns = [
        np.where(primary & counted, quantity, 0),
        np.where(primary & counted, found.value_micros, 0),
        np.where(counted, quantity, 0),
        np.where(counted, found.value_micros, 0),
    ]
    measures = np.zeros((len(MEASURES), len(day)), np.int64)
    if by == "click":
        measures[3:7], measures[7] = columns, viewed * 1_000_000
    else:
        measures[8:12] = columns
    entity = _rows(_owner(resource, found), entities)
    lag = np.searchsorted(_LAG_EDGES, found.delay_hours / 24, side="right").astype(np.int64)
    cells = Cells(entity, day, hour, found.device, found.network, found.action, lag, viewed, measures)
    yield cells.where(entity >= 0)


def _owner(resource: str, found: Any) -> Ints:
    """The id that tells the resource's entities apart: a campaign's, an ad group's, an ad's, or 0 for all."""
    if resource == "customer":
        return np.zeros_like(found.campaign)
    if resource == "ad_group_ad":
        return np.asarray(found.ad)
    if resource == "ad_group":
        return np.asarray(found.ad_group)
    if resource == "conversion_action":
        return np.asarray(found.action)
    if resource == "keyword_view":
        # A conversion belongs to one keyword: tenths of the click's hour stand in for the search term.
        tenth = (found.click_hour * 7 + found.ad) % sum(KEYWORD_WEIGHTS)
        rank = np.searchsorted(np.cumsum(KEYWORD_WEIGHTS), tenth, side="right")
        return np.asarray(found.ad_group * 10 + rank)
    return np.asarray(found.campaign)


def _owners(resource: str, found: Any, measures: Ints) -> Iterable[tuple[Ints, Ints]]:
    """The owners of traffic with their parts of its measures, which add up to the whole."""
    if resource != "keyword_view":
        yield _owner(resource, found), measures
        return
    edges = np.concatenate([[0], np.cumsum(KEYWORD_WEIGHTS)])
    cuts = [measures * edge // edges[-1] for edge in edges]
    for rank in range(len(KEYWORD_WEIGHTS)):
        yield np.asarray(found.ad_group * 10 + rank), cuts[rank + 1] - cuts[rank]


def _rows(owner: Ints, entities: Mapping[int, int]) -> Ints:
    """The entity's row for each owner, -1 for owners that are not among the entities."""
    if not entities:
        return np.full(owner.shape, -1, np.int64)
    ids = np.array(sorted(entities), np.int64)
    rows = np.array([entities[int(i)] for i in ids], np.int64)
    place = np.minimum(np.searchsorted(ids, owner), len(ids) - 1)
    return np.where(ids[place] == owner, rows[place], -1)


def _local(hours: Ints, snapshot: Snapshot) -> tuple[Ints, Ints]:
    """Day since 1970 and hour of the day on the account's clock, for hours since 1970 UTC."""
    zone = snapshot.advertiser.timezone
    unique, inverse = np.unique(hours, return_inverse=True)
    local = [datetime.fromtimestamp(hour * 3600, zone) for hour in unique.tolist()]
    days = np.array([(at.date() - EPOCH).days for at in local], np.int64)
    of_day = np.array([at.hour for at in local], np.int64)
    return days[inverse], of_day[inverse]
