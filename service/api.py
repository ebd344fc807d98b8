"""The service's own routes beside the pages: health, measures, events, and a few commands.

They are not behind the pages' login, so they are either free of data (/healthz, /api/events) or want a bearer
token: the workspace's own, whose bearer is its admin, or one of the secrets with a role (docs/access.md).
Where a request comes from counts for nothing: behind a proxy on this machine everybody comes from here.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from service import acts
from service.collect import LARGEST, Refused
from warehouse.access import LOCAL, Actor, Denied, Permission, allow, local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.running import Service

    _Open: TypeAlias = Callable[["_Calls", Request], Awaitable[Response]]
    _Guarded: TypeAlias = Callable[["_Calls", Request, Service, Actor], Awaitable[Response]]

__all__ = ["middleware", "routes"]

KEEP_ALIVE = 15.0
"""Seconds between comments on a silent event stream, so that no proxy takes it for dead."""

MOST_DAYS = 1130
"""Of a backfill: what the sources keep (37 months)."""


def routes(service: Callable[[], Service | None]) -> list[Route]:
    """The routes of the service that `service` returns; it is None before it is up."""
    calls = _Calls(service)
    return [
        Route("/healthz", calls.healthz),
        Route("/metrics", calls.metrics),
        Route("/api/events", calls.events),
        Route("/api/status", calls.status),
        Route("/api/poll", calls.poll, methods=["POST"]),
        Route("/api/backfill", calls.backfill, methods=["POST"]),
        Route("/collect", calls.collect, methods=["POST"]),
        Route("/api/alerts", calls.alerts),
        Route("/api/alerts/{act}", calls.act, methods=["POST"]),
    ]


def middleware() -> list[Middleware]:
    """What every reply of the app passes through."""
    return [Middleware(_SecurityHeaders)]


def _wants(permission: Permission) -> Callable[[_Guarded], _Open]:
    """Let a call through to whose token allows it; 401 without one, 403 with too little of a role."""

    def guarded(call: _Guarded) -> _Open:
        async def admit(self: _Calls, request: Request) -> Response:
            service, caller = self.who(request)
            if service is None or caller is None:
                return _refused(service)
            subject, now = f"api {request.url.path}", datetime.now(UTC)
            try:
                await anyio.to_thread.run_sync(
                    partial(allow, service.book, caller, permission, subject, now=now)
                )
                return await call(self, request, service, caller)
            except Denied as error:
                return JSONResponse({"error": str(error)}, 403)

        return admit

    return guarded


class _Calls:
    def __init__(self, service: Callable[[], Service | None]) -> None:
        self._service = service

    async def healthz(self, request: Request) -> Response:
        """200 while the service does its work, 503 with the reasons while it does not."""
        service, caller = self.who(request)
        problems = ["the service is not up yet"] if service is None else service.problems()
        # Reasons name accounts: the world may know that something is wrong, its owner what.
        shown = problems if caller is not None and caller.may(Permission.LOOK) else len(problems)
        return JSONResponse(
            {"status": "failing" if problems else "ok", "problems": shown}, 503 if problems else 200
        )

    @_wants(Permission.LOOK)
    async def metrics(self, _request: Request, service: Service, _caller: Actor) -> Response:
        text = await anyio.to_thread.run_sync(generate_latest, service.poller.measures.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def events(self, request: Request) -> Response:
        """Server-sent events: the data version now, and each new one. A number, no data."""
        service = self._service()
        if service is None:
            return _refused(service)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_versions(service, request), media_type="text/event-stream", headers=headers)

    @_wants(Permission.LOOK)
    async def status(self, _request: Request, service: Service, _caller: Actor) -> Response:
        return JSONResponse(await anyio.to_thread.run_sync(service.status))

    @_wants(Permission.POLL)
    async def poll(self, _request: Request, service: Service, _caller: Actor) -> Response:
        return JSONResponse({"offered": await anyio.to_thread.run_sync(service.poller.poll_now)}, 202)

    @_wants(Permission.OPERATE)
    async def backfill(self, request: Request, service: Service, _caller: Actor) -> Response:
        try:
            asked: Any = await request.json()
            days = int(asked["days"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": 'send {"days": N}'}, 400)
        if not 1 <= days <= MOST_DAYS:
            return JSONResponse({"error": f"days must be from 1 to {MOST_DAYS}"}, 400)
        begun = await anyio.to_thread.run_sync(service.backfill, days)
        return JSONResponse(begun.progress().plain(), 202)

    async def collect(self, request: Request) -> Response:
        """Events of the team's own servers; 200 once they are on the disk."""
        service = self._service()
        if service is None:
            return _refused(service)
        taker = service.collector
        if taker is None:
            return JSONResponse({"errors": ["nothing is collected: add `events` under sources"]}, 404)
        if not taker.admits(request.headers.get("authorization", "")):
            return JSONResponse(
                {"errors": ["send the token of sources.events as a bearer token"]},
                401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return JSONResponse({"errors": [f"a request holds at most {LARGEST:,} bytes"]}, 413)
        try:
            count, written = await anyio.to_thread.run_sync(taker.take, bytes(body))
            await asyncio.wrap_future(written)
        except Refused as refused:
            after = {} if refused.retry is None else {"Retry-After": str(refused.retry)}
            return JSONResponse({"errors": refused.faults}, refused.status, headers=after)
        except OSError as error:
            return JSONResponse(
                {"errors": [f"the disk takes nothing: {error.strerror}"]}, 503, headers={"Retry-After": "30"}
            )
        return JSONResponse({"accepted": count})

    @_wants(Permission.LOOK)
    async def alerts(self, _request: Request, service: Service, _caller: Actor) -> Response:
        """What fires, what is silenced, what was sent."""
        return JSONResponse(await anyio.to_thread.run_sync(acts.shown, service.alerting))

    @_wants(Permission.LOOK)
    async def act(self, request: Request, service: Service, caller: Actor) -> Response:
        """A person acknowledges, snoozes, silences, tests …"""
        try:
            asked: Any = await request.json()
            by = _named(caller, asked)
            name = request.path_params["act"]
            done = await anyio.to_thread.run_sync(acts.act, service.alerting, name, asked, by)
        except acts.UnknownAct as error:
            return JSONResponse({"error": str(error)}, 404)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(done)

    def who(self, request: Request) -> tuple[Service | None, Actor | None]:
        """The service, and whose token came: the machine's own, one of the secrets, or nobody's."""
        service = self._service()
        if service is None:
            return None, None
        given = request.headers.get("authorization", "")
        if secrets.compare_digest(given.encode(), f"Bearer {service.workspace.token()}".encode()):
            return service, local()
        return service, service.setup.entrance.bearer(given)


def _named(caller: Actor, asked: Mapping[str, Any]) -> Actor:
    """Who acts: whom the token names, or whom the machine's own user says."""
    if not caller.proven:
        return local(str(asked.get("by", LOCAL)))
    if "by" in asked:
        raise ValueError("the token says who acts: leave `by` out")
    return caller


def _refused(service: Service | None) -> Response:
    if service is None:
        return JSONResponse({"error": "the service is not up yet"}, 503)
    return JSONResponse(
        {"error": "send a bearer token: that of .paceline/api_token, or one of [api] in the secrets"},
        401,
        headers={"WWW-Authenticate": "Bearer"},
    )


async def _versions(service: Service, request: Request) -> AsyncIterator[str]:
    versions = service.versions
    seen = versions.current
    yield f"data: {seen}\n\n"
    while not versions.closed and not await request.is_disconnected():
        number = await versions.after(seen, KEEP_ALIVE)
        if number is None:
            yield ": still here\n\n"
        else:
            seen = number
            yield f"data: {seen}\n\n"


class _SecurityHeaders:
    """No framing by others, no guessing of types, no referrer to others."""

    ADDED = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"content-security-policy", b"frame-ancestors 'self'"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.ADDED]
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)
