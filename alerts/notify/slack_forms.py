"""The forms that a press opens in Slack: how long to snooze and why, whom to assign, what to note.

Source: Slack's reference of views and of `view_submission`. A form carries what it is about in its private
metadata, for Slack keeps nothing else of where it was opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from alerts.notify import slack_blocks
from alerts.notify.contract import LONGEST_NOTE, SNOOZES, Action
from alerts.notify.words import clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerts.routes import Person

__all__ = ["FORMS", "Form", "Given", "blame", "form", "given"]

FORMS: Final = frozenset({Action.SNOOZE, Action.ASSIGN, Action.NOTE})
"""Actions that ask for more than a press."""

_MOST_OPTIONS: Final = 100
_OPTION: Final = 75
_CALLBACK: Final = "paceline_"
_TITLES: Final = {Action.SNOOZE: "Snooze", Action.ASSIGN: "Assign", Action.NOTE: "Note"}
_VALUE: Final = "value"

Form = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody filled in, and where the form was opened. text: the reason, the note, or the person."""

    action: Action
    incident: str
    text: str
    lasts: timedelta
    channel: str
    ts: str


def form(
    action: Action,
    incident: str,
    *,
    headline: str,
    channel: str,
    ts: str,
    people: Sequence[Person],
    user: str,
) -> Form:
    """The view that asks for what an action needs.

    headline: mrkdwn, escaped. people: who can be assigned. user: whose form it is, in Slack's terms: whom an
    assignment offers first.
    """
    match action:
        case Action.SNOOZE:
            lasts = [_option(words, words) for words in SNOOZES]
            fields = [
                _input("lasts", "For how long?", _select(lasts, lasts[0])),
                _input("text", "Why?", _line("Planned sale"), hint="Others will read it."),
            ]
        case Action.ASSIGN:
            offered = sorted(people, key=lambda one: one.slack != user)[:_MOST_OPTIONS]
            options = [_option(one.name, one.name) for one in offered]
            own = options[0] if offered[0].slack == user else None
            left = len(people) - len(offered)
            hint = f"{left} more stand in the app: assign them there." if left else ""
            fields = [_input("text", "To whom?", _select(options, own), hint=hint)]
        case _:
            area = {"type": "plain_text_input", "multiline": True, "max_length": LONGEST_NOTE}
            fields = [
                _input("text", "What did you find or do?", area, hint="The incident's timeline keeps it.")
            ]
    about = {"incident": incident, "channel": channel, "ts": ts}
    return {
        "type": "modal",
        "callback_id": f"{_CALLBACK}{action}",
        "private_metadata": json.dumps(about),
        "title": _plain(_TITLES[action]),
        "submit": _plain("Save" if action is Action.NOTE else _TITLES[action]),
        "close": _plain("Cancel"),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": headline or "—", "verbatim": True}},
            *fields,
        ],
    }


def given(view: dict[str, Any]) -> Given | None:
    """What a submitted view holds; None where it is no form of ours."""
    name = str(view.get("callback_id", "")).removeprefix(_CALLBACK)
    if name not in FORMS:
        return None
    about = json.loads(view["private_metadata"])
    values = view["state"]["values"]
    lasts = _said(values.get("lasts", {}))
    return Given(
        Action(name),
        str(about["incident"]),
        _said(values.get("text", {})),
        SNOOZES.get(lasts, timedelta(0)),
        str(about["channel"]),
        str(about["ts"]),
    )


def blame(said: str) -> dict[str, Any]:
    """The acknowledgement that keeps the form open and says what is wrong. said: as plain text."""
    return {"response_action": "errors", "errors": {"text": clip(said, 1000)}}


def _said(block: dict[str, Any]) -> str:
    state = block.get(_VALUE, {})
    chosen = state.get("selected_option") or {}
    return str(chosen.get("value") or state.get("value") or "").strip()


def _input(name: str, label: str, element: dict[str, Any], *, hint: str = "") -> slack_blocks.Block:
    block = {
        "type": "input",
        "block_id": name,
        "label": _plain(label),
        "element": {**element, "action_id": _VALUE},
    }
    return block | ({"hint": _plain(hint)} if hint else {})


def _line(placeholder: str) -> dict[str, Any]:
    return {"type": "plain_text_input", "max_length": LONGEST_NOTE, "placeholder": _plain(placeholder)}


def _select(options: Iterable[dict[str, Any]], initial: dict[str, Any] | None) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "static_select", "options": list(options)}
    return made | ({"initial_option": initial} if initial else {})


def _option(text: str, value: str) -> dict[str, Any]:
    return {"text": _plain(clip(text, _OPTION)), "value": value}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
