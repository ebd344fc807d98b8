"""Currencies: converted by the rate of the day, or refused; never summed as they are.

Rates are the European Central Bank's euro reference rates (table `fx`): `per_eur` units of a currency buy
one euro. From A to B: per_eur(B) / per_eur(A). A day without a rate (weekend, holiday, today before four in
the afternoon) takes the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.store import Warehouse

__all__ = ["MissingRate", "MixedCurrencies", "Rates", "rates"]

_STALE: Final = timedelta(days=10)
"""No holiday of the central bank lasts as long: an older rate means that nobody fetched."""


class MixedCurrencies(ValueError):
    """The figure would add up money of several currencies."""

    def __init__(self, currencies: Iterable[str]) -> None:
        listed = ", ".join(sorted(currencies))
        super().__init__(
            f"these accounts spend in {listed}: set `reporting_currency` in paceline.yaml to convert them by "
            "dated rates, or group by account or currency"
        )


class MissingRate(ValueError):
    """There is no rate for a currency on a day, nor shortly before it."""

    def __init__(self, currency: str, day: date) -> None:
        super().__init__(
            f"no rate for {currency} on {day} nor in the {_STALE.days} days before it: add `fx` to the "
            "sources in paceline.yaml and let it be polled, or group by account instead of converting"
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Factors to a reporting currency, one for each currency and day, as columns of equal length."""

    currency: list[str]
    day: list[date]
    rate: list[float]


def rates(warehouse: Warehouse, currencies: Iterable[str], to: str, first: date, last: date) -> Rates:
    """The factor from each of `currencies` to `to` for every day from `first` to `last`.

    Raises MissingRate.
    """
    wanted = sorted({*currencies, to})
    stored = warehouse.query(
        "SELECT currency, day, per_eur FROM fx WHERE day BETWEEN $first AND $last ORDER BY day",
        {"first": first - _STALE, "last": last},
    ).to_pylist()
    known: dict[str, dict[date, float]] = {c: {} for c in wanted}
    for row in stored:
        if row["currency"] in known:
            known[row["currency"]][row["day"]] = row["per_eur"]
    dense = {currency: _dense(currency, known[currency], first, last) for currency in wanted}
    found = Rates([], [], [])
    for currency in wanted:
        for at, (own, target) in enumerate(zip(dense[currency], dense[to], strict=True)):
            found.currency.append(currency)
            found.day.append(first + timedelta(days=at))
            found.rate.append(target / own)
    return found


def _dense(currency: str, known: dict[date, float], first: date, last: date) -> list[float]:
    """A rate for each day: its own, else the latest of the days before it."""
    if currency == "EUR":
        return [1.0] * ((last - first).days + 1)
    filled: list[float] = []
    current: tuple[date, float] | None = None
    for number in range(-_STALE.days, (last - first).days + 1):
        day = first + timedelta(days=number)
        if day in known:
            current = (day, known[day])
        if day < first:
            continue
        if current is None or day - current[0] > _STALE:
            raise MissingRate(currency, day)
        filled.append(current[1])
    return filled
