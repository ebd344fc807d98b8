"""The service's own routes beside the pages: health, measures, events, and a few commands.

They are not behind the pages' login, so they are either free of data (/healthz, /api/events) or want a bearer
token: the workspace's own, whose bearer is its admin, or one of the secrets with a role (docs/access.md).
Where a request comes from counts for nothing: behind a proxy on this machine everybody comes from here.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from metrics import proposals
from service import acts
from service.collect import LARGEST, Refused
from warehouse.access import LOCAL, Actor, Denied, Permission, allow, local
from warehouse.audit import Audit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from metrics.proposals import Proposal
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
        Route("/api/proposals", calls.proposals, methods=["GET"]),
        Route("/api/proposals", calls.propose, methods=["POST"]),
        Route("/api/proposals/{number:int}", calls.proposal),
        Route("/api/proposals/{number:int}/{step}", calls.decide, methods=["POST"]),
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
        if service.versions.full:
            again = {"Retry-After": str(int(KEEP_ALIVE))}
            return JSONResponse({"error": "too many visitors at once: try again later"}, 503, headers=again)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_versions(service, request), media_type="text/event-stream", headers=headers)

    @_wants(Permission.LOOK)
    async def status(self, _request: Request, service: Service, _caller: Actor) -> Response:
        return JSONResponse(await anyio.to_thread.run_sync(service.status))

    @_wants(Permission.POLL)
    async def poll(self, _request: Request, service: Service, caller: Actor) -> Response:
        await _log(service, caller, "asked the sources anew", "sources")
        return JSONResponse({"offered": await anyio.to_thread.run_sync(service.poller.poll_now)}, 202)

    @_wants(Permission.OPERATE)
    async def backfill(self, request: Request, service: Service, caller: Actor) -> Response:
        try:
            asked: Any = await request.json()
            days = int(asked["days"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": 'send {"days": N}'}, 400)
        if not 1 <= days <= MOST_DAYS:
            return JSONResponse({"error": f"days must be from 1 to {MOST_DAYS}"}, 400)
        await _log(service, caller, "began a backfill", "sources", days=days)
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

    @_wants(Permission.LOOK)
    async def proposals(self, _request: Request, service: Service, _caller: Actor) -> Response:
        """What was proposed, newest first, without the texts."""
        found = await anyio.to_thread.run_sync(proposals.read, service.book)
        return JSONResponse({"proposals": [_plain(one) for one in found]})

    @_wants(Permission.LOOK)
    async def proposal(self, request: Request, service: Service, _caller: Actor) -> Response:
        """One proposal with its diff."""
        try:
            found = proposals.find(service.book, request.path_params["number"])
        except KeyError as error:
            return JSONResponse({"error": str(error.args[0])}, 404)
        return JSONResponse(_plain(found) | {"diff": found.diff})

    @_wants(Permission.PROPOSE)
    async def propose(self, request: Request, service: Service, caller: Actor) -> Response:
        """Propose that a file be another: `path`, `text` (null: gone), `why`."""
        try:
            asked: Any = await request.json()
            text = asked["text"]
            begin = partial(
                service.changes.propose,
                str(asked["path"]),
                None if text is None else str(text),
                why=str(asked["why"]),
                by=_named(caller, asked),
            )
            made = await anyio.to_thread.run_sync(begin)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(_plain(made) | {"diff": made.diff}, 201)

    @_wants(Permission.PROPOSE)
    async def decide(self, request: Request, service: Service, caller: Actor) -> Response:
        """Approve, reject, withdraw or revert a proposal."""
        steps: dict[str, Callable[..., Proposal]] = {
            "approve": service.changes.approve,
            "reject": service.changes.reject,
            "withdraw": service.changes.withdraw,
            "revert": service.changes.revert,
        }
        step, number = request.path_params["step"], request.path_params["number"]
        if step not in steps:
            return JSONResponse({"error": f"there is no {step!r}; there are {', '.join(steps)}"}, 404)
        try:
            asked: Any = json.loads(await request.body() or b"{}")
            by = _named(caller, asked)
            said = {"comment": str(asked.get("comment", ""))} if step in ("approve", "reject") else {}
            done = await anyio.to_thread.run_sync(partial(steps[step], number, by=by, **said))
        except KeyError as error:
            return JSONResponse({"error": str(error.args[0])}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse(_plain(done))

    def who(self, request: Request) -> tuple[Service | None, Actor | None]:
        """The service, and whose token came: the machine's own, one of the secrets, or nobody's."""
        service = self._service()
        if service is None:
            return None, None
        given = request.headers.get("authorization", "")
        if secrets.compare_digest(given.encode(), f"Bearer {service.workspace.token()}".encode()):
            return service, local()
        return service, service.setup.entrance.bearer(given)


async def _log(service: Service, by: Actor, action: str, subject: str, **detail: Any) -> None:
    """Write an act down that has no record of its own."""
    record = partial(
        Audit(service.book).record, by.name, action, subject, now=datetime.now(UTC), detail=detail
    )
    await anyio.to_thread.run_sync(record)


def _plain(found: Proposal) -> dict[str, Any]:
    moments = {"created": found.created.isoformat(), "decided": found.decided and found.decided.isoformat()}
    kept = ("id", "path", "why", "author", "state", "decided_by", "comment", "reverts", "revision")
    return {name: getattr(found, name) for name in kept} | moments


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
    with versions.place() as wait:
        seen = versions.current
        yield f"data: {seen}\n\n"
        while not versions.closed and not await request.is_disconnected():
            if await versions.after(seen, KEEP_ALIVE) is None:
                yield ": still here\n\n"
            else:
                await anyio.sleep(wait)
                seen = versions.told
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
