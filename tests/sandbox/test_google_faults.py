"""What a world's faults look like on the wire, by the official client and by REST."""

import time
from datetime import timedelta

import grpc
import pytest
import requests
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import (
    DeadlineExceeded,
    GoogleAPICallError,
    InternalServerError,
    ResourceExhausted,
    ServiceUnavailable,
)

from tests.sandbox.google_kit import BERLIN, NEW_YORK, NOW, records, report

QUERY = "SELECT campaign.id, metrics.clicks FROM campaign WHERE segments.date DURING LAST_7_DAYS"
STREAM = f"/v26/customers/{BERLIN}/googleAds:searchStream"
SEARCH = f"/v26/customers/{BERLIN}/googleAds:search"


@pytest.fixture
def disturbed(fresh):
    """A server whose tokens were fetched before anything went wrong."""
    fresh.held = fresh.headers()
    fresh.rows(QUERY)
    return fresh


def begin(google, name, **options):
    return google.incidents.start(name, at=NOW - timedelta(minutes=1), platform="google_ads", **options)


def test_an_outage(disturbed):
    begin(disturbed, "api_outage")
    with pytest.raises((ServiceUnavailable, GoogleAdsException)) as caught:
        disturbed.rows(QUERY)
    assert "currently unavailable" in str(caught.value)
    reply = disturbed.post(STREAM, {"query": QUERY}, disturbed.held)
    assert (reply.status_code, reply.json()[0]["error"]["status"]) == (503, "UNAVAILABLE")


def test_an_accounts_outage_leaves_the_others_alone(disturbed):
    begin(disturbed, "api_outage", advertiser=BERLIN)
    assert disturbed.rows(QUERY, NEW_YORK)
    with pytest.raises((ServiceUnavailable, GoogleAdsException)):
        disturbed.rows(QUERY, BERLIN)


def test_a_revoked_grant(disturbed):
    service = disturbed.ads()
    list(service.search(customer_id=str(BERLIN), query=QUERY))
    begin(disturbed, "token_revoked")
    with pytest.raises(GoogleAdsException) as caught:
        list(service.search(customer_id=str(BERLIN), query=QUERY))
    assert caught.value.error.code() == grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(GoogleAPICallError, match="invalid_grant"):
        disturbed.rows(QUERY)


def test_a_suspended_account(disturbed):
    begin(disturbed, "account_suspended", advertiser=BERLIN)
    with pytest.raises(GoogleAdsException) as caught:
        disturbed.rows(QUERY)
    assert caught.value.error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "CUSTOMER_NOT_ENABLED" in str(caught.value.failure)
    query = "SELECT customer_client.id, customer_client.status FROM customer_client"
    statuses = {
        row.customer_client.id: row.customer_client.status for row in disturbed.rows(query, 4025494740)
    }
    # CustomerStatus: ENABLED 2, SUSPENDED 4.
    assert (statuses[BERLIN], statuses[NEW_YORK]) == (4, 2)


def test_every_second_call_is_throttled(disturbed):
    begin(disturbed, "throttling")
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(len(disturbed.rows(QUERY)))
        except ResourceExhausted:
            outcomes.append("throttled")
    assert sorted(map(str, outcomes)) == ["8", "8", "throttled", "throttled"]
    assert outcomes[0] != outcomes[1] != outcomes[2]


def test_a_hang_lasts_as_long_as_the_caller_waits(disturbed):
    begin(disturbed, "hang", size=60.0)
    service = disturbed.ads()
    before = time.monotonic()
    with pytest.raises((DeadlineExceeded, GoogleAdsException)) as caught:
        list(service.search_stream(customer_id=str(BERLIN), query=QUERY, timeout=1))
    assert "Deadline" in str(caught.value)
    with pytest.raises(requests.ReadTimeout):
        disturbed.session.post(
            disturbed.server.rest_url + SEARCH, json={"query": QUERY}, headers=disturbed.held, timeout=1
        )
    assert time.monotonic() - before < 10


def test_a_short_hang_is_only_slow(disturbed):
    begin(disturbed, "hang", size=0.3)
    before = time.monotonic()
    assert len(disturbed.rows(QUERY)) == 8
    assert time.monotonic() - before > 0.3


def test_a_stream_breaks_after_its_first_chunk(disturbed):
    begin(disturbed, "broken_stream")
    stream = disturbed.ads().search_stream(customer_id=str(BERLIN), query=QUERY)
    chunk = next(iter(stream))
    assert 0 < len(chunk.results) < 8
    with pytest.raises((ServiceUnavailable, GoogleAdsException)):
        list(stream)
    for path in (STREAM, SEARCH):
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            disturbed.post(path, {"query": QUERY}, disturbed.held)


def test_an_empty_page_is_followed_by_full_ones(disturbed):
    expected = [row["metrics.clicks"] for row in records(report(disturbed.world, BERLIN, QUERY))]
    begin(disturbed, "empty_page")
    service = disturbed.ads()
    pages = list(service.search(customer_id=str(BERLIN), query=QUERY).pages)
    assert [len(page.results) for page in pages] == [0, 8]
    chunks = list(service.search_stream(customer_id=str(BERLIN), query=QUERY))
    assert [len(chunk.results) for chunk in chunks] == [4, 0, 4]
    for parts in (pages, chunks):
        assert [row.metrics.clicks for part in parts for row in part.results] == expected


def test_a_malformed_reply(disturbed):
    begin(disturbed, "malformed")
    service = disturbed.ads()
    for call in (service.search, service.search_stream):
        with pytest.raises((InternalServerError, GoogleAdsException)) as caught:
            list(call(customer_id=str(BERLIN), query=QUERY))
        assert "deserializing" in str(caught.value)
    reply = disturbed.post(STREAM, {"query": QUERY}, disturbed.held)
    assert (reply.status_code, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")


def test_the_next_call_heals_when_the_fault_is_over(disturbed):
    incident = begin(disturbed, "api_outage")
    disturbed.incidents.stop(incident.id, at=NOW)
    assert len(disturbed.rows(QUERY)) == 8
