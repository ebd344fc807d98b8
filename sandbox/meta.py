"""The sandbox's Meta Graph server: the Marketing API's face of the world, over TLS.

Versions v24.0 to v26.0. Tokens come by parameter, form field or header. Compared with Meta's own server:

- Every list of more than two pages has one legal empty page, its second (see meta_wire); the rows of a report
  run have none.
- A report run gets on by being looked at, not by waiting (see meta_runs).
- `action_report_time` is `impression` where it is not told: an action counts for the hour of its click.
- `7d_view` and `28d_view` are taken and answer nothing. `dma` is refused.
- All is read-only: there are no writes but the start and the end of a report run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from sandbox.http import HttpServer, start
from sandbox.meta_access import token_of
from sandbox.meta_batch import answer, split_path
from sandbox.meta_errors import GraphError
from sandbox.meta_graph import Graph
from sandbox.meta_wire import VERSIONS, Call, Reply

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from sandbox.credentials import Credentials
    from sandbox.meta_params import Params
    from sandbox.model import Faults, World
    from sandbox.tls import Tls

__all__ = ["serve"]

_JSON = "application/json; charset=UTF-8"
_HTML = "text/html; charset=utf-8"
_SORRY = b"<html><head><title>Error</title></head><body>Sorry, something went wrong.</body></html>"


def serve(
    world: World, *, tls: Tls | None, credentials: Credentials, rate_limits: bool = False, port: int = 0
) -> HttpServer:
    """Serve `world` as Graph; `.url` is what stands before `/v26.0`. tls: None for plain HTTP.

    rate_limits: turn callers away who use up Meta's limited-access allowance.
    """
    server = start(_App(world, credentials, rate_limits=rate_limits).asgi, tls=tls, port=port, name="meta")
    server.url = server.url.replace("127.0.0.1", "localhost")
    return server


class _CutShort(Response):
    """A reply whose connection closes in the middle of its body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


class _App:
    """Reads requests, lets the graph answer them, and does to the answers what the world's faults do."""

    def __init__(self, world: World, credentials: Credentials, *, rate_limits: bool) -> None:
        self._world = world
        self._graph = Graph(world, credentials.meta, rate_limits=rate_limits)
        self._count = count()
        route = Route("/{path:path}", self._handle, methods=["GET", "POST", "DELETE", "HEAD"])
        self.asgi = Starlette(routes=[route])

    async def _handle(self, request: Request) -> Response:
        number = next(self._count)
        now = self._world.clock.now()
        try:
            params = await _params(request)
        except ValueError as error:
            return self._response(_refusal(GraphError(100, f"(#100) {error}"), now), "", VERSIONS[0], number)
        version, path = split_path(request.url.path, VERSIONS[0])
        headers = {key.lower(): value for key, value in request.headers.items()}
        params["access_token"] = token_of(params, headers)
        method = params.pop("method", request.method).upper()
        call = Call(
            method="GET" if method == "HEAD" else method,
            version=version,
            path=path,
            params=params,
            now=now,
            base=f"{request.url.scheme}://{headers.get('host', 'localhost')}",
            headers=headers,
        )
        reply = await run_in_threadpool(self._answer, call)
        faults = self._world.faults("meta", reply.account, at=now)
        if faults.hang_seconds:
            await asyncio.sleep(faults.hang_seconds)
        return self._faulty(reply, headers.get("if-none-match", ""), version, number, faults)

    def _answer(self, call: Call) -> Reply:
        if call.method == "POST" and not call.path and "batch" in call.params:
            try:
                return Reply(answer(call, self._each))
            except GraphError as error:
                return _refusal(error, call.now)
        return self._graph.answer(call)

    def _each(self, call: Call) -> Reply:
        """A request within a batch: with the headers that it would have had alone."""
        reply = self._graph.answer(call)
        body = json.dumps(reply.body).encode()
        reply.headers |= {"content-type": _JSON, "etag": _etag(body), "facebook-api-version": call.version}
        if reply.status == HTTPStatus.OK and call.headers.get("if-none-match") == reply.headers["etag"]:
            reply.status = HTTPStatus.NOT_MODIFIED
        return reply

    def _faulty(self, reply: Reply, known: str, version: str, number: int, faults: Faults) -> Response:
        if faults.outage and number % 3 == 2:
            return Response(_SORRY, HTTPStatus.SERVICE_UNAVAILABLE, media_type=_HTML)
        if faults.malformed:
            kinds = (HTTPStatus.OK, HTTPStatus.BAD_GATEWAY)
            if number % 3 < len(kinds):
                return Response(_SORRY, kinds[number % 3], media_type=_HTML)
            text = json.dumps(reply.body).encode()
            return Response(text[: len(text) // 2], HTTPStatus.OK, media_type=_JSON)
        return self._response(reply, known, version, number, cut=faults.break_stream)

    def _response(
        self, reply: Reply, known: str, version: str, number: int, *, cut: bool = False
    ) -> Response:
        body = json.dumps(reply.body, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {
            "facebook-api-version": version,
            "x-fb-trace-id": hashlib.sha256(f"{number}".encode()).hexdigest()[:11],
            "x-fb-rev": "1030000000",
            "x-fb-request-id": hashlib.sha256(f"request {number}".encode()).hexdigest()[:22],
            "etag": _etag(body),
            "cache-control": "private, no-cache, no-store, must-revalidate",
            "access-control-allow-origin": "*",
            **reply.headers,
        }
        if reply.status == HTTPStatus.OK and known == headers["etag"]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        kind = _CutShort if cut else Response
        return kind(body, reply.status, headers=headers, media_type=_JSON)


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:40]}"'


def _refusal(error: GraphError, now: datetime) -> Reply:
    return Reply(error.body(f"{now.isoformat()} {error.message}"), error.status)


async def _params(request: Request) -> Params:
    """The parameters of the query and, over them, of a form or JSON body. Raises ValueError."""
    params: dict[str, str] = dict(parse_qsl(request.url.query, keep_blank_values=True))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form() as form:
            return params | {key: value for key, value in form.items() if isinstance(value, str)}
    body = await request.body()
    if not body:
        return params
    if kind == "application/json":
        told: Any = json.loads(body)
        if not isinstance(told, dict):
            raise ValueError("the body must be a JSON object")
        return params | {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()
        }
    return params | dict(parse_qsl(body.decode(), keep_blank_values=True))
