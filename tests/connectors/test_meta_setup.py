"""Campaigns, ads, budgets, changes and tests, from nodes as Graph writes them."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from connectors import _meta_setup as setup
from connectors.contract import Account


def account(currency="USD", zone="America/Los_Angeles"):
    return Account("meta_ads", "1", "Shop", currency, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("currency", "told", "micros"),
    [
        ("USD", "5000", 50_000_000),  # cents
        ("EUR", "1", 10_000),
        ("JPY", "5000", 5_000_000_000),  # whole yen
        ("KRW", "30000", 30_000_000_000),
        ("VND", "100000", 100_000_000_000),
        ("HUF", "200", 200_000_000),
        ("BHD", "5000", 50_000_000),  # three decimals in life, hundredths at Meta
    ],
)
def test_budgets_are_in_the_currencys_own_offset(currency, told, micros):
    node = {"id": "7", "name": "Summer", "daily_budget": told, "lifetime_budget": "0"}
    assert setup.budget(node, account(currency)).amount == micros


def test_a_budget_sits_where_it_is_set():
    whole = {"id": "7", "name": "Summer", "daily_budget": "0", "lifetime_budget": "90000"}
    whole |= {"start_time": "2026-06-01T00:00:00-0700", "stop_time": "2026-06-30T23:59:59-0700"}
    held = setup.budget(whole, account())
    assert (held.budget, held.campaign, held.ad_group, held.level) == ("7", "7", "", "campaign")
    assert (held.amount, held.period, held.shared) == (900_000_000, "total", False)
    assert (held.starts, held.ends) == (date(2026, 6, 1), date(2026, 6, 30))
    group = {"id": "8", "campaign_id": "7", "name": "Women", "daily_budget": "2500", "status": "ACTIVE"}
    held = setup.budget(group, account())
    assert (held.budget, held.campaign, held.ad_group, held.level) == ("8", "7", "8", "ad_group")
    assert (held.amount, held.period, held.ends) == (25_000_000, "daily", None)


def test_the_other_holder_has_none_and_an_idle_ad_set_plans_nothing():
    assert setup.budget({"id": "7", "name": "ABO campaign"}, account()) is None
    assert setup.budget({"id": "7", "daily_budget": "0", "lifetime_budget": "0"}, account()) is None
    group = {"id": "8", "campaign_id": "7", "daily_budget": "2500"}
    for status, amount in (("PAUSED", 0), ("ARCHIVED", 0), ("DELETED", 0), ("ACTIVE", 25_000_000)):
        assert setup.budget({**group, "status": status}, account()).amount == amount


@pytest.mark.parametrize(
    ("told", "status", "serving"),
    [
        ({"status": "ACTIVE", "effective_status": "ACTIVE"}, "enabled", ""),
        ({"status": "PAUSED", "effective_status": "PAUSED"}, "paused", "paused"),
        ({"status": "ARCHIVED", "effective_status": "ARCHIVED"}, "removed", "archived"),
        ({"status": "ACTIVE", "effective_status": "DELETED"}, "removed", "deleted"),
        (
            {
                "status": "ACTIVE",
                "effective_status": "WITH_ISSUES",
                "issues_info": [{"error_summary": "Card declined"}, {"error_summary": "Card declined"}],
            },
            "enabled",
            "with_issues: Card declined",
        ),
    ],
)
def test_states(told, status, serving):
    made = setup.campaign({"id": "7", "name": "US | Sale", **told}, account())
    assert (made.status, made.serving) == (status, serving)


@pytest.mark.parametrize(
    ("name", "promotion", "channel"),
    [
        ("US | Prospecting | Broad", "GUIDED_CREATION", "prospecting"),
        ("Remarketing 30d", "GUIDED_CREATION", "retargeting"),
        ("re-targeting carts", None, "retargeting"),
        ("Retargeting, was prospecting", None, "retargeting"),
        ("Anything", "AUTOMATED_SHOPPING_ADS", "shopping"),
        ("Summer", None, "other"),
    ],
)
def test_channels(name, promotion, channel):
    node = {"id": "7", "name": name, "status": "ACTIVE", "smart_promotion_type": promotion}
    assert setup.campaign(node, account()).channel == channel


def test_a_campaign_in_its_accounts_days():
    node = {
        "id": "7", "name": "Summer", "status": "ACTIVE", "effective_status": "ACTIVE",
        "objective": "OUTCOME_SALES", "bid_strategy": "COST_CAP",
        "start_time": "2026-06-01T05:00:00+0000",  # 22:00 on 31 May in Los Angeles
        "adlabels": [{"id": "1", "name": "brand"}, {"id": "2", "name": "always-on"}],
    }  # fmt: skip
    made = setup.campaign(node, account())
    assert (made.starts, made.ends, made.labels) == (date(2026, 5, 31), None, "always-on,brand")
    assert (made.objective, made.bidding) == ("outcome_sales", "cost_cap")


LINK = "https://shop.example/p?utm_source=fb"
CALL = {"type": "SHOP_NOW", "value": {"link": LINK}}


@pytest.mark.parametrize(
    "creative",
    [
        {"object_story_spec": {"link_data": {"link": LINK, "call_to_action": CALL}}},
        {"object_story_spec": {"video_data": {"video_id": "1", "call_to_action": CALL}}},
        {"object_story_spec": {"template_data": {"link": LINK}}, "template_url": "https://other.example"},
        {
            "object_story_spec": {"page_id": "1"},
            "asset_feed_spec": {"link_urls": [{}, {"website_url": LINK}]},
        },
        {"link_url": LINK},
        {"object_url": LINK},
        {"template_url": LINK},
    ],
)
def test_where_a_creative_leads(creative):
    node = {"id": "9", "campaign_id": "7", "adset_id": "8", "adset": {"name": "Women", "id": "8"}}
    made = setup.ad({**node, "status": "ACTIVE", "effective_status": "CAMPAIGN_PAUSED", "creative": creative})
    assert (made.final_url, made.ad_group_name) == (LINK, "Women")
    assert (made.status, made.serving) == ("enabled", "campaign_paused")


def test_an_ad_that_leads_nowhere():
    assert setup.ad({"id": "9", "campaign_id": "7", "adset_id": "8"}).final_url == ""


def activity(event_type, extra, object_type="CAMPAIGN", **more):
    return {
        "event_time": "2026-11-16T10:30:00+0000", "event_type": event_type, "object_id": "7",
        "object_name": "Summer", "object_type": object_type, "actor_id": "5",
        "actor_name": "analyst@example.com", "application_name": "Ads Manager",
        "translated_event_type": "Campaign budget updated", "extra_data": json.dumps(extra), **more,
    }  # fmt: skip


def test_a_budget_change():
    node = activity(
        "update_campaign_budget", {"old_value": 5000, "new_value": 6550, "type": "payment_amount"}
    )
    made = setup.change(node, {}, "USD")
    assert made.at == datetime(2026, 11, 16, 10, 30, tzinfo=UTC)
    assert (made.actor, made.via, made.operation) == ("analyst@example.com", "ads manager", "update")
    assert (made.entity_type, made.entity, made.campaign) == ("campaign", "7", "7")
    assert json.loads(made.before) == {"amount_micros": 50_000_000}
    assert json.loads(made.after) == {"amount_micros": 65_500_000}
    assert made.summary == "Campaign budget updated: Summer: amount 50 → 65.5"
    yen = setup.change(node, {}, "JPY")
    assert json.loads(yen.after) == {"amount_micros": 6_550_000_000}


def test_a_budget_change_as_graph_nests_it():
    extra = {"old_value": {"old_value": 5000, "additional_value": 1}, "new_value": {"new_value": 6000}}
    made = setup.change(activity("update_ad_set_budget", extra, "CAMPAIGN"), {"7": "3"}, "USD")
    assert (made.entity_type, made.campaign) == ("ad_group", "3")
    assert json.loads(made.after) == {"amount_micros": 60_000_000}


@pytest.mark.parametrize(
    ("event", "object_type", "extra", "kind", "operation", "before", "after"),
    [
        ("update_ad_run_status", "AD", {"old_value": "Active", "new_value": "Inactive"}, "ad", "update",
         {"run_status": "Active"}, {"run_status": "Inactive"}),
        ("update_campaign_run_status", "CAMPAIGN", {"old_value": "Active", "new_value": "Deleted"}, "campaign",
         "remove", {"run_status": "Active"}, {"run_status": "Deleted"}),
        ("create_ad_set", "ADSET", {"new_value": "Women"}, "ad_group", "create", {}, {"name": "Women"}),
        ("create_campaign_group", "CAMPAIGN", {}, "campaign", "create", {}, {}),
        ("update_ad_creative", "AD", {"old_value": {"headline": "A"}, "new_value": {"headline": "B"}}, "ad",
         "update", {"headline": "A"}, {"headline": "B"}),
        ("ad_account_update_status", "ACCOUNT", {}, "account", "update", {}, {}),
    ],
)  # fmt: skip
def test_other_changes(event, object_type, extra, kind, operation, before, after):
    made = setup.change(activity(event, extra, object_type), {}, "USD")
    assert (made.entity_type, made.operation) == (kind, operation)
    assert (json.loads(made.before), json.loads(made.after)) == (before, after)


def test_a_change_has_one_id_whenever_it_is_read_and_its_own():
    node = activity("update_campaign_budget", {"old_value": 1, "new_value": 2})
    other = activity("update_campaign_budget", {"old_value": 1, "new_value": 3})
    assert setup.change(node, {}, "USD").change == setup.change(dict(node), {"7": "7"}, "EUR").change
    assert setup.change(node, {}, "USD").change != setup.change(other, {}, "USD").change


def test_values_that_are_no_json_are_kept_as_they_are():
    made = setup.change(activity("unknown", {}, extra_data="whatever"), {}, "USD")
    assert json.loads(made.after) == {"text": "whatever"}


def study(**more):
    cells = [
        {
            "id": "21",
            "name": "Old",
            "treatment_percentage": 40,
            "campaigns": {"data": [{"id": "8"}, {"id": "7"}]},
        },
        {"id": "22", "name": "New", "treatment_percentage": 60, "adsets": {"data": [{"campaign_id": "9"}]}},
    ]
    return {
        "id": "20", "name": "Headline", "type": "SPLIT_TEST", "cells": {"data": cells},
        "start_time": "2026-11-01T00:00:00-0700", "end_time": "2026-11-30T23:59:59-0800", **more,
    }  # fmt: skip


def test_the_arms_of_a_split_test():
    now = datetime(2026, 11, 23, tzinfo=UTC)
    old, new = setup.experiment(study(), account(), now)
    assert (old.arm, old.control, old.split, old.campaigns) == ("21", True, 0.4, "7,8")
    assert (new.arm, new.control, new.split, new.campaigns) == ("22", False, 0.6, "9")
    assert (old.status, old.starts, old.ends) == ("running", date(2026, 11, 1), date(2026, 11, 30))
    assert {old.goals, new.goals} == {"cpa:decrease"}  # Meta finds the winner by the cost per result


@pytest.mark.parametrize(
    ("now", "more", "status"),
    [
        (datetime(2026, 10, 1, tzinfo=UTC), {}, "scheduled"),
        (datetime(2026, 12, 1, 8, tzinfo=UTC), {}, "ended"),
        (datetime(2026, 11, 23, tzinfo=UTC), {"canceled_time": "2026-11-20T00:00:00-0800"}, "canceled"),
    ],
)
def test_how_a_test_stands(now, more, status):
    assert {arm.status for arm in setup.experiment(study(**more), account(), now)} == {status}


def test_a_marked_control_is_the_control():
    node = study()
    node["cells"]["data"][1]["control_percentage"] = 60
    old, new = setup.experiment(node, account(), datetime(2026, 11, 23, tzinfo=UTC))
    assert (old.control, new.control) == (False, True)
