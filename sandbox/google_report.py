"""Answers a plan: rows of an account's entities, split by segments, with their metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.google_attributes import ATTRIBUTES
from sandbox.google_cells import MEASURES, Cells, Needs, gather, utc_bounds
from sandbox.google_experiments import Effects
from sandbox.google_fields import CONVERSION_SEGMENTS
from sandbox.google_metrics import SHARES, column, measures_of
from sandbox.google_segments import OF_ENTITIES, segment
from sandbox.google_shares import Shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.google_check import Plan
    from sandbox.google_fields import Field
    from sandbox.google_snapshot import Joined, Snapshot
    from sandbox.model import Ints

__all__ = ["Report", "answer"]

_BY_CONVERSION_DATE = tuple(name for name in MEASURES if name.endswith("by_conversion_date"))


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of an answer.

    entity: for each row, its index into `entities`. attributes: the values of each own field, by entity.
    columns: the values of each selected segment and metric, by row. summary: each metric over all rows.
    """

    plan: Plan
    snapshot: Snapshot
    entities: Sequence[Joined]
    entity: list[int]
    attributes: dict[str, list[Any]]
    columns: dict[str, list[Any]]
    summary: dict[str, Any]
    total: int
    """How many rows there would be without LIMIT."""

    def __len__(self) -> int:
        return len(self.entity)


def answer(plan: Plan, snapshot: Snapshot) -> Report:
    """Work out the whole answer; paging is its reader's matter."""
    entities = _entities(plan, snapshot)
    attributes = {field.name: attribute(field, entities, snapshot) for field in plan.attributes}
    counted = [field.name for field in (*plan.used("metrics"), *plan.selected("segments"))]
    if counted and entities and plan.query.resource == "experiment":
        effects, sums = Effects(plan, snapshot, entities), np.zeros((len(MEASURES), 0), np.int64)
        told = (*plan.used("metrics"), *plan.selected("segments"))
        columns = {field.name: effects.column(field) for field in told}
        keep = _kept(plan, columns, len(effects.rows))
        rows = np.array(effects.rows, np.int64)[keep]
        columns = {name: [values[n] for n in keep] for name, values in columns.items()}
    elif counted and entities:
        rows, columns, sums = _split(plan, snapshot, entities)
    else:
        rows, sums = np.arange(len(entities)), np.zeros((len(MEASURES), 0), np.int64)
        columns = {name: [] for name in counted}
    order = _ordered(plan, rows.tolist(), attributes, columns)
    found = len(order)
    if plan.query.limit is not None:
        order = order[: plan.query.limit]
    total = dict(zip(MEASURES, sums[:, order].sum(axis=1, keepdims=True), strict=True)) if sums.size else {}
    return Report(
        plan,
        snapshot,
        entities,
        rows[order].tolist() if order else [],
        attributes,
        {name: [values[n] for n in order] for name, values in columns.items()},
        {f.name: column(f.path[-1], f.kind, total, 1)[0] for f in plan.selected("metrics") if total},
        found,
    )


def attribute(field: Field, rows: Sequence[Joined], snapshot: Snapshot) -> list[Any]:
    """An own field's value in each row; None where the row has no such entity, or the field is unset."""
    resource, _, name = field.name.partition(".")
    value = ATTRIBUTES.get(resource, {}).get(name)
    if value is None:
        return [None] * len(rows)
    found = (row.get(resource) for row in rows)
    return [None if one is None else value(one, snapshot) for one in found]


def _entities(plan: Plan, snapshot: Snapshot) -> list[Joined]:
    rows = snapshot.rows(plan)
    for condition in plan.filters:
        told = OF_ENTITIES.get(condition.field.name)
        if told is not None or condition.field.resource not in {"metrics", "segments"}:
            values = (
                [told(row, snapshot) for row in rows] if told else attribute(condition.field, rows, snapshot)
            )
            rows = [row for row, value in zip(rows, values, strict=True) if condition.test(value)]
    return rows


def _split(
    plan: Plan, snapshot: Snapshot, entities: Sequence[Joined]
) -> tuple[Ints, dict[str, list[Any]], Ints]:
    """For each row its entity, its segments and metrics, and its measures (len(MEASURES), rows)."""
    segments = [field for field in plan.selected("segments") if field.name not in OF_ENTITIES]
    cells = _filtered(plan, snapshot, _cells(plan, snapshot, entities))
    codes = [segment(field.name).code(cells) for field in segments]
    rows, keys, sums = _grouped(cells.entity, codes, cells.measures)
    if not segments:
        # Unsplit, every entity has its row, with zeros where nothing was delivered.
        whole = np.zeros((len(MEASURES), len(entities)), np.int64)
        whole[:, rows] = sums
        rows, sums = np.arange(len(entities)), whole
    columns = {
        field.name: segment(field.name).values(key, snapshot)
        for field, key in zip(segments, keys, strict=True)
    }
    for field in plan.selected("segments"):
        if field.name in OF_ENTITIES:
            columns[field.name] = [OF_ENTITIES[field.name](entities[n], snapshot) for n in rows]
    by_name = dict(zip(MEASURES, sums, strict=True))
    metrics = plan.used("metrics")
    shares = Shares(plan, snapshot, entities) if any(f.path[-1] in SHARES for f in metrics) else None
    for field in metrics:
        if shares is not None and field.path[-1] in SHARES:
            dated = {f.name: key for f, key in zip(segments, keys, strict=True)}
            columns[field.name] = shares.column(field.path[-1], rows, dated)
        else:
            columns[field.name] = column(field.path[-1], field.kind, by_name, len(rows))
    keep = _kept(plan, columns, len(rows))
    return rows[keep], {name: [values[n] for n in keep] for name, values in columns.items()}, sums[:, keep]


def _cells(plan: Plan, snapshot: Snapshot, entities: Sequence[Joined]) -> Cells:
    measures = {name for field in plan.used("metrics") for name in measures_of(field.path[-1])}
    segments = {field.name for field in plan.selected("segments")}
    converted = bool(segments & CONVERSION_SEGMENTS)
    dated = bool(measures & set(_BY_CONVERSION_DATE))
    clicked = bool(measures & set(MEASURES[3:8]))
    needs = Needs(
        # Without any metric of its own a query is answered for what was shown, or converted.
        traffic=bool(measures & set(MEASURES[:3]))
        or not (clicked or dated or converted)
        or _shares_only(plan),
        clicked=clicked or (converted and not dated),
        converted=dated,
        by_device="segments.device" in segments,
        by_network="segments.ad_network_type" in segments,
    )
    owners = {_owner_id(plan.query.resource, row): n for n, row in enumerate(entities)}
    if plan.query.resource == "campaign_budget":
        owners = _budget_owners(entities, snapshot)
    return gather(snapshot, plan.query.resource, owners, needs, utc_bounds(snapshot, *plan.days))


def _shares_only(plan: Plan) -> bool:
    metrics = plan.used("metrics")
    return bool(metrics) and all(field.path[-1] in SHARES for field in metrics)


def _owner_id(resource: str, row: Joined) -> int:
    """The id by which google_cells tells the resource's entities apart."""
    if resource == "customer":
        return 0
    if resource == "keyword_view":
        keyword = row["keyword_view"]
        return int(keyword.ad_group * 10 + keyword.rank)
    if resource == "asset_group":
        return int(row["asset_group"].campaign)
    return int(row[resource].id)


def _budget_owners(entities: Sequence[Joined], snapshot: Snapshot) -> dict[int, int]:
    """A budget's cells are those of its campaigns, or of the one campaign that its row names."""
    owners: dict[int, int] = {}
    for n, row in enumerate(entities):
        named = row.get("campaign")
        held = (
            [named]
            if named
            else [c for c in snapshot.campaigns.values() if c.budget == row["campaign_budget"].id]
        )
        owners |= dict.fromkeys((c.id for c in held), n)
    return owners


def _filtered(plan: Plan, snapshot: Snapshot, cells: Cells) -> Cells:
    """The cells that pass the conditions on segments, core dates that are not selected included."""
    for condition in plan.filters:
        if condition.field.resource != "segments" or condition.field.name in OF_ENTITIES:
            continue
        split = segment(condition.field.name)
        codes, inverse = np.unique(split.code(cells), return_inverse=True)
        passed = np.array([condition.test(v) for v in split.values(codes, snapshot)], np.bool_)
        if not passed.all():
            cells = cells.where(passed[inverse])
    return cells


def _grouped(entity: Ints, codes: Sequence[Ints], measures: Ints) -> tuple[Ints, list[Ints], Ints]:
    """The distinct (entity, *codes) in order, as columns, with the sums of each one's measures."""
    key = entity
    for code in codes:
        unique, inverse = np.unique(code, return_inverse=True)
        key = key * max(len(unique), 1) + inverse
    order = np.argsort(key, kind="stable")
    if not order.size:
        return entity, list(codes), measures
    sorted_key = key[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(sorted_key)) + 1])
    first = order[starts]
    return entity[first], [code[first] for code in codes], np.add.reduceat(measures[:, order], starts, axis=1)


def _kept(plan: Plan, columns: dict[str, list[Any]], rows: int) -> list[int]:
    """Rows that pass the conditions on metrics; when split, those in which a selected metric is not zero."""
    keep = list(range(rows))
    for condition in plan.filters:
        if condition.field.resource == "metrics":
            values = columns[condition.field.name]
            keep = [n for n in keep if condition.test(values[n])]
    selected = [columns[field.name] for field in plan.selected("metrics")]
    if plan.selected("segments") and selected:
        keep = [n for n in keep if any(values[n] for values in selected)]
    return keep


def _ordered(
    plan: Plan, rows: list[int], attributes: dict[str, list[Any]], columns: dict[str, list[Any]]
) -> list[int]:
    order = list(range(len(rows)))
    for field, descending in reversed(plan.order_by):
        values = columns.get(field.name)
        if values is None:
            by_entity = attributes[field.name]
            values = [by_entity[n] for n in rows]
        enum = field.enum or {}
        ranks = [(v is not None, enum.get(v, v) if v is not None else 0) for v in values]
        order.sort(key=ranks.__getitem__, reverse=descending)
    return order
