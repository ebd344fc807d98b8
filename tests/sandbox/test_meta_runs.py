"""Report runs through every status, batches with references, allowances, and the faults of the wire."""

import json
from datetime import timedelta

import pytest
import requests
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.exceptions import FacebookBadObjectError, FacebookRequestError

from sandbox.meta_runs import Runs
from tests.sandbox.meta_kit import (  # noqa: F401 (fixtures)
    NEW_YORK,
    NEW_YORK_ID,
    NOW,
    Sandbox,
    drained,
    no_bundle_from_the_environment,
    sandbox,
)

HOURLY = "hourly_stats_aggregated_by_advertiser_time_zone"


@pytest.fixture
def fresh(tmp_path):
    one = Sandbox(tmp_path)
    yield one
    one.stop()


def looked(run, at_most=10):
    statuses = []
    while at_most and (not statuses or statuses[-1][0] not in ("Job Completed", "Job Failed", "Job Skipped")):
        run = run.api_get()
        statuses.append((run["async_status"], run["async_percent_completion"]))
        at_most -= 1
    return run, statuses


def test_a_small_run_completes_at_the_second_look_and_gives_the_same_rows(sandbox):  # noqa: F811
    account = AdAccount(NEW_YORK, api=sandbox.api())
    params = {"level": "ad", "fields": ["ad_id", "spend"], "date_preset": "yesterday", "limit": 500}
    run = account.get_insights(params=params, is_async=True)
    with pytest.raises(FacebookRequestError) as caught:
        run.get_result()
    assert (caught.value.api_error_code(), caught.value.api_error_subcode()) == (2601, 1815107)
    run, statuses = looked(run)
    assert [percent for _, percent in statuses][-1] == 100
    assert len(statuses) == 2
    rows = [
        row.export_all_data() for row in run.get_result(params={"limit": 10})
    ]  # no gap: the SDK reads it all
    assert (
        rows
        == drained(
            sandbox, f"{NEW_YORK}/insights", level="ad", fields="ad_id,spend", date_preset="yesterday"
        )[0]
    )
    assert len(rows) > 20


def test_a_large_run_goes_through_every_status_and_is_not_done_at_100_percent(sandbox):  # noqa: F811
    params = {
        "level": "ad",
        "fields": FIELDS,
        "breakdowns": [HOURLY],
        "time_increment": 1,
        "date_preset": "last_28d",
    }
    _, statuses = looked(AdAccount(NEW_YORK, api=sandbox.api()).get_insights(params=params, is_async=True))
    assert [status for status, _ in statuses] == [
        "Job Not Started", "Job Started", "Job Running", "Job Running", "Job Completed",
    ]  # fmt: skip
    assert statuses[-2][1] == 100


def failing(account, fields):
    """Runs of a very large report until one fails at the first try: (run, statuses) of it and of the next."""
    for back in range(12):
        params = {"level": "ad", "fields": fields, "breakdowns": [HOURLY], "time_increment": 1,
                  "time_range": {"since": f"2026-{10 - back % 8:02d}-01", "until": "2026-11-22"}}  # fmt: skip
        run, statuses = looked(account.get_insights(params=params, is_async=True))
        if statuses[-1][0] != "Job Completed":
            return run, statuses, looked(account.get_insights(params=params, is_async=True))[1]
    raise AssertionError("no run failed")


FIELDS = [
    "ad_id",
    "adset_id",
    "campaign_id",
    "spend",
    "clicks",
    "impressions",
    "ctr",
    "cpc",
    "cpm",
    "actions",
]


def test_some_large_runs_fail_at_the_first_try_and_pass_at_the_second(sandbox):  # noqa: F811
    run, _, again = failing(AdAccount(NEW_YORK, api=sandbox.api()), FIELDS)
    assert (run["error_code"], run["error_subcode"]) == (-2, 2490547)
    assert run["error_user_msg"]
    assert again[-1] == ("Job Completed", 100)


def test_before_v25_a_failed_run_does_not_say_why(fresh):
    run, _, _ = failing(AdAccount(NEW_YORK, api=fresh.api("v24.0")), FIELDS)
    assert "error_code" not in run


def test_run_ids_expire_and_can_be_dropped(fresh):
    account = AdAccount(NEW_YORK, api=fresh.api())
    run = account.get_insights(params={"fields": ["spend"]}, is_async=True)
    other = account.get_insights(params={"fields": ["spend"]}, is_async=True)
    assert fresh.api().call("DELETE", (other["id"],)).json() == {"success": True}
    assert fresh.get(other["id"])[1]["error"]["error_subcode"] == 33
    fresh.clock.set(NOW + timedelta(days=29), frozen=True)
    assert fresh.get(run["id"])[0] == 200
    fresh.clock.set(NOW + timedelta(days=30), frozen=True)
    assert fresh.get(run["id"])[1]["error"]["code"] == 100


def test_unknown_metrics_are_refused_when_the_run_is_started(sandbox):  # noqa: F811
    with pytest.raises(FacebookRequestError):
        AdAccount(NEW_YORK, api=sandbox.api()).get_insights(params={"fields": ["colour"]}, is_async=True)
    assert Runs().find("6000000000000", NOW) is None


def test_a_batch_answers_each_by_itself(sandbox):  # noqa: F811
    api, good, bad = sandbox.api(), [], []
    batch = api.new_batch()
    for name in (NEW_YORK, "act_404"):
        AdAccount(name, api=api).get_insights(
            fields=["spend"],
            params={"level": "account"},
            batch=batch,
            success=good.append,
            failure=bad.append,
        )
    run = AdAccount(NEW_YORK, api=api).get_insights(params={"fields": ["spend"]}, is_async=True)
    AdReportRun(run["id"], api=api).api_get(batch=batch, success=good.append, failure=bad.append)
    assert batch.execute() is None
    assert [len(reply.json().get("data", [0])) for reply in good] == [1, 1]
    assert [reply.error().api_error_code() for reply in bad] == [100]
    headers = {header["name"]: header["value"] for header in good[0].headers()}
    assert "x-business-use-case-usage" in headers
    assert "etag" in headers


def post(sandbox, batch, **params):  # noqa: F811
    reply = sandbox.requests.post(
        f"{sandbox.server.url}/v26.0/", data={"batch": json.dumps(batch), **params}, timeout=20
    )
    return reply.json()


def test_a_batch_can_use_what_it_has_answered(sandbox):  # noqa: F811
    first = {"method": "GET", "name": "list", "relative_url": f"{NEW_YORK}/campaigns?fields=id&limit=2"}
    second = {"method": "GET", "relative_url": "?ids={result=list:$.data.*.id}&fields=name"}
    answers = post(sandbox, [first, second])
    worlds = sandbox.world.campaigns(NEW_YORK_ID, at=NOW)[:2]
    assert answers[0] is None
    assert {key: one["name"] for key, one in json.loads(answers[1]["body"]).items()} == {
        str(c.id): c.name for c in worlds
    }
    answers = post(sandbox, [{**first, "omit_response_on_success": False}, second], include_headers="false")
    assert len(json.loads(answers[0]["body"])["data"]) == 2
    assert "headers" not in answers[1]


def test_a_batch_holds_fifty_and_may_start_runs(sandbox):  # noqa: F811
    one = {"method": "GET", "relative_url": "v25.0/me"}
    assert len(post(sandbox, [one] * 50)) == 50
    assert "Maximum batch size is 50" in post(sandbox, [one] * 51)["error"]["message"]
    started = post(
        sandbox,
        [{"method": "POST", "relative_url": f"{NEW_YORK}/insights", "body": "fields=spend&level=campaign"}],
    )
    assert json.loads(started[0]["body"])["report_run_id"]
    etag = {h["name"]: h["value"] for h in post(sandbox, [one])[0]["headers"]}["etag"]
    again = post(sandbox, [{**one, "headers": [{"name": "If-None-Match", "value": etag}]}])[0]
    assert (again["code"], again["body"]) == (304, None)


def test_usage_is_told_with_every_answer(sandbox):  # noqa: F811
    cursor = AdAccount(NEW_YORK, api=sandbox.api()).get_insights(fields=["spend"])
    headers = cursor.headers()
    assert json.loads(headers["x-fb-ads-insights-throttle"]).keys() == {
        "app_id_util_pct",
        "acc_id_util_pct",
        "ads_api_access_tier",
    }
    usage = json.loads(headers["x-business-use-case-usage"])[str(NEW_YORK_ID)][0]
    assert (usage["type"], usage["estimated_time_to_regain_access"]) == ("ads_insights", 0)
    assert {"x-app-usage", "x-ad-account-usage", "x-fb-trace-id", "x-fb-rev", "facebook-api-version"} <= set(
        headers
    )


def test_the_limited_tier_has_a_wall_and_lets_in_again_after_it(tmp_path):
    one = Sandbox(tmp_path, rate_limits=True)
    try:
        replies = [one.get(NEW_YORK, fields="name")[0] for _ in range(60)]
        assert replies == [200] * 60
        session = one.requests
        wall = session.get(f"{one.server.url}/v26.0/{NEW_YORK}", timeout=20)
        error = wall.json()["error"]
        assert (wall.status_code, error["code"]) in {(400, 17), (400, 613), (400, 80004), (403, 4)}
        usage = json.loads(wall.headers["x-business-use-case-usage"])[str(NEW_YORK_ID)][0]
        assert usage["estimated_time_to_regain_access"] == 5
        assert json.loads(wall.headers["x-ad-account-usage"])["acc_id_util_pct"] == 100
        assert one.get("act_120309188901003", fields="name")[0] == 200  # another account goes on
        one.clock.set(NOW + timedelta(seconds=299), frozen=True)
        assert one.get(NEW_YORK, fields="name")[0] != 200
        one.clock.set(NOW + timedelta(seconds=301), frozen=True)
        assert one.get(NEW_YORK, fields="name")[0] == 200
    finally:
        one.stop()


def begin(one, name, **options):
    return one.incidents.start(name, at=NOW - timedelta(minutes=5), platform="meta", **options)


def test_throttling_turns_every_second_call_away_with_all_of_metas_codes(fresh):
    begin(fresh, "throttling", advertiser=NEW_YORK_ID)
    codes = []
    for _ in range(16):
        status, body = fresh.get(f"{NEW_YORK}/insights", fields="spend")
        codes.append((body["error"]["code"], body["error"]["error_subcode"]) if status != 200 else 0)
    assert codes[::2] == [0] * 8
    assert set(codes[1::2]) == {(80000, 2446079), (17, 2446079), (613, 1487742), (4, 1504022)}
    assert [fresh.get("act_120309188901003")[0] for _ in range(4)] == [200] * 4


def test_a_revoked_token_and_a_suspended_account(fresh):
    begin(fresh, "account_suspended", advertiser=NEW_YORK_ID)
    assert fresh.get(NEW_YORK, fields="account_status,disable_reason")[1] == {
        "account_status": 2, "disable_reason": 1, "id": NEW_YORK,
    }  # fmt: skip
    begin(fresh, "token_revoked", advertiser=NEW_YORK_ID)
    error = fresh.get(NEW_YORK)[1]["error"]
    assert (error["code"], error["error_subcode"]) == (190, 460)
    assert fresh.get("me")[0] == 200
    begin(fresh, "token_revoked")
    assert fresh.get("me")[1]["error"]["code"] == 190


def test_an_outage_answers_500_and_now_and_then_no_json(fresh):
    begin(fresh, "api_outage")
    session = fresh.requests
    replies = [session.get(f"{fresh.server.url}/v26.0/{NEW_YORK}", timeout=20) for _ in range(6)]
    assert sorted(reply.status_code for reply in replies) == [500, 500, 500, 500, 503, 503]
    for reply in replies:
        if reply.status_code == 500:
            assert (reply.json()["error"]["code"], reply.json()["error"]["is_transient"]) == (2, True)
        else:
            assert reply.headers["content-type"].startswith("text/html")


def test_malformed_replies_are_html_or_half_a_document(fresh):
    begin(fresh, "malformed", advertiser=NEW_YORK_ID)
    account, seen = AdAccount(NEW_YORK, api=fresh.api()), set()
    for _ in range(6):
        try:
            seen.add(type(account.api_get(fields=["name", "currency"]).export_all_data()).__name__)
        except (FacebookRequestError, FacebookBadObjectError, TypeError) as error:
            seen.add(type(error).__name__)
    assert "dict" not in seen
    session = fresh.requests
    statuses = [session.get(f"{fresh.server.url}/v26.0/{NEW_YORK}", timeout=20).status_code for _ in range(3)]
    assert sorted(statuses) == [200, 200, 502]


def test_a_broken_stream_ends_in_the_middle_of_the_body(fresh):
    begin(fresh, "broken_stream", advertiser=NEW_YORK_ID)
    with pytest.raises(requests.exceptions.RequestException):
        fresh.get(f"{NEW_YORK}/campaigns", fields="name")
    assert fresh.get("me")[0] == 200


def test_a_hang_is_taken_and_not_answered_in_time(fresh):
    begin(fresh, "hang", advertiser=NEW_YORK_ID, size=0.8)
    with pytest.raises(requests.exceptions.ReadTimeout):
        fresh.requests.get(f"{fresh.server.url}/v26.0/{NEW_YORK}", timeout=0.3)
    assert fresh.get("me")[0] == 200
    assert fresh.get(NEW_YORK)[0] == 200  # whoever waits is answered in the end


def test_under_empty_pages_every_second_page_is_empty_and_nothing_is_lost(fresh):
    begin(fresh, "empty_page", advertiser=NEW_YORK_ID)
    rows, pages = drained(fresh, f"{NEW_YORK}/ads", limit=10)
    assert len(rows) == len(fresh.world.ads(NEW_YORK_ID, at=NOW))
    assert pages[::2] == [n for n in pages if n]
    assert pages[1::2] == [0] * (len(pages) // 2)
