"""The reader's own campaigns by the day, for the lessons on chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import streamlit as st

from connectors.contract import Account
from metrics import windows
from metrics.compute import evaluate
from panels._slot import process

__all__ = ["Days", "campaigns"]

DAYS: Final = 28
MOST: Final = 40
"""Campaigns that can be chosen, those with the most conversions."""


@dataclass(frozen=True, slots=True)
class Days:
    """A campaign's whole days: spend and conversions of each, oldest first."""

    name: str
    account: str
    currency: str
    days: tuple[date, ...]
    spend: tuple[float, ...]
    conversions: tuple[float, ...]


@st.cache_data(max_entries=2, show_spinner=False)
def campaigns(version: int, last: date) -> list[Days]:
    """Each campaign's whole days up to one, the largest first."""
    del version
    of = process()
    assert of is not None
    known = windows.accounts(of.warehouse)
    found: list[tuple[float, Days]] = []
    span = windows.days(known, last - timedelta(days=DAYS - 1), last)
    metrics = [of.metrics()[name] for name in ("spend", "conversions")]
    for key, window in span.items():
        rows = evaluate(
            of.warehouse,
            metrics,
            {key: window},
            by=("campaign", "campaign_name", "day"),
            where={"source": key[0], "account": key[1]},
        ).to_pylist()
        found += _split(rows, known[key])
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])][:MOST]


def _split(rows: list[dict[str, Any]], account: Account) -> list[tuple[float, Days]]:
    by: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["campaign"], []).append(row)
    found = []
    for own in by.values():
        own.sort(key=lambda row: row["day"])
        spend = tuple(float(row["spend"] or 0) for row in own)
        conversions = tuple(float(row["conversions"] or 0) for row in own)
        if sum(conversions) >= 1 and sum(spend) > 0:
            name = own[0]["campaign_name"] or own[0]["campaign"]
            days = tuple(row["day"] for row in own)
            found.append(
                (sum(conversions), Days(name, account.name, account.currency, days, spend, conversions))
            )
    return found
