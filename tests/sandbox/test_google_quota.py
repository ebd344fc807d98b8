"""Operations of a sliding day, and requests a second: counted, refused, and how that arrives."""

from datetime import timedelta

import pytest
from google.api_core.exceptions import ResourceExhausted

from sandbox.google_errors import Refused, types
from sandbox.google_quota import Limits, Quota
from tests.sandbox.google_kit import BERLIN, NEW_YORK, NOW, Google

MINUTE = timedelta(minutes=1)


def wait(quota, at, customer="1"):
    with pytest.raises(Refused) as caught:
        quota.take(customer, at)
    return caught.value.code, caught.value.retry_after


def test_the_day_slides():
    quota = Quota(Limits(operations=3, per_second=1e9, burst=1000))
    for minute in (0, 10, 20):
        quota.take("1", NOW + minute * MINUTE)
    # The first operation's day ends 24 hours after it.
    assert wait(quota, NOW + 30 * MINUTE) == ("RESOURCE_EXHAUSTED", 24 * 3600 - 30 * 60)
    assert quota.used(NOW + 30 * MINUTE) == 3
    tomorrow = NOW + timedelta(days=1)
    quota.take("1", tomorrow)
    assert quota.used(tomorrow) == 3
    # What was refused was not counted; the next place is free when the second's day ends.
    assert wait(quota, tomorrow) == ("RESOURCE_EXHAUSTED", 10 * 60)


def test_without_limits_operations_are_counted_all_the_same():
    quota = Quota(None)
    for _ in range(100):
        quota.take("1", NOW)
    assert quota.used(NOW) == 100
    assert quota.used(NOW + timedelta(days=1)) == 0


def test_a_token_bucket_for_each_account():
    ticks = [0.0]
    quota = Quota(Limits(per_second=2.0, burst=3), lambda: ticks[0])
    for _ in range(3):
        quota.take("1", NOW)
    assert wait(quota, NOW) == ("RESOURCE_TEMPORARILY_EXHAUSTED", 1)
    quota.take("2", NOW)
    ticks[0] = 0.5
    quota.take("1", NOW)
    assert wait(quota, NOW)[0] == "RESOURCE_TEMPORARILY_EXHAUSTED"
    ticks[0] = 100.0
    for _ in range(3):
        quota.take("1", NOW)
    assert wait(quota, NOW)[0] == "RESOURCE_TEMPORARILY_EXHAUSTED"


QUERY = "SELECT customer.id FROM customer"


@pytest.fixture
def limited(tmp_path, bundle):
    one = Google(tmp_path, rate_limits=Limits(operations=3, per_second=1e-3, burst=2))
    yield one
    one.stop()


def exhausted(error):
    """What the client leaves of a quota error: the failure in the trailing metadata."""
    metadata = dict(error.errors[0].trailing_metadata())
    raw = metadata["google.ads.googleads.v26.errors.googleadsfailure-bin"]
    (one,) = types("v26", "errors.types.errors").GoogleAdsFailure.pb().FromString(raw).errors
    quota = one.details.quota_error_details
    return one.error_code.quota_error, quota.retry_delay.seconds, quota.rate_scope, quota.rate_name


def test_how_it_arrives_by_grpc(limited):
    limited.rows(QUERY, BERLIN)
    limited.rows(QUERY, BERLIN)
    with pytest.raises(ResourceExhausted, match="Resource has been exhausted") as caught:
        limited.rows(QUERY, BERLIN)
    # QuotaError: RESOURCE_TEMPORARILY_EXHAUSTED 4, RESOURCE_EXHAUSTED 2; QuotaRateScope: ACCOUNT 2, DEVELOPER 3.
    assert exhausted(caught.value)[0] == 4
    assert exhausted(caught.value)[1] in (999, 1000)
    limited.rows(QUERY, NEW_YORK)
    with pytest.raises(ResourceExhausted) as caught:
        limited.rows(QUERY, NEW_YORK)
    assert exhausted(caught.value) == (2, 86_400, 3, "Number of operations for basic access")
    assert limited.server.operations == 3


def test_how_it_arrives_by_rest(limited):
    path, headers = f"/v26/customers/{BERLIN}/googleAds:search", limited.headers()
    for customer in (BERLIN, BERLIN, NEW_YORK):
        limited.post(f"/v26/customers/{customer}/googleAds:search", {"query": QUERY}, headers)
    reply = limited.post(path, {"query": QUERY}, headers)
    assert reply.status_code == 429
    error = reply.json()["error"]
    assert (error["message"], error["status"]) == (
        "Resource has been exhausted (e.g. check quota).",
        "RESOURCE_EXHAUSTED",
    )
    assert error["details"][0]["errors"] == [
        {
            "errorCode": {"quotaError": "RESOURCE_EXHAUSTED"},
            "message": "Too many requests. Retry in 86400 seconds.",
            "details": {
                "quotaErrorDetails": {
                    "rateScope": "DEVELOPER",
                    "rateName": "Number of operations for basic access",
                    "retryDelay": "86400s",
                }
            },
        }
    ]


def test_pages_of_one_search_are_one_operation(fresh):
    query = (
        "SELECT campaign.id, segments.date, segments.hour, segments.device, metrics.impressions FROM campaign "
        "WHERE segments.date BETWEEN '2026-10-20' AND '2026-11-11'"
    )
    pages = list(fresh.ads().search(customer_id=str(BERLIN), query=query).pages)
    assert len(pages) > 1
    assert fresh.server.operations == 1
    fresh.rows(query)
    assert fresh.server.operations == 2


def test_refused_queries_count_too(fresh):
    reply = fresh.post(f"/v26/customers/{BERLIN}/googleAds:search", {"query": "garbage"})
    assert reply.status_code == 400
    assert fresh.server.operations == 1
