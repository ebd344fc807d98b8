from datetime import UTC, date, datetime, timedelta

import pytest

START, END = datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_campaign_is_told_in_our_words_with_its_labels(google, fetch):
    google.tables(
        campaign=[
            {
                "campaign": {
                    "id": 7,
                    "name": "Brand | <b>",
                    "status": "ENABLED",
                    "primaryStatus": "LIMITED",
                    "primaryStatusReasons": ["BUDGET_CONSTRAINED"],
                    "advertisingChannelType": "PERFORMANCE_MAX",
                    "biddingStrategyType": "TARGET_ROAS",
                    "startDateTime": "2026-01-05 00:00:00",
                    "endDateTime": "2037-12-30 23:59:59",
                    "labels": ["customers/200/labels/1", "customers/200/labels/2"],
                }
            },
            {
                "campaign": {
                    "id": 8,
                    "name": "Old",
                    "status": "REMOVED",
                    "advertisingChannelType": "HOTEL",
                    "endDateTime": "2026-06-30 23:59:59",
                }
            },
        ],
        campaign_label=[
            {"campaign": {"id": 7}, "label": {"name": "north"}},
            {"campaign": {"id": 7}, "label": {"name": "brand"}},
        ],
    )
    connector = google.connector()
    first, second = fetch(connector, "campaigns", START, END)
    assert first == {
        "campaign": "7",
        "name": "Brand | <b>",
        "status": "enabled",
        "serving": "limited, budget constrained",
        "channel": "performance_max",
        "objective": "",
        "bidding": "target_roas",
        "starts": date(2026, 1, 5),
        "ends": None,
        "labels": "brand,north",
    }
    assert (second["status"], second["channel"], second["ends"]) == ("removed", "other", date(2026, 6, 30))
    assert connector.usage.operations == 2


def test_no_second_request_for_labels_that_nobody_uses(google, fetch):
    google.tables(campaign=[{"campaign": {"id": 7}}])
    connector = google.connector()
    fetch(connector, "campaigns", START, END)
    assert connector.usage.operations == 1


def test_an_ad_says_its_review_and_where_it_leads(google, fetch):
    google.rows(
        [
            {
                "campaign": {"id": 7},
                "adGroup": {"id": 8, "name": "Shoes"},
                "adGroupAd": {
                    "status": "PAUSED",
                    "policySummary": {"approvalStatus": "DISAPPROVED"},
                    "ad": {
                        "id": 9,
                        "type": "RESPONSIVE_SEARCH_AD",
                        "finalUrls": ["https://shop.example/a", "b"],
                    },
                },
            }
        ]
    )
    assert fetch(google.connector(), "ads", START, END) == [
        {
            "campaign": "7",
            "ad_group": "8",
            "ad": "9",
            "ad_group_name": "Shoes",
            "ad_name": "responsive search ad",
            "status": "paused",
            "serving": "disapproved",
            "final_url": "https://shop.example/a",
        }
    ]


def test_a_shared_budget_stands_with_each_campaign_and_a_total_one_with_its_flight(google, fetch):
    shared = {
        "id": 5,
        "name": "Together",
        "amountMicros": 90_000_000,
        "explicitlyShared": True,
        "referenceCount": 2,
    }
    google.rows(
        [
            {"campaign": {"id": 7}, "campaignBudget": shared},
            {"campaign": {"id": 8}, "campaignBudget": shared},
            {
                "campaign": {
                    "id": 9,
                    "startDateTime": "2026-11-01 00:00:00",
                    "endDateTime": "2026-11-30 23:59:59",
                },
                "campaignBudget": {
                    "id": 6,
                    "name": "Flight",
                    "totalAmountMicros": 3_000_000_000,
                    "referenceCount": 1,
                },
            },
        ]
    )
    rows = fetch(google.connector(), "budgets", START, END)
    assert [(r["budget"], r["campaign"], r["amount"], r["period"], r["shared"]) for r in rows] == [
        ("5", "7", 90_000_000, "daily", True),
        ("5", "8", 90_000_000, "daily", True),
        ("6", "9", 3_000_000_000, "total", False),
    ]
    assert (rows[2]["starts"], rows[2]["ends"]) == (date(2026, 11, 1), date(2026, 11, 30))
    assert rows[0]["starts"] is None


def test_an_experiment_is_a_row_an_arm(google, fetch):
    google.rows(
        [
            {
                "experiment": {
                    "experimentId": 3,
                    "name": "Bids",
                    "status": "ENABLED",
                    "startDate": "2026-11-01",
                    "endDate": "2026-12-01",
                    "goals": [
                        {"metric": "COST_PER_CONVERSION", "direction": "DECREASE"},
                        {"metric": "CONVERSIONS", "direction": "NO_CHANGE_OR_INCREASE"},
                        {"metric": "INCREMENTAL_CONVERSIONS", "direction": "INCREASE"},
                    ],
                },
                "experimentArm": {
                    "resourceName": "customers/200/experimentArms/3~31",
                    "name": "Control",
                    "control": True,
                    "trafficSplit": 60,
                    "campaigns": ["customers/200/campaigns/8", "customers/200/campaigns/7"],
                },
            }
        ]
    )
    assert fetch(google.connector(), "experiments", START, END) == [
        {
            "experiment": "3",
            "arm": "31",
            "name": "Bids",
            "arm_name": "Control",
            "status": "enabled",
            "control": True,
            "split": 0.6,
            "campaigns": "7,8",
            "starts": date(2026, 11, 1),
            "ends": date(2026, 12, 1),
            "goals": "cpa:decrease,conversions:no_change_or_increase,incremental_conversions:increase",
        }
    ]


def test_what_google_says_an_experiment_changed_is_read_where_it_says_something(google, fetch):
    google.rows(
        [
            {
                "experiment": {"experimentId": 3},
                "metrics": {
                    "costPerConversionChangePointEstimate": -0.08,
                    "costPerConversionPValue": 0.21,
                    "costPerConversionMarginOfError": 0.12,
                    "conversionValuePerCostChangePointEstimate": 0.1,
                },
            },
            {"experiment": {"experimentId": 4}},
        ]
    )
    # A p-value of zero would be a winner: what is unset must not be read as zero.
    assert fetch(google.connector(), "experiment_effects", START, END) == [
        {"experiment": "3", "metric": "cpa", "effect": -0.08, "p_value": 0.21, "margin": 0.12}
    ]


def test_a_version_that_says_nothing_of_experiments_is_not_asked(google, fetch):
    assert fetch(google.connector(api_version="v23"), "experiment_effects", START, END) == []
    assert google.queries() == []


ADVICE = "customers/200/recommendations/"


def advised(of, **told):
    """A recommendation in the REST spelling, `of` being the last part of its name."""
    return {"recommendation": {"resourceName": ADVICE + of, **told}}


def test_a_suggested_budget_stands_with_each_campaign_that_draws_on_it(google, fetch):
    weeks = {
        "baseMetrics": {"impressions": 800, "clicks": 31.5, "costMicros": 700_000_000, "conversions": 4},
        "potentialMetrics": {
            "impressions": 1100, "clicks": 45.5, "costMicros": 840_500_000, "conversions": 4, "conversionsValue": 9,
        },
    }  # fmt: skip
    google.rows(
        [
            advised(
                "MTk~x1",
                type="CAMPAIGN_BUDGET",
                campaigns=["customers/200/campaigns/8", "customers/200/campaigns/7"],
                impact=weeks,
                campaignBudgetRecommendation={
                    "currentBudgetAmountMicros": 100_000_000,
                    "recommendedBudgetAmountMicros": 120_000_000,
                },
            )
        ]
    )
    connector = google.connector()
    rows = fetch(connector, "recommendations", START, END)
    assert [row.pop("campaign") for row in rows] == ["8", "7"]
    assert (
        rows[0]
        == rows[1]
        == {
            "recommendation": "x1",
            "advice": "campaign_budget",
            "current": 100_000_000,
            "proposed": 120_000_000,
            "subject": "",
            "impressions": 300.0,
            "clicks": 14.0,
            "cost": 140_500_000,
            "conversions": 0.0,
            "conversion_value": None,  # no base to compare it with
        }
    )
    assert connector.usage.operations == 1


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"type": "KEYWORD", "keywordRecommendation": {"keyword": {"text": "lamps"}}}, (None, None, "lamps")),
        (
            {
                "type": "TARGET_CPA_OPT_IN",
                "targetCpaOptInRecommendation": {"recommendedTargetCpaMicros": 20_000_000},
            },
            (None, 20_000_000, ""),
        ),
        (
            {"type": "TARGET_ROAS_OPT_IN", "targetRoasOptInRecommendation": {"recommendedTargetRoas": 3.5}},
            (None, None, "350%"),
        ),
        (
            {
                "type": "MOVE_UNUSED_BUDGET",
                "moveUnusedBudgetRecommendation": {
                    "budgetRecommendation": {
                        "currentBudgetAmountMicros": 5_000_000,
                        "recommendedBudgetAmountMicros": 6_000_000,
                    }
                },
            },
            (5_000_000, 6_000_000, ""),
        ),
        ({"type": "OPTIMIZE_AD_ROTATION", "optimizeAdRotationRecommendation": {}}, (None, None, "")),
    ],
)
def test_what_a_suggestion_is_about(google, fetch, told, said):
    google.rows([advised("y", campaign="customers/200/campaigns/7", **told)])
    (row,) = fetch(google.connector(), "recommendations", START, END)
    assert (row["current"], row["proposed"], row["subject"]) == said
    assert (row["campaign"], row["advice"], row["clicks"]) == ("7", told["type"].lower(), None)


def test_what_was_dismissed_is_no_suggestion_and_what_names_no_campaign_is_the_accounts(google, fetch):
    google.rows(
        [
            advised("a", type="KEYWORD", campaign="customers/200/campaigns/7", dismissed=True),
            advised("b", type="CALL_ASSET"),
        ]
    )
    (row,) = fetch(google.connector(), "recommendations", START, END)
    assert (row["recommendation"], row["campaign"]) == ("b", "")


@pytest.mark.parametrize(
    ("actions", "days"),
    [
        ([(30, "ENABLED"), (60, "ENABLED")], 60),
        ([(7, "ENABLED"), (90, "REMOVED")], 7),
        ([(120, "ENABLED")], 90),  # more than Google offers: not believed
        ([], 30),
        ([(60, "HIDDEN")], 30),
    ],
)
def test_the_past_is_asked_again_as_far_as_the_longest_lookback(google, account, actions, days):
    google.tables(
        conversion_action=[
            {"conversionAction": {"id": n, "clickThroughLookbackWindowDays": back, "status": status}}
            for n, (back, status) in enumerate(actions)
        ]
    )
    assert google.connector().click_lookback(account) == timedelta(days=days + 14)
