"""The REST face by plain HTTPS: the same answers, spelled as the API's JSON."""

import json

import pytest
import requests

from tests.sandbox.google_kit import BERLIN, ROOT, TOKYO, records, report

CAMPAIGNS = (
    "SELECT campaign.id, campaign.status, metrics.costMicros FROM campaign WHERE segments.date DURING LAST_7_DAYS"
).replace("costMicros", "cost_micros")
FAILURE = "type.googleapis.com/google.ads.googleads.v23.errors.GoogleAdsFailure"


@pytest.mark.parametrize("version", ["v23", "v26"])
@pytest.mark.parametrize("slip", ["customers", "customers/customers"])
def test_search_stream_is_an_array_of_chunks(google, version, slip):
    reply = google.post(f"/{version}/{slip}/{BERLIN}/googleAds:searchStream", {"query": CAMPAIGNS})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    (chunk,) = reply.json()
    assert chunk["fieldMask"] == "campaign.id,campaign.status,metrics.costMicros"
    assert chunk["requestId"] == reply.headers["request-id"]
    expected = records(report(google.world, BERLIN, CAMPAIGNS))
    assert chunk["results"] == [
        {
            "campaign": {
                "resourceName": f"customers/{BERLIN}/campaigns/{row['campaign.id']}",
                "id": str(row["campaign.id"]),
                "status": row["campaign.status"],
            },
            "metrics": {"costMicros": str(row["metrics.cost_micros"])},
        }
        for row in expected
    ]


def test_search_pages(google):
    query = (
        "SELECT campaign.id, segments.date, segments.hour, segments.device, metrics.impressions FROM campaign "
        "WHERE segments.date BETWEEN '2026-10-20' AND '2026-11-11'"
    )
    expected = [row["metrics.impressions"] for row in records(report(google.world, BERLIN, query))]
    path, headers = f"/v24/customers/{BERLIN}/googleAds:search", google.headers()
    body, got = {"query": query, "searchSettings": {"returnTotalResultsCount": True}}, []
    for _ in range(5):
        page = google.post(path, body, headers).json()
        got += [int(row["metrics"]["impressions"]) for row in page["results"]]
        assert page["totalResultsCount"] == str(len(expected))
        if "nextPageToken" not in page:
            break
        assert len(page["results"]) == 10_000
        body["pageToken"] = page["nextPageToken"]
    assert got == expected


def test_accessible_customers_and_fields(google):
    url, headers = google.server.rest_url, google.headers()
    reply = google.session.get(f"{url}/v25/customers:listAccessibleCustomers", headers=headers, timeout=20)
    assert reply.json() == {"resourceNames": [f"customers/{ROOT}", f"customers/{BERLIN}"]}
    reply = google.session.get(f"{url}/v25/googleAdsFields/campaign.status", headers=headers, timeout=20)
    assert reply.json()["enumValues"][2:] == ["ENABLED", "PAUSED", "REMOVED"]
    body = {"query": "SELECT name, data_type WHERE name = 'metrics.ctr'"}
    reply = google.post("/v25/googleAdsFields:search", body, headers)
    assert reply.json() == {
        "results": [
            {"resourceName": "googleAdsFields/metrics.ctr", "name": "metrics.ctr", "dataType": "DOUBLE"}
        ],
        "totalResultsCount": "1",
    }


@pytest.mark.parametrize("how", ["search", "searchStream"])
def test_a_refusal_is_the_failure_as_json(google, how):
    body = {"query": "SELECT campaign.nope FROM campaign"}
    reply = google.post(f"/v23/customers/{BERLIN}/googleAds:{how}", body)
    assert reply.status_code == 400
    expected = {
        "error": {
            "code": 400,
            "message": "Request contains an invalid argument.",
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": FAILURE,
                    "errors": [
                        {
                            "errorCode": {"queryError": "UNRECOGNIZED_FIELD"},
                            "message": "Unrecognized field in the query: 'campaign.nope'.",
                        }
                    ],
                    "requestId": reply.headers["request-id"],
                }
            ],
        }
    }
    assert reply.json() == (expected if how == "search" else [expected])


def error_of(reply):
    body = reply.json()["error"]
    return reply.status_code, body["status"], body["details"][0]["errors"][0]["errorCode"]


def test_access_by_rest(google):
    search = "/v23/customers/{}/googleAds:search"
    body = {"query": "SELECT customer.id FROM customer"}
    headers = google.headers()
    without = {"authorization": headers["authorization"]}
    assert error_of(google.post(search.format(TOKYO), body, without)) == (
        403,
        "PERMISSION_DENIED",
        {"authorizationError": "USER_PERMISSION_DENIED"},
    )
    assert google.post(search.format(TOKYO), body, headers).json()["results"]
    assert error_of(google.post(search.format(BERLIN), body, {"authorization": "Bearer x"})) == (
        401,
        "UNAUTHENTICATED",
        {"authenticationError": "OAUTH_TOKEN_INVALID"},
    )
    assert error_of(google.post(search.format(BERLIN), body, {"authorization": "Basic x"}))[2] == {
        "authenticationError": "OAUTH_TOKEN_HEADER_INVALID"
    }
    assert error_of(google.post(search.format(BERLIN), body | {"pageSize": 5}, headers))[2] == {
        "requestError": "PAGE_SIZE_NOT_SUPPORTED"
    }


def test_requests_that_make_no_sense(google):
    reply = google.post(f"/v23/customers/{BERLIN}/googleAds:search", {"quarry": "x"})
    assert reply.status_code == 400
    assert "quarry" in reply.json()["error"]["message"]
    for path in (
        f"/v22/customers/{BERLIN}/googleAds:search",
        f"/v23/customers/{BERLIN}/campaigns:mutate",
        "/",
    ):
        reply = google.post(path, {"query": CAMPAIGNS})
        assert reply.status_code == 404
        assert reply.text.startswith("<!DOCTYPE html>")


def test_the_public_host_names_are_in_the_certificate(google):
    """A program that can't be told another endpoint is pointed here by name resolution alone."""
    port = google.server.rest_url.rpartition(":")[2]
    with requests.Session() as session:
        session.verify = str(google.tls.ca_file)
        session.mount("https://googleads.googleapis.com", _Resolved(port))
        reply = session.get("https://googleads.googleapis.com/v23/nothing", timeout=20)
    assert reply.status_code == 404


class _Resolved(requests.adapters.HTTPAdapter):
    """Connects to the loopback interface and asks for the certificate of the name."""

    def __init__(self, port):
        self._port = port
        super().__init__()

    def send(self, request, **options):
        self.poolmanager.connection_pool_kw["assert_hostname"] = "googleads.googleapis.com"
        request.headers["host"] = "googleads.googleapis.com"
        request.url = request.url.replace("googleads.googleapis.com", f"127.0.0.1:{self._port}")
        return super().send(request, **options)


def test_json_has_int64_as_text_and_doubles_as_numbers(google):
    query = "SELECT metrics.clicks, metrics.ctr, metrics.conversions FROM customer WHERE segments.date DURING TODAY"
    reply = google.post(f"/v26/customers/{BERLIN}/googleAds:searchStream", {"query": query})
    metrics = json.loads(reply.text)[0]["results"][0]["metrics"]
    assert {name: type(value) for name, value in metrics.items()} == {
        "clicks": str,
        "ctr": float,
        "conversions": float,
    }
