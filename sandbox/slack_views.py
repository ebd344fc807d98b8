"""Modals: forms that an app opens on a press, and that a person fills in and submits.

Source: Slack's reference of views, `views.open` and `view_submission`. A press gives a trigger that opens one
form, for three seconds. What is submitted goes to the app, whose acknowledgement closes the form or says what
is wrong with which of its blocks.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox import slack_blocks
from sandbox.slack_store import APP_ID, BOT_ID, TEAM

__all__ = ["TRIGGER_LASTS", "Refusal", "View", "Views", "filled"]

TRIGGER_LASTS: Final = 3.0
"""Seconds for which a trigger opens a form."""

_LARGEST: Final = 250_000


class Refusal(Exception):
    """The form is not opened. error: Slack's code; told: what is wrong with the view, where that is why."""

    def __init__(self, error: str, told: list[str] | None = None) -> None:
        self.error = error
        self.told = told or []
        super().__init__(error)


@dataclass(slots=True)
class View:
    """A form on somebody's screen. faults: what the app said is wrong, by block."""

    id: str
    user: str
    content: dict[str, Any]
    hash: str
    faults: dict[str, str] = field(default_factory=dict)

    def plain(self, values: dict[str, Any] | None = None) -> dict[str, Any]:
        """As the Web API and envelopes show it. values: what was filled in."""
        return {
            "id": self.id,
            "team_id": TEAM["id"],
            "type": "modal",
            "close": None,
            "submit": None,
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "clear_on_close": False,
            "notify_on_close": False,
            **self.content,
            "state": {"values": values or {}},
            "hash": self.hash,
            "previous_view_id": None,
            "root_view_id": self.id,
            "app_id": APP_ID,
            "app_installed_team_id": TEAM["id"],
            "bot_id": BOT_ID,
        }


class Views:
    """The forms that are open, and the triggers that would open one. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._triggers: dict[str, tuple[str, float, bool]] = {}
        self._open: dict[str, View] = {}
        self._number = itertools.count(1)
        self.version = 0

    def trigger(self, user: str) -> str:
        """What lets the app open a form on this person's screen, once and soon."""
        made = f"{next(self._number)}.{int(time.time() * 1000)}.{secrets.token_hex(16)}"
        with self._lock:
            self._triggers[made] = (user, time.monotonic(), False)
        return made

    def open(self, trigger: str, content: Any) -> View:
        """Show a form. Raises Refusal, in the order in which Slack finds fault."""
        if told := _check(content):
            raise Refusal("invalid_arguments", told)
        if len(str(content)) > _LARGEST:
            raise Refusal("view_too_large")
        with self._lock:
            known = self._triggers.get(trigger)
            if known is None:
                raise Refusal("invalid_trigger_id")
            user, at, used = known
            if used:
                raise Refusal("exchanged_trigger_id")
            if time.monotonic() - at > TRIGGER_LASTS:
                raise Refusal("expired_trigger_id")
            self._triggers[trigger] = (user, at, True)
            number = f"V0{next(self._number):09d}"
            made = View(number, user, dict(content), f"{int(time.time())}.{secrets.token_hex(4)}")
            self._open[number] = made
            self.version += 1
        return made

    def all(self) -> list[View]:
        """The open ones, oldest first."""
        with self._lock:
            return list(self._open.values())

    def find(self, number: str) -> View | None:
        """An open one."""
        with self._lock:
            return self._open.get(number)

    def answered(self, view: View, answer: dict[str, Any]) -> None:
        """The app acknowledged what was submitted: the form closes, or says what is wrong."""
        with self._lock:
            self.version += 1
            if answer.get("response_action") == "errors":
                known = {block.get("block_id") for block in view.content["blocks"]}
                view.faults = {name: str(said) for name, said in answer["errors"].items() if name in known}
            else:
                self._open.pop(view.id, None)

    def close(self, number: str) -> bool:
        """The person closes it unsent; whether it was open."""
        with self._lock:
            self.version += 1
            return self._open.pop(number, None) is not None


def filled(view: View, given: dict[str, Any]) -> dict[str, Any]:
    """What `state.values` holds of what was given by block: a text, an option's value, or a user's id.

    Raises ValueError for what Slack would not let go.
    """
    values: dict[str, Any] = {}
    for block in view.content["blocks"]:
        if block["type"] != "input":
            continue
        name, element = block.get("block_id", ""), block["element"]
        said = given.get(name)
        if not said and not block.get("optional"):
            raise ValueError(f"{name}: please complete this required field")
        match element["type"]:
            case "plain_text_input":
                most = element.get("max_length", 3000)
                if said and len(said) > most:
                    raise ValueError(f"{name}: at most {most} characters")
                state: dict[str, Any] = {"value": said or None}
            case "static_select":
                chosen = next((o for o in element["options"] if o["value"] == said), None)
                if said and chosen is None:
                    raise ValueError(f"{name}: there is no option {said}")
                state = {"selected_option": chosen}
            case _:
                state = {"selected_user": said or None}
        values[name] = {element.get("action_id", ""): {"type": element["type"], **state}}
    return values


def _check(content: Any) -> list[str]:
    """What is wrong with a view; nothing where Slack would take it."""
    if not isinstance(content, dict):
        return ["[ERROR] must be a valid view [json-pointer:/view]"]
    told = []
    if content.get("type") != "modal":
        told.append("must be one of: modal [json-pointer:/view/type]")
    for name, most in (("private_metadata", 3000), ("callback_id", 255)):
        if len(str(content.get(name, ""))) > most:
            told.append(f"must be less than {most + 1} characters [json-pointer:/view/{name}]")
    told += slack_blocks.check_texts(content, {"title": 24, "submit": 24, "close": 24}, "/view")
    if "title" not in content:
        told.append("missing required field: title [json-pointer:/view]")
    blocks = content.get("blocks")
    told += slack_blocks.check(blocks, most=slack_blocks.MOST_IN_VIEW, at="/view/blocks")
    inputs = isinstance(blocks, list) and any(
        isinstance(b, dict) and b.get("type") == "input" for b in blocks
    )
    if inputs and "submit" not in content:
        told.append("submit is required when an input block is within blocks [json-pointer:/view]")
    return [f"[ERROR] {one}" for one in told]
