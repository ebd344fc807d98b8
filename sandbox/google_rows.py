"""Rows of a report as GoogleAdsRow messages (raw protobuf), written from columns.

What an entity's fields are is written once for each entity; a row is a copy of it with its segments and
metrics set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict

from sandbox.google_attributes import ATTRIBUTES
from sandbox.google_reference import ATTRIBUTED
from sandbox.google_report import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.google_fields import Field
    from sandbox.google_report import Report

__all__ = ["RowWriter"]

_UNKNOWN = 1
"""The number that every enum of the API gives to a constant that the version does not have."""


class RowWriter:
    """Writes a report's rows; one writer may write them in any pieces."""

    def __init__(self, report: Report) -> None:
        plan = report.plan
        self._report = report
        self._prototypes: dict[int, Any] = {}
        self._named = _resource_names(report)
        self._own = [f for f in plan.select if f.resource not in {"metrics", "segments"}]
        self._columns = [
            (part, [f.path[1:] for f in fields], [_numbers(f, report.columns[f.name]) for f in fields])
            for part in ("segments", "metrics")
            if (fields := plan.selected(part))
        ]

    @property
    def mask(self) -> list[str]:
        """The field mask's paths: what was selected, in its order."""
        return list(self._report.plan.query.select)

    def write(self, start: int, stop: int, results: Any) -> None:
        """Append rows [start, stop) to `results`, a repeated field of GoogleAdsRow."""
        entities = self._report.entity[start:stop]
        wanted = {n: self._prototype(n) for n in set(entities)}
        rows = [results.add() for _ in entities]
        for row, entity in zip(rows, entities, strict=True):
            row.CopyFrom(wanted[entity])
        for part, paths, columns in self._columns:
            whole = [getattr(row, part) for row in rows]
            for path, values in zip(paths, columns, strict=True):
                holders = whole
                for name in path[:-1]:
                    holders = [getattr(holder, name) for holder in holders]
                for holder, value in zip(holders, values[start:stop], strict=True):
                    if value is not None:
                        setattr(holder, path[-1], value)

    def summary(self, row: Any) -> None:
        """Set the metrics of the whole report."""
        row.metrics.SetInParent()
        for field in self._report.plan.selected("metrics"):
            value = self._report.summary.get(field.name)
            if value is not None:
                setattr(row.metrics, field.path[-1], value)

    def _prototype(self, entity: int) -> Any:
        if entity not in self._prototypes:
            row = self._report.plan.catalogue.row()
            for path, names in self._named:
                if names[entity] is not None:
                    _put(row, path, names[entity])
            for field in self._own:
                _set(row, field, self._report.attributes[field.name][entity])
            self._prototypes[entity] = row
        return self._prototypes[entity]


def _resource_names(report: Report) -> list[tuple[tuple[str, ...], list[Any]]]:
    """The resource names that come unasked: FROM's, and those of resources that have a field selected."""
    plan = report.plan
    if plan.query.omit_unselected_resource_names:
        return []
    named = {plan.query.resource: f"{plan.query.resource}.resource_name"}
    for field in plan.select:
        if field.resource in ATTRIBUTED:
            named[field.resource] = f"{field.resource}.resource_name"
        if field.name.startswith("ad_group_ad.ad."):
            named["ad"] = "ad_group_ad.ad.resource_name"
    found = []
    for name in named.values():
        resource, _, rest = name.partition(".")
        known = plan.catalogue.field(name)
        if known is not None and rest in ATTRIBUTES.get(resource, {}):
            found.append((known.path, attribute(known, report.entities, report.snapshot)))
    return found


def _numbers(field: Field, values: list[Any]) -> list[Any]:
    """Enum constants as the version's numbers; anything else as it is."""
    if field.enum is None:
        return values
    enum = field.enum
    return [None if value is None else enum.get(value, _UNKNOWN) for value in values]


def _put(row: Any, path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        row = getattr(row, part)
    setattr(row, path[-1], value)


def _set(row: Any, field: Field, value: Any) -> None:
    if value is None:
        return
    holder = row
    for part in field.path[:-1]:
        holder = getattr(holder, part)
    leaf = field.path[-1]
    if field.kind == "MESSAGE":
        if field.message == "google.protobuf.FieldMask":
            getattr(holder, leaf).paths.extend(value)
        elif field.repeated:
            for one in value:
                ParseDict(one, getattr(holder, leaf).add())
        else:
            getattr(holder, leaf).SetInParent()
            ParseDict(value, getattr(holder, leaf))
    elif field.repeated:
        getattr(holder, leaf).extend(_numbers(field, value))
    else:
        setattr(holder, leaf, _numbers(field, [value])[0])
