"""Each resource's own fields: from the sandbox's entities to the values that the API gives.

An enum is its constant's name, a message a dictionary by field names, and None what the API leaves unset.
A field that is not here is unset in every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.google_snapshot import Snapshot
    from sandbox.model import Ad, AdGroup, Budget, Campaign, ChangeEvent, ConversionAction, Recommendation

__all__ = ["ATTRIBUTES", "CATEGORIES", "CHANNELS", "action_name"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CHANNELS = {
    "search": "SEARCH",
    "performance_max": "PERFORMANCE_MAX",
    "shopping": "SHOPPING",
    "prospecting": "DEMAND_GEN",
    "retargeting": "DISPLAY",
}
CATEGORIES = {
    "PURCHASE": "PURCHASE",
    "LEAD": "SUBMIT_LEAD_FORM",
    "SIGNUP": "SIGNUP",
    "ADD_TO_CART": "ADD_TO_CART",
    "CONTACT": "CONTACT",
}
_BIDDING = {"MAXIMIZE_CLICKS": "TARGET_SPEND"}
_GROUP_TYPES = {
    "search": "SEARCH_STANDARD",
    "shopping": "SHOPPING_PRODUCT_ADS",
    "retargeting": "DISPLAY_STANDARD",
}
_EXPERIMENT_STATUS = {"RUNNING": "ENABLED", "ENDED": "HALTED"}
_NETWORKS = {"search": (True, True, False), "shopping": (True, True, False)}
_COLLECTIONS = {
    "AD": "ads",
    "AD_GROUP": "adGroups",
    "CAMPAIGN": "campaigns",
    "CAMPAIGN_BUDGET": "campaignBudgets",
}


def action_name(snapshot: Snapshot, action: int) -> str:
    """Resource name of a conversion action."""
    return snapshot.name("conversionActions", action)


def _customer(value: Callable[[Any], Any]) -> Callable[[Any, Snapshot], Any]:
    return lambda advertiser, _: value(advertiser)


def _client(value: Callable[[Any], Any]) -> Callable[[Any, Snapshot], Any]:
    return lambda client, _: value(client.advertiser)


def _primary_status(campaign: Campaign, snapshot: Snapshot) -> tuple[str, list[str]]:
    if campaign.status != "ENABLED":
        return campaign.status, [f"CAMPAIGN_{campaign.status}"]
    if campaign.ends is not None and campaign.ends < snapshot.today:
        return "ENDED", ["CAMPAIGN_ENDED"]
    if campaign.starts > snapshot.today:
        return "PENDING", ["CAMPAIGN_PENDING"]
    return "ELIGIBLE", []


def _serving(campaign: Campaign, snapshot: Snapshot) -> str:
    status = _primary_status(campaign, snapshot)[0]
    return status if status in {"ENDED", "PENDING"} else "SERVING"


def _network(index: int) -> Callable[[Campaign, Snapshot], bool]:
    return lambda campaign, _: _NETWORKS.get(campaign.kind, (False, False, True))[index]


def _ends(campaign: Campaign, _: Snapshot) -> str | None:
    return None if campaign.ends is None else f"{campaign.ends} 23:59:59"


def _budget_amount(period: str) -> Callable[[Budget, Snapshot], int | None]:
    return lambda budget, _: budget.amount_micros if budget.period == period else None


def _ad_name(ad: Ad, snapshot: Snapshot) -> str:
    return snapshot.name("adGroupAds", ad.ad_group, ad.id)


def _ad_texts(kind: str, attribute: str) -> Callable[[Ad, Snapshot], list[dict[str, str]] | None]:
    return lambda ad, _: [{"text": getattr(ad, attribute)}] if ad.kind == kind else None


def _approval(ad: Ad, _: Snapshot) -> str | None:
    return None if ad.review == "UNDER_REVIEW" else ad.review


def _review(ad: Ad, _: Snapshot) -> str:
    return "REVIEW_IN_PROGRESS" if ad.review == "UNDER_REVIEW" else "REVIEWED"


def _ad_primary_status(ad: Ad, _: Snapshot) -> str:
    if ad.status != "ENABLED":
        return ad.status
    reviewed = {"APPROVED": "ELIGIBLE", "APPROVED_LIMITED": "LIMITED", "UNDER_REVIEW": "PENDING"}
    return reviewed.get(ad.review, "NOT_ELIGIBLE")


def _group_status(group: AdGroup, _: Snapshot) -> str:
    return "ELIGIBLE" if group.status == "ENABLED" else group.status


def _moment(at: datetime, snapshot: Snapshot) -> str:
    return snapshot.local(at).strftime("%Y-%m-%d %H:%M:%S.%f")


def _changed_name(event: ChangeEvent, snapshot: Snapshot) -> str:
    return snapshot.name(_COLLECTIONS[event.entity_type], event.entity)


def _changed_fields(event: ChangeEvent, _: Snapshot) -> list[str]:
    names = dict.fromkeys([*event.before, *event.after])
    return [_PATHS.get(name, name) for name in names]


_PATHS = {"ends": "end_date_time", "starts": "start_date_time"}
_TIMES = {"ends": "23:59:59", "starts": "00:00:00"}


def _resource(which: str) -> Callable[[ChangeEvent, Snapshot], dict[str, Any]]:
    def changed(event: ChangeEvent, snapshot: Snapshot) -> dict[str, Any]:
        values = getattr(event, which)
        if not values:
            return {}
        told = {
            _PATHS.get(name, name): f"{value} {_TIMES[name]}" if name in _TIMES else value
            for name, value in values.items()
        }
        return {event.entity_type.lower(): {"resource_name": _changed_name(event, snapshot), **told}}

    return changed


def _campaign_or_none(event: ChangeEvent, snapshot: Snapshot) -> str | None:
    return snapshot.name("campaigns", event.campaign) if event.campaign else None


def _lookback(days: str) -> Callable[[ConversionAction, Snapshot], int]:
    return lambda action, _: int(getattr(action, days))


def _advice(kind: str, build: Callable[[dict[str, Any]], Any]) -> Callable[[Recommendation, Snapshot], Any]:
    return lambda advice, _: build(advice.values) if advice.kind == kind else None


_OF_BUDGETS = {"CAMPAIGN_BUDGET"}
"""Advice that names its budget and the campaigns that draw on it, and no single campaign."""


def _advised(advice: Recommendation, snapshot: Snapshot) -> list[str]:
    if advice.kind not in _OF_BUDGETS:
        return []
    budget = snapshot.campaigns[advice.campaign].budget
    return [snapshot.name("campaigns", c.id) for c in snapshot.campaigns.values() if c.budget == budget]


def _impact(advice: Recommendation, _: Snapshot) -> dict[str, dict[str, float]] | None:
    if not advice.base:
        return None
    return {
        name: {metric: round(value) if metric == "cost_micros" else value for metric, value in week.items()}
        for name, week in (("base_metrics", advice.base), ("potential_metrics", advice.potential))
    }


def _status_name(kind: str, collection: str) -> Callable[[Any, Snapshot], str | None]:
    def name(status: Any, snapshot: Snapshot) -> str | None:
        if status.kind != kind:
            return None
        parts = (status.ad_group, status.entity) if kind == "AD_GROUP_AD" else (status.entity,)
        return snapshot.name(collection, *parts)

    return name


_ACCOUNT: dict[str, Callable[[Any], Any]] = {
    "id": lambda a: a.id,
    "descriptive_name": lambda a: a.name,
    "currency_code": lambda a: a.currency,
    "time_zone": lambda a: a.timezone.key,
    "manager": lambda a: a.manager,
    "test_account": lambda _: False,
    "status": lambda a: a.status,
}

ATTRIBUTES: Mapping[str, Mapping[str, Callable[[Any, Snapshot], Any]]] = {
    "customer": {
        "resource_name": lambda a, _: f"customers/{a.id}",
        **{name: _customer(value) for name, value in _ACCOUNT.items()},
        "auto_tagging_enabled": lambda a, _: not a.manager,
        "has_partners_badge": lambda _, __: False,
    },
    "customer_client": {
        "resource_name": lambda c, s: s.name("customerClients", c.advertiser.id),
        "client_customer": lambda c, _: f"customers/{c.advertiser.id}",
        "level": lambda c, _: c.level,
        "hidden": lambda _, __: False,
        **{name: _client(value) for name, value in _ACCOUNT.items()},
    },
    "campaign": {
        "resource_name": lambda c, s: s.name("campaigns", c.id),
        "id": lambda c, _: c.id,
        "name": lambda c, _: c.name,
        "status": lambda c, _: c.status,
        "primary_status": lambda c, s: _primary_status(c, s)[0],
        "primary_status_reasons": lambda c, s: _primary_status(c, s)[1],
        "serving_status": _serving,
        "advertising_channel_type": lambda c, _: CHANNELS[c.kind],
        "bidding_strategy_type": lambda c, _: _BIDDING.get(c.bidding, c.bidding),
        "campaign_budget": lambda c, s: s.name("campaignBudgets", c.budget),
        "start_date_time": lambda c, _: f"{c.starts} 00:00:00",
        "end_date_time": _ends,
        "labels": lambda c, s: [s.name("labels", s.labels[name].id) for name in c.labels],
        "base_campaign": lambda c, s: s.name("campaigns", c.id),
        "experiment_type": lambda _, __: "BASE",
        "payment_mode": lambda _, __: "CLICKS",
        "network_settings.target_google_search": _network(0),
        "network_settings.target_search_network": _network(1),
        "network_settings.target_content_network": _network(2),
        "network_settings.target_partner_search_network": lambda _, __: False,
    },
    "campaign_budget": {
        "resource_name": lambda b, s: s.name("campaignBudgets", b.id),
        "id": lambda b, _: b.id,
        "name": lambda b, _: b.name,
        "amount_micros": _budget_amount("DAILY"),
        "total_amount_micros": _budget_amount("TOTAL"),
        "period": lambda b, _: "DAILY" if b.period == "DAILY" else "CUSTOM_PERIOD",
        "explicitly_shared": lambda b, _: b.shared,
        "reference_count": lambda b, _: b.reference_count,
        "status": lambda _, __: "ENABLED",
        "delivery_method": lambda _, __: "STANDARD",
        "type": lambda _, __: "STANDARD",
    },
    "campaign_label": {
        "resource_name": lambda pair, s: s.name("campaignLabels", pair[0].id, pair[1].id),
        "campaign": lambda pair, s: s.name("campaigns", pair[0].id),
        "label": lambda pair, s: s.name("labels", pair[1].id),
    },
    "label": {
        "resource_name": lambda label, s: s.name("labels", label.id),
        "id": lambda label, _: label.id,
        "name": lambda label, _: label.name,
        "status": lambda _, __: "ENABLED",
    },
    "ad_group": {
        "resource_name": lambda g, s: s.name("adGroups", g.id),
        "id": lambda g, _: g.id,
        "name": lambda g, _: g.name,
        "status": lambda g, _: g.status,
        "primary_status": _group_status,
        "type": lambda g, s: _GROUP_TYPES.get(s.campaigns[g.campaign].kind, "UNKNOWN"),
        "campaign": lambda g, s: s.name("campaigns", g.campaign),
        "base_ad_group": lambda g, s: s.name("adGroups", g.id),
    },
    "ad_group_ad": {
        "resource_name": _ad_name,
        "status": lambda a, _: a.status,
        "primary_status": _ad_primary_status,
        "ad_group": lambda a, s: s.name("adGroups", a.ad_group),
        "ad.resource_name": lambda a, s: s.name("ads", a.id),
        "ad.id": lambda a, _: a.id,
        "ad.name": lambda a, _: a.name,
        "ad.type": lambda a, _: a.kind,
        "ad.final_urls": lambda a, _: [a.final_url],
        "ad.responsive_search_ad.headlines": _ad_texts("RESPONSIVE_SEARCH_AD", "headline"),
        "ad.responsive_search_ad.descriptions": _ad_texts("RESPONSIVE_SEARCH_AD", "body"),
        "ad.responsive_display_ad.headlines": _ad_texts("RESPONSIVE_DISPLAY_AD", "headline"),
        "ad.responsive_display_ad.descriptions": _ad_texts("RESPONSIVE_DISPLAY_AD", "body"),
        "policy_summary.approval_status": _approval,
        "policy_summary.review_status": _review,
    },
    "ad_group_criterion": {
        "resource_name": lambda k, s: s.name("adGroupCriteria", k.ad_group, k.id),
        "criterion_id": lambda k, _: k.id,
        "ad_group": lambda k, s: s.name("adGroups", k.ad_group),
        "display_name": lambda k, _: k.text,
        "status": lambda _, __: "ENABLED",
        "type": lambda _, __: "KEYWORD",
        "negative": lambda _, __: False,
        "keyword.text": lambda k, _: k.text,
        "keyword.match_type": lambda k, _: k.match_type,
    },
    "keyword_view": {"resource_name": lambda k, s: s.name("keywordViews", k.ad_group, k.id)},
    "asset_group": {
        "resource_name": lambda g, s: s.name("assetGroups", g.id),
        "id": lambda g, _: g.id,
        "campaign": lambda g, s: s.name("campaigns", g.campaign),
        "name": lambda g, _: g.name,
        "status": lambda g, _: g.status,
        "primary_status": lambda g, _: "ELIGIBLE" if g.status == "ENABLED" else g.status,
    },
    "conversion_action": {
        "resource_name": lambda a, s: action_name(s, a.id),
        "id": lambda a, _: a.id,
        "name": lambda a, _: a.name,
        "status": lambda _, __: "ENABLED",
        "type": lambda a, _: "WEBPAGE" if a.off_platform else "GOOGLE_HOSTED",
        "origin": lambda a, _: "WEBSITE" if a.off_platform else "GOOGLE_HOSTED",
        "category": lambda a, _: CATEGORIES[a.category],
        "primary_for_goal": lambda a, _: a.primary,
        "include_in_conversions_metric": lambda a, _: a.primary,
        "owner_customer": lambda _, s: f"customers/{s.customer}",
        "click_through_lookback_window_days": _lookback("click_lookback_days"),
        "view_through_lookback_window_days": _lookback("view_lookback_days"),
        "counting_type": lambda a, _: "MANY_PER_CLICK" if a.category == "PURCHASE" else "ONE_PER_CLICK",
    },
    "change_event": {
        "resource_name": lambda e, s: s.name(
            "changeEvents", (e.at - _EPOCH) // timedelta(microseconds=1), e.id, 0
        ),
        "change_date_time": lambda e, s: _moment(e.at, s),
        "change_resource_type": lambda e, _: e.entity_type,
        "change_resource_name": _changed_name,
        "client_type": lambda e, _: e.client,
        "user_email": lambda e, _: e.actor,
        "resource_change_operation": lambda e, _: e.operation,
        "changed_fields": _changed_fields,
        "old_resource": _resource("before"),
        "new_resource": _resource("after"),
        "campaign": _campaign_or_none,
        "ad_group": lambda e, s: s.name("adGroups", e.entity) if e.entity_type == "AD_GROUP" else None,
    },
    "change_status": {
        "resource_name": lambda c, s: s.name("changeStatus", c.id),
        "last_change_date_time": lambda c, s: _moment(c.at, s),
        "resource_type": lambda c, _: c.kind,
        "resource_status": lambda c, _: "ADDED" if c.added else "CHANGED",
        "campaign": lambda c, s: s.name("campaigns", c.campaign) if c.campaign else None,
        "campaign_budget": _status_name("CAMPAIGN_BUDGET", "campaignBudgets"),
        "ad_group": lambda c, s: s.name("adGroups", c.ad_group) if c.ad_group else None,
        "ad_group_ad": _status_name("AD_GROUP_AD", "adGroupAds"),
    },
    "experiment": {
        "resource_name": lambda e, s: s.name("experiments", e.id),
        "experiment_id": lambda e, _: e.id,
        "name": lambda e, _: e.name,
        "status": lambda e, _: _EXPERIMENT_STATUS[e.status],
        "type": lambda _, __: "SEARCH_CUSTOM",
        "start_date": lambda e, _: e.starts.isoformat(),
        "end_date": lambda e, _: e.ends.isoformat(),
        "goals": lambda _, __: [{"metric": "COST_PER_CONVERSION", "direction": "DECREASE"}],
    },
    "experiment_arm": {
        "resource_name": lambda pair, s: s.name("experimentArms", pair[0].id, pair[1][0]),
        "experiment": lambda pair, s: s.name("experiments", pair[0].id),
        "name": lambda pair, _: pair[1][1],
        "control": lambda pair, _: pair[1][2],
        "traffic_split": lambda pair, _: round(pair[1][3] * 100),
        "campaigns": lambda pair, s: [s.name("campaigns", c) for c in pair[1][4]],
    },
    "recommendation": {
        "resource_name": lambda r, s: s.name("recommendations", r.id),
        "type": lambda r, _: r.kind,
        "campaign": lambda r, s: None if r.kind in _OF_BUDGETS else s.name("campaigns", r.campaign),
        "campaigns": _advised,
        "campaign_budget": lambda r, s: (
            s.name("campaignBudgets", s.campaigns[r.campaign].budget) if r.kind in _OF_BUDGETS else None
        ),
        "dismissed": lambda _, __: False,
        "impact": _impact,
        "campaign_budget_recommendation": _advice(
            "CAMPAIGN_BUDGET",
            lambda v: {
                "current_budget_amount_micros": v["current_budget_micros"],
                "recommended_budget_amount_micros": v["recommended_budget_micros"],
            },
        ),
        "keyword_recommendation": _advice(
            "KEYWORD",
            lambda v: {
                "keyword": {"text": v["text"], "match_type": v["match_type"]},
                "recommended_cpc_bid_micros": v["recommended_cpc_bid_micros"],
            },
        ),
        "target_cpa_opt_in_recommendation": _advice(
            "TARGET_CPA_OPT_IN", lambda v: {"recommended_target_cpa_micros": v["target_cpa_micros"]}
        ),
    },
}
