"""Figures of the insights edge against the world's own cells and events, summed by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.campaign import Campaign

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
# 2026-11-21 in New York is UTC-5: from 05:00 to 05:00.
SATURDAY = (datetime(2026, 11, 21, 5, tzinfo=UTC), datetime(2026, 11, 22, 5, tzinfo=UTC))
# The clock goes back on 2026-11-01: the day has 25 hours, from UTC-4 to UTC-5.
FALL_BACK = (datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC))


def day(text):
    return {"since": text, "until": text}


def delivered(world, span, account=NEW_YORK_ID):
    """(impressions, clicks, spend in cents) by campaign, straight from the world."""
    traffic = world.traffic(account, start=span[0], end=span[1], as_of=NOW)
    totals = {}
    for campaign, impressions, clicks, cost in zip(
        traffic.campaign, traffic.impressions, traffic.clicks, traffic.cost_micros, strict=True
    ):
        one = totals.setdefault(str(campaign), [0, 0, 0])
        one[0] += int(impressions)
        one[1] += int(clicks)
        one[2] += int(cost) // 10_000
    return {campaign: tuple(one) for campaign, one in totals.items()}


def answered(rows, key="campaign_id"):
    totals = {}
    for row in rows:
        one = totals.setdefault(row[key], [0, 0, 0])
        one[0] += int(row["impressions"])
        one[1] += int(row["clicks"])
        one[2] += int(Fraction(row["spend"]) * 100)
    return {name: tuple(one) for name, one in totals.items()}


def count(row, action_type, window="value"):
    found = [entry for entry in row.get("actions", []) if entry["action_type"] == action_type]
    return int(found[0].get(window, 0)) if found else 0


FIELDS = ["campaign_id", "impressions", "clicks", "spend"]


@pytest.mark.parametrize("version", ["v24.0", "v25.0", "v26.0"])
def test_a_day_by_campaign_is_the_worlds_day(sandbox, version):  # noqa: F811
    account = AdAccount(NEW_YORK, api=sandbox.api(version))
    params = {"level": "campaign", "time_range": day("2026-11-21")}
    rows = list(account.get_insights(fields=FIELDS, params=params))
    assert answered(rows) == delivered(sandbox.world, SATURDAY)
    assert {row["date_start"] for row in rows} == {"2026-11-21"}


def test_the_day_on_which_the_clock_goes_back_has_25_hours_in_24_rows(sandbox):  # noqa: F811
    params = {
        "level": "campaign",
        "time_range": day("2026-11-01"),
        "time_increment": 1,
        "breakdowns": [HOURLY],
    }
    rows = list(
        AdAccount(NEW_YORK, api=sandbox.api()).get_insights(fields=FIELDS, params={**params, "limit": 500})
    )
    assert answered(rows) == delivered(sandbox.world, FALL_BACK)
    at_one = [row for row in rows if row[HOURLY] == "01:00:00 - 01:59:59"]
    # One o'clock comes twice: 05:00 and 06:00 by UTC.
    twice = (datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2026, 11, 1, 7, tzinfo=UTC))
    assert answered(at_one) == delivered(sandbox.world, twice)
    assert len({row[HOURLY] for row in rows}) == 24


def test_half_hour_zones_begin_their_day_at_half_past(sandbox):  # noqa: F811
    kolkata = 120254783087005
    span = (datetime(2026, 11, 19, 18, 30, tzinfo=UTC), datetime(2026, 11, 20, 18, 30, tzinfo=UTC))
    params = {"level": "campaign", "time_range": day("2026-11-20")}
    rows = AdAccount(f"act_{kolkata}", api=sandbox.api()).get_insights(fields=FIELDS, params=params)
    assert answered(rows) == delivered(sandbox.world, span, kolkata)


@pytest.mark.parametrize("level", ["account", "campaign", "adset", "ad"])
@pytest.mark.parametrize("increment", ["1", "3", "all_days", "monthly"])
def test_levels_and_increments_all_add_up_to_the_same(sandbox, level, increment):  # noqa: F811
    rows, _ = drained(
        sandbox,
        f"{NEW_YORK}/insights",
        level=level,
        fields="account_id,impressions,clicks,spend,inline_link_clicks",
        time_range='{"since":"2026-10-30","until":"2026-11-22"}',
        time_increment=increment,
        limit=40,
    )
    whole = delivered(
        sandbox.world, (datetime(2026, 10, 30, 4, tzinfo=UTC), datetime(2026, 11, 23, 5, tzinfo=UTC))
    )
    assert answered(rows, "account_id")[str(NEW_YORK_ID)] == tuple(
        map(sum, zip(*whole.values(), strict=True))
    )
    spans = {(row["date_start"], row["date_stop"]) for row in rows}
    assert len(spans) == {"1": 24, "3": 8, "all_days": 1, "monthly": 2}[increment]
    links = sum(int(row.get("inline_link_clicks", 0)) for row in rows)
    first = drained(sandbox, f"{NEW_YORK}/insights", fields="inline_link_clicks",
                    time_range='{"since":"2026-10-30","until":"2026-11-22"}')[0][0]  # fmt: skip
    assert links == int(first["inline_link_clicks"])


def test_a_purchase_stands_under_every_tier_and_windows_select_by_delay(sandbox):  # noqa: F811
    params = {
        "level": "campaign",
        "time_range": day("2026-11-10"),
        "action_attribution_windows": ["1d_click", "7d_click", "28d_click", "1d_view", "7d_view"],
    }
    rows = AdAccount(NEW_YORK, api=sandbox.api()).get_insights(
        fields=["campaign_id", "actions", "action_values"], params=params
    )
    span = (datetime(2026, 11, 10, 5, tzinfo=UTC), datetime(2026, 11, 11, 5, tzinfo=UTC))
    events = sandbox.world.conversions(NEW_YORK_ID, start=span[0], end=span[1], as_of=NOW)
    purchase = next(a.id for a in sandbox.world.conversion_actions(NEW_YORK_ID) if a.category == "PURCHASE")
    nothing = dict.fromkeys(("value", "1d_click", "7d_click", "28d_click", "1d_view"), 0)
    expected = {}
    for campaign, action, view, delay in zip(
        events.campaign, events.action, events.view, events.delay_hours, strict=True
    ):
        if action != purchase:
            continue
        one = expected.setdefault(str(campaign), dict(nothing))
        if view:
            one["1d_view"] += delay < 24
            one["value"] += delay < 24
        else:
            one["1d_click"] += delay < 24
            one["7d_click"] += delay < 7 * 24
            one["28d_click"] += delay < 28 * 24
            one["value"] += delay < 7 * 24
    assert sum(one["value"] for one in expected.values()) > 20
    for row in rows:
        for tier in (
            "omni_purchase",
            "purchase",
            "offsite_conversion.fb_pixel_purchase",
            "web_in_store_purchase",
        ):
            told = {window: count(row, tier, window) for window in nothing}
            assert told == expected.get(row["campaign_id"], nothing)
        assert not any("7d_view" in entry for entry in row["actions"])


def test_hours_leave_out_what_the_sites_tag_tells_and_keep_leads_on_meta(sandbox):  # noqa: F811
    params = {"level": "account", "time_range": day("2026-11-12")}
    account = AdAccount(NEW_YORK, api=sandbox.api())
    whole = account.get_insights(fields=["actions"], params=params)[0]
    hours = list(
        account.get_insights(
            fields=["actions", "reach"], params={**params, "breakdowns": [HOURLY], "limit": 100}
        )
    )
    assert count(whole, "purchase") > 0
    assert count(whole, "offsite_conversion.fb_pixel_lead") > 0
    for gone in (
        "purchase",
        "omni_purchase",
        "offsite_conversion.fb_pixel_lead",
        "add_to_cart",
        "landing_page_view",
    ):
        assert sum(count(row, gone) for row in hours) == 0
    on_meta = count(whole, "onsite_conversion.lead_grouped")
    assert sum(count(row, "lead") for row in hours) == on_meta
    assert count(whole, "lead") == on_meta + count(whole, "offsite_conversion.fb_pixel_lead")
    assert sum(count(row, "link_click") for row in hours) == count(whole, "link_click")
    assert not any("reach" in row for row in hours)


def test_yesterday_grows_as_conversions_arrive(tmp_path):
    one = Sandbox(tmp_path)
    try:
        fields = {"fields": "actions", "time_range": '{"since":"2026-11-23","until":"2026-11-23"}'}
        seen = []
        for hours in (0, 6, 24, 96):
            one.clock.set(NOW + timedelta(hours=hours), frozen=True)
            rows = one.get(f"{NEW_YORK}/insights", **fields)[1]["data"]
            seen.append(count(rows[0], "omni_purchase"))
        assert seen[0] < seen[1] < seen[2] <= seen[3] + 3
        span = (datetime(2026, 11, 23, 5, tzinfo=UTC), datetime(2026, 11, 24, 5, tzinfo=UTC))
        events = one.world.conversions(NEW_YORK_ID, start=span[0], end=span[1], as_of=one.clock.now())
        purchase = next(a.id for a in one.world.conversion_actions(NEW_YORK_ID) if a.category == "PURCHASE")
        mine = (events.action == purchase) & (
            (events.view & (events.delay_hours < 24)) | (~events.view & (events.delay_hours < 168))
        )
        assert seen[3] == int(mine.sum())
    finally:
        one.stop()


def test_actions_by_the_time_of_conversion_belong_to_another_day(sandbox):  # noqa: F811
    told = {}
    for report_time in ("impression", "conversion", "mixed"):
        page = sandbox.get(f"{NEW_YORK}/insights", fields="actions", action_report_time=report_time,
                           time_range='{"since":"2026-11-12","until":"2026-11-12"}')[1]  # fmt: skip
        row = page["data"][0]
        told[report_time] = (count(row, "purchase"), count(row, "onsite_conversion.lead_grouped"))
    span = (datetime(2026, 11, 12, 5, tzinfo=UTC), datetime(2026, 11, 13, 5, tzinfo=UTC))
    purchase = next(a.id for a in sandbox.world.conversion_actions(NEW_YORK_ID) if a.category == "PURCHASE")
    events = sandbox.world.conversions(NEW_YORK_ID, start=span[0], end=span[1], as_of=NOW, by="conversion")
    mine = (events.action == purchase) & (
        (events.view & (events.delay_hours < 24)) | (~events.view & (events.delay_hours < 168))
    )
    assert told["conversion"][0] == int(mine.sum())
    assert told["mixed"] == (told["conversion"][0], told["impression"][1])


@pytest.mark.parametrize(
    "breakdowns",
    [["publisher_platform"], ["device_platform"], ["age", "gender"], ["country"],
     ["publisher_platform", "platform_position", "impression_device"]],
)  # fmt: skip
def test_the_parts_of_a_breakdown_are_exactly_the_whole(sandbox, breakdowns):  # noqa: F811
    asked = {"level": "campaign", "fields": "campaign_id,impressions,clicks,spend,actions",
             "time_range": '{"since":"2026-11-10","until":"2026-11-12"}', "limit": 500}  # fmt: skip
    whole, _ = drained(sandbox, f"{NEW_YORK}/insights", **asked)
    parts, _ = drained(sandbox, f"{NEW_YORK}/insights", **asked, breakdowns=",".join(breakdowns))
    assert answered(parts) == answered(whole)
    assert all(set(breakdowns) <= row.keys() for row in parts)
    for row in whole:
        mine = [part for part in parts if part["campaign_id"] == row["campaign_id"]]
        assert sum(count(part, "purchase") for part in mine) == count(row, "purchase")


def test_a_breakdown_by_network_is_the_worlds(sandbox):  # noqa: F811
    rows = drained(sandbox, f"{NEW_YORK}/insights", fields="impressions,clicks,spend", breakdowns="publisher_platform",
                   time_range='{"since":"2026-11-21","until":"2026-11-21"}')[0]  # fmt: skip
    traffic = sandbox.world.traffic(
        NEW_YORK_ID, start=SATURDAY[0], end=SATURDAY[1], as_of=NOW, by_network=True
    )
    for index, network in enumerate(("facebook", "instagram", "audience_network")):
        row = next(row for row in rows if row["publisher_platform"] == network)
        assert int(row["impressions"]) == int(traffic.impressions[traffic.network == index].sum())


def test_ratios_reach_and_roas_are_of_the_rows_own_figures(sandbox):  # noqa: F811
    fields = "impressions,clicks,spend,cpm,cpc,ctr,reach,frequency,purchase_roas,action_values,cost_per_action_type,actions"
    row = sandbox.get(
        f"{NEW_YORK}/insights", fields=fields, time_range='{"since":"2026-11-10","until":"2026-11-16"}'
    )[1]["data"][0]
    impressions, clicks, spend = int(row["impressions"]), int(row["clicks"]), float(row["spend"])
    assert float(row["cpm"]) == pytest.approx(spend * 1000 / impressions, abs=1e-6)
    assert float(row["cpc"]) == pytest.approx(spend / clicks, abs=1e-6)
    assert float(row["ctr"]) == pytest.approx(clicks * 100 / impressions, abs=1e-6)
    assert 1 <= int(row["reach"]) <= impressions
    assert float(row["frequency"]) == pytest.approx(impressions / int(row["reach"]), abs=1e-6)
    value = next(float(e["value"]) for e in row["action_values"] if e["action_type"] == "omni_purchase")
    assert row["purchase_roas"] == [
        {"action_type": "omni_purchase", "value": row["purchase_roas"][0]["value"]}
    ]
    assert float(row["purchase_roas"][0]["value"]) == pytest.approx(value / spend, rel=1e-5)
    cost = next(float(e["value"]) for e in row["cost_per_action_type"] if e["action_type"] == "purchase")
    assert cost == pytest.approx(spend / count(row, "purchase"), abs=1e-6)


def test_reach_over_days_is_less_than_the_days_sum(sandbox):  # noqa: F811
    asked = {"fields": "reach", "time_range": '{"since":"2026-11-10","until":"2026-11-16"}'}
    week = int(sandbox.get(f"{NEW_YORK}/insights", **asked)[1]["data"][0]["reach"])
    days = [
        int(row["reach"]) for row in drained(sandbox, f"{NEW_YORK}/insights", **asked, time_increment=1)[0]
    ]
    assert len(days) == 7
    assert max(days) < week < sum(days)


def test_sort_filter_and_summary(sandbox):  # noqa: F811
    asked = {
        "level": "ad",
        "fields": "ad_id,spend,impressions",
        "time_range": '{"since":"2026-11-21","until":"2026-11-21"}',
        "limit": 500,
    }
    everything = drained(sandbox, f"{NEW_YORK}/insights", **asked)[0]
    rows = sandbox.get(f"{NEW_YORK}/insights", **asked, sort="spend_descending")[1]["data"]
    spends = [float(row["spend"]) for row in rows]
    assert spends == sorted((float(row["spend"]) for row in everything), reverse=True)
    middle = spends[len(spends) // 2]
    filtering = f'[{{"field":"ad.spend","operator":"GREATER_THAN","value":{middle}}}]'
    kept = sandbox.get(f"{NEW_YORK}/insights", **asked, filtering=filtering)[1]["data"]
    assert len(kept) == sum(spend > middle for spend in spends)
    one = everything[3]["ad_id"]
    picked = sandbox.get(
        f"{NEW_YORK}/insights", **asked, filtering=f'[{{"field":"ad.id","operator":"IN","value":["{one}"]}}]'
    )[1]
    assert [row["ad_id"] for row in picked["data"]] == [one]
    summed = sandbox.get(f"{NEW_YORK}/insights", **asked, summary='["spend"]')[1]["summary"]
    assert Fraction(summed["spend"]) == sum(Fraction(row["spend"]) for row in everything)
    assert sandbox.get(f"{NEW_YORK}/insights", **asked, default_summary="true")[1]["summary"]["impressions"]
    assert sandbox.get(f"{NEW_YORK}/insights", **asked, summary='["reach"]')[1]["error"][
        "message"
    ].startswith(
        "(#100) Cannot include reach in summary param because they weren't there while creating the report run."
    )


def test_a_campaign_s_own_insights_and_its_ads(sandbox):  # noqa: F811
    campaign = next(iter(delivered(sandbox.world, SATURDAY)))
    node = Campaign(campaign, api=sandbox.api())
    params = {"time_range": day("2026-11-21"), "limit": 200}
    assert answered(node.get_insights(fields=FIELDS, params=params)) == {
        campaign: delivered(sandbox.world, SATURDAY)[campaign]
    }
    ads = list(node.get_insights(fields=[*FIELDS, "ad_id", "adset_id"], params={**params, "level": "ad"}))
    assert answered(ads) == {campaign: delivered(sandbox.world, SATURDAY)[campaign]}
    assert len(ads) > 3


def test_time_ranges_stand_each_for_itself(sandbox):  # noqa: F811
    ranges = '[{"since":"2026-11-21","until":"2026-11-21"},{"since":"2026-11-20","until":"2026-11-21"}]'
    rows = sandbox.get(f"{NEW_YORK}/insights", fields="impressions", time_ranges=ranges)[1]["data"]
    assert [(row["date_start"], row["date_stop"]) for row in rows] == [
        ("2026-11-21", "2026-11-21"),
        ("2026-11-20", "2026-11-21"),
    ]
    assert int(rows[0]["impressions"]) == sum(one[0] for one in delivered(sandbox.world, SATURDAY).values())
    assert int(rows[1]["impressions"]) > int(rows[0]["impressions"])


class _InYen:
    """The world with the New York account in yen."""

    def __init__(self, world):
        self._world = world

    def __getattr__(self, name):
        return getattr(self._world, name)

    def advertisers(self, platform, *, at):
        found = self._world.advertisers(platform, at=at)
        return [replace(one, currency="JPY") if one.id == NEW_YORK_ID else one for one in found]


def test_yen_have_no_decimals_and_budgets_no_cents(tmp_path):
    one = Sandbox(tmp_path, wrap=_InYen)
    try:
        rows = one.get(f"{NEW_YORK}/insights", level="campaign", fields="campaign_id,spend,account_currency,action_values",
                       time_range='{"since":"2026-11-21","until":"2026-11-21"}')[1]["data"]  # fmt: skip
        micros = {}
        traffic = one.world.traffic(NEW_YORK_ID, start=SATURDAY[0], end=SATURDAY[1], as_of=NOW)
        for campaign, cost in zip(traffic.campaign, traffic.cost_micros, strict=True):
            micros[str(campaign)] = micros.get(str(campaign), 0) + int(cost)
        assert {row["campaign_id"]: row["spend"] for row in rows} == {
            campaign: str((cost + 500_000) // 1_000_000) for campaign, cost in micros.items()
        }
        assert all(entry["value"].isdigit() for row in rows for entry in row.get("action_values", []))
        budgets = {budget.id: budget for budget in one.world.budgets(NEW_YORK_ID, at=NOW)}
        for campaign in one.get(f"{NEW_YORK}/campaigns", fields="daily_budget")[1]["data"]:
            held = next(
                c for c in one.world.campaigns(NEW_YORK_ID, at=NOW) if str(c.id) == campaign["id"]
            ).budget
            if held and budgets[held].period == "DAILY":
                assert campaign["daily_budget"] == str(budgets[held].amount_micros // 1_000_000)
    finally:
        one.stop()
