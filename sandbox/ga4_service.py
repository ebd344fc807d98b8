"""The Google Analytics Data API as functions from requests to messages; `ga4` carries them.

What a world has in store of faults shows here: refusals, the service's own errors, replies that break off or
make no sense.
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from google.analytics.data_v1beta import types

from sandbox.ga4_quota import Refused
from sandbox.ga4_report import CORE, METRICS, REALTIME, realtime, report
from sandbox.ga4_sites import properties
from sandbox.ga4_visits import Visits
from sandbox.google_errors import Broken
from sandbox.google_service import Cut, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sandbox.ga4_quota import Category, Quota
    from sandbox.ga4_sites import Property
    from sandbox.model import Faults
    from sandbox.oauth import Tokens
    from sandbox.world import World

__all__ = ["METHODS", "Service"]

METHODS: Final[dict[str, Any]] = {
    "RunReport": types.RunReportRequest,
    "BatchRunReports": types.BatchRunReportsRequest,
    "RunRealtimeReport": types.RunRealtimeReportRequest,
    "GetMetadata": types.GetMetadataRequest,
}
"""The methods that are served, by the message that each takes."""

_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_DENIED = (
    "User does not have sufficient permissions for this property. To learn more about Property ID, see "
    "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id."
)
_BATCH = 5


class Service:
    """The sandbox's Google Analytics. Thread-safe."""

    def __init__(self, world: World, tokens: Tokens, quota: Quota) -> None:
        self.quota = quota
        self._world = world
        self._tokens = tokens
        self._visits = Visits(world)
        self._calls = count()

    def now(self) -> datetime:
        """The sandbox's time."""
        return self._world.clock.now()

    def faults(self, name: str) -> Faults:
        """What is wrong for calls about a property ("properties/123")."""
        found = re.match(r"properties/(\d+)", name)
        return self._world.faults("ga4", int(found[1]) if found else None, at=self.now())

    def call(self, method: str, request: Any, metadata: Mapping[str, str]) -> Any:
        """The answer to a method of METHODS. Raises Refused, Broken, Cut, Malformed."""
        name = request.name.removesuffix("/metadata") if method == "GetMetadata" else request.property
        category: Category = "realtime" if method == "RunRealtimeReport" else "core"
        faults = self.faults(name)
        if faults.malformed:
            raise Malformed
        self._authenticate(metadata, faults)
        of = self._property(name)
        if faults.suspended:
            raise Refused("PERMISSION_DENIED", _DENIED)
        with self._entered(of, category):
            if faults.outage:
                self.quota.failed(of.id, category)
                raise Broken
            if faults.throttled and next(self._calls) % 2 == 0:
                raise Refused(
                    "RESOURCE_EXHAUSTED",
                    "Exhausted concurrent requests quota. Please send fewer requests concurrently.",
                )
            answer = self._answer(method, of, request, faults)
        if faults.break_stream:
            raise Cut
        return answer

    def _answer(self, method: str, of: Property, request: Any, faults: Faults) -> Any:
        if method == "RunReport":
            return self._report(of, request, faults)
        if method == "RunRealtimeReport":
            answer = realtime(of, self._visits, request, now=self.now())
            return self._counted(of, "realtime", request, answer, faults)
        if method == "BatchRunReports":
            if not 1 <= len(request.requests) <= _BATCH:
                raise Refused("INVALID_ARGUMENT", f"A batch has one to {_BATCH} requests.")
            answers = types.BatchRunReportsResponse.pb()(kind="analyticsData#batchRunReports")
            for one in request.requests:
                if one.property not in ("", request.property):
                    raise Refused("INVALID_ARGUMENT", "The reports of a batch are of one property.")
                answers.reports.add().CopyFrom(self._report(of, one, faults))
            return answers
        return _metadata(of)

    def _report(self, of: Property, request: Any, faults: Faults) -> Any:
        answer = report(
            of,
            self._visits,
            request,
            now=self.now(),
            born=self._world.born,
            most_events=self.quota.limits.most_events,
        )
        return self._counted(of, "core", request, answer, faults)

    def _counted(self, of: Property, category: Category, request: Any, answer: Any, faults: Faults) -> Any:
        """The answer with its price: more for more rows and columns."""
        columns = len(request.dimensions) + len(request.metrics)
        tokens = 1 + math.ceil(answer.row_count * columns / 5000)
        told = answer.property_quota if request.return_property_quota else None
        self.quota.spend(of.id, category, tokens, told)
        if faults.empty_page:
            del answer.rows[:]
        return answer

    @contextmanager
    def _entered(self, of: Property, category: Category) -> Iterator[None]:
        self.quota.enter(of.id, category)
        try:
            yield
        finally:
            self.quota.leave(of.id, category)

    def _authenticate(self, metadata: Mapping[str, str], faults: Faults) -> None:
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        valid = self._tokens.state(token.strip(), self.now()) == "valid"
        if scheme.lower() != "bearer" or not valid or faults.token_revoked:
            raise Refused("UNAUTHENTICATED", _CREDENTIALS)

    def _property(self, name: str) -> Property:
        for of in properties(self._world):
            if name == f"properties/{of.id}":
                return of
        if not re.fullmatch(r"properties/\d+", name):
            raise Refused(
                "INVALID_ARGUMENT",
                f"The value {name!r} is not a property: a numeric id such as properties/1234 is needed.",
            )
        raise Refused("PERMISSION_DENIED", _DENIED)


def _metadata(of: Property) -> Any:
    answer: Any = types.Metadata.pb()(name=f"properties/{of.id}/metadata")
    for name in sorted({*CORE, *REALTIME}):
        answer.dimensions.add(api_name=name, ui_name=name)
    for name in METRICS:
        answer.metrics.add(api_name=name, ui_name=name)
    return answer
