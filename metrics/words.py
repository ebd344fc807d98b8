"""Figures as people read them: three significant digits, a true minus, a named unit.

One way to write a number for cards, alerts and digests alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from metrics.model import Unit

__all__ = ["NOTHING", "change", "count", "exact", "figure", "money", "multiple", "percent"]

_SYMBOLS: Final = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩"}
_WHOLE: Final = {"JPY", "KRW"}
"""Currencies without minor units."""

NOTHING: Final = "—"
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


def exact(value: float, currency: str) -> str:
    """A sum of money to the cent, as somebody set it: €50, €1,234.50."""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    text = f"{abs(value):,.2f}"
    return f"{_minus(value)}{symbol}{text.removesuffix('.00')}"


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


def figure(value: float | None, unit: Unit, currency: str = "") -> str:
    """A metric's value in its own unit (`Metric.unit`); `currency` is that of money."""
    if value is None or _absent(value):
        return NOTHING
    if unit == "money":
        return money(value, currency)
    if unit == "percent":
        return percent(value)
    if unit == "multiple":
        return multiple(value)
    if unit == "ratio":
        return f"{_minus(value)}{_scaled(value, 2)}"
    if unit == "seconds":
        return f"{_minus(value)}{_scaled(value, 2)} s"
    return f"{count(value)} days" if unit == "days" else count(value)
