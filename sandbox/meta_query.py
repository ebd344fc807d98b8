"""An insights request, read and checked: what it asks for, of what, over which days."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from facebook_business.adobjects.adsinsights import AdsInsights

from sandbox.meta_actions import windows
from sandbox.meta_attributes import ATTRIBUTES
from sandbox.meta_catalog import refuse_unknown_metrics, values_of
from sandbox.meta_dates import Span, spans
from sandbox.meta_dimensions import HOURLY, Dimension, ask
from sandbox.meta_errors import GraphError, bad_parameter
from sandbox.meta_fields import parse
from sandbox.meta_filters import Condition, conditions, unsupported
from sandbox.meta_params import choices, flag, names

if TYPE_CHECKING:
    from sandbox.meta_book import Book
    from sandbox.meta_params import Params

__all__ = ["LEVELS", "METRICS", "Query", "read_query"]

LEVELS = ("account", "campaign", "adset", "ad")
METRICS = frozenset(
    {"impressions", "clicks", "inline_link_clicks", "spend", "reach", "frequency", "cpm", "cpc", "ctr",
     "unique_clicks", "date_start"}
)  # fmt: skip
"""What rows can be sorted and filtered by, besides their objects' attributes and single actions."""

_ORDER = {"ascending": False, "descending": True}


@dataclass(frozen=True, slots=True)
class Query:
    """A checked request. `dimensions` is None where a breakdown has no data in this world."""

    kind: str
    object_id: int
    level: str
    spans: tuple[Span, ...]
    overlapping: bool
    """Whether the spans were given one by one and may overlap."""
    fields: tuple[str, ...]
    dimensions: tuple[Dimension, ...] | None
    action_breakdowns: tuple[str, ...]
    windows: tuple[str, ...]
    report_time: str
    conditions: tuple[Condition, ...]
    sort: tuple[tuple[str, bool], ...]
    """(metric, descending)."""
    summary: tuple[str, ...]

    @property
    def hourly(self) -> bool:
        """Whether rows are split by hour, which leaves out what happens off Meta, and reach."""
        return any(dimension.name in HOURLY for dimension in self.dimensions or ())

    @property
    def key(self) -> str:
        """The same for requests that ask the same."""
        told = json.dumps([str(getattr(self, name)) for name in self.__slots__])
        return hashlib.sha256(told.encode()).hexdigest()


def read_query(params: Params, kind: str, object_id: int, book: Book) -> Query:
    """The request that `params` make of an object's insights. Raises GraphError for what Graph refuses."""
    level = params.get("level", kind).strip("\"'")
    if level not in LEVELS:
        raise bad_parameter(f"level must be one of the following values: {', '.join(LEVELS)}")
    if LEVELS.index(level) < LEVELS.index(kind):
        raise GraphError(1, "An unknown error occurred", status=500, subcode=99)
    fields = tuple(field.name for field in parse(params.get("fields", "")))
    refuse_unknown_metrics(fields)
    if not fields:
        ids = [f"{name}_id" for name in LEVELS[1 : LEVELS.index(level) + 1]]
        fields = ("account_id", *ids, "impressions", "spend")
    breakdowns = ask(params, values_of(AdsInsights.Breakdowns), book.today)
    asked = choices(params, "action_attribution_windows", values_of(AdsInsights.ActionAttributionWindows))
    by = choices(params, "action_breakdowns", values_of(AdsInsights.ActionBreakdowns)) or ["action_type"]
    report_time = params.get("action_report_time", "impression").strip("\"'")
    if report_time not in values_of(AdsInsights.ActionReportTime):
        raise bad_parameter(
            "action_report_time must be one of the following values: "
            + ", ".join(sorted(values_of(AdsInsights.ActionReportTime)))
        )
    oldest = min((campaign.created for campaign in book.campaigns.values()), default=book.at)
    days = spans(params, book.today, oldest.astimezone(book.advertiser.timezone).date())
    query = Query(
        kind=kind,
        object_id=object_id,
        level=level,
        spans=tuple(days),
        overlapping=bool(params.get("time_ranges")),
        fields=fields,
        dimensions=breakdowns,
        action_breakdowns=tuple(by),
        windows=windows(asked),
        report_time=report_time,
        conditions=_conditions(params),
        sort=(),
        summary=_summary(params, fields),
    )
    return replace(query, sort=_sort(params, query))


def _conditions(params: Params) -> tuple[Condition, ...]:
    found = conditions(params)
    for condition in found:
        name = condition.field
        known = ATTRIBUTES | METRICS | {"action_type", "account_id"}
        if name not in known and not name.startswith("actions:"):
            raise unsupported(condition)
    return tuple(found)


def _sort(params: Params, query: Query) -> tuple[tuple[str, bool], ...]:
    order = []
    for item in names(params, "sort"):
        metric, _, direction = item.rpartition("_")
        if direction not in _ORDER or not (metric in METRICS or metric.startswith("actions:")):
            raise bad_parameter(f"Sorting by {item} is not supported")
        if query.hourly and metric in {"reach", "frequency"}:
            raise bad_parameter(f"Sorting by {item} is not supported with an hourly breakdown")
        order.append((metric, _ORDER[direction]))
    return tuple(order)


def _summary(params: Params, fields: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of the summary row: those named, or with `default_summary` all that were asked for."""
    text = params.get("summary", "")
    if text.lower() not in {"", "true", "false", "1", "0", "total_count"}:
        asked = names(params, "summary")
        refuse_unknown_metrics(asked)
        missing = [name for name in asked if name not in fields]
        if missing:
            raise bad_parameter(
                f"Cannot include {', '.join(missing)} in summary param because they weren't there while "
                f"creating the report run. All available values are: {', '.join(fields)}"
            )
        return tuple(asked)
    return fields if flag(params, "default_summary") or text.lower() in {"true", "1"} else ()
