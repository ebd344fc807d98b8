"""What Graph answers of campaigns, ad sets, ads, creatives and accounts: every field that has a value here.

Values are made for all fields at once but for the few that need the account's spend; those are asked for by
name. References to other nodes are `Ref`s, which the graph expands. Times carry the account's own offset, as
in `2026-11-23T10:00:00-0800`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from sandbox.meta_money import decimals, minor

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from sandbox.meta_book import Book
    from sandbox.model import Ad, AdGroup, Budget, Campaign

__all__ = [
    "BUSINESS",
    "Ref",
    "account_values",
    "ad_values",
    "adset_values",
    "campaign_values",
    "creative_values",
    "objective",
    "stamp",
]


class Ref(NamedTuple):
    """Another node: its kind and id (an account's with `act_`)."""

    kind: str
    id: str


BUSINESS = "122100000000000777"
_PAGE = "122100000000000555"
_PIXEL = "122100000000000333"
_OBJECTIVE = {"LEAD_GENERATION": "OUTCOME_LEADS"}
_EVENT = {"LEAD_GENERATION": "LEAD"}


def stamp(at: datetime, book: Book) -> str:
    """A moment as Graph writes it, in the account's time zone."""
    return at.astimezone(book.advertiser.timezone).strftime("%Y-%m-%dT%H:%M:%S%z")


def _day_start(day: date, book: Book) -> str:
    return stamp(book.midnight(day), book)


def _day_end(day: date, book: Book) -> str:
    return stamp(book.midnight(day + timedelta(days=1)) - timedelta(seconds=1), book)


def _budget(
    book: Book, budget: Budget | None, owner: int, wanted: Collection[str], since: date
) -> dict[str, str]:
    """daily_budget or lifetime_budget, the other "0", and what remains of it."""
    if budget is None:
        return {}
    currency = book.advertiser.currency
    daily = budget.period == "DAILY"
    amount = minor(budget.amount_micros, currency)
    values = {"daily_budget": amount if daily else "0", "lifetime_budget": "0" if daily else amount}
    if "budget_remaining" in wanted:
        spent = (book.spent_today if daily else book.spent(since)).get(owner, 0)
        values["budget_remaining"] = minor(max(0, budget.amount_micros - spent), currency)
    return values


def objective(book: Book, campaign: Campaign) -> str:
    """A campaign's objective, by what its ad sets are optimised for."""
    return _OBJECTIVE.get(book.goals.get(campaign.id, ""), "OUTCOME_SALES")


def campaign_values(book: Book, campaign: Campaign, wanted: Collection[str] = ()) -> dict[str, Any]:
    """A campaign's fields; its budget only where it holds it itself (CBO)."""
    status = book.campaign_status(campaign)
    values: dict[str, Any] = {
        "id": str(campaign.id),
        "account_id": str(book.advertiser.id),
        "name": campaign.name,
        "objective": objective(book, campaign),
        "status": status,
        "configured_status": status,
        "effective_status": status,
        "bid_strategy": campaign.bidding,
        "buying_type": "AUCTION",
        "pacing_type": ["standard"],
        "smart_promotion_type": "AUTOMATED_SHOPPING_ADS"
        if campaign.kind == "shopping"
        else "GUIDED_CREATION",
        "special_ad_categories": [],
        "special_ad_category": "NONE",
        "source_campaign_id": "0",
        "topline_id": "0",
        "can_use_spend_cap": True,
        "can_create_brand_lift_study": False,
        "budget_rebalance_flag": False,
        "has_secondary_skadnetwork_reporting": False,
        "is_skadnetwork_attribution": False,
        "is_adset_budget_sharing_enabled": False,
        "primary_attribution": "PIXEL",
        "start_time": _day_start(campaign.starts, book),
        "created_time": stamp(campaign.created, book),
        "updated_time": stamp(max(campaign.updated, _changed(book, campaign.budget)), book),
        "adlabels": [{"id": f"{campaign.id}{n}", "name": name} for n, name in enumerate(campaign.labels)],
    }
    if campaign.ends is not None:
        values["stop_time"] = _day_end(campaign.ends, book)
    if not campaign.budget:
        del values["bid_strategy"]
    return values | _budget(book, book.budgets.get(campaign.budget), campaign.id, wanted, campaign.starts)


def _changed(book: Book, budget: int) -> datetime:
    """When the budget was last changed: that changes its holder as well."""
    held = book.budgets.get(budget)
    return held.updated if held is not None and held.updated is not None else datetime.fromtimestamp(0, UTC)


def adset_values(book: Book, adset: AdGroup, wanted: Collection[str] = ()) -> dict[str, Any]:
    """An ad set's fields; its budget only where it has its own (ABO)."""
    campaign = book.campaigns[adset.campaign]
    values: dict[str, Any] = {
        "id": str(adset.id),
        "account_id": str(book.advertiser.id),
        "campaign_id": str(adset.campaign),
        "campaign": Ref("campaign", str(adset.campaign)),
        "name": adset.name,
        "status": "ACTIVE" if adset.status == "ENABLED" else "PAUSED",
        "configured_status": "ACTIVE" if adset.status == "ENABLED" else "PAUSED",
        "effective_status": book.adset_status(adset),
        "optimization_goal": adset.optimises_for,
        "billing_event": "IMPRESSIONS",
        "destination_type": "WEBSITE",
        "is_dynamic_creative": False,
        "lifetime_imps": 0,
        "pacing_type": ["standard"],
        "recurring_budget_semantics": True,
        "source_adset_id": "0",
        "use_new_app_click": False,
        "optimization_sub_event": "NONE",
        "attribution_spec": [
            {"event_type": "CLICK_THROUGH", "window_days": 7},
            {"event_type": "VIEW_THROUGH", "window_days": 1},
        ],
        "promoted_object": {
            "pixel_id": _PIXEL,
            "custom_event_type": _EVENT.get(adset.optimises_for, "PURCHASE"),
        },
        "targeting": {
            "age_min": 18,
            "age_max": 65,
            "geo_locations": {
                "countries": [_country(campaign)],
                "location_types": ["home", "recent"],
            },
            "publisher_platforms": ["facebook", "instagram", "audience_network"],
        },
        "learning_stage_info": {"status": "SUCCESS", "attribution_windows": ["1d_view", "7d_click"]},
        "start_time": _day_start(campaign.starts, book),
        "created_time": stamp(adset.created, book),
        "updated_time": stamp(max(adset.updated, _changed(book, adset.budget)), book),
    }
    if campaign.ends is not None:
        values["end_time"] = _day_end(campaign.ends, book)
    if adset.budget:
        values["bid_strategy"] = campaign.bidding
    return values | _budget(book, book.budgets.get(adset.budget), adset.id, wanted, campaign.starts)


def _country(campaign: Campaign) -> str:
    """Where the campaign runs, as its name begins with it (the name says UK, the code is GB)."""
    market = campaign.name.split(" | ")[0]
    return {"UK": "GB"}.get(market, market)


_POLICY = "This ad isn't running because it doesn't follow our policy on circumventing systems."


def ad_values(book: Book, ad: Ad) -> dict[str, Any]:
    """An ad's fields; issues_info and ad_review_feedback only for one that was rejected."""
    configured = "ACTIVE" if ad.status == "ENABLED" else "PAUSED"
    values: dict[str, Any] = {
        "id": str(ad.id),
        "account_id": str(book.advertiser.id),
        "campaign_id": str(ad.campaign),
        "adset_id": str(ad.ad_group),
        "campaign": Ref("campaign", str(ad.campaign)),
        "adset": Ref("adset", str(ad.ad_group)),
        "creative": Ref("creative", str(ad.creative)),
        "name": ad.name,
        "status": configured,
        "configured_status": configured,
        "effective_status": book.ad_status(ad),
        "bid_type": "ABSOLUTE_OCPM",
        "source_ad_id": "0",
        "last_updated_by_app_id": "0",
        "conversion_domain": urlsplit(ad.final_url).hostname,
        "tracking_specs": [{"action.type": ["offsite_conversion"], "fb_pixel": [_PIXEL]}],
        "conversion_specs": [{"action.type": ["offsite_conversion"], "conversion_id": [_PIXEL]}],
        "targeting": adset_values(book, book.adsets[ad.ad_group])["targeting"],
        "created_time": stamp(ad.created, book),
        "updated_time": stamp(ad.updated, book),
    }
    if ad.review == "DISAPPROVED":
        values["ad_review_feedback"] = {"global": {"CIRCUMVENTING_SYSTEMS": _POLICY}}
        values["issues_info"] = [
            {
                "level": "AD",
                "error_code": 1487472,
                "error_summary": "Ad was rejected",
                "error_message": _POLICY,
                "error_type": "HARD_ERROR",
            }
        ]
    return values


def creative_values(book: Book, ad: Ad) -> dict[str, Any]:
    """A creative's fields. Where it leads stands in a different place for each format, as in reality."""
    link = ad.final_url
    call = {"type": "LEARN_MORE", "value": {"link": link}}
    story: dict[str, Any] = {"page_id": _PAGE, "instagram_user_id": "122100000000000444"}
    values: dict[str, Any] = {
        "id": str(ad.creative),
        "account_id": str(book.advertiser.id),
        "actor_id": _PAGE,
        "name": f"{ad.name} {ad.created:%Y-%m-%d}",
        "title": ad.headline,
        "body": ad.body,
        "status": "ACTIVE",
        "object_type": "VIDEO" if ad.kind == "VIDEO" else "SHARE",
        "call_to_action_type": "LEARN_MORE",
        "effective_object_story_id": f"{_PAGE}_{ad.creative}",
        "thumbnail_url": f"https://scontent.sandbox.example/{ad.creative}.png",
        "url_tags": "utm_source=facebook&utm_medium=paid&utm_campaign={{campaign.name}}",
        "enable_direct_install": False,
        "use_page_actor_override": False,
        "object_story_spec": story,
    }
    if ad.kind == "VIDEO":
        story["video_data"] = {
            "video_id": str(ad.creative + 1),
            "title": ad.headline,
            "message": ad.body,
            "call_to_action": call,
        }
        values["video_id"] = str(ad.creative + 1)
    elif ad.kind == "CAROUSEL":
        story["link_data"] = {
            "link": link,
            "message": ad.body,
            "child_attachments": [{"link": link, "name": ad.headline, "call_to_action": call}] * 3,
        }
    elif ad.creative % 3 == 0:
        values["asset_feed_spec"] = {
            "titles": [{"text": ad.headline}],
            "bodies": [{"text": ad.body}],
            "link_urls": [{"website_url": link}],
            "call_to_action_types": ["LEARN_MORE"],
            "ad_formats": ["SINGLE_IMAGE"],
        }
    else:
        values["link_url"] = link
        story["link_data"] = {
            "link": link,
            "name": ad.headline,
            "message": ad.body,
            "call_to_action": call,
        }
    return values


def account_values(book: Book, wanted: Collection[str] = ()) -> dict[str, Any]:
    """An account's fields; account_status 2 and disable_reason 1 while it is suspended."""
    advertiser = book.advertiser
    disabled = advertiser.status == "SUSPENDED"
    offset = book.at.astimezone(advertiser.timezone).utcoffset() or timedelta()
    hours = offset / timedelta(hours=1)
    country = next((_country(campaign) for campaign in book.campaigns.values()), "US")
    created = min((campaign.created for campaign in book.campaigns.values()), default=book.at)
    cents = 10 ** decimals(advertiser.currency)
    values: dict[str, Any] = {
        "id": f"act_{advertiser.id}",
        "account_id": str(advertiser.id),
        "name": advertiser.name,
        "account_status": 2 if disabled else 1,
        "disable_reason": 1 if disabled else 0,
        "currency": advertiser.currency,
        "timezone_name": str(advertiser.timezone),
        "timezone_offset_hours_utc": int(hours) if hours == int(hours) else hours,
        "created_time": stamp(created, book),
        "age": round((book.at - created) / timedelta(days=1), 6),
        "balance": "0",
        "spend_cap": "0",
        "min_daily_budget": cents,
        "min_campaign_group_spend_cap": str(100 * cents),
        "business": Ref("business", BUSINESS),
        "business_name": advertiser.name,
        "business_country_code": country,
        "owner": BUSINESS,
        "end_advertiser": BUSINESS,
        "end_advertiser_name": advertiser.name,
        "capabilities": [],
        "user_tasks": ["ANALYZE"],
        "is_personal": 0,
        "is_prepay_account": False,
        "is_tax_id_required": False,
        "is_notifications_enabled": True,
        "is_direct_deals_enabled": False,
        "is_in_3ds_authorization_enabled_market": False,
        "is_attribution_spec_system_default": True,
        "attribution_spec": [
            {"event_type": "CLICK_THROUGH", "window_days": 7},
            {"event_type": "VIEW_THROUGH", "window_days": 1},
        ],
        "can_create_brand_lift_study": False,
        "has_migrated_permissions": True,
        "offsite_pixels_tos_accepted": True,
        "tax_id_status": 0,
    }
    if "amount_spent" in wanted:
        values["amount_spent"] = minor(book.spent_this_month, advertiser.currency)
    return values
