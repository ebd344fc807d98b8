"""Numbers, ages and names as people read them: three significant digits, a true minus, a named unit."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime, timedelta

__all__ = ["age", "change", "clock", "count", "money", "multiple", "percent", "plain"]

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩"}
_WHOLE = {"JPY", "KRW"}
"""Currencies without minor units."""

NOTHING = "—"
"""What stands where there is no number."""


def _scaled(value: float, below_hundred: int) -> str:
    size = abs(value)
    if size < 99.995:
        return f"{size:,.{below_hundred}f}"
    if size < 999.5:
        return f"{size:,.0f}"
    for factor, letter in ((1e3, "k"), (1e6, "M"), (1e9, "B")):
        if size < 999.5 * factor:
            scaled = size / factor
            digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{digits}f}{letter}"
    return f"{size:.3g}"


def _absent(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _minus(value: float) -> str:
    return "−" if value < 0 else ""


def money(value: float | None, currency: str) -> str:
    """`value` in units of `currency`: €12.5k, €1.20M, below a hundred €18.40; a dash for None or NaN."""
    if value is None or _absent(value):
        return NOTHING
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{_minus(value)}{symbol}{_scaled(value, 0 if currency in _WHOLE else 2)}"


def count(value: float | None) -> str:
    """A count: 678, 12.5k; a fractional one below a hundred keeps one decimal."""
    if value is None or _absent(value):
        return NOTHING
    fractional = abs(value) < 99.95 and not math.isclose(value, round(value), abs_tol=0.05)
    return f"{_minus(value)}{_scaled(value, 1 if fractional else 0)}"


def multiple(value: float | None) -> str:
    """A ratio of two sums of money, such as ROAS: 3.42×."""
    if value is None or _absent(value):
        return NOTHING
    return f"{_minus(value)}{_scaled(value, 2)}×"


def percent(value: float | None, *, digits: int | None = None) -> str:
    """A share (0..1) as a percentage: 3.2 %, 87 %."""
    if value is None or _absent(value):
        return NOTHING
    hundred = abs(value) * 100
    places = digits if digits is not None else 1 if hundred < 9.95 else 0
    return f"{_minus(value)}{hundred:.{places}f} %"


def change(ratio: float | None) -> str:
    """A relative change with its sign: +6 %, −12 %; a dash for None or NaN."""
    if ratio is None or _absent(ratio):
        return NOTHING
    text = percent(abs(ratio))
    return text if ratio == 0 else f"{'+' if ratio > 0 else '−'}{text}"


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


_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """A name from outside, as Streamlit's markdown shows it letter by letter.

    Names of campaigns are hostile input: control and bidirectional characters are dropped, every mark
    that markdown, LaTeX or a colour directive knows is escaped.
    """
    kept = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))
    return _MARKDOWN.sub(r"\\\1", kept)
