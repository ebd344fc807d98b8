"""Answers of the Google Analytics Data API: requests for dimensions and metrics over the sites' events.

Messages are the google-analytics-data package's own, without its proto-plus shells. Of the API's hundreds of
fields those are known that a site's traffic can be told by; any other is refused as the API refuses it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from google.analytics.data_v1beta import types

from sandbox.ga4_quota import Refused
from sandbox.ga4_schema import NEVER, NOT_SET, UNTOLD
from sandbox.ga4_visits import KEY_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.ga4_sites import Property
    from sandbox.ga4_visits import Visits

__all__ = ["CORE", "METRICS", "REALTIME", "realtime", "report"]

MOST_ROWS: Final = 250_000
USUAL_ROWS: Final = 10_000
FEW_USERS: Final = 5
"""Rows of fewer users are withheld where the property says so."""

_MINUTES = 30
_QUARTER = 900
"""Seconds: no clock is off by less."""
_UNKNOWN = (
    "Field {name} is not a valid {what}. For a list of valid dimensions and metrics, see "
    "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema "
)


def _local(events: pd.DataFrame, of: Property, form: str) -> pd.Series:
    """Each event's moment on the property's clock; quarters of an hour are turned into words once."""
    places, quarters = pd.factorize(events["at"] // _QUARTER)
    words = [datetime.fromtimestamp(q * _QUARTER, of.timezone).strftime(form) for q in quarters.tolist()]
    return pd.Series(pd.Categorical.from_codes(*_once(places, words)), index=events.index)


def _once(places: Any, words: list[str]) -> tuple[Any, pd.Index]:
    """Codes and categories, each word once and in order."""
    categories = sorted(set(words))
    codes = {word: n for n, word in enumerate(categories)}
    return np.array([codes[word] for word in words], np.int64)[places], pd.Index(categories, dtype=str)


def _untold(events: pd.DataFrame, _: Property, __: datetime) -> pd.Series:
    return pd.Series(NOT_SET, index=events.index)


CORE: Final[dict[str, Any]] = {
    **dict.fromkeys(UNTOLD, _untold),
    "year": lambda events, of, _: _local(events, of, "%Y"),
    "yearMonth": lambda events, of, _: _local(events, of, "%Y%m"),
    "month": lambda events, of, _: _local(events, of, "%m"),
    "day": lambda events, of, _: _local(events, of, "%d"),
    "dayOfWeek": lambda events, of, _: _local(events, of, "%w"),
    "dayOfWeekName": lambda events, of, _: _local(events, of, "%A"),
    "date": lambda events, of, _: _local(events, of, "%Y%m%d"),
    "dateHour": lambda events, of, _: _local(events, of, "%Y%m%d%H"),
    "hour": lambda events, of, _: _local(events, of, "%H"),
    "eventName": lambda events, _, __: events["event"],
    "landingPage": lambda events, _, __: events["page"],
    "sessionDefaultChannelGroup": lambda events, _, __: events["channel"],
    "hostName": lambda events, of, _: pd.Series(of.host, index=events.index),
}
"""Dimensions of reports on what was processed."""

_LIVE_UNTOLD = UNTOLD & {
    "audienceId",
    "audienceName",
    "city",
    "cityId",
    "country",
    "countryId",
    "deviceCategory",
    "platform",
    "streamId",
    "streamName",
    "unifiedScreenName",
}
REALTIME: Final[dict[str, Any]] = {
    **dict.fromkeys(_LIVE_UNTOLD, _untold),
    "minutesAgo": lambda events, _, now: (int(now.timestamp()) // 60 - events["at"] // 60).map(
        lambda n: f"{n:02d}"
    ),
    "eventName": lambda events, _, __: events["event"],
}
"""Dimensions of reports on the last half-hour."""


def _different(events: pd.DataFrame, by: list[str], what: str) -> pd.Series:
    return events.groupby(by, observed=True)[what].nunique()


def _times(events: pd.DataFrame, by: list[str]) -> pd.Series:
    return events.groupby(by, observed=True).size()


def _per(above: str, below: str) -> tuple[str, Any]:
    def ratio(events: pd.DataFrame, by: list[str]) -> pd.Series:
        over: pd.Series = METRICS[below][1](events, by)
        part: pd.Series = METRICS[above][1](events, by).reindex(over.index).fillna(0)
        return part / over

    return "TYPE_FLOAT", ratio


def _none(events: pd.DataFrame, by: list[str]) -> pd.Series:
    return _times(events, by) * 0


METRICS: Final[dict[str, tuple[str, Any]]] = {
    **{name: (kind, _none) for name, kind in NEVER.items()},
    "active1DayUsers": ("TYPE_INTEGER", lambda events, by: _different(events, by, "visitor")),
    "engagementRate": _per("engagedSessions", "sessions"),
    "bounceRate": ("TYPE_FLOAT", lambda events, by: 1 - METRICS["engagementRate"][1](events, by)),
    "sessionsPerUser": _per("sessions", "activeUsers"),
    "eventsPerSession": _per("eventCount", "sessions"),
    "eventCountPerUser": _per("eventCount", "activeUsers"),
    "screenPageViewsPerSession": _per("screenPageViews", "sessions"),
    "screenPageViewsPerUser": _per("screenPageViews", "activeUsers"),
    "sessions": ("TYPE_INTEGER", lambda events, by: _different(events, by, "session")),
    "engagedSessions": (
        "TYPE_INTEGER",
        lambda events, by: _different(events[events["engaged"]], by, "session"),
    ),
    "totalUsers": ("TYPE_INTEGER", lambda events, by: _different(events, by, "visitor")),
    "activeUsers": ("TYPE_INTEGER", lambda events, by: _different(events, by, "visitor")),
    "eventCount": ("TYPE_INTEGER", _times),
    "keyEvents": (
        "TYPE_FLOAT",
        lambda events, by: _times(events[events["event"].isin(KEY_EVENTS)], by),
    ),
    "screenPageViews": (
        "TYPE_INTEGER",
        lambda events, by: _times(events[events["event"] == "page_view"], by),
    ),
}
"""Metrics: the type, and how a group of events tells it."""
_LIVE = {"activeUsers", "eventCount", "keyEvents", "screenPageViews"}


def report(
    of: Property, visits: Visits, request: Any, *, now: datetime, born: datetime, most_events: int
) -> Any:
    """RunReportResponse: what was processed by `now`.

    most_events: more than that are sampled. born: when history begins. Raises Refused.
    """
    _check(request, CORE, METRICS)
    if not request.date_ranges:
        raise Refused("INVALID_ARGUMENT", "Report requests must have at least one date range.")
    if len(request.date_ranges) > 1:
        raise Refused("INVALID_ARGUMENT", "This sandbox answers one date range a report.")
    if not 0 <= request.limit <= MOST_ROWS:
        raise Refused("INVALID_ARGUMENT", f"The limit must be between 1 and {MOST_ROWS}.")
    today = now.astimezone(of.timezone).date()
    asked = request.date_ranges[0]
    first, last = (_day(text, today) for text in (asked.start_date, asked.end_date))
    if last < first:
        raise Refused("INVALID_ARGUMENT", "The start date is after the end date.")
    start = max(datetime.combine(first, datetime.min.time(), of.timezone).astimezone(UTC), born)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), of.timezone).astimezone(UTC)
    response: Any = types.RunReportResponse.pb()(kind="analyticsData#runReport")
    end = min(end, now)
    if start < end:
        events = visits.events(of, start, end)
        events = events[events["processed"] <= now.timestamp()]
        if len(events) > most_events:
            read = response.metadata.sampling_metadatas.add
            read(samples_read_count=most_events, sampling_space_size=len(events))
        table = _table(events, of, request, CORE, now)
        if of.signals:
            kept = table[_users(events, of, request, now) >= FEW_USERS]
            response.metadata.subject_to_thresholding = True
            table = kept
        _write(table, request, response)
    else:
        _write(_empty(request), request, response)
    response.metadata.currency_code, response.metadata.time_zone = of.currency, of.timezone.key
    return response


def realtime(of: Property, visits: Visits, request: Any, *, now: datetime) -> Any:
    """RunRealtimeReportResponse: the last half-hour up to now. Raises Refused."""
    _check(request, REALTIME, {name: METRICS[name] for name in _LIVE})
    if len(request.minute_ranges) > 2:
        raise Refused("INVALID_ARGUMENT", "At most two minute ranges may be asked for.")
    from_, to = _MINUTES - 1, 0
    for span in request.minute_ranges:
        from_ = span.start_minutes_ago if span.HasField("start_minutes_ago") else _MINUTES - 1
        to = span.end_minutes_ago if span.HasField("end_minutes_ago") else 0
        if not 0 <= to <= from_ < _MINUTES:
            raise Refused("INVALID_ARGUMENT", "Minute ranges lie within the last 30 minutes.")
    minute = now.replace(second=0, microsecond=0)
    start = minute - timedelta(minutes=from_)
    end = min(minute - timedelta(minutes=to - 1), now)
    events = visits.events(of, start, end)
    response: Any = types.RunRealtimeReportResponse.pb()(kind="analyticsData#runRealtimeReport")
    _write(_table(events, of, request, REALTIME, now), request, response)
    return response


def _check(request: Any, dimensions: dict[str, Any], metrics: dict[str, Any]) -> None:
    if not request.metrics and not request.dimensions:
        raise Refused("INVALID_ARGUMENT", "Requests must have at least one dimension or metric.")
    if len(request.dimensions) > 9 or len(request.metrics) > 10:
        raise Refused("INVALID_ARGUMENT", "Requests are limited to 9 dimensions and 10 metrics.")
    for what, asked, known in (
        ("dimension", request.dimensions, dimensions),
        ("metric", request.metrics, metrics),
    ):
        for field in asked:
            if field.name not in known:
                raise Refused("INVALID_ARGUMENT", _UNKNOWN.format(name=field.name, what=what))


def _day(text: str, today: date) -> date:
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    if found := re.fullmatch(r"(\d+)daysAgo", text):
        return today - timedelta(days=int(found[1]))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(
            "INVALID_ARGUMENT", f"Invalid date {text!r}: it is YYYY-MM-DD, NdaysAgo, yesterday or today."
        ) from None


def _keyed(
    events: pd.DataFrame, of: Property, request: Any, known: dict[str, Any], now: datetime
) -> tuple[pd.DataFrame, list[str]]:
    """The events that the filter leaves, with a column for each dimension; at least one to group by."""
    names = [d.name for d in request.dimensions]
    asked = set(names) | set(_fields(request.dimension_filter))
    if unknown := asked - set(known):
        raise Refused("INVALID_ARGUMENT", _UNKNOWN.format(name=min(unknown), what="dimension"))
    keyed = events.assign(**{f"d:{name}": known[name](events, of, now) for name in asked}, whole="")
    keyed = keyed[_passes(request.dimension_filter, keyed)]
    return keyed, [f"d:{name}" for name in names] or ["whole"]


def _table(
    events: pd.DataFrame, of: Property, request: Any, known: dict[str, Any], now: datetime
) -> pd.DataFrame:
    """A row for each combination of dimensions that occurs, with a column for each metric."""
    keyed, by = _keyed(events, of, request, known, now)
    columns = {m.name: METRICS[m.name][1](keyed, by) for m in request.metrics}
    return pd.DataFrame(columns, index=_times(keyed, by).index).fillna(0)


def _users(events: pd.DataFrame, of: Property, request: Any, now: datetime) -> pd.Series:
    keyed, by = _keyed(events, of, request, CORE, now)
    return _different(keyed, by, "visitor")


def _empty(request: Any) -> pd.DataFrame:
    names = [*(f"d:{d.name}" for d in request.dimensions), *(m.name for m in request.metrics)]
    return pd.DataFrame({name: np.zeros(0) for name in names})


def _fields(expression: Any) -> list[str]:
    kind = expression.WhichOneof("expr")
    if kind in ("and_group", "or_group"):
        return [n for one in getattr(expression, kind).expressions for n in _fields(one)]
    if kind == "not_expression":
        return _fields(expression.not_expression)
    return [expression.filter.field_name] if kind == "filter" else []


def _passes(expression: Any, keyed: pd.DataFrame) -> Any:
    kind = expression.WhichOneof("expr")
    if kind == "and_group":
        return np.logical_and.reduce([_passes(e, keyed) for e in expression.and_group.expressions])
    if kind == "or_group":
        return np.logical_or.reduce([_passes(e, keyed) for e in expression.or_group.expressions])
    if kind == "not_expression":
        return ~_passes(expression.not_expression, keyed)
    if kind is None:
        return np.ones(len(keyed), np.bool_)
    one = expression.filter
    told = keyed[f"d:{one.field_name}"].astype(str)
    if one.WhichOneof("one_filter") == "in_list_filter":
        return told.isin(list(one.in_list_filter.values)).to_numpy()
    text, match = one.string_filter.value, one.string_filter.match_type
    how: dict[int, Callable[[str], Any]] = {
        2: told.str.startswith,
        3: told.str.endswith,
        4: lambda part: told.str.contains(part, regex=False),
    }
    if match in how:
        return how[match](text).to_numpy()
    if match in (0, 1):
        return (told == text).to_numpy()
    raise Refused("INVALID_ARGUMENT", "This sandbox knows no filters by regular expressions.")


def _write(table: pd.DataFrame, request: Any, response: Any) -> None:
    """Headers, the page of rows that was asked for, and how many there are in all."""
    dimensions, metrics = ([f.name for f in fields] for fields in (request.dimensions, request.metrics))
    for name in dimensions:
        response.dimension_headers.add(name=name)
    for name in metrics:
        response.metric_headers.add(name=name, type_=getattr(types.MetricType, METRICS[name][0]).value)
    told = table.reset_index()
    order = [(told[c], False) for c in told.columns if str(c).startswith("d:")]
    for by in reversed(request.order_bys):
        name = f"d:{by.dimension.dimension_name}" if by.dimension.dimension_name else by.metric.metric_name
        if name not in told.columns:
            raise Refused("INVALID_ARGUMENT", f"{name.removeprefix('d:')} is ordered by and not asked for.")
        order.insert(0, (told[name], by.desc))
    if order:
        keys = [_rank(column, desc=desc) for column, desc in reversed(order)]
        told = told.iloc[np.lexsort(keys)]
    offset = getattr(request, "offset", 0)
    page = told.iloc[offset : offset + (request.limit or USUAL_ROWS)]
    texts = [page[f"d:{name}"].astype(str).tolist() for name in dimensions]
    values = [[str(int(v)) if v == int(v) else str(v) for v in page[name].tolist()] for name in metrics]
    for n in range(len(page)):
        row = response.rows.add()
        for column in texts:
            row.dimension_values.add(value=column[n])
        for column in values:
            row.metric_values.add(value=column[n])
    response.row_count = len(told)


def _rank(column: pd.Series, *, desc: bool) -> Any:
    codes = pd.factorize(column.astype(str) if column.dtype == "category" else column, sort=True)[0]
    return -codes if desc else codes
