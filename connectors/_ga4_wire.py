"""The wire to the Google Analytics Data API: reports over one authorised gRPC channel, and what they cost.

Messages are the official client's, without the proto-plus shells that it puts around every value. Every
request asks how the property's quotas stand, so that the wall is seen before it is hit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.analytics.data_v1beta import types
from google.api_core.gapic_v1.client_info import ClientInfo
from google.api_core.gapic_v1.routing_header import to_grpc_metadata

from connectors._ga4_errors import REAUTHORISE, translate
from connectors._google_login import Login
from connectors.errors import RateLimited, Unavailable, Unexpected

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from connectors._google_login import LoginSettings
    from connectors.contract import Usage

__all__ = ["PAGE_ROWS", "Report", "Wire"]

PAGE_ROWS: Final = 100_000
"""Rows asked for at once; the API's own limit is 250,000."""

_SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
_OPTIONS = [("grpc.max_receive_message_length", 256 * 1024 * 1024)]
_VERSION = "v1beta"

_STANDARD: Final = {
    "tokens_per_day": 200_000,
    "tokens_per_hour": 40_000,
    "tokens_per_project_per_hour": 14_000,
    "server_errors_per_project_per_hour": 10,
}
"""A standard property's quotas, by category; replies tell what is left of them, not what they are."""
_LARGER: Final = {name: n * (5 if name.startswith("server") else 10) for name, n in _STANDARD.items()}
"""Those of a 360 property."""
_NEAR: Final = 0.9
"""The share of a quota of an hour from which on the property is left alone for a while."""
_PAUSE: Final = timedelta(minutes=15)
_FEW_ERRORS: Final = 2
"""Server errors that must be left before Google closes the property; with fewer we stay away."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report's columns, in the order in which they were asked for.

    thresholded: rows of few users may be withheld. sampled: (events read, events there are), or None.
    """

    dimensions: tuple[list[str], ...]
    metrics: tuple[list[int], ...]
    timezone: str
    thresholded: bool = False
    sampled: tuple[int, int] | None = None


class Wire:
    """Reports of any property that the user may read; costs are added to `usage`. Raises SourceError only."""

    def __init__(self, settings: LoginSettings, usage: Usage) -> None:
        self._timeout = settings.timeout_seconds
        self._usage = usage
        usage.api_version = _VERSION
        self._login = Login(settings, _SCOPE, reauthorise=REAUTHORISE, options=_OPTIONS)

    def report(
        self, of: str, dimensions: Sequence[str], metrics: Sequence[str], first: date, last: date
    ) -> Report:
        """A core report over the property's days first..last, all of its rows."""
        request: Any = types.RunReportRequest.pb()(
            property=f"properties/{of}", return_property_quota=True, limit=PAGE_ROWS
        )
        _ask(request, dimensions, metrics)
        request.date_ranges.add(start_date=first.isoformat(), end_date=last.isoformat())
        for name in dimensions:  # so that pages follow on each other
            request.order_bys.add().dimension.dimension_name = name
        replies: list[Any] = []
        rows = 0
        while True:
            request.offset = len(replies) * PAGE_ROWS
            reply = self._call("RunReport", types.RunReportRequest, types.RunReportResponse, request)
            replies.append(reply)
            rows += len(reply.rows)
            if request.offset + PAGE_ROWS >= reply.row_count:
                break
        if rows != reply.row_count:
            raise Unavailable(f"the reply holds {rows} of {reply.row_count} rows")
        told = reply.metadata
        sampled = [(int(s.samples_read_count), int(s.sampling_space_size)) for s in told.sampling_metadatas]
        return Report(
            *_columns(replies, len(dimensions), len(metrics)),
            timezone=told.time_zone,
            thresholded=told.subject_to_thresholding,
            sampled=sampled[0] if sampled else None,
        )

    def realtime(self, of: str, dimensions: Sequence[str], metrics: Sequence[str]) -> Report:
        """A report on the last 30 minutes."""
        request: Any = types.RunRealtimeReportRequest.pb()(
            property=f"properties/{of}", return_property_quota=True, limit=PAGE_ROWS
        )
        _ask(request, dimensions, metrics)
        reply = self._call(
            "RunRealtimeReport", types.RunRealtimeReportRequest, types.RunRealtimeReportResponse, request
        )
        if len(reply.rows) != reply.row_count:
            raise Unavailable(f"the reply holds {len(reply.rows)} of {reply.row_count} rows")
        return Report(*_columns([reply], len(dimensions), len(metrics)), timezone="")

    def _call(self, method: str, asked: Any, answered: Any, request: Any) -> Any:
        call = self._login.channel.unary_unary(
            f"/google.analytics.data.{_VERSION}.BetaAnalyticsData/{method}",
            request_serializer=asked.pb().SerializeToString,
            response_deserializer=answered.pb().FromString,
        )
        self._login.authorise()
        try:
            reply = call(
                request,
                timeout=self._timeout,
                metadata=[
                    to_grpc_metadata({"property": request.property}),
                    ClientInfo().to_grpc_metadata(),
                ],
            )
        except grpc.RpcError as error:
            self._usage.operations += 1
            told = translate(error, of=request.property)
            if isinstance(told, RateLimited):
                self._usage.retry_after = told.retry_after
            raise told from None
        self._count(reply.property_quota)
        return reply

    def _count(self, quota: Any) -> None:
        """Add what a request cost, in tokens, and stay away from a wall that is near."""
        self._usage.operations += max(quota.tokens_per_day.consumed, 1)
        for name, usual in _STANDARD.items():
            if not quota.HasField(name):
                continue
            left = getattr(quota, name).remaining
            limit = usual if left <= usual else _LARGER[name]
            used = 1 - left / limit
            self._usage.utilisation = max(self._usage.utilisation, used)
            near = left <= _FEW_ERRORS if name.startswith("server") else used >= _NEAR
            if near and name != "tokens_per_day":
                self._usage.retry_after = max(self._usage.retry_after or _PAUSE, _PAUSE)


def _ask(request: Any, dimensions: Sequence[str], metrics: Sequence[str]) -> None:
    for name in dimensions:
        request.dimensions.add(name=name)
    for name in metrics:
        request.metrics.add(name=name)


def _columns(
    replies: Sequence[Any], dimensions: int, metrics: int
) -> tuple[tuple[list[str], ...], tuple[list[int], ...]]:
    """Raises Unexpected where a row has other values than were asked for."""
    rows = [row for reply in replies for row in reply.rows]
    try:
        return (
            tuple([row.dimension_values[n].value for row in rows] for n in range(dimensions)),
            tuple([int(float(row.metric_values[n].value)) for row in rows] for n in range(metrics)),
        )
    except (IndexError, ValueError) as error:
        raise Unexpected(f"a row of the reply cannot be read: {error}") from error
