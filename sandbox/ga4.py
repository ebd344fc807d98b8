"""The sandbox's Google Analytics Data API: gRPC over TLS and its REST face, at v1beta."""

from __future__ import annotations

import asyncio
import functools
import re
import threading
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox import http
from sandbox.ga4_quota import STANDARD, Limits, Quota, Refused
from sandbox.google_errors import Broken
from sandbox.google_service import Cut, Malformed

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.ga4_service import Service
    from sandbox.oauth import Tokens
    from sandbox.tls import Tls
    from sandbox.world import World

__all__ = ["Served", "serve"]

_METHOD = re.compile(r"/google\.analytics\.data\.v1beta\.BetaAnalyticsData/(\w+)")
_REPORT = re.compile(r"/v1beta/(properties/[^/:]+):(runReport|batchRunReports|runRealtimeReport)")
_METADATA = re.compile(r"/v1beta/(properties/[^/:]+/metadata)")
_GARBAGE = b"\xff\xfe<html>502 Bad Gateway</html>"
_NOT_FOUND = "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title><p>The requested URL was not found."
_HTTP: Final = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
}
_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Served:
    """A Google Analytics Data API that is up. endpoint: the client's api_endpoint, of gRPC; rest: of REST."""

    endpoint: str
    rest: str
    quota: Quota
    _grpc: Any
    _rest: http.HttpServer

    def stop(self) -> None:
        """Close both ports; calls under way are cancelled."""
        self._grpc.stop(grace=None).wait(5)
        self._rest.stop()


def serve(
    world: World,
    *,
    tls: Tls,
    tokens: Tokens,
    rate_limits: bool | Limits = False,
    port: int = 0,
    rest_port: int = 0,
) -> Served:
    """Serve the sites of `world` on the loopback interface. Raises OSError when a port is taken.

    tokens: those that the sandbox's OAuth endpoint has issued. rate_limits: whether quotas are enforced.
    """
    limits = rate_limits if isinstance(rate_limits, Limits) else STANDARD
    quota = Quota(limits, enforced=bool(rate_limits), now=world.clock.now)
    behind = _Behind(world, tokens, quota)
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="ga4"),
        handlers=(_Handler(behind),),
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    pair = (tls.key_pem.read_bytes(), tls.cert_pem.read_bytes())
    try:
        bound = server.add_secure_port(f"localhost:{port}", grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise OSError(f"port {port} is taken: {error}") from None
    rest = http.start(_Rest(behind).app(), tls=tls, port=rest_port, name="ga4")
    server.start()
    return Served(f"localhost:{bound}", f"localhost:{rest.port}", quota, server, rest)


class _Behind:
    """The service, made when it is first asked: its packages take a second, which few programs need."""

    def __init__(self, world: World, tokens: Tokens, quota: Quota) -> None:
        self._parts = (world, tokens, quota)

    @functools.cached_property
    def service(self) -> Service:
        from sandbox.ga4_service import Service  # noqa: PLC0415  # see above

        return Service(*self._parts)

    def message(self, method: str) -> Any:
        """The class of a method's request, or None where it is not served."""
        from sandbox.ga4_service import METHODS  # noqa: PLC0415  # see above

        return METHODS[method].pb() if method in METHODS else None


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, behind: _Behind) -> None:
        self._behind = behind

    def service(self, handler_call_details: Any) -> Any:
        found = _METHOD.fullmatch(handler_call_details.method)
        asked = self._behind.message(found[1]) if found else None
        if found is None or asked is None:
            return None
        method = found[1]
        metadata = dict(handler_call_details.invocation_metadata)

        def answer(request: Any, context: Any) -> Any:
            name = request.name if method == "GetMetadata" else request.property
            seconds = self._behind.service.faults(name).hang_seconds
            gone = threading.Event()
            if seconds and context.add_callback(gone.set):
                gone.wait(seconds)
            try:
                return self._behind.service.call(method, request, metadata)
            except Refused as error:
                # HTTP/2 forbids a blank at a header's end, and Node's client then drops the header.
                context.abort(grpc.StatusCode[error.status], error.message.rstrip())
            except Broken:
                context.abort(grpc.StatusCode.UNAVAILABLE, Broken.summary)
            except Cut:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")
            except Malformed:
                return _GARBAGE

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=asked.FromString,
            response_serializer=lambda m: m if isinstance(m, bytes) else bytes(m.SerializeToString()),
        )


class _Rest:
    """The same over HTTPS: protobuf's own JSON."""

    def __init__(self, behind: _Behind) -> None:
        self._behind = behind

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._handle, methods=["GET", "POST"])])

    async def _handle(self, request: Request) -> Response:
        path = request.url.path
        if request.method == "POST" and (found := _REPORT.fullmatch(path)):
            method = found[2][0].upper() + found[2][1:]
            message = self._behind.message(method)()
            try:
                json_format.Parse(await request.body() or b"{}", message)
            except json_format.ParseError as error:
                return _error("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}", 400)
            message.property = found[1]
        elif request.method == "GET" and (found := _METADATA.fullmatch(path)):
            method, message = "GetMetadata", self._behind.message("GetMetadata")(name=found[1])
        else:
            return HTMLResponse(_NOT_FOUND, 404)
        seconds = self._behind.service.faults(found[1]).hang_seconds
        if seconds:
            await asyncio.sleep(seconds)
        metadata = {name.lower(): value for name, value in request.headers.items()}
        try:
            answer = await run_in_threadpool(self._behind.service.call, method, message, metadata)
        except Refused as error:
            return _error(error.status, error.message, _HTTP[error.status])
        except Broken:
            return _error("UNAVAILABLE", Broken.summary, 503)
        except (Cut, Malformed):
            return HTMLResponse("<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>", 502)
        return JSONResponse(json_format.MessageToDict(answer))


def _error(status: str, message: str, code: int) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "status": status}}, code)
