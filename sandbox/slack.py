"""Slack's Web API and Socket Mode for one app in one workspace.

    POST /api/METHOD                    as form or JSON, GET as a query
    POST /upload/v1/FILE                where files.getUploadURLExternal sends the bytes
    GET  /link/?ticket=                 the websocket that apps.connections.open names, on a port of its own
    POST /actions/TICKET                an interaction's response_url

A refusal is HTTP 200 with {"ok": false, "error": …}, too many requests are 429 with Retry-After. As in the
real workspace, channels are meant by their id; only chat.postMessage also takes a name.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from sandbox import http
from sandbox.delivery_faults import Cut, cuts
from sandbox.slack_actions import Clicks
from sandbox.slack_methods import Busy, Methods
from sandbox.slack_socket import Sockets
from sandbox.slack_store import SlackStore
from sandbox.slack_views import Views

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.requests import Request

    from sandbox.credentials import SlackCredentials
    from sandbox.delivery_faults import DeliveryFault, DeliveryFaults
    from sandbox.tls import Tls

__all__ = ["SlackServer", "serve"]


class SlackServer:
    """A workspace that is served.

    api_url: for `WebClient(base_url=…)`. socket_url: of Socket Mode's websockets.
    """

    def __init__(
        self,
        server: http.HttpServer,
        store: SlackStore,
        sockets: Sockets,
        clicks: Clicks,
        undo: contextlib.ExitStack,
    ) -> None:
        self.url = server.url
        self.api_url = f"{server.url}/api/"
        self.socket_url = f"{sockets.base}/link/"
        self.store, self.sockets, self.clicks = store, sockets, clicks
        self._undo = undo

    def stop(self) -> None:
        """Close the ports."""
        self._undo.close()


def serve(
    *,
    tls: Tls,
    credentials: SlackCredentials,
    clock: Callable[[], datetime],
    faults: DeliveryFaults,
    rate_limits: bool = False,
    port: int = 0,
    link_port: int = 0,
) -> SlackServer:
    """Serve a workspace on the loopback interface. Raises OSError when a port is taken."""
    store, sockets = SlackStore(clock), Sockets()
    views = Views()
    clicks = Clicks(store, sockets, views, clock)
    wire = _Wire(store, Methods(store, sockets, views, credentials, pace=rate_limits), faults)
    app = Starlette(
        routes=[
            Route("/api/{method}", wire.call, methods=["GET", "POST"]),
            Route("/upload/v1/{file}", wire.upload, methods=["POST"]),
            Route("/actions/{ticket}", clicks.responded, methods=["POST"]),
        ]
    )
    with contextlib.ExitStack() as undo:
        server = undo.enter_context(http.start(cuts(app), tls=tls, port=port, name="slack"))
        link = Starlette(routes=[WebSocketRoute("/link/", sockets.serve)])
        plain = undo.enter_context(http.start(link, port=link_port, name="slack-link"))
        clicks.base, sockets.base = server.url, plain.url.replace("http", "ws", 1)
        return SlackServer(server, store, sockets, clicks, undo.pop_all())


class _Wire:
    def __init__(self, store: SlackStore, methods: Methods, faults: DeliveryFaults) -> None:
        self._store, self._methods, self._faults = store, methods, faults

    async def call(self, request: Request) -> Response:
        method = request.path_params["method"]
        asked = await _arguments(request)
        base = f"https://{request.headers['host']}"
        fault = self._faults.take("slack", method)
        if fault is not None and (early := _early(fault)) is not None:
            return early
        try:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            answer = await run_in_threadpool(self._methods.answer, method, token, asked, base)
        except Busy as busy:
            return _busy(busy.wait)
        if fault is not None and fault.fault == "drop_after":
            return Cut()
        if fault is not None and fault.fault == "hang":
            await _sleep(fault.seconds)
        return JSONResponse(answer)

    async def upload(self, request: Request) -> Response:
        """The bytes of a file, raw or as a form's one file."""
        fault = self._faults.take("slack", "upload")
        if fault is not None and (early := _early(fault)) is not None:
            return early
        file = self._store.files.get(request.path_params["file"])
        if file is None:
            return PlainTextResponse("not found", 404)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form() as form:
                parts = [value for value in form.values() if not isinstance(value, str)]
                data = await parts[0].read() if parts else b""
        else:
            data = await request.body()
        if len(data) != file.length:
            return PlainTextResponse(f"length is {len(data)}, {file.length} was announced", 400)
        file.data = data
        return PlainTextResponse(f"OK - {len(data)}")


async def _arguments(request: Request) -> dict[str, Any]:
    """A call's arguments from wherever they stand; nested ones may be JSON in a form."""
    found: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        body = json.loads(await request.body() or b"{}")
        found |= body if isinstance(body, dict) else {}
    elif kind:
        async with request.form() as form:
            found |= {name: value for name, value in form.items() if isinstance(value, str)}
    for name in ("blocks", "attachments", "metadata", "files", "view"):
        if isinstance(found.get(name), str) and found[name]:
            try:
                found[name] = json.loads(found[name])
            except ValueError:
                continue  # the method says what is wrong with it
    return found


def _early(fault: DeliveryFault) -> Response | None:
    """The reply of a fault that takes nothing in; None where the call goes on."""
    match fault.fault:
        case "rate_limited":
            return _busy(max(int(fault.seconds), 1))
        case "server_error":
            return JSONResponse({"ok": False, "error": "internal_error"}, 500)
        case "error":
            return JSONResponse({"ok": False, "error": fault.code or "internal_error"})
        case "malformed":
            return Response("<html><body>upstream connect error</body></html>", media_type="text/html")
        case "drop_before" | "down":
            return Cut()
    return None


def _busy(wait: int) -> Response:
    return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(wait)})


async def _sleep(seconds: float) -> None:
    await run_in_threadpool(time.sleep, seconds)
