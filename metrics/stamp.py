"""What a proposal writes into a metric's header by itself: version, dates, approval, and why it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metrics.header import parse

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

__all__ = ["PENDING", "approved", "stamped"]

PENDING: Final = "(pending)"
"""Stands for the approver until there is one."""

_WIDTH: Final = 13
"""Of `-- key:`, so that values stand below each other."""


def stamped(path: Path, text: str, *, before: str | None, why: str, today: date) -> str:
    """The metric's text as the version after `before`'s (None: the first), of today, not yet approved."""
    version = 1
    if before is not None:
        said = parse(path, before).value("version")
        version = int(said) + 1 if said.isdigit() else 1
    text = _set(path, text, "version", str(version))
    text = _set(path, text, "reviewed", f"{today}")
    text = _set(path, text, "approved", PENDING)
    lines = text.split("\n")
    header = parse(path, text)
    newest = header.get("changes")
    # A text that was proposed before, or copied from a proposal, carries its line already.
    if newest is not None and newest.value.startswith(f"{version} "):
        lines.pop(newest.line - 1)
        at = newest.line - 1
    else:
        at = newest.line - 1 if newest is not None else max((e.line for e in header.entries), default=0)
    lines.insert(at, f"{'-- changes:':<{_WIDTH}}{version} {today} {why}")
    return "\n".join(lines).rstrip() + "\n"


def approved(path: Path, text: str, by: str) -> str:
    """The text with its approver."""
    return _set(path, text, "approved", by)


def _set(path: Path, text: str, key: str, value: str) -> str:
    lines = text.split("\n")
    header = parse(path, text)
    entry = header.get(key)
    line = f"{f'-- {key}:':<{_WIDTH}}{value}"
    if entry is not None:
        lines[entry.line - 1] = line
    else:
        lines.insert(min((e.line for e in header.entries), default=0), line)
    return "\n".join(lines)
