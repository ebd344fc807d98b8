import random
from datetime import date, datetime

import pytest
from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamResponse
from google.protobuf import json_format

from connectors import _google_queries as gaql
from connectors._google_rows import Query, reply

VERSIONS = ("v23", "v24", "v25", "v26")
QUERIES = [value for value in vars(gaql).values() if isinstance(value, Query)]


def test_a_query_is_text_that_only_names_dates_and_numbers_enter():
    query = Query("campaign", ("campaign.id", "segments.date"), order="segments.date", limit=5)
    assert query.text() == "SELECT campaign.id, segments.date FROM campaign ORDER BY segments.date LIMIT 5"
    assert query.text("segments.date", date(2026, 11, 1), date(2026, 11, 2)) == (
        "SELECT campaign.id, segments.date FROM campaign "
        "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-02' ORDER BY segments.date LIMIT 5"
    )
    assert "BETWEEN '2026-11-01 00:00:00' AND" in query.text(
        "segments.date", datetime.fromisoformat("2026-11-01"), datetime.fromisoformat("2026-11-02")
    )


@pytest.mark.parametrize(
    "name", ["campaign.id FROM customer", "", "campaign.id;", "Campaign.id", "campaign..id", "campaign.id\n"]
)
def test_a_name_that_is_no_field_cannot_enter_a_query(name):
    with pytest.raises(ValueError, match="GAQL name"):
        Query("campaign", ("campaign.id", name))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.fields[0] + "…" + query.fields[-1])
def test_every_query_is_of_fields_that_every_served_version_has(query, version):
    if (query, version) == (gaql.EXPERIMENT_EFFECTS, "v23"):  # the connector does not ask v23 for it
        with pytest.raises(ValueError, match="cost_per_conversion_change_point_estimate"):
            reply(query, version)
        return
    assert reply(query, version).fields == query.fields


def test_a_wrong_field_is_told_with_the_nearest_right_one():
    with pytest.raises(ValueError, match="'cost_microz', did you mean 'cost_micros'"):
        reply(Query("campaign", ("metrics.cost_microz",)), "v26")


def test_a_slim_reply_reads_what_the_official_message_reads():
    """Against proto-plus, the client's own way, on rows whose fields are set at random."""
    chance = random.Random(5)
    rows = [
        {
            "campaign": {
                "id": chance.randrange(1, 2**53),
                "name": chance.choice(["Zürich – ελ 🎯", "a'b\"c"]),
                "status": chance.choice(["ENABLED", "PAUSED", "REMOVED"]),
                "labels": [f"l{n}" for n in range(chance.randrange(3))],
                "primaryStatusReasons": chance.choices(["BUDGET_CONSTRAINED", "CAMPAIGN_PENDING"], k=2),
            },
            "metrics": {"clicks": chance.randrange(99), "conversions": chance.random()}
            | ({"searchImpressionShare": chance.random()} if chance.random() < 0.5 else {}),
            "segments": {"date": "2026-11-01", "device": chance.choice(["MOBILE", "DESKTOP"])},
        }
        for _ in range(200)
    ]
    wire = json_format.ParseDict(
        {"results": rows, "requestId": "abc"}, SearchGoogleAdsStreamResponse.pb()()
    ).SerializeToString()
    query = Query(
        "campaign",
        (
            "campaign.id",
            "campaign.name",
            "campaign.status",
            "campaign.labels",
            "campaign.primary_status_reasons",
            "metrics.clicks",
            "metrics.conversions",
            "metrics.search_impression_share",
            "segments.date",
            "segments.device",
        ),
        optional=frozenset({"metrics.search_impression_share"}),
    )
    reading = reply(query, "v26")
    request_id, got = reading.read(wire)

    official = SearchGoogleAdsStreamResponse.deserialize(wire).results
    assert request_id == "abc"
    assert got["campaign.id"] == [r.campaign.id for r in official]
    assert got["campaign.name"] == [r.campaign.name for r in official]
    assert got["campaign.status"] == [r.campaign.status.name for r in official]
    assert [list(v) for v in got["campaign.labels"]] == [list(r.campaign.labels) for r in official]
    assert got["campaign.primary_status_reasons"] == [
        [reason.name for reason in r.campaign.primary_status_reasons] for r in official
    ]
    assert got["metrics.clicks"] == [r.metrics.clicks for r in official]
    assert got["metrics.conversions"] == [r.metrics.conversions for r in official]
    assert got["metrics.search_impression_share"] == [
        r.metrics.search_impression_share if "search_impression_share" in r.metrics else None
        for r in official
    ]
    assert got["segments.date"] == [r.segments.date for r in official]
    assert got["segments.device"] == [r.segments.device.name for r in official]


def test_an_enum_newer_than_the_package_is_unknown():
    message = SearchGoogleAdsStreamResponse.pb()()
    message.results.add().campaign.status = 9_999
    reading = reply(Query("campaign", ("campaign.status",)), "v26")
    assert reading.read(message.SerializeToString()) == ("", {"campaign.status": ["UNKNOWN"]})


LISTED = ("campaign.id", "segments.date", "segments.device", "metrics.clicks", "metrics.conversions")


def said(row):
    return [
        row.campaign.id,
        row.segments.date,
        row.segments.device.name,
        row.metrics.clicks,
        row.metrics.conversions,
    ]


def lacking(*missing):
    """A chunk of seven rows, of which some lack a field: by number and name."""
    message = SearchGoogleAdsStreamResponse.pb()(request_id="r")
    for n in range(7):
        row = message.results.add()
        row.campaign.id, row.segments.date, row.segments.device = 10 + n, f"2026-11-0{n + 1}", 2 + n % 3
        row.metrics.clicks, row.metrics.conversions = n, n / 4  # a zero of these is on the wire
        for number, parent, leaf in missing:
            if n == number:
                getattr(row, parent).ClearField(leaf)
    return message.SerializeToString()


@pytest.mark.parametrize(
    "missing",
    [
        [],
        [(3, "metrics", "clicks")],
        [(n, "metrics", "clicks") for n in range(7)],
        [(0, "segments", "device")],
        # Each column is one short, in another row: as long as each other, and none where it belongs.
        [(n, *field.split(".")) for n, field in enumerate(LISTED)],
    ],
)
def test_columns_read_at_once_are_those_of_the_rows(missing):
    wire = lacking(*missing)
    reading = reply(Query("campaign", LISTED), "v26")
    assert reading.columns is not None
    request_id, got = reading.read(wire)
    official = SearchGoogleAdsStreamResponse.deserialize(wire).results
    assert request_id == "r"
    assert list(zip(*(got[name] for name in LISTED), strict=True)) == [tuple(said(row)) for row in official]


def test_a_chunk_without_rows_has_empty_columns():
    reading = reply(Query("campaign", LISTED), "v26")
    assert reading.read(b"") == ("", {name: [] for name in LISTED})


@pytest.mark.parametrize("query", [gaql.CAMPAIGNS, gaql.AUCTION], ids=["repeated", "absent"])
def test_what_may_be_absent_or_repeated_is_read_by_the_row(query):
    assert reply(query, "v26").columns is None
