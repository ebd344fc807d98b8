import json
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamResponse
from google.protobuf import json_format

from connectors.contract import Account
from connectors.errors import TooMuchData

START, END = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)
ACTOR = "analyst@example.com"


def event(name, at, **others):
    return {
        "changeEvent": {
            "resourceName": f"customers/200/changeEvents/{name}",
            "changeDateTime": at,
            "userEmail": ACTOR,
            "clientType": "GOOGLE_ADS_WEB_CLIENT",
            "changeResourceType": "CAMPAIGN_BUDGET",
            "changeResourceName": "customers/200/campaignBudgets/5",
            "resourceChangeOperation": "UPDATE",
            "campaign": "customers/200/campaigns/7",
        }
        | others
    }


def test_a_change_says_who_what_and_from_what_to_what(google, fetch):
    google.rows(
        [
            event(
                "1~5~0",
                "2026-11-23 14:00:01.250000",
                changedFields="amountMicros,name,explicitlyShared",
                oldResource={
                    "campaignBudget": {"amountMicros": 50_000_000, "name": "B", "explicitlyShared": False}
                },
                newResource={
                    "campaignBudget": {"amountMicros": 60_500_000, "name": "B", "explicitlyShared": True}
                },
            )
        ]
    )
    (row,) = fetch(google.connector(), "changes", START, END)
    assert json.loads(row.pop("before")) == {
        "amount_micros": 50_000_000,
        "name": "B",
        "explicitly_shared": False,
    }
    assert json.loads(row.pop("after")) == {
        "amount_micros": 60_500_000,
        "name": "B",
        "explicitly_shared": True,
    }
    assert row == {
        "change": "1~5~0",
        "at": datetime(2026, 11, 23, 13, 0, 1, 250_000, tzinfo=UTC),
        "actor": ACTOR,
        "via": "google_ads_web_client",
        "operation": "update",
        "entity_type": "campaign_budget",
        "entity": "5",
        "campaign": "7",
        "summary": "campaign budget updated: amount 50 → 60.5, explicitly shared False → True",
    }


def test_enums_lists_and_nested_fields_are_told_by_name(google, fetch):
    google.rows(
        [
            event(
                "1~7~0",
                "2026-11-23 14:00:00",
                changeResourceType="CAMPAIGN",
                changedFields="status,networkSettings.targetContentNetwork,targetRoas,labels",
                oldResource={
                    "campaign": {"status": "ENABLED", "networkSettings": {"targetContentNetwork": True}}
                },
                newResource={
                    "campaign": {
                        "status": "PAUSED",
                        "networkSettings": {"targetContentNetwork": False},
                        "targetRoas": {"targetRoas": 3.5},
                        "labels": ["customers/200/labels/1"],
                    }
                },
            )
        ]
    )
    (row,) = fetch(google.connector(), "changes", START, END)
    assert json.loads(row["after"]) == {
        "status": "PAUSED",
        "network_settings.target_content_network": False,
        "target_roas": {"target_roas": 3.5},
        "labels": ["customers/200/labels/1"],
    }
    assert "status enabled → paused" in row["summary"]


def test_what_was_created_or_removed_has_one_side(google, fetch):
    google.rows(
        [
            event(
                "1",
                "2026-11-23 14:00:00",
                resourceChangeOperation="CREATE",
                changedFields="name",
                newResource={"campaignBudget": {"name": "New"}},
            )
        ]
    )
    (row,) = fetch(google.connector(), "changes", START, END)
    assert (row["summary"], row["before"], row["after"]) == (
        "campaign budget created",
        "{}",
        '{"name": "New"}',
    )


def span(query):
    found = re.search(r"change_date_time BETWEEN '([^']+)' AND '([^']+)'", query)
    return found[1], found[2]


def test_the_query_has_a_finite_range_and_a_limit(google, fetch):
    fetch(google.connector(), "changes", START, END)
    (query,) = google.queries()
    assert span(query) == ("2026-11-23 01:00:00", "2026-11-24 13:00:01")  # Berlin, an hour ahead
    assert query.endswith("ORDER BY change_event.change_date_time LIMIT 10000")


def test_google_keeps_30_days_of_changes_and_is_not_asked_for_more(google, fetch):
    connector = google.connector()
    fetch(connector, "changes", END - timedelta(days=90), END)
    first, _ = span(google.queries()[0])
    asked = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert timedelta(days=29, hours=22) < END - asked < timedelta(days=30)
    assert fetch(connector, "changes", END - timedelta(days=90), END - timedelta(days=60)) == []
    assert len(google.queries()) == 1


def full_log(google, moments):
    """A change log of its own: sorted, cut at LIMIT, the way the service answers."""
    like = json_format.ParseDict({"results": [event("", "")]}, SearchGoogleAdsStreamResponse.pb()())

    def encode(hits):
        message = SearchGoogleAdsStreamResponse.pb()(request_id="req-search")
        for n, at in hits:
            row = message.results.add()
            row.CopyFrom(like.results[0])
            row.change_event.resource_name = f"customers/200/changeEvents/{n}"
            row.change_event.change_date_time = at
        return message.SerializeToString()

    def answer(request, _context):
        first, last = span(request.query)
        limit = int(request.query.rsplit(" ", 1)[1])
        hits = [(n, at) for n, at in enumerate(moments) if first <= at <= last][:limit]
        return [encode(hits[n : n + 10_000]) for n in range(0, len(hits), 10_000)]

    google.answer = answer


def test_a_span_that_reaches_the_limit_is_halved_and_nothing_is_lost_or_doubled(google, fetch):
    start = datetime(2026, 11, 23, 2)  # noqa: DTZ001  # on the account's own clock
    # 12,000 changes, three a second and with fractions, so that halves meet inside a second
    moments = sorted(
        (start + timedelta(seconds=n // 3, milliseconds=300 * (n % 3))).strftime("%Y-%m-%d %H:%M:%S.%f")
        for n in range(12_000)
    )
    full_log(google, moments)
    connector = google.connector()
    rows = fetch(connector, "changes", START, END)
    assert len(rows) == 12_000
    assert len({row["change"] for row in rows}) == 12_000
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert connector.usage.operations == len(google.queries()) > 1


def test_more_than_the_limit_in_one_second_is_too_much(google, fetch):
    full_log(google, ["2026-11-23 02:00:00.5"] * 10_001)
    with pytest.raises(TooMuchData, match="10000 changes"):
        fetch(google.connector(), "changes", START, END)
    assert len(google.queries()) < 40


def test_a_change_in_the_repeated_hour_is_asked_for_and_stands_at_the_first(google, fetch):
    # New York, 2026-11-01: 01:30 happens at 05:30 and at 06:30 UTC.
    there = Account("google_ads", "200", "Shop", "USD", ZoneInfo("America/New_York"), via="100")
    full_log(google, ["2026-11-01 01:30:00"])
    rows = fetch(
        google.connector(),
        "changes",
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 11, 1, 6, 10, tzinfo=UTC),  # a moment in the second of the two hours
        of=there,
    )
    assert [row["at"] for row in rows] == [datetime(2026, 11, 1, 5, 30, tzinfo=UTC)]
    assert date(2026, 11, 1) == rows[0]["at"].date()
