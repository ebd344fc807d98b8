"""The small notations of the settings: durations, shares, time zones, currencies."""

from __future__ import annotations

import difflib
import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema

__all__ = ["Currency", "Duration", "Share", "TimeZone", "duration", "spell"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=3660)


def duration(value: object) -> timedelta:
    """`30s`, `5m`, `4h`, `28d` as a timedelta of ten years at most. Raises ValueError with what is wrong."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", str(value))
    if match is None:
        raise ValueError("is not a duration: write a whole number and a unit, such as 30s, 5m, 4h or 28d")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"is longer than {_LONGEST.days} days")
    return timedelta(seconds=seconds)


def spell(span: timedelta) -> str:
    """A duration in the settings' own notation, in the largest unit that divides it."""
    seconds = int(span.total_seconds())
    for unit, size in reversed(_UNITS.items()):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _share(value: object) -> float:
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)):
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return float(value)
    raise ValueError("is not a share: write a percentage such as 10%, or a fraction such as 0.1")


def _timezone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(str(value), available_timezones(), 1, 0.5)
        hint = f", did you mean {near[0]!r}?" if near else " (a name such as Europe/Berlin)"
        raise ValueError(f"is not a time zone{hint}") from None


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(spell, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+[smhd]$", "examples": ["5m", "4h", "28d"]}),
]

Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": ["string", "number"], "examples": ["10%"]}),
]

TimeZone = Annotated[
    ZoneInfo,
    BeforeValidator(_timezone),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]}),
]

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code: EUR, USD, JPY."""
