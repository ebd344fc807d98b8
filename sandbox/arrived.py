"""A page that shows what arrived as its reader would see it: a Slack channel, a mailbox, a locked phone.

    GET  /                      the page
    GET  /feed?seen=            everything that arrived, as JSON; 204 while nothing is new
    GET  /files/ID              a file that was uploaded to Slack
    GET  /mail/N/html           a mail's HTML part, to be shown in a frame that may do nothing
    GET  /mail/N/parts/ID       a picture within it
    POST /press                 presses a button; the app gets a real envelope
    POST /submit                submits a form that the app opened, or closes it

Texts from outside are data until the last step: the page's script puts them where only text can stand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.slack_store import PEOPLE, TEAM
from sandbox.sms import segments

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from sandbox.mail import Mail, Mailbox
    from sandbox.slack import SlackServer
    from sandbox.slack_store import Message, SlackStore
    from sandbox.slack_views import Views
    from sandbox.sms import Phone

__all__ = ["app", "mail_feed", "slack_feed", "sms_feed", "view_feed"]

_FOLDER: Final = Path(__file__).parent / "arrived_page"
_OWN: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_FRAMED: Final = {
    "Content-Security-Policy": "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def slack_feed(store: SlackStore) -> list[dict[str, Any]]:
    """Channels with their messages, oldest first; replies lie with the others and name their thread.

    What one person alone may see names them as `only`.
    """

    def shown(message: Message) -> dict[str, Any]:
        only = {"only": message.only} if message.only else {}
        return store.plain(message, metadata=True) | {"hidden": message.hidden} | only

    def held(channel: str) -> list[Message]:
        whispers = store.whispers.get(channel, [])
        return (
            sorted([*store.messages[channel], *whispers], key=lambda m: m.ts)
            if whispers
            else store.messages[channel]
        )

    with store.lock:
        return [
            {
                "id": channel.id,
                "name": channel.name,
                "topic": channel.topic,
                "direct": channel.id.startswith("D"),
                "messages": [shown(m) for m in held(channel.id)],
            }
            for channel in store.channels()
        ]


def view_feed(views: Views) -> list[dict[str, Any]]:
    """The forms on people's screens, with what the app found wrong."""
    return [{**one.plain(), "user": one.user, "faults": one.faults} for one in views.all()]


def mail_feed(mailbox: Mailbox) -> list[dict[str, Any]]:
    """Mails, oldest first."""
    return [_mail(one) for one in mailbox.all()]


def _mail(one: Mail) -> dict[str, Any]:
    message = one.message
    return {
        "number": one.number,
        "at": one.at.isoformat(),
        "to": one.recipient,
        "headers": [[name, str(value)] for name, value in message.items()],
        "subject": str(message.get("Subject", "")),
        "from": str(message.get("From", "")),
        "text": one.body("plain"),
        "html": bool(one.body("html")),
    }


def sms_feed(phone: Phone) -> list[dict[str, Any]]:
    """Text messages, oldest first."""
    return [
        {
            "sid": one.sid,
            "at": one.at.isoformat(),
            "from": one.sender,
            "to": one.to,
            "body": one.body,
            "segments": segments(one.body)[0],
        }
        for one in phone.all()
    ]


def app(
    chat: SlackServer,
    mailbox: Mailbox,
    phone: Phone,
    *,
    press: Callable[[SlackServer, dict[str, Any]], Awaitable[Response]],
    submit: Callable[[SlackServer, dict[str, Any]], Awaitable[Response]],
) -> Starlette:
    """The page over three stores."""
    store, views = chat.store, chat.clicks.views

    def page(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        path = _FOLDER / name
        if name not in ("index.html", "style.css", "script.js"):
            raise HTTPException(404)
        return FileResponse(path, media_type=_TYPES[name.rsplit(".", 1)[1]], headers=_OWN)

    def feed(request: Request) -> Response:
        versions = (store.version, views.version, mailbox.version, phone.version, chat.sockets.connections)
        seen = ".".join(map(str, versions))
        if request.query_params.get("seen") == seen:
            return Response(status_code=204)
        return JSONResponse(
            {
                "seen": seen,
                "team": TEAM["name"],
                "people": PEOPLE,
                "listening": chat.sockets.connections > 0,
                "slack": slack_feed(store),
                "views": view_feed(views),
                "mail": mail_feed(mailbox),
                "sms": sms_feed(phone),
            },
            headers={"Cache-Control": "no-store"},
        )

    def file(request: Request) -> Response:
        found = store.files.get(request.path_params["id"])
        if found is None or found.data is None or not found.data.startswith(b"\x89PNG"):
            raise HTTPException(404)
        return Response(found.data, media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})

    def mail(request: Request) -> Mail:
        number = int(request.path_params["number"])
        found = next((m for m in mailbox.all() if m.number == number), None)
        if found is None:
            raise HTTPException(404)
        return found

    def mail_html(request: Request) -> Response:
        one = mail(request)
        body = re.sub(r"cid:([\w.@+-]+)", rf"/mail/{one.number}/parts/\1", one.body("html"))
        return Response(body, media_type="text/html", headers=_FRAMED)

    def mail_part(request: Request) -> Response:
        for name, kind, data in mail(request).attachments():
            if name == request.path_params["id"] and kind == "image/png":
                return Response(data, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})
        raise HTTPException(404)

    def taking(do: Callable[[SlackServer, dict[str, Any]], Awaitable[Response]]) -> Callable[..., Any]:
        async def taken(request: Request) -> Response:
            if (
                request.headers.get("content-type") != "application/json"
            ):  # no foreign page can send it unasked
                raise HTTPException(415)
            return await do(chat, json.loads(await request.body()))

        return taken

    return Starlette(
        routes=[
            Route("/", page),
            Route("/feed", feed),
            Route("/press", taking(press), methods=["POST"]),
            Route("/submit", taking(submit), methods=["POST"]),
            Route("/files/{id}", file),
            Route("/mail/{number:int}/html", mail_html),
            Route("/mail/{number:int}/parts/{id}", mail_part),
            Route("/favicon.ico", lambda _: Response(status_code=204)),
            Route("/{name}", page),
        ]
    )
