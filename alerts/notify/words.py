"""What all channels say alike: reasons in words, and texts made harmless and short."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from alerts.notify.contract import Reason

if TYPE_CHECKING:
    from alerts.notify.contract import Message

__all__ = ["MARKS", "WHY", "clean", "clip", "follow", "subject"]

WHY: Final[dict[Reason, str]] = {
    Reason.FIRST: "New",
    Reason.NEW_ALERTS: "More of it",
    Reason.ALL_RESOLVED: "Resolved",
    Reason.SEVERITY: "Its severity has changed",
    Reason.NEW_RESOLVED: "A part of it has ended",
    Reason.REPEAT: "Still going on",
    Reason.ESCALATION: "Nobody has acknowledged this yet",
    Reason.ASSIGNED: "Given to you",
    Reason.FLAPPING: "It comes and goes: quiet until it settles",
    Reason.UNDELIVERED: "Another channel could not deliver",
    Reason.HEARTBEAT: "Daily sign of life",
    Reason.DIGEST: "Digest",
    Reason.TEST: "Test",
}

MARKS: Final = {"good": "●", "warn": "▲", "bad": "■", "none": "○", "": "•"}
"""A state as a shape, the same as in the app's tables: told apart without colour."""

_DROPPED: Final = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
"""Control, format (which holds the bidirectional overrides), private, surrogate, line separators."""


def clean(text: str, *, lines: bool = False) -> str:
    """A text from outside as one line (or several) of visible characters."""
    kept = "".join(
        c
        if unicodedata.category(c) not in _DROPPED or (lines and c == "\n")
        else " " * (c in "\n\r\t\u2028\u2029")
        for c in text
    )
    if lines:
        return "\n".join(" ".join(line.split()) for line in kept.split("\n"))
    return " ".join(kept.split())


def follow(rest: str) -> str:
    """What follows an item's name, with a blank before it unless it begins with a mark of its own."""
    said = clean(rest)
    return said if not said or said[0] in ":,;" else f" {said}"


def clip(text: str, most: int) -> str:
    """At most `most` characters, the last of them an ellipsis where something is left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def subject(message: Message) -> str:
    """The headline as it opens a message: what must be known first stands first."""
    text = clean(message.headline) or "—"
    if message.resolved:
        text = f"Resolved: {text}"
    return f"TEST: {text}" if message.test else text
