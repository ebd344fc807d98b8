"""Money as Graph writes it: budgets in the currency's smallest offset, insights in its units."""

from __future__ import annotations

__all__ = ["decimals", "minor", "ratio", "units"]

_WITHOUT_CENTS = frozenset(
    {"CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"}
)  # fmt: skip
"""Currencies whose offset is 1: budgets are in whole units, and spend has no decimals."""


def decimals(currency: str) -> int:
    """Digits after the point: 0 or 2."""
    return 0 if currency in _WITHOUT_CENTS else 2


def minor(micros: int, currency: str) -> str:
    """An amount in the currency's smallest unit, as budgets are told ("5000" is 50 dollars or 5,000 yen)."""
    step = 10 ** (6 - decimals(currency))
    return str((micros + step // 2) // step)


def units(micros: int, currency: str) -> str:
    """An amount in the currency's own units, rounded to its decimals, without trailing zeros ("89.7")."""
    digits = decimals(currency)
    step = 10 ** (6 - digits)
    amount = (abs(micros) + step // 2) // step
    sign = "-" if micros < 0 and amount else ""
    if not digits:
        return f"{sign}{amount}"
    return sign + f"{amount // 100}.{amount % 100:02d}".rstrip("0").rstrip(".")


def ratio(above: float, below: float, digits: int = 6) -> str | None:
    """A quotient as Graph writes it, six decimals without trailing zeros; None where there is none."""
    if not below:
        return None
    return f"{above / below:.{digits}f}".rstrip("0").rstrip(".")
