"""Buttons in Slack's messages: what people press comes back through Socket Mode, without a public address.

Slack delivers an envelope again until it is acknowledged, so the deed and the note that it was done are one
transaction, and only then is it acknowledged. What needs more than a press opens a form, within the three
seconds for which Slack lets a press open one; what is wrong with what was filled in is told in the form.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

from alerts.notify import slack_blocks, slack_forms
from alerts.notify.contract import Act, Action
from alerts.notify.slack import client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from slack_sdk.socket_mode.client import BaseSocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

    from alerts.notify.book import Pressed
    from alerts.notify.settings import SlackSettings
    from alerts.notify.slack_forms import Given
    from alerts.routes import Person
    from warehouse.book import Book

__all__ = ["Buttons"]

_LOG = logging.getLogger(__name__)

_DONE: Final = {
    Action.ACKNOWLEDGE: "acknowledged this",
    Action.ASSIGN: "gave this to",
    Action.NOTE: "noted:",
    Action.USEFUL: "found this useful",
    Action.NOISE: "called this noise",
}
_FIRST_WAIT: Final = 2.0
_LONGEST_WAIT: Final = 120.0


class Buttons:
    """Listens from `start` to `stop`; connects anew whenever it has to.

    act: does what was asked; a ValueError of it is told to the person, with its text. may: raises one where
    who presses, by id and name, may not act: asked before a form opens. people: who can be assigned.
    """

    def __init__(
        self,
        settings: SlackSettings,
        book: Book,
        pressed: Pressed,
        act: Callable[[Act], None],
        clock: Callable[[], datetime],
        *,
        may: Callable[[str, str], None],
        people: Sequence[Person] = (),
    ) -> None:
        assert settings.app_token is not None
        self._people, self._may = tuple(people), may
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
        kind = payload.get("type") if request.type == "interactive" else ""
        if kind == "block_actions":
            for one in payload.get("actions", ()):
                self._press(payload, one)
        given = slack_forms.given(payload["view"]) if kind == "view_submission" else None
        said, note = self._submit(payload, given) if given is not None else ({}, "")
        socket.send_socket_mode_response(
            SocketModeResponse(envelope_id=request.envelope_id, payload=said or None)
        )
        if given is not None and note:  # after the answer, for which Slack waits three seconds
            self._note(given.channel, given.ts, note)

    def _press(self, payload: dict[str, Any], one: dict[str, Any]) -> None:
        try:
            action, incident = Action(str(one.get("action_id"))), str(one["value"])
        except (ValueError, KeyError):
            return  # a link's button, or another app's
        user, message = payload["user"]["id"], payload.get("message", {})
        if action in slack_forms.FORMS:
            self._ask(action, incident, payload)
            return
        try:
            done = self._do(Act(incident, action, "slack", user, _name(payload), self._clock()), str(action))
        except ValueError as refused:
            note = f"⚠ <@{user}>: {slack_blocks.escape(str(refused))}"
        else:
            if not done:
                return
            note = f"✓ <@{user}> {_DONE[action]} · {self._moment()}"
        self._note(payload["channel"]["id"], message["ts"], note, message)

    def _submit(self, payload: dict[str, Any], given: Given) -> tuple[dict[str, Any], str]:
        """Do what a form asks for; what to answer Slack, and what to say under the message."""
        user = payload["user"]["id"]
        act = Act(
            given.incident,
            given.action,
            "slack",
            user,
            _name(payload),
            self._clock(),
            text=given.text,
            lasts=given.lasts,
        )
        try:
            if not self._do(act, f"{given.action}/{payload['view']['id']}"):
                return {}, ""
        except ValueError as refused:
            return slack_forms.blame(str(refused)), ""
        return {}, f"✓ <@{user}> {self._words(given)} · {self._moment()}"

    def _do(self, act: Act, once: str) -> bool:
        """Whether it was done now. once: what tells a redelivery from another press. Raises ValueError."""
        with self._book.write():
            if not self._pressed.first(act.incident, once, act.user, act.at):
                return False
            self._act(act)
        return True

    def _ask(self, action: Action, incident: str, payload: dict[str, Any]) -> None:
        """Open the form of an action. A redelivered press finds it open, which is as well."""
        channel, user, message = payload["channel"]["id"], payload["user"]["id"], payload.get("message", {})
        try:
            self._may(user, _name(payload))
        except ValueError as refused:
            self._whisper(channel, user, slack_blocks.escape(str(refused)))
            return
        if action is Action.ASSIGN and not self._people:
            self._whisper(channel, user, "There is nobody to assign: name your people under alerts.people.")
            return
        made = slack_forms.form(
            action,
            incident,
            headline=slack_blocks.clip_escaped(str(message.get("text", "")), 2900),
            channel=channel,
            ts=message["ts"],
            people=self._people,
            user=user,
        )
        try:
            self._web.views_open(trigger_id=payload["trigger_id"], view=made)
        except Exception as error:  # noqa: BLE001  # whatever it was: the person hears that nothing was done
            code = error.response.get("error", "") if isinstance(error, SlackApiError) else ""
            if code == "exchanged_trigger_id":
                return
            _LOG.warning("a form could not be opened in Slack: %s", code or type(error).__name__)
            late = code in ("expired_trigger_id", "invalid_trigger_id", "ratelimited")
            why = "Slack was too slow" if late or not code else f"Slack says {code}"
            self._whisper(channel, user, f"The form could not be opened ({why}): press again.")

    def _words(self, given: Given) -> str:
        """What a form did, in mrkdwn."""
        text = slack_blocks.escape(given.text)
        match given.action:
            case Action.SNOOZE:
                return f"snoozed this until {_date(self._clock() + given.lasts)}: {text}"
            case Action.ASSIGN:
                slack = next((one.slack for one in self._people if one.name == given.text), None)
                text = f"<@{slack}>" if slack and slack[0] in "UW" else text
        return f"{_DONE[given.action]} {text}"

    def _moment(self) -> str:
        at = self._clock()
        return f"<!date^{int(at.timestamp())}^{{time}}|{at:%H:%M} UTC>"

    def _whisper(self, channel: str, user: str, text: str) -> None:
        """Tell one person alone."""
        try:
            self._web.chat_postEphemeral(channel=channel, user=user, text=text)
        except Exception as error:  # noqa: BLE001  # it is logged why nothing happened
            _LOG.warning("nobody could be told in Slack: %s", type(error).__name__)

    def _note(self, channel: str, ts: str, note: str, message: dict[str, Any] | None = None) -> None:
        """Say under the message who did what. That it cannot be said is no reason not to have done it.

        message: as it is, where it is known.
        """
        try:
            if message is None:
                found = self._web.conversations_history(
                    channel=channel, oldest=ts, latest=ts, inclusive=True, limit=1
                )
                message = next(iter(found["messages"]), {})
            self._web.chat_update(
                channel=channel,
                ts=ts,
                text=message.get("text", ""),
                blocks=slack_blocks.with_note(message.get("blocks", []), note),
            )
        except Exception as error:  # noqa: BLE001  # the deed is done; only its note is missing
            _LOG.warning("what a button did could not be noted in Slack: %s", type(error).__name__)


def _name(payload: dict[str, Any]) -> str:
    user = payload["user"]
    return str(user.get("username") or user.get("name") or user["id"])


def _date(at: datetime) -> str:
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
