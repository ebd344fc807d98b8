"""What people do: they press a message's buttons, and fill in the forms that the app opens in answer.

The app may also answer a press through a response_url.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from sandbox.slack_store import APP_ID, BOT_ID, PEOPLE, TEAM, Message
from sandbox.slack_views import Views, filled

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.requests import Request

    from sandbox.slack_socket import Envelope, Sockets
    from sandbox.slack_store import SlackStore

__all__ = ["Clicks"]


class Clicks:
    """Presses and submissions. base: the server's own address, for response_urls."""

    def __init__(
        self, store: SlackStore, sockets: Sockets, views: Views, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._sockets, self._clock = store, sockets, clock
        self.views = views
        self.base = ""
        self._tickets: dict[str, tuple[str, str]] = {}

    def press(self, channel: str, ts: str, action_id: str, user: str) -> Envelope:
        """A person presses the button: an envelope goes to the app. Raises KeyError where there is none."""
        message = self._store.find(channel, ts)
        found = next(
            (
                (block, element)
                for block in (message.blocks if message else ())
                for element in [*block.get("elements", ()), block.get("accessory", {})]
                if element.get("action_id") == action_id
            ),
            None,
        )
        if message is None or found is None:
            raise KeyError(f"no button {action_id} on {ts} in {channel}")
        block, element = found
        ticket = secrets.token_urlsafe(12)
        self._tickets[ticket] = (channel, ts)
        where = self._store.channel(channel)
        assert where is not None
        return self._sockets.send(
            "interactive",
            {
                "type": "block_actions",
                "user": _person(user),
                "api_app_id": APP_ID,
                "token": "verification-token",
                "container": {
                    "type": "message",
                    "message_ts": ts,
                    "channel_id": channel,
                    "is_ephemeral": False,
                    **({"thread_ts": message.thread} if message.thread else {}),
                },
                "trigger_id": self.views.trigger(user),
                "team": {"id": TEAM["id"], "domain": TEAM["domain"]},
                "enterprise": None,
                "is_enterprise_install": False,
                "channel": {"id": channel, "name": where.name},
                "message": self._store.plain(message) | {"bot_id": BOT_ID},
                "state": {"values": {}},
                "response_url": f"{self.base}/actions/{ticket}",
                "actions": [
                    {
                        "action_id": action_id,
                        "block_id": block.get("block_id", ""),
                        "text": element.get("text"),
                        "value": element.get("value"),
                        "type": element["type"],
                        "action_ts": f"{self._clock().timestamp():.6f}",
                    }
                ],
            },
        )

    def submit(self, number: str, given: dict[str, Any]) -> Envelope:
        """The person submits a form. given: by block, a text, an option's value or a user's id.

        Raises KeyError where there is no such form, ValueError where Slack would not let it go.
        """
        view = self.views.find(number)
        if view is None:
            raise KeyError(number)
        return self._sockets.send(
            "interactive",
            {
                "type": "view_submission",
                "team": {"id": TEAM["id"], "domain": TEAM["domain"]},
                "user": _person(view.user),
                "api_app_id": APP_ID,
                "token": "verification-token",
                "trigger_id": self.views.trigger(view.user),
                "view": view.plain(filled(view, given)),
                "response_urls": [],
                "is_enterprise_install": False,
                "enterprise": None,
            },
        )

    async def responded(self, request: Request) -> Response:
        """The app answers an interaction: with a new message, or in the place of the old one."""
        known = self._tickets.get(request.path_params["ticket"])
        if known is None:
            return JSONResponse({"ok": False, "error": "expired_url"}, 404)
        channel, ts = known
        said: dict[str, Any] = json.loads(await request.body())
        if said.get("replace_original"):
            message = self._store.find(channel, ts)
            assert message is not None
            self._store.change(message, text=said.get("text", ""), blocks=said.get("blocks") or [])
        elif said.get("response_type") == "in_channel":
            self._store.post(
                Message("", channel, said.get("text", ""), blocks=said.get("blocks") or [], thread=ts)
            )
        return JSONResponse({"ok": True})


def _person(user: str) -> dict[str, str]:
    """Who did it, as envelopes say it."""
    name = PEOPLE[user]
    return {"id": user, "username": name, "name": name, "team_id": TEAM["id"]}
