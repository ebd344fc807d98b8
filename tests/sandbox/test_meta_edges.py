"""Objects, their edges and expansions, filters, pages, changes and A/B tests."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.business import Business
from facebook_business.adobjects.user import User

from tests.sandbox.meta_kit import (  # noqa: F401 (fixtures)
    NEW_YORK,
    NEW_YORK_ID,
    NOW,
    Sandbox,
    drained,
    no_bundle_from_the_environment,
    sandbox,
)


def ids(rows):
    return [int(row["id"]) for row in rows]


def test_the_user_sees_every_account_and_the_business_each_once(sandbox):  # noqa: F811
    api = sandbox.api()
    worlds = sorted(one.id for one in sandbox.world.advertisers("meta", at=NOW))
    accounts = list(User("me", api=api).get_ad_accounts())
    assert [int(account["account_id"]) for account in accounts] == worlds
    assert [account["id"] for account in accounts] == [f"act_{one}" for one in worlds]
    business = Business(next(iter(User("me", api=api).get_businesses()))["id"], api=api)
    both = [*business.get_owned_ad_accounts(), *business.get_client_ad_accounts()]
    assert sorted(int(account["account_id"]) for account in both) == worlds


def test_an_account_tells_its_zone_currency_and_status(sandbox):  # noqa: F811
    account = AdAccount(NEW_YORK, api=sandbox.api()).api_get(
        fields=[
            "name",
            "currency",
            "timezone_name",
            "timezone_offset_hours_utc",
            "account_status",
            "amount_spent",
        ]
    )
    assert account["currency"] == "USD"
    assert account["timezone_name"] == "America/New_York"
    assert account["timezone_offset_hours_utc"] == -5
    assert account["account_status"] == 1
    # The month began at 04:00 UTC, still in summer time; minor units.
    traffic = sandbox.world.traffic(
        NEW_YORK_ID, start=datetime(2026, 11, 1, 4, tzinfo=UTC), end=NOW, as_of=NOW
    )
    assert account["amount_spent"] == str(int(traffic.cost_micros.sum()) // 10_000)


def test_budgets_are_in_cents_and_sit_on_the_campaign_or_on_its_ad_sets(sandbox):  # noqa: F811
    budgets = {budget.id: budget for budget in sandbox.world.budgets(NEW_YORK_ID, at=NOW)}
    holders = {one.id: one.budget for one in sandbox.world.campaigns(NEW_YORK_ID, at=NOW)}
    holders |= {one.id: one.budget for one in sandbox.world.ad_groups(NEW_YORK_ID, at=NOW)}
    rows = [
        *sandbox.get(f"{NEW_YORK}/campaigns", fields="daily_budget,lifetime_budget")[1]["data"],
        *drained(sandbox, f"{NEW_YORK}/adsets", fields="daily_budget,lifetime_budget")[0],
    ]
    assert any("daily_budget" in row for row in rows)
    assert any("daily_budget" not in row for row in rows)
    for row in rows:
        held = budgets.get(holders[int(row["id"])])
        told = (row.get("daily_budget"), row.get("lifetime_budget"))
        if held is None:
            assert told == (None, None)
        else:
            cents = str(held.amount_micros // 10_000)
            assert told == ((cents, "0") if held.period == "DAILY" else ("0", cents))


def test_expansions_have_parameters_and_pages_of_their_own(sandbox):  # noqa: F811
    campaign = sandbox.world.campaigns(NEW_YORK_ID, at=NOW)[0]
    sets = [one.id for one in sandbox.world.ad_groups(NEW_YORK_ID, at=NOW) if one.campaign == campaign.id]
    fields = 'name,adsets.limit(1).as(first){id,name,campaign{name}},ads.filtering([{field:"ad.id",operator:"IN",value:[]}]){id}'
    status, node = sandbox.get(str(campaign.id), fields=fields)
    assert status == 200, node
    assert node["name"] == campaign.name
    assert ids(node["first"]["data"]) == sets[:1]
    assert node["first"]["data"][0]["campaign"] == {"id": str(campaign.id), "name": campaign.name}
    assert node["ads"]["data"] == []
    following = sandbox.requests.get(node["first"]["paging"]["next"], timeout=20).json()
    assert ids(following["data"]) in (sets[1:2], [])  # the second page may be the empty one
    insights = sandbox.get(
        str(campaign.id), fields="insights.date_preset(yesterday).time_increment(1){spend}"
    )[1]
    assert insights["insights"]["data"][0]["date_start"] == "2026-11-22"


def test_creatives_tell_where_they_lead_in_one_of_several_places(sandbox):  # noqa: F811
    worlds = {ad.id: ad for ad in sandbox.world.ads(NEW_YORK_ID, at=NOW)}
    fields = (
        "effective_status,creative{object_story_spec,link_url,asset_feed_spec},ad_review_feedback,issues_info"
    )
    rows, _ = drained(sandbox, f"{NEW_YORK}/ads", fields=fields, limit=20)
    assert ids(rows) == list(worlds)
    places = set()
    for row in rows:
        ad = worlds[int(row["id"])]
        creative = row["creative"]
        story = creative["object_story_spec"]
        for place in ("asset_feed_spec", "link_url"):
            places |= {place} & creative.keys()
        places |= {"link_data", "video_data"} & story.keys()
        assert ad.final_url in json.dumps(creative)
        disapproved = ad.review == "DISAPPROVED"
        assert (row["effective_status"] == "DISAPPROVED") is disapproved
        assert ("issues_info" in row) is disapproved
        assert ("ad_review_feedback" in row) is disapproved
    assert places == {"asset_feed_spec", "link_url", "link_data", "video_data"}
    assert any(row["effective_status"] == "DISAPPROVED" for row in rows)


def test_filters_by_state_time_and_ancestor(sandbox):  # noqa: F811
    def listed(edge, **params):
        return drained(sandbox, f"{NEW_YORK}/{edge}", limit=500, **params)[0]

    ads = sandbox.world.ads(NEW_YORK_ID, at=NOW)
    paused = [ad.id for ad in ads if ad.status == "PAUSED" and ad.review != "DISAPPROVED"]
    assert ids(listed("ads", effective_status='["PAUSED"]')) == paused
    filtering = '[{"field":"ad.effective_status","operator":"IN","value":["PAUSED"]}]'
    assert ids(listed("ads", filtering=filtering)) == paused
    campaign = ads[0].campaign
    filtering = f'[{{"field":"campaign.id","operator":"EQUAL","value":"{campaign}"}}]'
    assert ids(listed("ads", filtering=filtering)) == [ad.id for ad in ads if ad.campaign == campaign]
    adset = ads[0].ad_group
    rows = AdSet(adset, api=sandbox.api()).get_ads(fields=["name"], params={"limit": 100})
    assert ids(rows) == [ad.id for ad in ads if ad.ad_group == adset]

    def moment(row):
        return datetime.strptime(row["updated_time"], "%Y-%m-%dT%H:%M:%S%z")

    sets = listed("adsets", fields="updated_time")
    edge = sorted(moment(row) for row in sets)[len(sets) // 2]
    assert edge.utcoffset() in (timedelta(hours=-5), timedelta(hours=-4))
    later = [int(row["id"]) for row in sets if moment(row) > edge]
    filtering = (
        f'[{{"field":"adset.updated_time","operator":"GREATER_THAN","value":{int(edge.timestamp())}}}]'
    )
    assert ids(listed("adsets", filtering=filtering)) == later
    assert ids(listed("adsets", updated_since=int(edge.timestamp()) + 1)) == later


def test_several_objects_at_once(sandbox):  # noqa: F811
    some = [one.id for one in sandbox.world.campaigns(NEW_YORK_ID, at=NOW)[:2]]
    asked = ",".join(map(str, some))
    nodes = sandbox.get("", ids=asked, fields="name")[1]
    assert [nodes[str(one)]["id"] for one in some] == [str(one) for one in some]
    edges = sandbox.get("adsets", ids=asked, fields="campaign_id")[1]
    for one in some:
        assert {row["campaign_id"] for row in edges[str(one)]["data"]} == {str(one)}


def test_the_second_of_many_pages_is_empty_and_stops_a_naive_reader(sandbox):  # noqa: F811
    worlds = [ad.id for ad in sandbox.world.ads(NEW_YORK_ID, at=NOW)]
    rows, pages = drained(sandbox, f"{NEW_YORK}/ads", limit=7)
    assert ids(rows) == worlds
    assert pages[:3] == [7, 0, 7]
    assert pages.count(0) == 1
    naive = list(AdAccount(NEW_YORK, api=sandbox.api()).get_ads(params={"limit": 7}))
    assert len(naive) == 7 < len(worlds)
    two = -(-len(worlds) // 2)
    assert drained(sandbox, f"{NEW_YORK}/ads", limit=two)[1] == [two, len(worlds) - two]


def test_a_page_s_links_carry_the_request_and_lead_both_ways(sandbox):  # noqa: F811
    first = sandbox.get(
        f"{NEW_YORK}/ads", fields="name", limit=3, effective_status='["ACTIVE"]', summary="total_count"
    )[1]
    assert "previous" not in first["paging"]
    for part in ("fields=name", "limit=3", "effective_status=", "access_token=", "after="):
        assert part in first["paging"]["next"]
    assert first["summary"]["total_count"] > 6
    session = sandbox.requests
    gap = session.get(first["paging"]["next"], timeout=20).json()
    second = session.get(gap["paging"]["next"], timeout=20).json()
    assert session.get(second["paging"]["previous"], timeout=20).json()["data"] == first["data"]
    # A client that takes the cursor of the last page once more finds an end.
    rows, _ = drained(sandbox, f"{NEW_YORK}/campaigns")
    last = sandbox.get(f"{NEW_YORK}/campaigns", limit=len(rows))[1]["paging"]["cursors"]["after"]
    assert sandbox.get(f"{NEW_YORK}/campaigns", after=last)[1] == {"data": []}
    assert sandbox.get(f"{NEW_YORK}/campaigns", after="nonsense")[1]["error"]["code"] == 100


def test_a_list_does_not_shift_while_it_is_read(tmp_path):
    one = Sandbox(tmp_path)
    try:
        asked = {"level": "ad", "fields": "impressions", "limit": 5, "date_preset": "today"}
        first = one.get(f"{NEW_YORK}/insights", **asked)[1]
        whole = one.get(f"{NEW_YORK}/insights", **{**asked, "limit": 500})[1]["data"]
        one.clock.set(NOW + timedelta(hours=2), frozen=True)
        rows, page = list(first["data"]), first
        while "next" in page["paging"]:
            page = one.requests.get(page["paging"]["next"], timeout=20).json()
            rows += page["data"]
        assert rows == whole
    finally:
        one.stop()


def test_changes_are_told_as_activities_newest_first(sandbox):  # noqa: F811
    account = AdAccount(NEW_YORK, api=sandbox.api())
    fields = [
        "event_type",
        "event_time",
        "actor_name",
        "object_id",
        "object_type",
        "extra_data",
        "translated_event_type",
    ]
    start = NOW - timedelta(days=40)
    rows = list(account.get_activities(fields=fields, params={"since": int(start.timestamp()), "limit": 500}))
    worlds = sandbox.world.changes(NEW_YORK_ID, start=start, end=NOW)
    assert len(rows) == len(worlds) > 3
    stamps = [row["event_time"] for row in rows]
    assert stamps == [one.at.strftime("%Y-%m-%dT%H:%M:%S+0000") for one in reversed(worlds)]
    for row, change in zip(rows, reversed(worlds), strict=True):
        assert row["actor_name"] == change.actor
        if change.entity_type == "CAMPAIGN_BUDGET":
            assert row["event_type"] in {"update_campaign_budget", "update_ad_set_budget"}
            extra = json.loads(row["extra_data"])
            assert extra["new_value"] == change.after["amount_micros"] // 10_000
            assert extra["old_value"] == change.before["amount_micros"] // 10_000
            assert row["object_id"] != str(change.entity)
    budgets = account.get_activities(
        fields=fields, params={"since": int(start.timestamp()), "category": "BUDGET", "limit": 500}
    )
    assert len(list(budgets)) == sum(one.entity_type == "CAMPAIGN_BUDGET" for one in worlds)


def test_ab_tests_have_cells_with_their_campaigns(tmp_path):
    one = Sandbox(tmp_path, campaigns=8)
    try:
        study = one.world.experiments(NEW_YORK_ID, at=NOW)[0]
        told = one.get(f"{NEW_YORK}/ad_studies", fields="name,type,cells,confidence_level")[1]["data"]
        assert [(row["id"], row["type"]) for row in told] == [(str(study.id), "SPLIT_TEST")]
        cells = one.get(f"{study.id}/cells", fields="name,treatment_percentage")[1]["data"]
        assert [(int(cell["id"]), cell["treatment_percentage"]) for cell in cells] == [
            (arm[0], 50.0) for arm in study.arms
        ]
        for arm in study.arms:
            assert tuple(ids(one.get(f"{arm[0]}/campaigns")[1]["data"])) == arm[4]
        assert len(one.get("me/ad_studies")[1]["data"]) == 1
    finally:
        one.stop()


@pytest.mark.parametrize("edge", ["adimages", "advideos", "customaudiences", "customconversions", "adlabels"])
def test_edges_without_objects_are_empty(sandbox, edge):  # noqa: F811
    assert sandbox.get(f"{NEW_YORK}/{edge}", fields="id,name") == (200, {"data": []})
