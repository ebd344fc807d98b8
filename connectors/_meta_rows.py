"""Meta's JSON to Arrow columns: strings to exact numbers, overlapping action types to one count an event.

Numbers come as strings, and a measure without data is absent. Money in insights is in the currency's own
units ("12.34"); it goes to micros by decimal arithmetic, never through a float.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from connectors.schema import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from connectors._meta_graph import Node, Page
    from connectors.schema import Row

__all__ = [
    "CATEGORIES",
    "HOURLY",
    "TIERS",
    "Event",
    "batch",
    "days",
    "delivered",
    "events",
    "hours",
    "ids",
    "micros",
    "totals",
]

Event = Literal["purchase", "lead", "add_to_cart", "complete_registration", "contact"]

TIERS: dict[Event, tuple[str, ...]] = {
    "purchase": ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"),
    # `lead` is itself the total of the site's and Meta's own leads, so it alone comes first.
    "lead": ("lead", "offsite_conversion.fb_pixel_lead", "onsite_conversion.lead_grouped"),
    "add_to_cart": ("omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart"),
    "complete_registration": (
        "omni_complete_registration",
        "complete_registration",
        "offsite_conversion.fb_pixel_complete_registration",
    ),
    "contact": ("contact_total", "contact_website"),
}
"""The action types of each event, the widest first; they count the same people, so only one of them is taken.

https://developers.facebook.com/docs/marketing-api/reference/ads-action-stats
"""

CATEGORIES: dict[Event, str] = {
    "purchase": "purchase",
    "lead": "lead",
    "add_to_cart": "cart",
    "complete_registration": "signup",
    "contact": "contact",
}

HOURLY = "hourly_stats_aggregated_by_advertiser_time_zone"

_PLACES = {name: (event, tier) for event, tiers in TIERS.items() for tier, name in enumerate(tiers)}
_SIXTH = Decimal("0.000001")
_NONE = Decimal(0)


def micros(amount: str | Decimal) -> int:
    """An amount in units of its currency, as micros; digits past the sixth are rounded half to even."""
    return int(Decimal(amount).scaleb(6).to_integral_value(ROUND_HALF_EVEN))


def days(page: Page) -> pa.Array:
    """The account-local day of each row."""
    return pa.array([row["date_start"] for row in page], pa.string()).cast(pa.date32())


def hours(page: Page) -> pa.Array:
    """The hour of the day of each row of an hourly report ("13:00:00 - 13:59:59" is 13)."""
    return pa.array([int(row[HOURLY][:2]) for row in page], pa.int64())


def ids(page: Page, name: str) -> pa.Array:
    """One of the ids of each row."""
    return pa.array([row[name] for row in page], pa.string())


def delivered(page: Page) -> dict[str, pa.Array]:
    """impressions, clicks (of all kinds, as Ads Manager's "Clicks (all)") and cost in micros."""
    return {
        "impressions": pa.array([row.get("impressions", "0") for row in page], pa.string()).cast(pa.int64()),
        "clicks": pa.array([row.get("clicks", "0") for row in page], pa.string()).cast(pa.int64()),
        "cost": pa.array([micros(row.get("spend", "0")) for row in page], pa.int64()),
    }


def events(row: Node, windows: Sequence[str]) -> dict[Event, tuple[Decimal, int]]:
    """Count and value (micros) of each event that the row has, each by exactly one action type.

    windows: the attribution windows whose counts are added (they do not overlap: one by click, one by
    view); without any, the count under each ad set's own setting. A value is that of the same action type,
    0 where it has none.
    """
    widest: dict[Event, tuple[int, Node]] = {}
    for name in ("actions", "conversions"):
        for entry in row.get(name, ()):
            place = _PLACES.get(entry["action_type"])
            if place is not None:
                event, tier = place
                if event not in widest or tier < widest[event][0]:
                    widest[event] = tier, entry
    if not widest:
        return {}
    values = {
        entry["action_type"]: entry
        for name in ("conversion_values", "action_values")
        for entry in row.get(name, ())
    }
    found: dict[Event, tuple[Decimal, int]] = {}
    for event, (_, entry) in widest.items():
        count = _sum(entry, windows).quantize(_SIXTH, ROUND_HALF_EVEN)
        worth = values.get(entry["action_type"])
        found[event] = count, 0 if worth is None else micros(_sum(worth, windows))
    return found


def _sum(entry: Node, windows: Sequence[str]) -> Decimal:
    if not windows:
        return Decimal(entry.get("value", "0"))
    return sum((Decimal(entry[name]) for name in windows if name in entry), _NONE)


def totals(page: Page, windows: Sequence[str], primary: Collection[Event]) -> dict[str, pa.Array]:
    """Conversions and conversion_value of the primary events of each row."""
    counts, values = [], []
    for row in page:
        count, value = Decimal(0), 0
        for event, (quantity, worth) in events(row, windows).items():
            if event in primary:
                count, value = count + quantity, value + worth
        counts.append(count)
        values.append(value)
    return {
        "conversions": pa.array(counts, pa.decimal128(18, 6)),
        "conversion_value": pa.array(values, pa.int64()),
    }


def batch(row: type[Row], columns: dict[str, Any], rows: int) -> pa.RecordBatch:
    """A batch in the row's schema; columns that are not given are null in all of its `rows`."""
    want = schema(row)
    arrays: Iterable[pa.Array] = (columns.get(f.name, pa.nulls(rows, f.type)) for f in want)
    return pa.RecordBatch.from_arrays(list(arrays), names=want.names)
