"""The REST face of the same services: protobuf's own JSON over HTTPS, and the OAuth token endpoint.

Programs that find oauth2.googleapis.com by name alone reach the token endpoint on this host.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox import oauth
from sandbox.google_errors import VERSIONS, Broken, Refused, failure, types
from sandbox.google_field_service import field_named
from sandbox.google_service import Call, Cut, Malformed, Service, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from sandbox.oauth import Tokens

__all__ = ["app"]

# `customers/customers` is a slip that at least one widely used connector makes, and Google forgives.
_SEARCH = re.compile(r"/(v\d+)/(?:customers/)+([^/:]+)/googleAds:(search|searchStream)")
_ACCESSIBLE = re.compile(r"/(v\d+)/customers:listAccessibleCustomers")
_FIELDS = re.compile(r"/(v\d+)/googleAdsFields:search")
_FIELD = re.compile(r"/(v\d+)/googleAdsFields/([\w.]+)")

_JSON = "application/json; charset=UTF-8"
_NOT_FOUND = "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title><p>The requested URL was not found."
_BAD_GATEWAY = "<!DOCTYPE html><title>Error 502 (Server Error)!!1</title><p>The server encountered an error."


def app(service: Service, tokens: Tokens) -> Starlette:
    """The application that answers for googleads.googleapis.com and for oauth2.googleapis.com."""

    def revoked() -> bool:
        return service.faults("").token_revoked

    api = Route("/{path:path}", _Api(service).handle, methods=["GET", "POST"])
    return Starlette(routes=[*oauth.routes(tokens, service.now, revoked), api])


class _Api:
    """Finds the service of a path and writes its answer, or its refusal, as JSON."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, request: Request) -> Response:
        path = request.url.path
        if request.method == "POST" and (found := _SEARCH.fullmatch(path)):
            version, customer, how = found.groups()
            name = "SearchGoogleAdsStreamRequest" if how == "searchStream" else "SearchGoogleAdsRequest"
            read = ("google_ads_service", name)
            work = self._stream if how == "searchStream" else self._search
            return await self._answer(request, version, customer, read, work)
        if request.method == "POST" and (found := _FIELDS.fullmatch(path)):
            read = ("google_ads_field_service", "SearchGoogleAdsFieldsRequest")
            return await self._answer(request, found[1], "", read, self._fields)
        if request.method == "GET" and (found := _ACCESSIBLE.fullmatch(path)):
            return await self._answer(request, found[1], "", None, self._accessible)
        if request.method == "GET" and (found := _FIELD.fullmatch(path)):
            name = found[2]
            return await self._answer(
                request, found[1], "", None, lambda call, *_: _reply(field_named(call.version, name))
            )
        return HTMLResponse(_NOT_FOUND, 404)

    async def _answer(
        self,
        request: Request,
        version: str,
        customer: str,
        read: tuple[str, str] | None,
        work: Callable[[Call, Any, str], Response],
    ) -> Response:
        if version not in VERSIONS:
            return HTMLResponse(_NOT_FOUND, 404)
        id_ = request_id()
        whole = work != self._stream
        message: Any = None
        if read is not None:
            message = getattr(types(version, f"services.types.{read[0]}"), read[1]).pb()()
            try:
                json_format.Parse(await request.body() or b"{}", message)
            except json_format.ParseError as error:
                text = f"Invalid JSON payload received. {error}"
                return _error({"code": 400, "message": text, "status": "INVALID_ARGUMENT"}, id_, whole=whole)
            if customer:
                message.customer_id = customer
        seconds = self._service.faults(customer).hang_seconds
        if seconds:
            await asyncio.sleep(seconds)
        call = Call(version, {name.lower(): value for name, value in request.headers.items()})
        try:
            response = await run_in_threadpool(work, call, message, id_)
        except Refused as error:
            return _error(_refusal(error, version, id_), id_, whole=whole)
        except Broken:
            body = {"code": 503, "message": Broken.summary, "status": "UNAVAILABLE"}
            return _error(body, id_, whole=whole)
        except Malformed:
            return HTMLResponse(_BAD_GATEWAY, 502)
        except Cut:
            return _Pieces(iter((b'{"results": [{', None)))
        response.headers["request-id"] = id_
        return response

    def _search(self, call: Call, message: Any, _: str) -> Response:
        return _reply(self._service.search(call, message))

    def _fields(self, call: Call, message: Any, _: str) -> Response:
        return _reply(self._service.search_fields(call, message))

    def _accessible(self, call: Call, _: Any, __: str) -> Response:
        return _reply(self._service.accessible_customers(call))

    def _stream(self, call: Call, message: Any, id_: str) -> Response:
        """A JSON array of chunks. The first is worked out before the status is sent, as errors need."""
        chunks = self._service.stream(call, message, id_)
        first = _json(next(chunks))

        def pieces() -> Iterator[bytes | None]:
            yield b"[" + first
            try:
                for chunk in chunks:
                    yield b"\n,\n" + _json(chunk)
            except Cut:
                yield None
                return
            yield b"]"

        return _Pieces(pieces())


class _Pieces(Response):
    """A body that is sent as it is made; None in place of a piece drops the connection."""

    def __init__(self, pieces: Iterator[bytes | None]) -> None:
        super().__init__(media_type=_JSON)
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        done = object()
        while (piece := await run_in_threadpool(next, self._pieces, done)) is not done:
            if piece is None:
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _json(message: Any) -> bytes:
    return json.dumps(json_format.MessageToDict(message), separators=(",", ":")).encode()


def _reply(message: Any) -> Response:
    return Response(_json(message), media_type=_JSON)


def _refusal(error: Refused, version: str, id_: str) -> dict[str, Any]:
    details = json_format.MessageToDict(failure(version, error, id_))
    kind = f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure"
    return {
        "code": error.http_status,
        "message": error.summary,
        "status": error.status.name,
        "details": [{"@type": kind, **details}],
    }


def _error(body: dict[str, Any], id_: str, *, whole: bool) -> Response:
    """An error as JSON; a stream's stands in an array, as its chunks would."""
    content: Any = {"error": body}
    return JSONResponse(content if whole else [content], body["code"], {"request-id": id_}, media_type=_JSON)
