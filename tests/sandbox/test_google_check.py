"""What may be asked together, at every version."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from sandbox.gaql import parse
from sandbox.google_check import check
from sandbox.google_errors import VERSIONS, Refused
from sandbox.google_fields import catalogue
from sandbox.google_reference import ATTRIBUTED, METRICS, SEGMENTED

NOON = datetime(2026, 11, 12, 12, tzinfo=ZoneInfo("Europe/Berlin"))


def plan(query, version="v26", *, manager=False):
    return check(parse(query), catalogue(version), now=NOON, manager=manager)


def refusal(query, version="v26", *, manager=False):
    with pytest.raises(Refused) as caught:
        plan(query, version, manager=manager)
    return caught.value.kind, caught.value.code, caught.value.message


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT campaign.id, campaign.name FROM campaign ORDER BY campaign.id",
        "SELECT campaign.start_date_time, campaign_budget.amount_micros, customer.id FROM campaign",
        "SELECT campaign.id FROM campaign WHERE segments.date DURING LAST_7_DAYS",
        (
            "SELECT campaign.id, segments.date, segments.hour, metrics.conversions FROM campaign "
            "WHERE segments.date = '2026-11-12'"
        ),
        "SELECT segments.conversion_action, metrics.conversions, metrics.all_conversions_value FROM campaign",
        "SELECT ad_group_ad.ad.type, ad_group_ad.ad.responsive_search_ad.headlines, campaign.name FROM ad_group_ad",
        "SELECT campaign.url_custom_parameters, campaign.network_settings.target_google_search FROM campaign",
        "SELECT experiment_arm.traffic_split, experiment.type FROM experiment_arm",
        "SELECT recommendation.type, recommendation.campaign_budget_recommendation FROM recommendation",
        (
            "SELECT change_event.old_resource, change_event.changed_fields FROM change_event "
            "WHERE change_event.change_date_time DURING LAST_14_DAYS LIMIT 10000"
        ),
        "SELECT label.name FROM ad_group_label",
    ],
)
def test_what_may_be_asked(version, query):
    assert [field.name for field in plan(query, version).select] == list(parse(query).select)


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("SELECT campaign.id", "EXPECTED_FROM", ""),
        ("SELECT campaign.id FROM campagin", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", "'campagin'"),
        (
            "SELECT campaign.idd, metrics.clickz FROM campaign",
            "UNRECOGNIZED_FIELD",
            "Unrecognized fields in the query: 'campaign.idd', 'metrics.clickz'.",
        ),
        ("SELECT campaign FROM campaign", "UNRECOGNIZED_FIELD", "'campaign'"),
        ("SELECT campaign.start_date FROM campaign", "UNRECOGNIZED_FIELD", "'campaign.start_date'"),
        ("SELECT campaign.labels.x FROM campaign", "UNRECOGNIZED_FIELD", "campaign.labels.x"),
        ("SELECT campaign.network_settings FROM campaign", "PROHIBITED_FIELD_IN_SELECT_CLAUSE", "network"),
        (
            "SELECT campaign.id FROM campaign ORDER BY campaign.labels",
            "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE",
            "",
        ),
        (
            "SELECT change_event.user_email FROM change_event WHERE change_event.old_resource = 'x'",
            "PROHIBITED_FIELD_IN_WHERE_CLAUSE",
            "",
        ),
        (
            "SELECT campaign.id, ad_group.name FROM campaign",
            "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE",
            (
                "Cannot select fields from the following resource: 'AD_GROUP', since the resource is incompatible "
                "with the resource in FROM clause."
            ),
        ),
        (
            "SELECT ad_group.id FROM ad_group WHERE campaign_budget.id = 5",
            "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE",
            "'CAMPAIGN_BUDGET'",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE segments.device = MOBILE",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
            "The following field must be present in SELECT clause: 'segments.device'.",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE segments.date DURING TODAY ORDER BY segments.date",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
            "'segments.date'",
        ),
        (
            "SELECT segments.hour, metrics.clicks FROM ad_group_ad",
            "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
            "'segments.hour'(could not support requested resources: 'AD_GROUP_AD')",
        ),
        (
            "SELECT segments.product_item_id, metrics.clicks FROM campaign",
            "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
            "",
        ),
        (
            "SELECT metrics.search_budget_lost_impression_share FROM ad_group",
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            "'search_budget_lost_impression_share'(could not support requested resources: 'AD_GROUP')",
        ),
        (
            "SELECT metrics.conversions_value_per_cost FROM campaign",
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            "'conversions_value_per_cost'(could not support requested resources: 'CAMPAIGN')",
        ),
        ("SELECT metrics.clicks FROM label", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE", "'clicks'"),
        (
            "SELECT segments.conversion_action, metrics.conversions, metrics.clicks, metrics.cost_micros FROM campaign",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            (
                "Cannot select the following segments because at least one unsupported metric is found in SELECT or "
                "WHERE clause: 'segments.conversion_action'(unsupported metrics: 'clicks', 'cost_micros')."
            ),
        ),
        (
            "SELECT segments.hour, metrics.search_impression_share FROM campaign",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            "'search_impression_share'",
        ),
        (
            "SELECT segments.conversion_action, metrics.conversions FROM campaign WHERE metrics.impressions > 0",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            "'impressions'",
        ),
        ("SELECT campaign.id, segments.date FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE", ""),
        (
            "SELECT segments.month FROM campaign WHERE segments.date >= '2026-11-01'",
            "EXPECTED_FILTERS_ON_DATE_RANGE",
            "",
        ),
    ],
)
def test_what_may_not(query, code, words):
    kind, got, message = refusal(query)
    assert (kind, got) == ("query_error", code)
    assert words in message


def test_metrics_of_a_manager():
    query = "SELECT customer.id, metrics.clicks FROM customer"
    assert refusal(query, manager=True)[1] == "REQUESTED_METRICS_FOR_MANAGER"
    assert plan("SELECT customer.id FROM customer", manager=True)


CHANGES = "SELECT change_event.user_email FROM change_event"
MOMENT = "change_event.change_date_time"


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("LIMIT 10", "CHANGE_DATE_RANGE_INFINITE"),
        (f"WHERE {MOMENT} >= '2026-11-01' LIMIT 10", "CHANGE_DATE_RANGE_INFINITE"),
        (
            f"WHERE {MOMENT} >= '2026-11-10' AND {MOMENT} <= '2026-11-09' LIMIT 10",
            "CHANGE_DATE_RANGE_NEGATIVE",
        ),
        (f"WHERE {MOMENT} BETWEEN '2026-10-12' AND '2026-11-12' LIMIT 10", "START_DATE_TOO_OLD"),
        (f"WHERE {MOMENT} DURING LAST_7_DAYS", "LIMIT_NOT_SPECIFIED"),
        (f"WHERE {MOMENT} DURING LAST_7_DAYS LIMIT 10001", "INVALID_LIMIT_CLAUSE"),
    ],
)
def test_the_change_log_wants_a_recent_span_and_a_limit(rest, code):
    assert refusal(f"{CHANGES} {rest}")[:2] == ("change_event_error", code)


def test_thirty_days_of_changes_are_kept():
    # Thirty days before 12 November is 13 October.
    assert plan(f"{CHANGES} WHERE {MOMENT} BETWEEN '2026-10-13' AND '2026-11-12' LIMIT 10000").moments == (
        datetime.fromisoformat("2026-10-13"),
        datetime.fromisoformat("2026-11-12"),
    )


def test_change_status_has_its_own_errors():
    query = "SELECT change_status.resource_type FROM change_status LIMIT 5"
    assert refusal(query)[:2] == ("change_status_error", "CHANGE_DATE_RANGE_INFINITE")


def test_every_name_of_the_reference_is_one_of_its_version():
    known = catalogue("v24")
    assert set(ATTRIBUTED) <= known.resources
    assert {name for beside in ATTRIBUTED.values() for name in beside} <= known.resources
    named = {name for names in (*METRICS.values(), *SEGMENTED.values()) for name in names}
    assert [name for name in named if known.field(name) is None or not known.field(name).selectable] == []
    assert (len(ATTRIBUTED), len(METRICS), len(SEGMENTED)) == (182, 72, 77)
