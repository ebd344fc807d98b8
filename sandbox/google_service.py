"""Google Ads' services as functions from requests to messages; google_ads and google_rest carry them.

Faults that a world has in store show here as exceptions: Broken, Cut and Malformed are what the transports
make of them.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from sandbox.gaql import parse
from sandbox.google_access import accessible, admit, authenticate
from sandbox.google_check import check
from sandbox.google_errors import Broken, Refused, types
from sandbox.google_field_service import find_fields
from sandbox.google_fields import catalogue
from sandbox.google_quota import momentary
from sandbox.google_report import Report, answer
from sandbox.google_rows import RowWriter
from sandbox.google_snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.google_quota import Quota
    from sandbox.model import Advertiser, Faults, World
    from sandbox.oauth import Tokens

__all__ = ["PAGE", "Call", "Cut", "Malformed", "Service", "request_id"]

PAGE = 10_000
"""Rows of a Search page and of a SearchStream chunk."""

_TOKEN_LIFE = timedelta(hours=2)
_KEPT = 4
"""Answers that are kept for the pages still to be asked for; any other is worked out again."""

_SUMMARY_WITH_RESULTS, _SUMMARY_ONLY = 3, 4


class Cut(Exception):
    """The connection breaks off."""


class Malformed(Exception):
    """The reply is no message of the protocol."""


@dataclass(frozen=True, slots=True)
class Call:
    """What comes with every request. metadata: header names in lower case."""

    version: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Answer:
    report: Report
    writer: RowWriter


def request_id() -> str:
    """A fresh request id, as long as the service's."""
    return secrets.token_urlsafe(17)[:22]


class Service:
    """The sandbox's Google Ads. Thread-safe."""

    def __init__(self, world: World, tokens: Tokens, quota: Quota) -> None:
        self.quota = quota
        self._world = world
        self._tokens = tokens
        self._calls = count()
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, int, str, datetime], _Answer] = OrderedDict()

    def now(self) -> datetime:
        """The sandbox's time."""
        return self._world.clock.now()

    def faults(self, customer: str) -> Faults:
        """What is wrong for calls about this customer, or about none ("")."""
        number = int(customer) if customer.isdigit() else None
        return self._world.faults("google_ads", number, at=self.now())

    def accessible_customers(self, call: Call) -> Any:
        """ListAccessibleCustomersResponse."""
        self._enter(call, "", counted=True)
        response: Any = types(
            call.version, "services.types.customer_service"
        ).ListAccessibleCustomersResponse.pb()
        return response(resource_names=accessible(self._world, self.now()))

    def search_fields(self, call: Call, request: Any) -> Any:
        """SearchGoogleAdsFieldsResponse."""
        self._enter(call, "", counted=not request.page_token)
        return find_fields(call.version, request)

    def search(self, call: Call, request: Any) -> Any:
        """SearchGoogleAdsResponse: one page."""
        self._check_search(request)
        faults = self._enter(call, request.customer_id, counted=not request.page_token)
        account = self._admit(call, request.customer_id)
        wanted = request.search_settings
        response = types(call.version, "services.types.google_ads_service").SearchGoogleAdsResponse.pb()()
        start, at, further = 0, self.now(), False
        if request.page_token:
            start, at = self._read_token(request)
            further = True
        summed = wanted.return_summary_row
        found = self._answer(call.version, account, request.query, at, summed=summed, further=further)
        response.field_mask.paths.extend(found.writer.mask)
        if faults.break_stream:
            raise Cut
        if request.validate_only:
            return response
        total = len(found.report)
        stop = start if faults.empty_page and not further else min(start + PAGE, total)
        if not wanted.omit_results:
            found.writer.write(start, stop, response.results)
            if stop < total:
                response.next_page_token = _token(request, stop, at)
        if wanted.return_summary_row and not response.next_page_token:
            found.writer.summary(response.summary_row)
        if wanted.return_total_results_count:
            response.total_results_count = found.report.total
        return response

    def stream(self, call: Call, request: Any, id_: str) -> Iterator[Any]:
        """SearchGoogleAdsStreamResponse: chunks."""
        faults = self._enter(call, request.customer_id, counted=True)
        account = self._admit(call, request.customer_id)
        setting = request.summary_row_setting
        summed = setting in {_SUMMARY_WITH_RESULTS, _SUMMARY_ONLY}
        found = self._answer(call.version, account, request.query, self.now(), summed=summed)
        chunk = types(call.version, "services.types.google_ads_service").SearchGoogleAdsStreamResponse.pb()
        total = 0 if setting == _SUMMARY_ONLY else len(found.report)
        for start, stop in _pieces(
            total, halved=faults.break_stream or faults.empty_page, gap=faults.empty_page
        ):
            response = chunk(request_id=id_)
            response.field_mask.paths.extend(found.writer.mask)
            found.writer.write(start, stop, response.results)
            if summed and stop == total:
                found.writer.summary(response.summary_row)
            yield response
            if faults.break_stream:
                raise Cut

    def _check_search(self, request: Any) -> None:
        if request.page_size:
            raise Refused(
                "request_error",
                "PAGE_SIZE_NOT_SUPPORTED",
                "Setting the page size is not supported. Search Responses will have fixed page size of "
                f"'{PAGE}' rows.",
            )
        if request.validate_only and request.page_token:
            raise Refused(
                "request_error",
                "VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN",
                "page_token is set in the validate only request",
            )
        if request.validate_only and request.search_settings.return_summary_row:
            raise Refused(
                "request_error",
                "CANNOT_RETURN_SUMMARY_ROW_FOR_VALIDATE_ONLY_REQUESTS",
                "return_summary_row should not be enabled for validate only requests.",
            )

    def _enter(self, call: Call, customer: str, *, counted: bool) -> Faults:
        """Let the call in; its account, if it has one, is looked at later, as the service does."""
        faults = self.faults(customer)
        if faults.malformed:
            raise Malformed
        if faults.outage:
            raise Broken
        now = self.now()
        authenticate(call.metadata, self._tokens, now=now, revoked=faults.token_revoked)
        if counted:
            self.quota.take(customer, now)
        if faults.throttled and next(self._calls) % 2 == 0:
            raise momentary(5)
        return faults

    def _admit(self, call: Call, customer: str) -> Advertiser:
        return admit(self._world, customer, call.metadata, at=self.now())

    def _answer(
        self,
        version: str,
        account: Advertiser,
        query: str,
        at: datetime,
        *,
        summed: bool,
        further: bool = False,
    ) -> _Answer:
        """Work the answer out, or for a further page of it find it again."""
        key = (version, account.id, query, at)
        with self._lock:
            if further and key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        snapshot = Snapshot(self._world, account, at)
        plan = check(parse(query), catalogue(version), now=snapshot.local(at), manager=account.manager)
        if summed and not plan.selected("metrics"):
            raise Refused(
                "request_error",
                "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS",
                "return_summary_row cannot be enabled if request did not select any metrics field.",
            )
        report = answer(plan, snapshot)
        found = _Answer(report, RowWriter(report))
        if len(report) > PAGE:
            with self._lock:
                self._answers[key] = found
                while len(self._answers) > _KEPT:
                    self._answers.popitem(last=False)
        return found

    def _read_token(self, request: Any) -> tuple[int, datetime]:
        """Where the page starts, and as of when."""
        invalid = Refused(
            "request_error",
            "INVALID_PAGE_TOKEN",
            "Next page token specified in user request is invalid.",
        )
        try:
            mark, start, micros = json.loads(base64.urlsafe_b64decode(request.page_token))
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        except (ValueError, TypeError, OverflowError):
            raise invalid from None
        if mark != _mark(request) or not isinstance(start, int) or start < 0:
            raise invalid
        if self.now() - at > _TOKEN_LIFE:
            raise Refused(
                "request_error",
                "EXPIRED_PAGE_TOKEN",
                "Next page token specified in user request has expired.",
            )
        return start, at


def _token(request: Any, start: int, at: datetime) -> str:
    """A token holds all that is needed to go on: the world gives the same answer as of the same moment."""
    micros = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(json.dumps([_mark(request), start, micros]).encode()).decode()


def _mark(request: Any) -> int:
    return zlib.crc32(f"{request.customer_id} {request.query}".encode())


def _pieces(total: int, *, halved: bool, gap: bool) -> Iterator[tuple[int, int]]:
    """Spans of rows, one a chunk. halved: the first chunk is half as long; gap: and an empty one follows."""
    start = 0
    first = min((total + 1) // 2, PAGE // 2) if halved else PAGE
    while True:
        stop = min(start + (PAGE if start else first), total)
        yield start, stop
        if gap and start == 0 and stop < total:
            yield stop, stop
        if stop >= total:
            return
        start = stop
