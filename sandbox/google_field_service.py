"""GoogleAdsFieldService: the catalogue of fields, asked by name or by a query without FROM."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.gaql import parse
from sandbox.google_check import clash
from sandbox.google_errors import Refused, query_error, types
from sandbox.google_fields import Field, catalogue, describe
from sandbox.google_reference import ATTRIBUTED, reports, splits
from sandbox.google_where import predicate

if TYPE_CHECKING:
    from sandbox.gaql import Query

__all__ = ["field_named", "find_fields"]

_PAGE = 10_000
_CATEGORIES = {"metrics": "METRIC", "segments": "SEGMENT"}


def find_fields(version: str, request: Any) -> Any:
    """SearchGoogleAdsFieldsResponse."""
    module = types(version, "services.types.google_ads_field_service")
    response = module.SearchGoogleAdsFieldsResponse.pb()()
    query = parse(request.query)
    if query.resource:
        raise query_error(
            "UNEXPECTED_FROM_CLAUSE",
            "The FROM clause cannot be used in queries to any service except GoogleAdsService.",
        )
    found = _matching(version, query)
    try:
        start = int(request.page_token or 0)
    except ValueError:
        raise Refused(
            "request_error", "INVALID_PAGE_TOKEN", "Next page token specified in user request is invalid."
        ) from None
    stop = start + (request.page_size or _PAGE)
    for entry in found[start:stop]:
        part = response.results.add()
        for name in ("resource_name", *query.select):
            _copy(entry, part, name)
    if stop < len(found):
        response.next_page_token = str(stop)
    response.total_results_count = len(found)
    return response


def field_named(version: str, name: str) -> Any:
    """GoogleAdsField of a name; raises Refused where there is none."""
    found = [entry for entry in _entries(version) if entry.name == name]
    if not found:
        raise Refused(
            "request_error", "RESOURCE_NOT_FOUND", f"Resource 'googleAdsFields/{name}' was not found."
        )
    return found[0]


def _matching(version: str, query: Query) -> list[Any]:
    message = types(version, "resources.types.google_ads_field").GoogleAdsField.pb().DESCRIPTOR
    names = [*query.select, *(c.field for c in query.where), *(o.field for o in query.order_by)]
    known = {leaf.name.rstrip("_"): leaf for leaf in message.fields}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise query_error("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{unknown[0]}'.")
    fields = {name: describe(name, (known[name].name,), known[name]) for name in names}
    found = list(_entries(version))
    today = datetime.now(UTC).date()
    for condition in query.where:
        field = fields[condition.field]
        test = predicate(condition, field, today)
        found = [entry for entry in found if test(_value(entry, field))]
    for ordering in reversed(query.order_by):
        field = fields[ordering.field]
        found.sort(key=lambda entry, field=field: _value(entry, field), reverse=ordering.descending)  # type: ignore[misc]
    return found if query.limit is None else found[: query.limit]


def _value(entry: Any, field: Field) -> Any:
    value = getattr(entry, field.path[0])
    if field.repeated:
        return list(value)
    if field.enum is not None:
        return next(name for name, number in field.enum.items() if number == value)
    return value


def _copy(source: Any, target: Any, name: str) -> None:
    leaf = next(f for f in source.DESCRIPTOR.fields if f.name.rstrip("_") == name)
    if leaf.is_repeated:
        getattr(target, leaf.name).extend(getattr(source, leaf.name))
    else:
        setattr(target, leaf.name, getattr(source, leaf.name))


@functools.cache
def _entries(version: str) -> tuple[Any, ...]:
    known = catalogue(version)
    metrics = [field.name for field in known.fields("metrics")]
    segments = [field.name for field in known.fields("segments")]
    counted = {r: [m for m in metrics if reports(r, m)] for r in ATTRIBUTED}
    split = {r: [s for s in segments if splits(r, s)] for r in ATTRIBUTED}
    out = []
    for resource in sorted(known.resources):
        beside = sorted(ATTRIBUTED.get(resource, ()))
        mine, parts = counted.get(resource, []), split.get(resource, [])
        entry = _entry(version, resource, "RESOURCE", "MESSAGE")
        entry.attribute_resources.extend(beside)
        entry.metrics.extend(mine)
        entry.segments.extend(parts)
        entry.selectable_with.extend(sorted([*beside, *mine, *parts]))
        out.append(entry)
        for field in known.fields(resource):
            one = _described(version, field, "ATTRIBUTE")
            one.selectable_with.extend(entry.selectable_with)
            out.append(one)
    for group, others in (("metrics", segments), ("segments", metrics)):
        for field in known.fields(group):
            one = _described(version, field, _CATEGORIES[group])
            homes = [r for r in ATTRIBUTED if field.name in (counted if group == "metrics" else split)[r]]
            pairs = ((other, field.name) if group == "metrics" else (field.name, other) for other in others)
            usable = {name for r in homes for name in (split if group == "metrics" else counted)[r]}
            free = {pair[group == "segments"] for pair in pairs if not clash(*pair)} & usable
            one.selectable_with.extend(sorted([*homes, *free]))
            out.append(one)
    return tuple(out)


def _described(version: str, field: Field, category: str) -> Any:
    entry = _entry(version, field.name, category, field.kind)
    entry.selectable = field.selectable
    entry.filterable = field.filterable
    entry.sortable = field.sortable
    entry.is_repeated = field.repeated
    if field.message:
        entry.type_url = field.message
    if field.enum:
        entry.enum_values.extend(field.enum)
    return entry


def _entry(version: str, name: str, category: str, kind: str) -> Any:
    entry: Any = types(version, "resources.types.google_ads_field").GoogleAdsField.pb()(
        resource_name=f"googleAdsFields/{name}", name=name
    )
    values = entry.DESCRIPTOR.fields_by_name
    entry.category = values["category"].enum_type.values_by_name[category].number
    entry.data_type = values["data_type"].enum_type.values_by_name[kind].number
    return entry
