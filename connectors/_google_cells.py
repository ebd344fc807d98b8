"""From a reply's columns to the values of our rows: counts, money, ids, days, states."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors._google_queries import CATEGORIES
from connectors.rows import Budget, DayTotal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors._google_rows import Columns

__all__ = [
    "budget",
    "day",
    "day_total",
    "days",
    "id_of",
    "ids",
    "measures",
    "micros",
    "rows",
    "serving",
    "words",
]

_NO_END = 2037
"""The year in which Google lets a campaign end that has no end."""


def rows(columns: Columns) -> Iterator[dict[str, Any]]:
    """The same, a dictionary a row; for the streams whose rows are few."""
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def measures(columns: Columns) -> dict[str, pa.Array]:
    """The measures that every delivery row has."""
    return {
        "impressions": pa.array(columns["metrics.impressions"], pa.int64()),
        "clicks": pa.array(columns["metrics.clicks"], pa.int64()),
        "cost": pa.array(columns["metrics.cost_micros"], pa.int64()),
        "conversions": pa.array(columns["metrics.conversions"], pa.float64()),
        "conversion_value": micros(columns["metrics.conversions_value"]),
    }


def micros(units: Sequence[float]) -> pa.Array:
    """Money that is given in units of the currency, in whole millionths."""
    return pc.round(pc.multiply(pa.array(units, pa.float64()), 1e6)).cast(pa.int64())


def ids(numbers: Sequence[int]) -> pa.Array:
    """Numeric ids as text."""
    return pa.array(numbers, pa.int64()).cast(pa.string())


def days(texts: Sequence[str]) -> pa.Array:
    """ISO dates as date32."""
    return pa.array(texts, pa.string()).cast(pa.date32())


def id_of(resource_name: str) -> str:
    """The last id of a resource's name: 7 of "customers/1/campaigns/7" and of "…/experimentArms/3~7"."""
    return resource_name.rpartition("/")[2].rpartition("~")[2]


def day(text: str) -> date | None:
    """The day of a date or a local date and time; None for "" and for Google's "never"."""
    found = date.fromisoformat(text[:10]) if text else None
    return None if found is None or found.year >= _NO_END else found


def serving(status: str, reasons: Iterable[str] = ()) -> str:
    """What keeps something from delivering, in Google's words; "" where nothing does."""
    if status in ("ELIGIBLE", "APPROVED", "UNSPECIFIED", "UNKNOWN"):
        return ""
    return ", ".join(map(words, [status, *reasons]))


def words(constant: str) -> str:
    """An enum's constant as words: "responsive search ad"."""
    return constant.replace("_", " ").lower()


def budget(row: dict[str, Any]) -> Budget:
    """A campaign's budget. One with a total is spent over the campaign's own dates."""
    total = row["campaign_budget.total_amount_micros"]
    return Budget(
        budget=str(row["campaign_budget.id"]),
        campaign=str(row["campaign.id"]),
        ad_group="",
        name=row["campaign_budget.name"],
        amount=total or row["campaign_budget.amount_micros"],
        period="total" if total else "daily",
        level="campaign",
        shared=row["campaign_budget.explicitly_shared"] or row["campaign_budget.reference_count"] > 1,
        starts=day(row["campaign.start_date_time"]) if total else None,
        ends=day(row["campaign.end_date_time"]) if total else None,
    )


def day_total(row: dict[str, Any], primary: Mapping[str, bool]) -> DayTotal:
    """An action's part of a campaign's day; `primary` says by action id what "conversions" counts."""
    action = id_of(row["segments.conversion_action"])
    counted = primary.get(action, row["metrics.conversions"] > 0)
    metric = "metrics.conversions" if counted else "metrics.all_conversions"
    return DayTotal(
        campaign=str(row["campaign.id"]),
        action=action,
        day=date.fromisoformat(row["segments.date"]),
        category=CATEGORIES.get(row["segments.conversion_action_category"], "other"),
        primary=counted,
        conversions=row[metric],
        conversion_value=round(row[f"{metric}_value"] * 1e6),
    )
