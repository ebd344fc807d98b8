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
    from collections.abc import Iterable, Mapping

    from warehouse.store import Warehouse

__all__ = ["MissingRate", "MixedCurrencies", "Rates", "rate", "rates"]

_STALE: Final = timedelta(days=10)
"""No holiday of the central bank lasts as long: an older rate means that nobody fetched."""


class MixedCurrencies(ValueError):
    """The figure would add up money of several currencies."""

    def __init__(self, currencies: Iterable[str]) -> None:
        listed = ", ".join(sorted(currencies))
        super().__init__(
            f"these accounts spend in {listed}: convert them to one currency (`currency` in paceline.yaml, "
            "and the source `fx`), or group by account or currency"
        )


class MissingRate(ValueError):
    """There is no rate for a row's currency and day ("USD 2026-11-02"), nor shortly before it."""

    def __init__(self, row: str, to: str) -> None:
        currency, _, day = row.partition(" ")
        super().__init__(
            f"no rate from {currency or 'an unknown currency'} to {to} on {day} nor in the {_STALE.days} "
            "days before it: add `fx` to the sources in paceline.yaml and let it be polled, or group by "
            "account"
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Factors to a reporting currency, one for each currency and day, as columns of equal length."""

    currency: list[str]
    day: list[date]
    rate: list[float]


def rates(warehouse: Warehouse, currencies: Iterable[str], to: str, first: date, last: date) -> Rates:
    """The factor from each of `currencies` to `to` for every day from `first` to `last` that has one."""
    stored = warehouse.query(
        "SELECT currency, day, per_eur FROM fx WHERE day BETWEEN $first AND $last ORDER BY day",
        {"first": first - _STALE, "last": last},
    ).to_pylist()
    known: dict[str, dict[date, float]] = {}
    for row in stored:
        known.setdefault(row["currency"], {})[row["day"]] = row["per_eur"]
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    dense = {
        c: _dense(known.get(c, {}), days) if c != "EUR" else dict.fromkeys(days, 1.0)
        for c in {*currencies, to}
    }
    found = Rates([], [], [])
    for currency in sorted(dense):
        for day in days:
            if day in dense[currency] and day in dense[to]:
                found.currency.append(currency)
                found.day.append(day)
                found.rate.append(dense[to][day] / dense[currency][day])
    return found


def rate(warehouse: Warehouse, currency: str, to: str, day: date) -> float:
    """The factor from one currency to another on a day. Raises MissingRate."""
    if currency == to:
        return 1.0
    found = rates(warehouse, [currency], to, day, day)
    known = dict(zip(found.currency, found.rate, strict=True))
    if currency not in known:
        raise MissingRate(f"{currency} {day}", to)
    return known[currency]


def _dense(known: Mapping[date, float], days: Iterable[date]) -> dict[date, float]:
    """A rate for each day: its own, else the latest of the days shortly before it."""
    filled = {}
    for day in days:
        near = (day - timedelta(days=back) for back in range(_STALE.days + 1))
        found = next((d for d in near if d in known), None)
        if found is not None:
            filled[day] = known[found]
    return filled
