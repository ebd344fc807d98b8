"""What another definition does to a metric's figures: the last weeks by the old and by the new one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from metrics import windows
from metrics.compute import evaluate, series
from metrics.money import MissingRate, MixedCurrencies

if TYPE_CHECKING:
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["DAYS", "MetricEffect", "effect"]

DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class MetricEffect:
    """By day and as a whole; None where there is nothing to divide, or no such definition.

    days: local days, the last one still running. currency: of money, in units of it; "" where there is none.
    """

    days: tuple[date, ...]
    old: tuple[float | None, ...]
    new: tuple[float | None, ...]
    old_total: float | None
    new_total: float | None
    currency: str


def effect(
    warehouse: Warehouse, old: Metric | None, new: Metric | None, *, now: datetime, currency: str
) -> MetricEffect:
    """The figures of all accounts together, money in the reporting currency.

    Raises ValueError where a currency's rates are missing.
    """
    named = {name: replace(one, name=name) for name, one in (("old", old), ("new", new)) if one is not None}
    known = {key: account for key, account in windows.accounts(warehouse).items() if account.currency}
    if not named or not known:
        return MetricEffect((), (), (), None, None, "")
    last = max(now.astimezone(account.timezone).date() for account in known.values())
    asked = windows.days(known, last - timedelta(days=DAYS - 1), last)
    several = {account.currency for account in known.values()} != {currency}
    convert = currency if several and any(one.monetary for one in named.values()) else None
    try:
        by_day = series(
            warehouse, named.values(), asked, step=timedelta(days=1), currency=convert
        ).to_pylist()
        (whole,) = evaluate(warehouse, named.values(), asked, currency=convert).to_pylist()
    except (MissingRate, MixedCurrencies) as error:
        raise ValueError(f"the figures cannot be compared: {error}") from error
    return MetricEffect(
        tuple(row["at"] for row in by_day),
        tuple(row.get("old") for row in by_day),
        tuple(row.get("new") for row in by_day),
        whole.get("old"),
        whole.get("new"),
        str(whole.get("currency") or ""),
    )
