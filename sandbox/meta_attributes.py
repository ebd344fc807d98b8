"""What objects can be filtered by, as values that compare: moments as moments, states as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.meta_nodes import ad_values, adset_values, campaign_values, creative_values

if TYPE_CHECKING:
    from sandbox.meta_book import Book

__all__ = ["ATTRIBUTES", "attribute", "parent"]

ATTRIBUTES = frozenset(
    {
        "id", "name", "status", "configured_status", "effective_status", "objective", "buying_type",
        "optimization_goal", "bid_strategy", "delivery_info", "delivery_status", "updated_time",
        "created_time", "start_time", "adlabels", "labels", "campaign_id", "adset_id", "daily_budget",
        "lifetime_budget", "time_created", "time_updated",
    }
)  # fmt: skip

_SAME = {"time_created": "created_time", "time_updated": "updated_time", "labels": "adlabels"}


def parent(book: Book, kind: str, object_id: int, wanted: str) -> int | None:
    """The id of the object's ancestor (or itself) of the kind `wanted`; None where it is further down."""
    if kind == wanted:
        return object_id
    if kind in {"ad", "creative"}:
        ad = book.ads[object_id] if kind == "ad" else book.creatives[object_id]
        return {"campaign": ad.campaign, "adset": ad.ad_group, "ad": ad.id, "creative": ad.creative}.get(
            wanted
        )
    if kind == "adset" and wanted == "campaign":
        return book.adsets[object_id].campaign
    return None


def attribute(book: Book, kind: str, object_id: int, name: str) -> Any:
    """The value of one of ATTRIBUTES, None where the object has none.

    Raises KeyError for an object that the account does not have.
    """
    name = _SAME.get(name, name)
    held: Any
    match kind:
        case "campaign":
            held = book.campaigns[object_id]
            values = campaign_values(book, held)
            campaign = held
        case "adset":
            held = book.adsets[object_id]
            values = adset_values(book, held)
            campaign = book.campaigns[held.campaign]
        case "ad":
            held = book.ads[object_id]
            values = ad_values(book, held)
            campaign = book.campaigns[held.campaign]
        case _:
            held = book.creatives[object_id]
            values = creative_values(book, held)
            campaign = book.campaigns[held.campaign]
    match name:
        case "updated_time":
            return max(held.updated, _budget_change(book, getattr(held, "budget", 0), held.updated))
        case "created_time":
            return held.created
        case "start_time":
            return book.midnight(campaign.starts)
        case "delivery_info" | "delivery_status":
            return book.delivery(values.get("effective_status", "ACTIVE"), campaign)
        case "adlabels":
            return list(campaign.labels)
        case _:
            return values.get(name)


def _budget_change(book: Book, budget: int, default: Any) -> Any:
    held = book.budgets.get(budget)
    return held.updated if held is not None and held.updated is not None else default
