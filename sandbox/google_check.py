"""Whether a query may be asked, and what it asks for: from a Query to a Plan.

The codes are QueryError's and ChangeEventError's, chosen as the service chooses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.google_errors import Refused, query_error
from sandbox.google_fields import CONVERSION_SEGMENTS, CORE_DATES
from sandbox.google_reference import ATTRIBUTED, reports, splits
from sandbox.google_where import Range, date_range, during, predicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from sandbox.gaql import Condition, Query
    from sandbox.google_fields import Catalogue, Field

__all__ = ["CHANGE_LOGS", "Filter", "Plan", "check", "clash"]

CHANGE_LOGS = {
    "change_event": ("change_event.change_date_time", "change_event_error", 30),
    "change_status": ("change_status.last_change_date_time", "change_status_error", 90),
}
"""Per change log: the field of its moment, the kind of its errors, and how many days back it answers."""

_MAX_CHANGES = 10_000

_BY_CONVERSION = frozenset(
    f"metrics.{name}"
    for name in (
        "all_conversions", "all_conversions_by_conversion_date", "all_conversions_value",
        "all_conversions_value_by_conversion_date", "conversions", "conversions_by_conversion_date",
        "conversions_value", "conversions_value_by_conversion_date", "cross_device_conversions",
        "cross_device_conversions_by_conversion_date", "cross_device_conversions_value",
        "cross_device_conversions_value_by_conversion_date", "value_per_all_conversions",
        "value_per_all_conversions_by_conversion_date", "value_per_conversion",
        "value_per_conversions_by_conversion_date", "view_through_conversions",
    )
)  # fmt: skip
"""The metrics that may be split by what was converted."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition, ready to be tried on a field's value."""

    field: Field
    test: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked query. days: what its core date segments leave open; moments: a change log's span."""

    catalogue: Catalogue
    query: Query
    select: tuple[Field, ...]
    filters: tuple[Filter, ...]
    order_by: tuple[tuple[Field, bool], ...]
    days: Range
    moments: tuple[datetime, datetime] | None
    """Both in the account's local time, without a zone."""

    def selected(self, kind: str) -> list[Field]:
        """The selected fields of `metrics` or `segments`."""
        return [field for field in self.select if field.resource == kind]

    def used(self, kind: str) -> list[Field]:
        """The fields of `metrics` or `segments` that are selected, filtered on or sorted by."""
        fields = [*self.select, *(f.field for f in self.filters), *(field for field, _ in self.order_by)]
        return list({field.name: field for field in fields if field.resource == kind}.values())

    @property
    def attributes(self) -> list[Field]:
        """The resources' own fields that are selected, filtered on or sorted by."""
        fields = [*self.select, *(f.field for f in self.filters), *(field for field, _ in self.order_by)]
        found = {field.name: field for field in fields if field.resource not in {"metrics", "segments"}}
        return list(found.values())


def check(query: Query, catalogue: Catalogue, *, now: datetime, manager: bool) -> Plan:
    """Refuse what the service refuses. now: the account's local time, aware. manager: of its account."""
    resource = query.resource
    if not resource:
        raise query_error("EXPECTED_FROM", "Error in query: expected FROM.")
    if resource not in catalogue.resources:
        raise query_error("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"'{resource}' is not a valid resource name.")
    fields = _fields(query, catalogue)
    _clauses(query, fields)
    _resources(query, fields)
    _splits(query, fields, manager=manager)
    today = now.date()
    # The order of these is the service's: a value that fits no field comes before a range that is missing.
    filters = tuple(Filter(fields[c.field], predicate(c, fields[c.field], today)) for c in query.where)
    days = date_range(query.where, fields.get, today)
    if any(name in CORE_DATES for name in query.select) and None in days:
        raise query_error(
            "EXPECTED_FILTERS_ON_DATE_RANGE",
            "If a core date segment is requested in the SELECT clause, the WHERE clause must restrict core "
            "date segments to a finite range.",
        )
    return Plan(
        catalogue=catalogue,
        query=query,
        select=tuple(fields[name] for name in query.select),
        filters=filters,
        order_by=tuple((fields[o.field], o.descending) for o in query.order_by),
        days=days,
        moments=_moments(query, fields, now) if resource in CHANGE_LOGS else None,
    )


def _fields(query: Query, catalogue: Catalogue) -> dict[str, Field]:
    names = dict.fromkeys(
        [*query.select, *(c.field for c in query.where), *(o.field for o in query.order_by)]
    )
    found = {name: catalogue.field(name) for name in names}
    unknown = [name for name, field in found.items() if field is None]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise query_error(
            "UNRECOGNIZED_FIELD", f"Unrecognized field{plural} in the query: {_listed(unknown)}."
        )
    return {name: field for name, field in found.items() if field is not None}


def _clauses(query: Query, fields: dict[str, Field]) -> None:
    for clause, used, attribute, code in (
        ("SELECT", query.select, "selectable", "PROHIBITED_FIELD_IN_SELECT_CLAUSE"),
        ("WHERE", [c.field for c in query.where], "filterable", "PROHIBITED_FIELD_IN_WHERE_CLAUSE"),
        ("ORDER BY", [o.field for o in query.order_by], "sortable", "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE"),
    ):
        wrong = [name for name in used if not getattr(fields[name], attribute)]
        if wrong:
            raise query_error(code, f"The following fields cannot be used in {clause}: {_listed(wrong)}.")
    for name in [*(c.field for c in query.where), *(o.field for o in query.order_by)]:
        ordered = any(o.field == name for o in query.order_by)
        free = fields[name].resource != "segments" or (name in CORE_DATES and not ordered)
        if not free and name not in query.select:
            raise query_error(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
                f"The following field must be present in SELECT clause: '{name}'.",
            )


def _resources(query: Query, fields: dict[str, Field]) -> None:
    if query.resource not in ATTRIBUTED:
        return
    allowed = {query.resource, *ATTRIBUTED[query.resource], "metrics", "segments"}
    for clause, names in (
        ("SELECT", query.select),
        ("WHERE", [*(c.field for c in query.where), *(o.field for o in query.order_by)]),
    ):
        wrong = {fields[name].resource.upper() for name in names} - {name.upper() for name in allowed}
        if wrong:
            verb, noun = ("select", "SELECT") if clause == "SELECT" else ("filter on", "WHERE")
            plural = "s" if len(wrong) > 1 else ""
            raise query_error(
                f"PROHIBITED_RESOURCE_TYPE_IN_{noun}_CLAUSE",
                f"Cannot {verb} fields from the following resource{plural}: {_listed(sorted(wrong))}, since "
                "the resource is incompatible with the resource in FROM clause.",
            )


def _splits(query: Query, fields: dict[str, Field], *, manager: bool) -> None:
    metrics = [name for name, field in fields.items() if field.resource == "metrics"]
    segments = [name for name, field in fields.items() if field.resource == "segments"]
    if metrics and manager:
        raise query_error(
            "REQUESTED_METRICS_FOR_MANAGER",
            "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests "
            "against each client account under the manager account.",
        )
    if query.resource not in ATTRIBUTED:
        return
    wrong = [name for name in segments if not splits(query.resource, name)]
    if wrong:
        raise query_error(
            "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
            _incompatible("segment", wrong, query.resource),
        )
    wrong = [name.partition(".")[2] for name in metrics if not reports(query.resource, name)]
    if wrong:
        raise query_error(
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            _incompatible("metric", wrong, query.resource),
        )
    clashes = {segment: [m for m in metrics if clash(segment, m)] for segment in segments}
    told = ", ".join(
        f"'{segment}'(unsupported metrics: {_listed(sorted(m.partition('.')[2] for m in found))})"
        for segment, found in clashes.items()
        if found
    )
    if told:
        raise query_error(
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            "Cannot select the following segments because at least one unsupported metric is found in SELECT "
            f"or WHERE clause: {told}.",
        )


def clash(segment: str, metric: str) -> bool:
    """Whether a metric cannot be split by a segment."""
    if segment in CONVERSION_SEGMENTS:
        lagging = segment.endswith("lag_bucket") and metric.endswith("by_conversion_date")
        return metric not in _BY_CONVERSION or lagging
    return segment == "segments.hour" and (
        metric.endswith(("impression_share", "by_conversion_date"))
        or metric == "metrics.view_through_conversions"
    )


def _moments(query: Query, fields: dict[str, Field], now: datetime) -> tuple[datetime, datetime]:
    """The span that a change log is asked for: it must be finite, recent, and limited."""
    name, kind, days = CHANGE_LOGS[query.resource]
    local = now.replace(tzinfo=None)
    low: datetime | None = None
    high: datetime | None = None
    for condition in query.where:
        if condition.field == name:
            start, end = _span(condition, fields[name], local.date())
            low = start if low is None else low if start is None else max(low, start)
            high = end if high is None else high if end is None else min(high, end)
    noun = query.resource.replace("_", " ")
    if low is None or high is None:
        raise Refused(
            kind,
            "CHANGE_DATE_RANGE_INFINITE",
            f"The {noun} search request must specify a finite range filter on {name.partition('.')[2]}.",
        )
    if low > high:
        raise Refused(
            kind,
            "CHANGE_DATE_RANGE_NEGATIVE",
            f"The {noun} search request has specified invalid date time filters that can never logically "
            "produce any valid results.",
        )
    if low.date() < local.date() - timedelta(days=days):
        raise Refused(
            kind,
            "START_DATE_TOO_OLD",
            f"The requested start date is too old. It cannot be older than {days} days.",
        )
    if query.limit is None:
        raise Refused(kind, "LIMIT_NOT_SPECIFIED", f"The {noun} search request must specify a LIMIT.")
    if query.limit > _MAX_CHANGES:
        raise Refused(
            kind,
            "INVALID_LIMIT_CLAUSE",
            f"The LIMIT specified by {query.resource} request should be less than or equal to 10K.",
        )
    return low, high


def _span(condition: Condition, field: Field, today: date) -> tuple[datetime | None, datetime | None]:
    if condition.operator == "DURING":
        first, last = during(condition, field, today)
        return _midnight(first), _midnight(last) + timedelta(days=1)
    moments = sorted(_parsed(value.text) for value in condition.values)
    if condition.operator in {"=", "BETWEEN", "IN"}:
        return moments[0], moments[-1]
    if condition.operator in {">", ">="}:
        return moments[0], None
    return (None, moments[0]) if condition.operator in {"<", "<="} else (None, None)


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  # the account's own clock


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _incompatible(kind: str, names: Iterable[str], resource: str) -> str:
    told = ", ".join(
        f"'{name}'(could not support requested resources: '{resource.upper()}')" for name in names
    )
    return (
        f"Cannot select or filter on the following {kind}s: {told}, since {kind} is incompatible with the "  # noqa: S608  # prose
        "resource in the FROM clause or other selected segmenting resources."
    )
