"""The official client, unmodified, against the server: versions, pages, errors and access."""

import grpc
import pytest
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import GoogleAPICallError
from google.oauth2 import service_account

from sandbox.google_errors import VERSIONS
from sandbox.google_service import PAGE
from tests.sandbox.google_kit import (
    BERLIN,
    NEW_YORK,
    RETAIL,
    ROOT,
    TOKYO,
    records,
    report,
)

CAMPAIGNS = (
    "SELECT campaign.id, campaign.name, campaign.status, metrics.impressions, metrics.conversions FROM campaign "
    "WHERE segments.date DURING LAST_7_DAYS ORDER BY campaign.id"
)
HOURS = (
    "SELECT campaign.id, segments.date, segments.hour, segments.device, segments.ad_network_type, "
    "metrics.impressions FROM campaign WHERE segments.date BETWEEN '2026-10-10' AND '2026-11-11'"
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("plus", [False, True])
def test_every_version_with_raw_messages_and_with_proto_plus(google, version, plus):
    expected = records(report(google.world, BERLIN, CAMPAIGNS))
    service = google.ads(version, plus=plus)
    streamed = [
        row
        for chunk in service.search_stream(customer_id=str(BERLIN), query=CAMPAIGNS)
        for row in chunk.results
    ]
    paged = list(service.search(customer_id=str(BERLIN), query=CAMPAIGNS))
    for rows in (streamed, paged):
        assert len(rows) == 8
        for row, one in zip(rows, expected, strict=True):
            assert row.campaign.resource_name == f"customers/{BERLIN}/campaigns/{one['campaign.id']}"
            assert row.campaign.name == one["campaign.name"]
            status = row.campaign.status
            assert (status.name if plus else status) == (one["campaign.status"] if plus else 2)
            assert row.metrics.impressions == one["metrics.impressions"]
            assert row.metrics.conversions == one["metrics.conversions"]


def test_a_version_past_its_sunset_is_not_there(google):
    path = "/google.ads.googleads.v22.services.GoogleAdsService/Search"
    roots = grpc.ssl_channel_credentials(google.tls.ca_pem.read_bytes())
    with (
        grpc.secure_channel(google.server.endpoint, roots) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(path)(b"", timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_only_what_was_selected_comes_and_the_mask_says_what(google):
    service = google.ads()
    query = "SELECT campaign.name, customer.currency_code, metrics.clicks FROM campaign LIMIT 1"
    (chunk,) = service.search_stream(customer_id=str(BERLIN), query=query)
    assert list(chunk.field_mask.paths) == ["campaign.name", "customer.currency_code", "metrics.clicks"]
    row = chunk.results[0]
    names = {(f.name, g.name) for f, m in row.ListFields() for g, _ in m.ListFields()}
    assert names == {
        ("campaign", "resource_name"),
        ("campaign", "name"),
        ("customer", "resource_name"),
        ("customer", "currency_code"),
        ("metrics", "clicks"),
    }
    (chunk,) = service.search_stream(
        customer_id=str(BERLIN), query=query + " PARAMETERS omit_unselected_resource_names=true"
    )
    names = {(f.name, g.name) for f, m in chunk.results[0].ListFields() for g, _ in m.ListFields()}
    assert names == {("campaign", "name"), ("customer", "currency_code"), ("metrics", "clicks")}


def test_an_empty_answer_is_one_chunk(google):
    (chunk,) = google.ads().search_stream(
        customer_id=str(BERLIN), query="SELECT campaign.id FROM campaign WHERE campaign.id = 1"
    )
    assert list(chunk.results) == []
    assert list(chunk.field_mask.paths) == ["campaign.id"]
    assert chunk.request_id


def test_ten_thousand_rows_a_page_and_a_chunk(google):
    expected = [row["metrics.impressions"] for row in records(report(google.world, BERLIN, HOURS))]
    assert len(expected) > 2 * PAGE
    sizes = [PAGE] * (len(expected) // PAGE) + [len(expected) % PAGE]
    service = google.ads()
    chunks = list(service.search_stream(customer_id=str(BERLIN), query=HOURS))
    assert [len(chunk.results) for chunk in chunks] == sizes
    assert len({chunk.request_id for chunk in chunks}) == 1
    pages = list(service.search(customer_id=str(BERLIN), query=HOURS).pages)
    assert [len(page.results) for page in pages] == sizes
    for parts in (chunks, pages):
        assert [row.metrics.impressions for part in parts for row in part.results] == expected


def test_a_page_token_needs_nothing_remembered(google):
    """A server that never saw the first page goes on where it ended, as of the first page's moment."""
    service = google.ads()
    request = {"customer_id": str(BERLIN), "query": HOURS}
    token = service.search(request=request).next_page_token
    google.server.service._answers.clear()
    again = service.search(request=request | {"page_token": token})
    expected = records(report(google.world, BERLIN, HOURS))[PAGE : 2 * PAGE]
    page = next(iter(again.pages))
    assert [row.metrics.impressions for row in page.results] == [
        row["metrics.impressions"] for row in expected
    ]


@pytest.mark.parametrize("token", ["x", "WzEsIDIsIDNd", "!!!"])
def test_a_page_token_of_another_query_is_invalid(google, token):
    code = refused(google, {"query": HOURS, "page_token": token})
    assert code == ("request_error", "INVALID_PAGE_TOKEN")


def refused(google, request, *, customer=BERLIN, **options):
    """(kind, code) of a Search that the client raises GoogleAdsException for."""
    with pytest.raises(GoogleAdsException) as caught:
        list(google.ads(**options).search(request={"customer_id": str(customer)} | request))
    return told(caught.value)


def told(error):
    assert error.request_id
    assert error.failure.request_id == error.request_id
    (one,) = getattr(error.failure, "_pb", error.failure).errors
    kind = one.error_code.WhichOneof("error_code")
    field = one.error_code.DESCRIPTOR.fields_by_name[kind]
    return kind, field.enum_type.values_by_number[getattr(one.error_code, kind)].name


def test_settings_of_a_search(google):
    service = google.ads()
    base = {"customer_id": str(BERLIN), "query": f"{CAMPAIGNS} LIMIT 3"}
    page = next(
        iter(
            service.search(
                request=base
                | {"search_settings": {"return_total_results_count": True, "return_summary_row": True}}
            ).pages
        )
    )
    assert len(page.results) == 3
    assert page.total_results_count == 8
    assert page.summary_row.metrics.impressions == sum(row.metrics.impressions for row in page.results)
    assert not page.summary_row.HasField("campaign")
    page = next(iter(service.search(request=base | {"search_settings": {"omit_results": True}}).pages))
    assert not page.results
    page = next(iter(service.search(request=base | {"validate_only": True}).pages))
    assert not page.results
    with pytest.raises(GoogleAdsException):
        service.search(request=base | {"validate_only": True, "query": "SELECT x.y FROM campaign"})


def test_summary_rows_of_a_stream(google):
    service = google.ads()
    base = {"customer_id": str(BERLIN), "query": CAMPAIGNS}
    with_results = list(service.search_stream(request=base | {"summary_row_setting": 3}))
    only = list(service.search_stream(request=base | {"summary_row_setting": 4}))
    total = sum(row.metrics.impressions for chunk in with_results for row in chunk.results)
    assert with_results[-1].summary_row.metrics.impressions == total > 0
    assert [len(chunk.results) for chunk in only] == [0]
    assert only[0].summary_row.metrics.impressions == total


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"query": CAMPAIGNS, "page_size": 100}, ("request_error", "PAGE_SIZE_NOT_SUPPORTED")),
        (
            {"query": CAMPAIGNS, "page_token": "x", "validate_only": True},
            ("request_error", "VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN"),
        ),
        (
            {"query": CAMPAIGNS, "validate_only": True, "search_settings": {"return_summary_row": True}},
            ("request_error", "CANNOT_RETURN_SUMMARY_ROW_FOR_VALIDATE_ONLY_REQUESTS"),
        ),
        (
            {"query": "SELECT campaign.id FROM campaign", "search_settings": {"return_summary_row": True}},
            ("request_error", "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS"),
        ),
        ({"query": "SELECT campaign.nope FROM campaign"}, ("query_error", "UNRECOGNIZED_FIELD")),
        ({"query": "SELECT change_event.user_email FROM change_event LIMIT 5"},
         ("change_event_error", "CHANGE_DATE_RANGE_INFINITE")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", ["v23", "v26"])
def test_refusals_arrive_as_the_clients_own_exception(google, request_, code, version):
    assert refused(google, request_, version=version) == code


def test_a_stream_is_refused_before_its_first_chunk(google):
    with pytest.raises(GoogleAdsException) as caught:
        google.rows("SELECT campaign.nope FROM campaign")
    assert caught.value.error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert told(caught.value) == ("query_error", "UNRECOGNIZED_FIELD")


def test_what_the_user_reaches_directly(google):
    service = google.client().get_service("CustomerService")
    assert list(service.list_accessible_customers().resource_names) == [
        f"customers/{ROOT}",
        f"customers/{BERLIN}",
    ]


IDS = "SELECT customer.id FROM customer"


@pytest.mark.parametrize(
    ("customer", "login"),
    [
        (ROOT, None),
        (ROOT, ROOT),
        (RETAIL, ROOT),
        (BERLIN, None),
        (BERLIN, ROOT),
        (NEW_YORK, ROOT),
        (TOKYO, ROOT),
    ],
)
def test_ways_in(google, customer, login):
    (row,) = google.rows(IDS, customer, login=login)
    assert row.customer.id == int(customer)


@pytest.mark.parametrize(
    ("customer", "login", "code"),
    [
        (TOKYO, None, ("authorization_error", "USER_PERMISSION_DENIED")),
        (NEW_YORK, str(BERLIN), ("authorization_error", "USER_PERMISSION_DENIED")),
        # The user has no access to the lower manager itself.
        (TOKYO, RETAIL, ("authorization_error", "USER_PERMISSION_DENIED")),
        (9999999999, ROOT, ("authentication_error", "CUSTOMER_NOT_FOUND")),
        ("12-34", ROOT, ("request_error", "INVALID_CUSTOMER_ID")),
    ],
)
def test_ways_that_are_closed(google, customer, login, code):
    assert refused(google, {"query": IDS}, customer=customer, login=login) == code


def test_metrics_of_a_manager(google):
    query = "SELECT metrics.clicks FROM customer"
    assert refused(google, {"query": query}, customer=ROOT) == (
        "query_error",
        "REQUESTED_METRICS_FOR_MANAGER",
    )


def test_the_permission_error_says_how_to_get_in(google):
    with pytest.raises(GoogleAdsException) as caught:
        google.rows(IDS, TOKYO, login=None)
    assert "'login-customer-id' header" in caught.value.failure.errors[0].message


def test_a_service_account_gets_in(google):
    credentials = service_account.Credentials.from_service_account_file(
        str(google.credentials.google.service_account_file),
        scopes=["https://www.googleapis.com/auth/adwords"],
    )
    assert len(google.rows(CAMPAIGNS, credentials=credentials)) == 8


def test_a_bad_refresh_token_is_told_by_its_grant(google):
    with pytest.raises(GoogleAPICallError, match="invalid_grant"):
        google.rows(IDS, credentials=google.user(refresh_token="1//stolen"))


def test_the_catalogue_of_fields(google):
    service = google.client().get_service("GoogleAdsFieldService")
    found = list(
        service.search_google_ads_fields(
            query="SELECT name, category, data_type, selectable, filterable, is_repeated, enum_values "
            "WHERE name IN ('campaign', 'campaign.status', 'campaign.labels', 'metrics.clicks', 'segments.hour')"
        )
    )
    by_name = {field.name: field for field in found}
    assert set(by_name) == {
        "campaign",
        "campaign.status",
        "campaign.labels",
        "metrics.clicks",
        "segments.hour",
    }
    assert list(by_name["campaign.status"].enum_values) == [
        "UNSPECIFIED", "UNKNOWN", "ENABLED", "PAUSED", "REMOVED",
    ]  # fmt: skip
    assert by_name["campaign.labels"].is_repeated
    field = service.get_google_ads_field(resource_name="googleAdsFields/segments.conversion_action")
    assert "metrics.conversions" in field.selectable_with
    assert "metrics.clicks" not in field.selectable_with
    with pytest.raises(GoogleAdsException) as caught:
        service.search_google_ads_fields(query="SELECT name FROM campaign")
    assert told(caught.value) == ("query_error", "UNEXPECTED_FROM_CLAUSE")


# What the official examples ask (googleads/google-ads-python, examples/), with the dates they put in.
EXAMPLES = {
    "get_campaigns": (
        "SELECT campaign.id, campaign.name FROM campaign ORDER BY campaign.id",
        8,
    ),
    "get_ad_groups": ("SELECT campaign.id, ad_group.id, ad_group.name FROM ad_group", None),
    "get_keyword_stats": (
        ("SELECT campaign.id, campaign.name, ad_group.id, ad_group.name, ad_group_criterion.criterion_id, "
        "ad_group_criterion.keyword.text, ad_group_criterion.keyword.match_type, metrics.impressions, "
        "metrics.clicks, metrics.cost_micros FROM keyword_view WHERE segments.date DURING LAST_7_DAYS "
        "AND campaign.advertising_channel_type = 'SEARCH' AND ad_group.status = 'ENABLED' "
        "AND ad_group_criterion.status IN ('ENABLED', 'PAUSED') ORDER BY metrics.impressions DESC LIMIT 50"),
        None,
    ),
    "get_responsive_search_ads": (
        ("SELECT ad_group.id, ad_group_ad.ad.id, ad_group_ad.ad.responsive_search_ad.headlines, "
        "ad_group_ad.ad.responsive_search_ad.descriptions, ad_group_ad.status FROM ad_group_ad "
        "WHERE ad_group_ad.ad.type = RESPONSIVE_SEARCH_AD AND ad_group_ad.status != 'REMOVED'"),
        None,
    ),
    "get_all_disapproved_ads": (
        ("SELECT ad_group_ad.ad.id, ad_group_ad.ad.type, ad_group_ad.policy_summary.approval_status, "
        "ad_group_ad.policy_summary.policy_topic_entries FROM ad_group_ad "
        "WHERE ad_group_ad.policy_summary.approval_status = DISAPPROVED"),
        None,
    ),
    "get_change_details": (
        ("SELECT change_event.resource_name, change_event.change_date_time, change_event.change_resource_name, "
        "change_event.user_email, change_event.client_type, change_event.change_resource_type, "
        "change_event.old_resource, change_event.new_resource, change_event.resource_change_operation, "
        "change_event.changed_fields FROM change_event WHERE change_event.change_date_time <= '2026-11-13' "
        "AND change_event.change_date_time >= '2026-10-29' ORDER BY change_event.change_date_time DESC LIMIT 5"),
        None,
    ),
    "get_change_summary": (
        ("SELECT change_status.resource_name, change_status.last_change_date_time, change_status.resource_type, "
        "change_status.campaign, change_status.ad_group, change_status.resource_status, "
        "change_status.ad_group_ad, change_status.ad_group_criterion, change_status.campaign_criterion "
        "FROM change_status WHERE change_status.last_change_date_time DURING LAST_14_DAYS "
        "ORDER BY change_status.last_change_date_time LIMIT 10000"),
        None,
    ),
    "get_account_information": (
        ("SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone, "
        "customer.tracking_url_template, customer.auto_tagging_enabled FROM customer LIMIT 1"),
        1,
    ),
    "get_hotel_ads_performance": (
        ("SELECT campaign.id, campaign.advertising_channel_type, ad_group.id, ad_group.status, "
        "metrics.impressions, metrics.hotel_average_lead_value_micros, segments.hotel_check_in_day_of_week "
        "FROM hotel_performance_view WHERE segments.date DURING LAST_7_DAYS"),
        0,
    ),
    "detect_and_apply_recommendations": (
        ("SELECT recommendation.type, recommendation.campaign, recommendation.keyword_recommendation "
        "FROM recommendation WHERE recommendation.type = KEYWORD"),
        None,
    ),
    "get_campaigns_by_label": (
        ("SELECT campaign.id, campaign.name, campaign.labels FROM campaign WHERE campaign.labels CONTAINS ANY "
        f"('customers/{BERLIN}/labels/20475199832') ORDER BY campaign.id"),
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_official_examples_queries(google, example):
    query, expected = EXAMPLES[example]
    rows = list(google.ads(plus=True).search(customer_id=str(BERLIN), query=query))
    assert len(rows) == expected if expected is not None else rows


def test_the_official_examples_walk_down_the_hierarchy(google):
    """get_account_hierarchy: breadth first through direct clients, from every accessible account."""
    client = google.client(plus=True)
    service = client.get_service("GoogleAdsService")
    query = (
        "SELECT customer_client.client_customer, customer_client.level, customer_client.manager, "
        "customer_client.descriptive_name, customer_client.currency_code, customer_client.time_zone, "
        "customer_client.id FROM customer_client WHERE customer_client.level <= 1"
    )
    children, waiting, seen = {}, [int(ROOT)], set()
    while waiting:
        manager = waiting.pop(0)
        seen.add(manager)
        for row in service.search(customer_id=str(manager), query=query):
            below = row.customer_client
            if below.level == 0:
                continue
            children.setdefault(manager, []).append(below.id)
            if below.manager and below.id not in seen:
                waiting.append(below.id)
    assert children == {int(ROOT): [int(RETAIL), BERLIN, NEW_YORK], int(RETAIL): [NEW_YORK, TOKYO]}
