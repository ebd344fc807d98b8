"""Google Analytics' Data API by the official client, over gRPC and by REST, against a world's own clicks."""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import (
    DeadlineExceeded,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    ServiceUnavailable,
    Unauthenticated,
)

from sandbox.ga4_quota import Limits
from tests.sandbox.ga4_kit import NOW, Analytics, core, live, records

HOUR = timedelta(hours=1)
EVENTS = ("eventName",)


@pytest.fixture(scope="module")
def analytics(tmp_path_factory):
    one = Analytics(tmp_path_factory.mktemp("ga4"))
    yield one
    one.stop()


@pytest.fixture
def fresh(tmp_path):
    """A server of one test's own, whose quotas are small and enforced."""
    one = Analytics(tmp_path, rate_limits=Limits(tokens_per_project_per_hour=20, most_events=200_000))
    yield one
    one.stop()


def test_sessions_of_ads_are_the_clicks_that_arrived(analytics):
    """92 of 100 clicks, a figure of the world's own; the day is over and processed."""
    request = core(analytics.site, ["sessionDefaultChannelGroup"], ["sessions"], "2026-11-09", "2026-11-09")
    paid = ("Paid Search", "Cross-network", "Paid Shopping", "Display", "Paid Social")
    sessions = sum(n for channel, n in records(analytics.client.run_report(request)) if channel in paid)
    start = datetime(2026, 11, 8, 23, tzinfo=UTC)
    clicks = sum(
        int(analytics.world.traffic(a.id, start=start, end=start + 24 * HOUR, as_of=None).clicks.sum())
        for platform in ("google_ads", "meta")
        for a in analytics.world.advertisers(platform, at=NOW)
        if a.name == "Northwind Outdoor"
    )
    assert sessions == pytest.approx(0.92 * clicks, rel=0.01)


def test_the_parts_add_up_and_every_session_starts_once(analytics):
    days = ("2026-11-08", "2026-11-09")
    ask = analytics.client.run_report
    parts = records(
        ask(core(analytics.site, ["dateHour", "landingPage", *EVENTS], ["sessions", "eventCount"], *days))
    )
    whole = {name: (sessions, events) for name, sessions, events in records(
        ask(core(analytics.site, EVENTS, ["sessions", "eventCount"], *days))
    )}  # fmt: skip
    for name, (_, events) in whole.items():
        assert sum(row[-1] for row in parts if row[2] == name) == events
    assert whole["session_start"][0] == whole["session_start"][1]
    order = [
        whole[name][0] for name in ("session_start", "view_item", "add_to_cart", "begin_checkout", "purchase")
    ]
    assert order == sorted(order, reverse=True)
    assert order[-1] > 0


def test_what_no_session_is_told_by_is_not_set_and_ratios_are_of_the_row(analytics):
    days = ("2026-11-08", "2026-11-09")
    names = ["sessions", "engagedSessions", "engagementRate", "bounceRate", "sessionsPerUser", "activeUsers"]
    asked = core(analytics.site, ["country", "date", "dayOfWeekName"], [*names, "newUsers"], *days)
    rows = records(analytics.client.run_report(asked))
    assert [row[:3] for row in rows] == [
        ("(not set)", "20261108", "Sunday"),
        ("(not set)", "20261109", "Monday"),
    ]
    for *_, sessions, engaged, rate, bounced, per_user, users, new in rows:
        assert rate == pytest.approx(engaged / sessions)
        assert bounced == pytest.approx(1 - engaged / sessions)
        assert per_user == pytest.approx(sessions / users)
        assert new == 0
    refused = analytics.post(
        f"properties/{analytics.site}:runReport",
        {"dimensions": [{"name": "weather"}], "dateRanges": [{"startDate": days[0], "endDate": days[1]}]},
    )
    assert refused.json()["error"]["message"].startswith("Field weather is not a valid dimension.")


def test_reports_lag_and_the_present_does_not(analytics):
    """No session of the last two hours is in a report; all of the last half-hour's are in realtime."""
    hours = records(analytics.client.run_report(core(analytics.site, ["dateHour"], ["sessions"])))
    newest = max(hour for hour, _ in hours)
    assert newest <= "2026111214"  # 14:00 in Berlin is two hours before NOW
    minutes = records(
        analytics.client.run_realtime_report(live(analytics.site, ["minutesAgo"], ["activeUsers"]))
    )
    assert [minute for minute, _ in sorted(minutes)][:3] == ["01", "02", "03"]  # at the full minute
    assert len(minutes) >= 25


def test_what_is_processed_late_is_added(analytics):
    request = core(analytics.site, ["date"], ["sessions"], "2026-11-11", "2026-11-11")
    before = records(analytics.client.run_report(request))[0][1]
    analytics.clock.set(NOW + 3 * 24 * HOUR, frozen=True)
    try:
        analytics.stay()
        after = records(analytics.client.run_report(request))[0][1]
    finally:
        analytics.clock.set(NOW, frozen=True)
    assert 1.005 < after / before < 1.06


def test_small_rows_are_withheld_where_the_property_says_so(analytics):
    guarded = analytics.properties[-1]
    request = core(guarded.id, ["landingPage", *EVENTS], ["totalUsers"], "2026-11-09", "2026-11-09")
    response = analytics.client.run_report(request)
    assert response.metadata.subject_to_thresholding
    assert min(users for *_, users in records(response)) == 5
    assert not analytics.client.run_report(
        {**request, "property": f"properties/{analytics.site}"}
    ).metadata.subject_to_thresholding


def test_pages_of_rows(analytics):
    request = core(analytics.site, ["dateHour", *EVENTS], ["eventCount"], "2026-11-08", "2026-11-09")
    whole = analytics.client.run_report(request)
    pages = [analytics.client.run_report({**request, "offset": n, "limit": 100}) for n in range(0, 400, 100)]
    assert [row for page in pages for row in records(page)] == records(whole)
    assert {page.row_count for page in pages} == {whole.row_count} == {len(whole.rows)}


def test_rest_says_the_same(analytics):
    body = {
        "dimensions": [{"name": "eventName"}],
        "metrics": [{"name": "sessions"}],
        "dateRanges": [{"startDate": "2026-11-09", "endDate": "2026-11-09"}],
        "returnPropertyQuota": True,
    }
    reply = analytics.post(f"properties/{analytics.site}:runReport", body).json()
    rows = [(r["dimensionValues"][0]["value"], float(r["metricValues"][0]["value"])) for r in reply["rows"]]
    same = core(analytics.site, EVENTS, ["sessions"], "2026-11-09", "2026-11-09")
    assert rows == records(analytics.client.run_report(same))
    assert reply["metadata"]["timeZone"] == "Europe/Berlin"
    assert reply["propertyQuota"]["serverErrorsPerProjectPerHour"]["remaining"] == 10
    bad = analytics.post(f"properties/{analytics.site}:runReport", {**body, "metrics": [{"name": "luck"}]})
    assert (bad.status_code, bad.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"property": "properties/1"}, PermissionDenied),
        ({"property": "shop"}, InvalidArgument),
        ({"date_ranges": []}, InvalidArgument),
        ({"limit": 300_000}, InvalidArgument),
    ],
)
def test_what_is_refused(analytics, change, error):
    with pytest.raises(error):
        analytics.client.run_report({**core(analytics.site, EVENTS, ["sessions"]), **change})


def test_a_page_that_is_down_has_no_visitors_and_a_broken_checkout_no_buyers(fresh):
    def counted(names):
        found = records(fresh.client.run_realtime_report(live(fresh.site, EVENTS, ["eventCount"], (29, 0))))
        return [sum(n for name, n in found if name == one) for one in names]

    before = counted(["session_start", "purchase", "exception"])
    book = fresh.world.incidents
    broken = book.start("checkout_broken", at=NOW - HOUR, lasts=2 * HOUR)
    sessions, purchases, errors = counted(["session_start", "purchase", "exception"])
    assert sessions == before[0]
    assert purchases <= before[1] / 2
    assert errors > 3 * before[2]
    book.stop(broken.id, at=NOW - HOUR)
    book.start("landing_page_down", at=NOW - HOUR, lasts=2 * HOUR)
    assert counted(["session_start"])[0] < 0.1 * before[0]


def test_quotas_are_told_and_then_enforced(fresh):
    request = core(fresh.site, ["dateHour", "landingPage", *EVENTS], ["sessions"], return_property_quota=True)
    first = fresh.client.run_report(request).property_quota.tokens_per_project_per_hour
    second = fresh.client.run_report(request).property_quota.tokens_per_project_per_hour
    assert first.consumed > 1
    assert (second.consumed, second.remaining) == (first.consumed, 20 - 2 * first.consumed)
    with pytest.raises(ResourceExhausted, match="tokens for a project per hour"):
        for _ in range(20):
            fresh.client.run_report(request)
    fresh.client.run_realtime_report(live(fresh.site, EVENTS, ["eventCount"]))  # has tokens of its own
    fresh.clock.set(NOW + timedelta(minutes=59), frozen=True)
    with pytest.raises(ResourceExhausted):
        fresh.client.run_report(request)
    fresh.stay()
    fresh.clock.set(NOW + timedelta(minutes=61), frozen=True)
    assert fresh.client.run_report(request).rows


def test_ten_server_errors_in_an_hour_close_a_property(fresh):
    request = live(fresh.site, EVENTS, ["eventCount"])
    outage = fresh.world.incidents.start("api_outage", at=NOW, platform="ga4")
    for _ in range(10):
        with pytest.raises(ServiceUnavailable):
            fresh.client.run_realtime_report(request)
    fresh.world.incidents.stop(outage.id, at=NOW)
    with pytest.raises(ResourceExhausted, match="server errors"):
        fresh.client.run_realtime_report(request)
    other = live(fresh.properties[1].id, EVENTS, ["eventCount"])
    assert fresh.client.run_realtime_report(other).rows
    fresh.stay()
    fresh.clock.set(NOW + HOUR, frozen=True)
    assert fresh.client.run_realtime_report(request).rows


def test_many_events_are_sampled(fresh):
    request = core(fresh.site, ["date"], ["sessions"], "7daysAgo", "today")
    (told,) = fresh.client.run_report(request).metadata.sampling_metadatas
    assert told.samples_read_count == 200_000 < told.sampling_space_size


@pytest.mark.parametrize(
    ("incident", "error"),
    [("token_revoked", Unauthenticated), ("account_suspended", PermissionDenied), ("hang", DeadlineExceeded)],
)
def test_faults(fresh, incident, error):
    fresh.world.incidents.start(incident, at=NOW, platform="ga4", advertiser=fresh.site, size=5)
    with pytest.raises(error):
        fresh.client.run_realtime_report(live(fresh.site, EVENTS, ["eventCount"]), timeout=0.5)
