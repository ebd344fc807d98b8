"""A message as Slack's blocks, within Slack's limits.

Names from outside stand in plain text, or escaped in mrkdwn: `&`, `<` and `>` are all that Slack's markup
begins with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alerts.notify.contract import Action, Severity
from alerts.notify.words import MARKS, WHY, clean, clip, follow, subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerts.notify.contract import Fact, Link, Message, Section

__all__ = ["ACTIONS", "NOTES", "Block", "escape", "notes", "notification", "parent", "reply", "with_note"]

Block = dict[str, Any]

_HEADER: Final = 150
_SECTION: Final = 3000
_FIELD: Final = 2000
_FIELDS: Final = 10
_BLOCKS: Final = 50
_TEXT: Final = 3000
_CONTEXT: Final = 10
_SHORT: Final = 90
"""A fact up to so long shares its row with another."""

ACTIONS: Final = "paceline_actions"
NOTES: Final = "paceline_notes"
"""Ids of the block with the buttons, and of the one that says who pressed them."""

_ICONS: Final = {Severity.CRITICAL: "🔴", Severity.WARNING: "🟠", Severity.INFO: "🔵"}
_AFTER: Final = (Action.NOTE, Action.USEFUL, Action.NOISE)
"""What can still be done when the incident is over."""
_BUTTONS: Final = {
    Action.ACKNOWLEDGE: "Acknowledge",
    Action.SNOOZE: "Snooze …",
    Action.ASSIGN: "Assign …",
    Action.NOTE: "Note …",
    Action.USEFUL: "Useful",
    Action.NOISE: "Noise",
}


def escape(text: str, *, lines: bool = False) -> str:
    """A text from outside for mrkdwn."""
    return _entities(clean(text, lines=lines))


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notification(message: Message) -> str:
    """What a lock screen shows, and a reader without blocks: the headline, from its first character."""
    return clip(escape(subject(message)), _TEXT)


def parent(message: Message, *, buttons: bool) -> list[Block]:
    """The message that stands in the channel for the whole incident."""
    icon = "✅" if message.resolved else "" if message.sections else _ICONS[message.severity]
    blocks: list[Block] = [_header(f"{icon} {subject(message)}".strip()), _about(message)]
    blocks += _facts(message.facts)
    if message.members:
        lines = [f"{'✓' if m.resolved else '•'} {escape(m.text)}" for m in message.members]
        blocks.append(_section(_fit(lines, _SECTION)))
    for section in message.sections:
        blocks += _items(section)
    blocks += _links(message.links)
    last: list[Block] = []
    if buttons and message.actions:
        last.append(_buttons(message.incident, _AFTER if message.resolved else tuple(_BUTTONS)))
    return blocks[: _BLOCKS - len(last) - 1] + last  # one is kept free for notes


def reply(message: Message) -> list[Block]:
    """What has changed, in the incident's thread."""
    head = f"*{clip(WHY[message.reason], 100)}*: {escape(clean(message.headline))}"
    if message.test:
        head = f"*TEST* {head}"
    blocks = [_section(clip_escaped(head, _SECTION)), *_facts(message.facts)]
    if message.members:
        lines = [f"{'✓' if m.resolved else '•'} {escape(m.text)}" for m in message.members]
        blocks.append(_section(_fit(lines, _SECTION)))
    blocks += _links(message.links)
    return blocks[:_BLOCKS]


def with_note(blocks: Sequence[Block], note: str) -> list[Block]:
    """The same blocks with a line about who did what; at most ten lines are kept. note: mrkdwn."""
    kept = [b for b in blocks if b.get("block_id") != NOTES]
    held = next((list(b["elements"]) for b in blocks if b.get("block_id") == NOTES), [])
    if any(one.get("text") == note for one in held):
        return list(blocks)
    lines = [*held, {"type": "mrkdwn", "text": clip_escaped(note, _TEXT), "verbatim": True}][-_CONTEXT:]
    return [*kept[: _BLOCKS - 1], {"type": "context", "block_id": NOTES, "elements": lines}]


def notes(blocks: Sequence[Block]) -> list[Block]:
    """The lines about who did what, of a message as it stands: to be kept where it is written anew."""
    return [one for one in blocks if one.get("block_id") == NOTES]


def clip_escaped(text: str, most: int) -> str:
    """`clip` for escaped text: an entity is kept whole or left out."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    start = cut.rfind("&", len(cut) - 5)
    return (cut[:start] if start >= 0 and ";" not in cut[start:] else cut).rstrip() + "…"


def _header(text: str) -> Block:
    # Slack counts UTF-16 units as JavaScript does: a pictograph is two.
    while len(text.encode("utf-16-le")) // 2 > _HEADER:
        text = clip(text, len(text) - 1)
    return {"type": "header", "text": {"type": "plain_text", "text": text or "—", "emoji": False}}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text or "—", "verbatim": True}


def _about(message: Message) -> Block:
    moment = int(message.at.timestamp())
    since = f"<!date^{moment}^{{date_short_pretty}} {{time}}|{message.at:%Y-%m-%d %H:%M} UTC>"
    parts = [WHY[message.reason], since]
    if not message.sections:
        parts.insert(0, message.severity.value.capitalize())
    return {"type": "context", "elements": [_mrkdwn(" · ".join(parts))]}


def _facts(facts: Iterable[Fact]) -> list[Block]:
    """Short facts two in a row, long ones alone, in their order."""
    blocks: list[Block] = []
    row: list[Block] = []
    for fact in facts:
        label, text = escape(fact.label), escape(fact.text, lines=True)
        if len(text) <= _SHORT and "\n" not in text:
            row.append(_mrkdwn(clip_escaped(f"*{clip_escaped(label, 100)}*\n{text}", _FIELD)))
            if len(row) == _FIELDS:
                blocks.append({"type": "section", "fields": row})
                row = []
            continue
        if row:
            blocks.append({"type": "section", "fields": row})
            row = []
        blocks.append(_section(clip_escaped(f"*{clip_escaped(label, 100)}*\n{text}", _SECTION)))
    if row:
        blocks.append({"type": "section", "fields": row})
    return blocks


def _items(section: Section) -> list[Block]:
    lines = [f"*{clip_escaped(escape(section.title), 150)}*"]
    for line in section.lines:
        text = clip_escaped(escape(line.text), 300)
        rest = clip_escaped(_entities(follow(line.rest)), 300)
        lines.append(f"{MARKS[line.state]} {_link(text, line.url)}{rest}")
    return [_section(_fit(lines, _SECTION))]


def _links(links: Iterable[Link]) -> list[Block]:
    shown = [_link(clip_escaped(escape(link.title), 150), link.url) for link in links]
    return [_section(_fit(shown, _SECTION, " · "))] if shown else []


def _link(text: str, url: str) -> str:
    """A link of mrkdwn; the bare text where the address could break out of it, or is too long to stand."""
    if not url.startswith(("https://", "http://")) or any(c in url for c in "<>|\n ") or len(url) > 2000:
        return text
    return f"<{url.replace('&', '&amp;')}|{text.replace('|', '¦')}>"


def _fit(lines: Sequence[str], most: int, between: str = "\n") -> str:
    """As many whole lines as fit, then how many were left out."""
    room = most - 20  # for the last line
    kept: list[str] = []
    size = 0
    for line in lines:
        shown = clip_escaped(line, room) if "<" not in line or len(line) <= room else ""
        if size + len(shown) + len(between) > room:
            break
        kept.append(shown)
        size += len(shown) + len(between)
    rest = len(lines) - len(kept)
    return between.join([*kept, f"… and {rest} more"] if rest else kept)


def _buttons(incident: str, actions: Iterable[Action]) -> Block:
    elements = []
    for action in actions:
        button: Block = {
            "type": "button",
            "action_id": str(action),
            "value": incident,
            "text": {"type": "plain_text", "text": _BUTTONS[action], "emoji": False},
        }
        if action is Action.ACKNOWLEDGE:
            button["style"] = "primary"
        elements.append(button)
    return {"type": "actions", "block_id": ACTIONS, "elements": elements}
