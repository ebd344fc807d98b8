from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from connectors.contract import Window
from connectors.errors import Unexpected

START, END = datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)


def utc(*at):
    return datetime(*at, tzinfo=UTC)


def hour(campaign, day, hour, **metrics):
    return {"campaign": {"id": campaign}, "segments": {"date": day, "hour": hour}, "metrics": metrics}


def test_a_delivery_row_stands_at_its_utc_hour_and_keeps_the_accounts_own_clock(google, fetch):
    google.rows(
        [
            hour(
                7,
                "2026-11-23",
                9,
                impressions=120,
                clicks=6,
                costMicros=3_450_000,
                conversions=1.333333,
                conversionsValue=49.99,
            )
        ]
    )
    assert fetch(google.connector(), "delivery", START, END) == [
        {
            "campaign": "7",
            "hour": utc(2026, 11, 23, 8),  # Berlin is an hour ahead of UTC in November
            "day": date(2026, 11, 23),
            "hour_of_day": 9,
            "impressions": 120,
            "clicks": 6,
            "cost": 3_450_000,
            "conversions": Decimal("1.333333"),
            "conversion_value": 49_990_000,
        }
    ]


def test_a_window_asks_for_the_local_days_it_touches_and_yields_its_own_hours_only(google, fetch):
    google.rows([hour(7, "2026-11-23", h, impressions=h) for h in range(24)])
    rows = fetch(google.connector(), "delivery", utc(2026, 11, 23, 10), utc(2026, 11, 23, 13))
    assert [row["hour_of_day"] for row in rows] == [11, 12, 13]
    assert google.queries()[0].endswith(
        "FROM campaign WHERE segments.date BETWEEN '2026-11-23' AND '2026-11-23'"
    )
    fetch(google.connector(), "delivery", utc(2026, 11, 22, 23, 30), utc(2026, 11, 23, 23, 30))
    assert google.queries()[1].endswith("BETWEEN '2026-11-23' AND '2026-11-24'")


@pytest.mark.parametrize(
    ("day", "local", "moment"),
    [
        ("2026-10-25", 2, utc(2026, 10, 25, 0)),  # 02:00 happens twice: the first is still summer time
        ("2026-10-25", 3, utc(2026, 10, 25, 2)),
        ("2026-03-29", 2, utc(2026, 3, 29, 1)),  # 02:00 does not happen: it must not stop the rest
        ("2026-03-29", 3, utc(2026, 3, 29, 1)),
    ],
)
def test_hours_of_the_days_on_which_clocks_change(google, fetch, day, local, moment):
    google.rows([hour(7, day, local, impressions=1)])
    rows = fetch(google.connector(), "delivery", moment - timedelta(hours=1), moment + timedelta(hours=2))
    assert [(row["hour"], row["hour_of_day"]) for row in rows] == [(moment, local)]


def test_every_chunk_is_a_batch_and_an_empty_one_in_the_middle_ends_nothing(google, account):
    google.rows([hour(1, "2026-11-23", 1)], [], [hour(2, "2026-11-23", 2), hour(3, "2026-11-23", 3)])
    connector = google.connector()
    delivery = connector.streams()[0]
    assert [b.num_rows for b in connector.fetch(delivery, account, Window(START, END))] == [1, 2]
    assert connector.usage.operations == 1  # one Search, however many pages
    assert connector.usage.request_ids == ["req-search"]
    assert connector.usage.api_version == "v26"


def test_the_request_names_the_manager_and_carries_a_developer_token_only_if_there_is_one(google, fetch):
    fetch(google.connector(), "delivery", START, END)
    fetch(google.connector(developer_token="dev-token"), "delivery", START, END)
    (_, first, _), (_, second, _) = google.asked
    assert first["login-customer-id"] == "100"
    assert first["x-goog-request-params"] == "customer_id=200"
    assert first["authorization"] == "Bearer ya29.first-access-token"
    assert "developer-token" not in first
    assert second["developer-token"] == "dev-token"
    assert google.token_calls[0]["refresh_token"] == "1//0sRefreshRefresh"


def test_an_ad_and_a_segment_are_by_the_day(google, fetch):
    metrics = {"impressions": 5, "clicks": 1, "costMicros": 9, "conversions": 0.5, "conversionsValue": 0.1}
    google.tables(
        ad_group_ad=[
            {
                "campaign": {"id": 7},
                "adGroup": {"id": 8},
                "adGroupAd": {"ad": {"id": 9}},
                "segments": {"date": "2026-11-23"},
                "metrics": metrics,
            }
        ],
        campaign=[
            {
                "campaign": {"id": 7},
                "segments": {"date": "2026-11-23", "device": "MOBILE", "adNetworkType": "SEARCH_PARTNERS"},
                "metrics": metrics,
            }
        ],
    )
    counts = {
        "impressions": 5,
        "clicks": 1,
        "cost": 9,
        "conversions": Decimal("0.5"),
        "conversion_value": 100_000,
    }
    connector = google.connector()
    assert fetch(connector, "ad_delivery", START, END) == [
        {"campaign": "7", "ad_group": "8", "ad": "9", "day": date(2026, 11, 23), **counts}
    ]
    assert fetch(connector, "segment_delivery", START, END) == [
        {
            "campaign": "7",
            "device": "mobile",
            "network": "search_partners",
            "day": date(2026, 11, 23),
            **counts,
        }
    ]


def test_day_totals_take_a_primary_action_from_conversions_and_a_secondary_one_from_all(google, fetch):
    def total(action, category, **metrics):
        return {
            "campaign": {"id": 7},
            "segments": {
                "date": "2026-11-23",
                "conversionAction": f"customers/200/conversionActions/{action}",
                "conversionActionCategory": category,
            },
            "metrics": metrics,
        }

    google.tables(
        conversion_action=[
            {"conversionAction": {"id": 1, "includeInConversionsMetric": True}},
            {"conversionAction": {"id": 2, "includeInConversionsMetric": False}},
        ],
        campaign=[
            total(
                1,
                "PURCHASE",
                conversions=2.5,
                conversionsValue=80,
                allConversions=3.5,
                allConversionsValue=99,
            ),
            total(
                2, "ADD_TO_CART", conversions=0, conversionsValue=0, allConversions=4, allConversionsValue=1
            ),
        ],
    )
    connector = google.connector()
    rows = fetch(connector, "day_totals", START, END)
    assert [
        (r["action"], r["category"], r["primary"], r["conversions"], r["conversion_value"]) for r in rows
    ] == [
        ("1", "purchase", True, Decimal("2.5"), 80_000_000),
        ("2", "cart", False, Decimal(4), 1_000_000),
    ]
    assert connector.usage.operations == 2


def test_impression_share_is_kept_as_given_and_absent_is_unknown(google, fetch):
    google.rows(
        [
            {
                "campaign": {"id": 7},
                "segments": {"date": "2026-11-23"},
                "metrics": {
                    "impressions": 50,
                    "searchImpressionShare": 0.0999,
                    "searchBudgetLostImpressionShare": 0.9001,
                    "searchRankLostImpressionShare": 0,
                },
            },
            {"campaign": {"id": 8}, "segments": {"date": "2026-11-23"}, "metrics": {"impressions": 60}},
        ]
    )
    shares = ("impression_share", "lost_to_budget", "lost_to_rank")
    rows = fetch(google.connector(), "auction", START, END)
    assert [[row[name] for name in shares] for row in rows] == [[0.0999, 0.9001, 0.0], [None, None, None]]


@pytest.mark.parametrize(
    "row",
    [
        hour(7, "23.11.2026", 9),
        hour(7, "2026-11-23", 24),
        {"campaign": {"id": 7}},
    ],
)
def test_a_reply_that_makes_no_sense_is_unexpected(google, fetch, row):
    google.rows([row])
    with pytest.raises(Unexpected, match="delivery: the reply cannot be read"):
        fetch(google.connector(), "delivery", START, END)
