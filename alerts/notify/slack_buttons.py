"""Buttons in Slack's messages: what people press comes back through Socket Mode, without a public address.

Slack delivers an envelope again until it is acknowledged, so the deed and the note that it was done are one
transaction, and only then is it acknowledged.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

from alerts.notify import slack_blocks
from alerts.notify.contract import Act, Action
from alerts.notify.slack import client

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from slack_sdk.socket_mode.client import BaseSocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

    from alerts.notify.book import Pressed
    from alerts.notify.settings import SlackSettings
    from warehouse.book import Book

__all__ = ["Buttons"]

_LOG = logging.getLogger(__name__)

_DONE: Final = {
    Action.ACKNOWLEDGE: "acknowledged this",
    Action.SNOOZE: "snoozed this for an hour",
    Action.USEFUL: "found this useful",
    Action.NOISE: "called this noise",
}
_FIRST_WAIT: Final = 2.0
_LONGEST_WAIT: Final = 120.0


class Buttons:
    """Listens from `start` to `stop`; connects anew whenever it has to.

    act: does what was asked; a ValueError of it is told to the person, with its text.
    """

    def __init__(
        self,
        settings: SlackSettings,
        book: Book,
        pressed: Pressed,
        act: Callable[[Act], None],
        clock: Callable[[], datetime],
    ) -> None:
        assert settings.app_token is not None
        self._book, self._pressed, self._act, self._clock = book, pressed, act, clock
        self._web = client(settings)
        self._app_token = settings.app_token.get_secret_value()
        self._socket: SocketModeClient | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._connect, name="slack-buttons", daemon=True)
        self._fault = "Slack's buttons are not heard yet"

    @property
    def connected(self) -> bool:
        """Whether buttons are heard."""
        return self._socket is not None and self._socket.is_connected()

    @property
    def problem(self) -> str:
        """Why nobody listens at present; "" while all is well."""
        return "" if self.connected or self._stopping.is_set() else self._fault

    def start(self) -> None:
        """Listen from now on; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing more."""
        self._stopping.set()
        if self._socket is not None:
            self._socket.close()
        if self._thread.is_alive():
            self._thread.join(5)

    def _connect(self) -> None:
        """Until it succeeds; from then on the SDK's client keeps the connection."""
        wait = _FIRST_WAIT
        while not self._stopping.is_set():
            socket = SocketModeClient(
                app_token=self._app_token, web_client=self._web, ping_interval=10, concurrency=2
            )
            socket.socket_mode_request_listeners.append(self._heard)
            try:
                socket.connect()
            except Exception as error:  # noqa: BLE001  # whatever it was: told, and tried again
                code = error.response.get("error", "") if isinstance(error, SlackApiError) else ""
                self._fault = f"Slack's buttons are not heard: {code or type(error).__name__}"
                _LOG.warning("%s; next try in %.0f s", self._fault, wait)
                socket.close()
                self._stopping.wait(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
                continue
            self._socket, self._fault = socket, "Slack's buttons are not heard: no connection"
            if self._stopping.is_set():
                socket.close()
            return

    def _heard(self, socket: BaseSocketModeClient, request: SocketModeRequest) -> None:
        payload: dict[str, Any] = request.payload
        if request.type == "interactive" and payload.get("type") == "block_actions":
            for one in payload.get("actions", ()):
                self._press(payload, one)
        socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    def _press(self, payload: dict[str, Any], one: dict[str, Any]) -> None:
        try:
            action, incident = Action(str(one.get("action_id"))), str(one["value"])
        except (ValueError, KeyError):
            return  # a link's button, or another app's
        user, at = payload["user"], self._clock()
        name = str(user.get("username") or user.get("name") or user["id"])
        try:
            with self._book.write():
                if not self._pressed.first(incident, str(action), user["id"], at):
                    return
                self._act(Act(incident, action, "slack", user["id"], name, at))
        except ValueError as refused:
            self._note(payload, f"⚠ <@{user['id']}>: {slack_blocks.escape(str(refused))}")
            return
        moment = f"<!date^{int(at.timestamp())}^{{time}}|{at:%H:%M} UTC>"
        self._note(payload, f"✓ <@{user['id']}> {_DONE[action]} · {moment}")

    def _note(self, payload: dict[str, Any], note: str) -> None:
        """Say under the message who did what. That it cannot be said is no reason not to have done it."""
        message = payload.get("message", {})
        try:
            self._web.chat_update(
                channel=payload["channel"]["id"],
                ts=message["ts"],
                text=message.get("text", ""),
                blocks=slack_blocks.with_note(message.get("blocks", []), note),
            )
        except Exception as error:  # noqa: BLE001  # the deed is done; only its note is missing
            _LOG.warning("what a button did could not be noted in Slack: %s", type(error).__name__)
