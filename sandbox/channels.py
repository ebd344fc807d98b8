"""The channels that people hear by, together: Slack, mail, SMS, what goes wrong with them, and what arrived.

On the control face:

    GET    /channels/arrived                       everything that arrived, by channel
    GET    /channels/faults     POST {"channel", "fault", "calls", "only", "code", "seconds"}
    DELETE /channels/faults[?channel=]             lifts those of a channel, or all
    POST   /channels/press {"channel", "ts", "action_id", "user"}    somebody presses a button in Slack
    POST   /channels/submit {"view", "values"}     somebody submits a form in Slack; without values, closes it
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import arrived, http, mail, slack, sms
from sandbox.delivery_faults import DeliveryFaults
from sandbox.slack_store import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from starlette.requests import Request

    from sandbox.credentials import Credentials
    from sandbox.tls import Tls

__all__ = ["Channels", "running"]

_ACKNOWLEDGED_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Channels:
    """The servers, up. page: address of the page that shows what arrived."""

    slack: slack.SlackServer
    mail: mail.MailServer
    sms: sms.SmsServer
    faults: DeliveryFaults
    page: str
    credentials: Credentials

    def announcement(self) -> dict[str, Any]:
        """Where they are."""
        return {
            "slack": self.slack.api_url,
            "slack_socket": self.slack.socket_url,
            "smtp": self.mail.address,
            "twilio": self.sms.url,
            "arrived": self.page,
            "slack_channels": {c.name: c.id for c in CHANNELS if c.member and not c.archived},
        }

    def keys(self) -> dict[str, dict[str, str]]:
        """What lets a program in."""
        return {name: asdict(getattr(self.credentials, name)) for name in ("slack", "smtp", "twilio")}

    def routes(self) -> list[Route]:
        """Their part of the control face."""
        return [
            Route("/channels/arrived", self._arrived),
            Route("/channels/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/channels/press", self._press, methods=["POST"]),
            Route("/channels/submit", self._submit, methods=["POST"]),
        ]

    async def _arrived(self, request: Request) -> Response:  # noqa: ARG002 (a route's signature)
        return JSONResponse(
            {
                "slack": arrived.slack_feed(self.slack.store),
                "mail": arrived.mail_feed(self.mail.mailbox),
                "sms": arrived.sms_feed(self.sms.phone),
                "sockets": self.slack.sockets.connections,
                "views": arrived.view_feed(self.slack.clicks.views),
            }
        )

    async def _faults(self, request: Request) -> Response:
        if request.method == "POST":
            body = json.loads(await request.body() or b"{}")
            try:
                begun = self.faults.start(**body)
            except (ValueError, TypeError) as error:
                raise HTTPException(400, str(error)) from error
            if begun.fault == "disconnect":
                self.faults.drop(begun)
                self.slack.sockets.disconnect()
            return JSONResponse(asdict(begun), 201)
        if request.method == "DELETE":
            return JSONResponse(
                {"faults": [asdict(f) for f in self.faults.lift(request.query_params.get("channel"))]}
            )
        return JSONResponse({"faults": [asdict(f) for f in self.faults.all()]})

    async def _press(self, request: Request) -> Response:
        said = json.loads(await request.body())
        return await press(self.slack, said)

    async def _submit(self, request: Request) -> Response:
        said = json.loads(await request.body())
        return await submit(self.slack, said)


async def press(server: slack.SlackServer, said: dict[str, Any]) -> Response:
    """Somebody presses a button; answers once the app has acknowledged it, or nobody did in time."""
    try:
        sent = server.clicks.press(said["channel"], said["ts"], said["action_id"], said["user"])
    except KeyError as error:
        raise HTTPException(404, f"there is no such button: {error}") from error
    return JSONResponse({"acknowledged": await run_in_threadpool(sent.acked.wait, _ACKNOWLEDGED_WITHIN)})


async def submit(server: slack.SlackServer, said: dict[str, Any]) -> Response:
    """Somebody submits a form, or closes it; answers what the app finds wrong with it, by block."""
    views = server.clicks.views
    view = views.find(str(said["view"]))
    if view is None:
        raise HTTPException(404, "there is no such form")
    if said.get("values") is None:
        views.close(view.id)
        return JSONResponse({"acknowledged": True, "errors": {}})
    try:
        sent = server.clicks.submit(view.id, said["values"])
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    acknowledged = await run_in_threadpool(sent.acked.wait, _ACKNOWLEDGED_WITHIN)
    if acknowledged:
        views.answered(view, sent.answer)
    return JSONResponse({"acknowledged": acknowledged, "errors": sent.answer.get("errors", {})})


@contextlib.contextmanager
def running(
    *,
    tls: Tls,
    credentials: Credentials,
    clock: Callable[[], datetime],
    rate_limits: bool,
    ports: Iterator[int],
) -> Iterator[Channels]:
    """All of them for as long as the block lasts. Raises OSError when a port is taken."""
    faults = DeliveryFaults()
    with contextlib.ExitStack() as undo:
        chat = slack.serve(
            tls=tls,
            credentials=credentials.slack,
            clock=clock,
            faults=faults,
            rate_limits=rate_limits,
            port=next(ports),
            link_port=next(ports),
        )
        undo.callback(chat.stop)
        post = mail.serve(tls=tls, credentials=credentials.smtp, clock=clock, faults=faults, port=next(ports))
        undo.callback(post.stop)
        texts = sms.serve(
            tls=tls, credentials=credentials.twilio, clock=clock, faults=faults, port=next(ports)
        )
        undo.callback(texts.stop)
        page = http.start(
            arrived.app(chat, post.mailbox, texts.phone, press=press, submit=submit),
            port=next(ports),
            name="arrived",
        )
        undo.callback(page.stop)
        yield Channels(chat, post, texts, faults, page.url, credentials)
