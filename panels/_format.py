"""Numbers, ages and names as people read them: three significant digits, a true minus, a named unit."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta

from metrics.words import NOTHING, change, count, figure, money, multiple, percent

__all__ = [
    "NOTHING",
    "age",
    "bare",
    "change",
    "clock",
    "count",
    "figure",
    "money",
    "multiple",
    "percent",
    "plain",
]


def age(span: timedelta) -> str:
    """How long ago, in one unit: 4 min, 3 h, 2 d; under a minute it is "now"."""
    minutes = span.total_seconds() / 60
    if minutes < 1:
        return "now"
    if minutes < 100:
        return f"{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} h"
    return f"{minutes / 1440:.0f} d"


def clock(at: datetime, now: datetime) -> str:
    """A moment as a clock shows it, in the zone of `now`; with its date when that is another day."""
    local = at.astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%d %b %H:%M}"


_LINK = re.compile(r"\\:(?=//)|www(?=\\\.)|@", re.IGNORECASE)
"""Where an escaped text would still be made a link: a word joiner there keeps it from being one."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@])")


def bare(text: str) -> str:
    """A name from outside, without control and bidirectional characters; for places that show plain text."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))


def plain(text: str) -> str:
    """A name from outside, as Streamlit's markdown shows it letter by letter.

    Names of campaigns are hostile input: control and bidirectional characters are dropped, every mark
    that markdown, LaTeX or a colour directive knows is escaped, and no address in it becomes a link.
    """
    return _LINK.sub("\\g<0>\u2060", _MARKDOWN.sub(r"\\\1", bare(text)))
