"""Graph's parameters: strings that hold numbers, flags, lists, JSON, or what passes for JSON."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from sandbox.meta_errors import bad_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Params", "choices", "day", "flag", "moment", "names", "number", "read"]

Params = dict[str, str]

_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)(\s*:)")


def read(text: str) -> Any:
    """The value that `text` writes: JSON; or, as Graph forgives, single quotes and keys without any.

    Raises ValueError for anything else.
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(_BARE_KEY.sub(r'\1"\2"\3', text.strip()))
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"not a value: {text[:80]}") from error


def names(params: Mapping[str, str], key: str) -> list[str]:
    """A list of words: a JSON list, a bracketed or a plain comma-separated one; empty when not given."""
    text = params.get(key, "").strip()
    if not text:
        return []
    if text[0] in "[\"'":
        try:
            value = read(text)
        except ValueError:
            raise bad_parameter(f"param {key} must be an array.") from None
        return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
    return [word.strip() for word in text.split(",") if word.strip()]


def choices(params: Mapping[str, str], key: str, allowed: Collection[str]) -> list[str]:
    """Like `names`, each one of `allowed`."""
    given = names(params, key)
    for index, name in enumerate(given):
        if name not in allowed:
            listed = ", ".join(sorted(allowed))
            raise bad_parameter(f"{key}[{index}] must be one of the following values: {listed}")
    return given


def number(params: Mapping[str, str], key: str, default: int, *, least: int = 0) -> int:
    """A whole number, at least `least`."""
    text = params.get(key, "").strip().strip("\"'")
    if not text:
        return default
    if not text.removeprefix("-").isdecimal():
        raise bad_parameter(f"param {key} must be an integer.")
    if int(text) < least:
        raise bad_parameter(f"Param {key} must be a number greater than or equal to {least}")
    return int(text)


def flag(params: Mapping[str, str], key: str, *, default: bool = False) -> bool:
    """A yes or no."""
    text = params.get(key, "").strip().strip("\"'").lower()
    if not text:
        return default
    if text in {"true", "1", "yes"}:
        return True
    if text in {"false", "0", "no"}:
        return False
    raise bad_parameter(f"param {key} must be a boolean.")


def moment(text: str, key: str) -> datetime:
    """A moment, aware: seconds since 1970, a day, or ISO 8601 (UTC where it names no offset)."""
    text = text.strip().strip("\"'")
    try:
        if text.removeprefix("-").isdecimal():
            return datetime.fromtimestamp(int(text), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise bad_parameter(f"param {key} must be a valid datetime.") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def day(text: str, key: str) -> date:
    """A calendar day, `YYYY-MM-DD`."""
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise bad_parameter(f"{key} must be a valid date in the format YYYY-MM-DD") from None
