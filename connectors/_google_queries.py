"""What is asked of Google Ads, and its words in ours."""

from __future__ import annotations

from connectors._google_rows import Query

__all__ = [
    "ADS",
    "AD_DELIVERY",
    "AUCTION",
    "BUDGETS",
    "CAMPAIGNS",
    "CAMPAIGN_LABELS",
    "CATEGORIES",
    "CHANGES",
    "CHANNELS",
    "CLIENTS",
    "CONVERSION_ACTIONS",
    "DAY_TOTALS",
    "DELIVERY",
    "EFFECTS",
    "EXPERIMENTS",
    "EXPERIMENT_EFFECTS",
    "GOALS",
    "MOST_CHANGES",
    "RECOMMENDATIONS",
    "SEGMENT_DELIVERY",
    "SELF",
]

_MEASURES = (
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.conversions",
    "metrics.conversions_value",
)

MOST_CHANGES = 10_000
"""The highest LIMIT that Google accepts for change_event, which must have one."""

SELF = Query("customer", ("customer.id",), limit=1)

CLIENTS = Query(
    "customer_client",
    (
        "customer_client.id",
        "customer_client.descriptive_name",
        "customer_client.currency_code",
        "customer_client.time_zone",
        "customer_client.manager",
        "customer_client.status",
    ),
)

DELIVERY = Query("campaign", ("campaign.id", "segments.date", "segments.hour", *_MEASURES))

AD_DELIVERY = Query(
    "ad_group_ad", ("campaign.id", "ad_group.id", "ad_group_ad.ad.id", "segments.date", *_MEASURES)
)

SEGMENT_DELIVERY = Query(
    "campaign", ("campaign.id", "segments.device", "segments.ad_network_type", "segments.date", *_MEASURES)
)

DAY_TOTALS = Query(
    "campaign",
    (
        "campaign.id",
        "segments.date",
        "segments.conversion_action",
        "segments.conversion_action_category",
        "metrics.conversions",
        "metrics.conversions_value",
        "metrics.all_conversions",
        "metrics.all_conversions_value",
    ),
)

_SHARES = (
    "metrics.search_impression_share",
    "metrics.search_budget_lost_impression_share",
    "metrics.search_rank_lost_impression_share",
)

AUCTION = Query(
    "campaign",
    ("campaign.id", "segments.date", "metrics.impressions", *_SHARES),
    optional=frozenset(_SHARES),
)

CAMPAIGNS = Query(
    "campaign",
    (
        "campaign.id",
        "campaign.name",
        "campaign.status",
        "campaign.primary_status",
        "campaign.primary_status_reasons",
        "campaign.advertising_channel_type",
        "campaign.bidding_strategy_type",
        "campaign.start_date_time",
        "campaign.end_date_time",
        "campaign.labels",
    ),
)

CAMPAIGN_LABELS = Query("campaign_label", ("campaign.id", "label.name"))

ADS = Query(
    "ad_group_ad",
    (
        "campaign.id",
        "ad_group.id",
        "ad_group.name",
        "ad_group_ad.ad.id",
        "ad_group_ad.ad.name",
        "ad_group_ad.ad.type",
        "ad_group_ad.ad.final_urls",
        "ad_group_ad.status",
        "ad_group_ad.policy_summary.approval_status",
    ),
)

BUDGETS = Query(
    "campaign",
    (
        "campaign.id",
        "campaign.start_date_time",
        "campaign.end_date_time",
        "campaign_budget.id",
        "campaign_budget.name",
        "campaign_budget.amount_micros",
        "campaign_budget.total_amount_micros",
        "campaign_budget.explicitly_shared",
        "campaign_budget.reference_count",
    ),
)

CONVERSION_ACTIONS = Query(
    "conversion_action",
    (
        "conversion_action.id",
        "conversion_action.name",
        "conversion_action.category",
        "conversion_action.status",
        "conversion_action.include_in_conversions_metric",
        "conversion_action.click_through_lookback_window_days",
    ),
)

CHANGES = Query(
    "change_event",
    (
        "change_event.resource_name",
        "change_event.change_date_time",
        "change_event.user_email",
        "change_event.client_type",
        "change_event.change_resource_type",
        "change_event.change_resource_name",
        "change_event.resource_change_operation",
        "change_event.changed_fields",
        "change_event.campaign",
        "change_event.old_resource",
        "change_event.new_resource",
    ),
    order="change_event.change_date_time",
    limit=MOST_CHANGES,
)

EXPERIMENTS = Query(
    "experiment_arm",
    (
        "experiment.experiment_id",
        "experiment.name",
        "experiment.status",
        "experiment.start_date",
        "experiment.end_date",
        "experiment.goals",
        "experiment_arm.resource_name",
        "experiment_arm.name",
        "experiment_arm.control",
        "experiment_arm.traffic_split",
        "experiment_arm.campaigns",
    ),
)

EFFECTS = {
    "cpa": (
        "metrics.cost_per_conversion_change_point_estimate",
        "metrics.cost_per_conversion_p_value",
        "metrics.cost_per_conversion_margin_of_error",
    ),
    "roas": (
        "metrics.conversion_value_per_cost_change_point_estimate",
        "metrics.conversion_value_per_cost_p_value",
        "metrics.conversion_value_per_cost_margin_of_error",
    ),
    "spend": (
        "metrics.cost_micros_change_point_estimate",
        "metrics.cost_micros_p_value",
        "metrics.cost_micros_margin_of_error",
    ),
    "revenue": (
        "metrics.conversion_value_change_point_estimate",
        "metrics.conversion_value_p_value",
        "metrics.conversion_value_margin_of_error",
    ),
    "clicks": (
        "metrics.clicks_point_estimate",
        "metrics.clicks_p_value",
        "metrics.clicks_margin_of_error",
    ),
    "impressions": (
        "metrics.impressions_point_estimate",
        "metrics.impressions_p_value",
        "metrics.impressions_margin_of_error",
    ),
}
"""What Google says of an experiment's effect on a metric: its estimate (treatment / control - 1), p-value and
margin, unset while there is too little to go by. Of conversion rates, click-through rates and the price of a
click it says nothing, and of conversions by how many they differ, not by how much of the control's.
"""

GOALS = {
    "CONVERSIONS_PER_INTERACTION_RATE": "conversion_rate",
    "COST_PER_CONVERSION": "cpa",
    "CONVERSIONS_VALUE_PER_COST": "roas",
    "AVERAGE_CPC": "cpc",
    "CTR": "ctr",
    "COST": "spend",
    "CONVERSION_VALUE": "revenue",
}
"""What an experiment may be about, by our names; what is not here has Google's own, in small letters."""

EXPERIMENT_EFFECTS = Query(
    "experiment",
    ("experiment.experiment_id", *(field for fields in EFFECTS.values() for field in fields)),
    optional=frozenset(field for fields in EFFECTS.values() for field in fields),
)

RECOMMENDATIONS = Query(
    "recommendation",
    (
        "recommendation.resource_name",
        "recommendation.type",
        "recommendation.campaign",
        "recommendation.campaigns",
        "recommendation.dismissed",
        "recommendation.impact",
        "recommendation.campaign_budget_recommendation",
        "recommendation.forecasting_campaign_budget_recommendation",
        "recommendation.marginal_roi_campaign_budget_recommendation",
        "recommendation.move_unused_budget_recommendation",
        "recommendation.keyword_recommendation",
        "recommendation.target_cpa_opt_in_recommendation",
        "recommendation.target_roas_opt_in_recommendation",
    ),
)

CHANNELS = {
    "SEARCH": "search",
    "PERFORMANCE_MAX": "performance_max",
    "SHOPPING": "shopping",
    "DISPLAY": "display",
    "VIDEO": "video",
    "DEMAND_GEN": "demand_gen",
}
"""campaign.advertising_channel_type in our words; all else is "other"."""

CATEGORIES = {
    "PURCHASE": "purchase",
    "STORE_SALE": "purchase",
    "SUBMIT_LEAD_FORM": "lead",
    "IMPORTED_LEAD": "lead",
    "QUALIFIED_LEAD": "lead",
    "CONVERTED_LEAD": "lead",
    "PHONE_CALL_LEAD": "lead",
    "MESSAGE_LEAD": "lead",
    "BOOK_APPOINTMENT": "lead",
    "REQUEST_QUOTE": "lead",
    "SIGNUP": "signup",
    "SUBSCRIBE_PAID": "signup",
    "ADD_TO_CART": "cart",
    "BEGIN_CHECKOUT": "cart",
    "CONTACT": "contact",
    "GET_DIRECTIONS": "contact",
}
"""A conversion action's category in our words; all else is "other"."""
