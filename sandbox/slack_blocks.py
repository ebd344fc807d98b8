"""Block Kit as Slack checks it: what a message may be laid out of, and how long each part may be.

Source: Slack's reference of blocks, elements and composition objects. What is told is told in Slack's words,
with a JSON pointer to the part that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST_BLOCKS", "MOST_IN_VIEW", "check", "check_texts"]

MOST_BLOCKS: Final = 50
MOST_IN_VIEW: Final = 100

_BUTTON_STYLES: Final = ("primary", "danger")
_STYLES_OF_TEXT: Final = ("plain_text", "mrkdwn")
_INPUTS: Final = ("plain_text_input", "static_select", "users_select")


def check(blocks: Any, *, most: int = MOST_BLOCKS, at: str = "/blocks") -> list[str]:
    """What is wrong with the blocks of a message, or a view; nothing where Slack would take them.

    at: the JSON pointer to them.
    """
    found = _Faults()
    top = at
    if not isinstance(blocks, list):
        return [f"must be an array [json-pointer:{top}]"]
    if len(blocks) > most:
        found.add(top, f"no more than {most} items allowed")
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        at = f"{top}/{index}"
        if not isinstance(block, dict):
            found.add(at, "must be an object")
            continue
        checker = _BLOCKS.get(str(block.get("type")))
        if checker is None:
            found.add(f"{at}/type", f"unsupported type: {block.get('type')}")
            continue
        name = block.get("block_id")
        if name is not None:
            found.length(f"{at}/block_id", name, 255)
            if name in seen:
                found.add(f"{at}/block_id", f"block_id must be unique, found duplicate: {name}")
            seen.add(str(name))
        checker(found, at, block)
    return found.told


def check_texts(holder: dict[str, Any], limits: dict[str, int], at: str) -> list[str]:
    """What is wrong with the plain texts of an object that are there, by how long each may be."""
    found = _Faults()
    for name, most in limits.items():
        if name in holder:
            found.text(f"{at}/{name}", holder[name], most, styles=("plain_text",))
    return found.told


@dataclass
class _Faults:
    told: list[str] = field(default_factory=list)

    def add(self, at: str, what: str) -> None:
        self.told.append(f"{what} [json-pointer:{at}]")

    def length(self, at: str, value: Any, most: int, least: int = 1) -> None:
        if not isinstance(value, str):
            self.add(at, "must be a string" if value is not None else "missing required field")
        elif len(value) < least:
            self.add(at, f"must be more than {least - 1} characters")
        elif len(value) > most:
            self.add(at, f"must be less than {most + 1} characters")

    def text(self, at: str, value: Any, most: int, *, styles: tuple[str, ...] = _STYLES_OF_TEXT) -> None:
        if not isinstance(value, dict):
            self.add(at, "missing required field: text" if value is None else "must be an object")
            return
        if value.get("type") not in styles:
            self.add(f"{at}/type", f"must be one of: {', '.join(styles)}")
        self.length(f"{at}/text", value.get("text"), most)
        for flag, style in (("emoji", "plain_text"), ("verbatim", "mrkdwn")):
            if flag in value and value.get("type") != style:
                self.add(f"{at}/{flag}", f"only allowed with {style}")

    def items(self, at: str, value: Any, most: int) -> list[tuple[str, Any]]:
        if not isinstance(value, list) or not value:
            self.add(at, "must be a non-empty array")
            return []
        if len(value) > most:
            self.add(at, f"no more than {most} items allowed")
        return [(f"{at}/{index}", one) for index, one in enumerate(value)]


def _header(found: _Faults, at: str, block: dict[str, Any]) -> None:
    found.text(f"{at}/text", block.get("text"), 150, styles=("plain_text",))


def _section(found: _Faults, at: str, block: dict[str, Any]) -> None:
    if "text" not in block and "fields" not in block:
        found.add(at, "missing required field: text or fields")
    if "text" in block:
        found.text(f"{at}/text", block["text"], 3000)
    if "fields" in block:
        for place, one in found.items(f"{at}/fields", block["fields"], 10):
            found.text(place, one, 2000)
    if "accessory" in block:
        _element(found, f"{at}/accessory", block["accessory"])


def _context(found: _Faults, at: str, block: dict[str, Any]) -> None:
    for place, one in found.items(f"{at}/elements", block.get("elements"), 10):
        if isinstance(one, dict) and one.get("type") == "image":
            _picture(found, place, one)
        else:
            found.text(place, one, 3000)


def _actions(found: _Faults, at: str, block: dict[str, Any]) -> None:
    names: set[str] = set()
    for place, one in found.items(f"{at}/elements", block.get("elements"), 25):
        _element(found, place, one)
        name = one.get("action_id") if isinstance(one, dict) else None
        if name in names:
            found.add(f"{place}/action_id", f"action_id must be unique, found duplicate: {name}")
        if name:
            names.add(name)


def _input(found: _Faults, at: str, block: dict[str, Any]) -> None:
    found.text(f"{at}/label", block.get("label"), 2000, styles=("plain_text",))
    if "hint" in block:
        found.text(f"{at}/hint", block["hint"], 2000, styles=("plain_text",))
    element = block.get("element")
    if not isinstance(element, dict) or element.get("type") not in _INPUTS:
        found.add(f"{at}/element", "unsupported element for an input block")
        return
    _element(found, f"{at}/element", element)


def _picture(found: _Faults, at: str, block: dict[str, Any]) -> None:
    found.length(f"{at}/alt_text", block.get("alt_text"), 2000)
    if "slack_file" not in block:
        found.length(f"{at}/image_url", block.get("image_url"), 3000)


def _element(found: _Faults, at: str, value: Any) -> None:
    if not isinstance(value, dict):
        found.add(at, "must be an object")
        return
    kind = value.get("type")
    if "action_id" in value:
        found.length(f"{at}/action_id", value["action_id"], 255)
    if kind == "button":
        found.text(f"{at}/text", value.get("text"), 75, styles=("plain_text",))
        if "url" in value:
            found.length(f"{at}/url", value["url"], 3000)
        if "value" in value:
            found.length(f"{at}/value", value["value"], 2000)
        if "style" in value and value["style"] not in _BUTTON_STYLES:
            found.add(f"{at}/style", f"must be one of: {', '.join(_BUTTON_STYLES)}")
        if "confirm" in value:
            _confirm(found, f"{at}/confirm", value["confirm"])
    elif kind in ("overflow", "static_select"):
        for place, one in found.items(
            f"{at}/options", value.get("options"), 5 if kind == "overflow" else 100
        ):
            found.text(f"{place}/text", one.get("text") if isinstance(one, dict) else None, 75)
            found.length(f"{place}/value", one.get("value") if isinstance(one, dict) else None, 150)
        if kind == "static_select":
            _chosen(found, at, value)
    elif kind in ("plain_text_input", "users_select"):
        _placeholder(found, at, value)
        if "max_length" in value and not 1 <= int(value["max_length"]) <= 3000:
            found.add(f"{at}/max_length", "must be between 1 and 3000")
    elif kind == "image":
        _picture(found, at, value)
    else:
        found.add(f"{at}/type", f"unsupported type: {kind}")


def _chosen(found: _Faults, at: str, value: dict[str, Any]) -> None:
    _placeholder(found, at, value)
    if "initial_option" in value and value["initial_option"] not in value.get("options", ()):
        found.add(f"{at}/initial_option", "must exactly match one of the options")


def _placeholder(found: _Faults, at: str, value: dict[str, Any]) -> None:
    if "placeholder" in value:
        found.text(f"{at}/placeholder", value["placeholder"], 150, styles=("plain_text",))


def _confirm(found: _Faults, at: str, value: Any) -> None:
    if not isinstance(value, dict):
        found.add(at, "must be an object")
        return
    found.text(f"{at}/title", value.get("title"), 100, styles=("plain_text",))
    found.text(f"{at}/text", value.get("text"), 300)
    for name in ("confirm", "deny"):
        found.text(f"{at}/{name}", value.get(name), 30, styles=("plain_text",))


def _nothing(found: _Faults, at: str, block: dict[str, Any]) -> None:
    """A divider has no content."""


_BLOCKS: Final[dict[str, Callable[[_Faults, str, dict[str, Any]], None]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "input": _input,
    "divider": _nothing,
    "image": _picture,
}
