"""Figures against the world's own cells and events, summed by hand on the account's calendar."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from sandbox.google_attributes import ATTRIBUTES
from sandbox.google_check import Plan
from sandbox.google_errors import VERSIONS, types
from sandbox.google_fields import catalogue
from sandbox.google_rows import RowWriter
from sandbox.google_shares import _told
from sandbox.model import DEVICES, NETWORKS
from tests.sandbox.google_kit import BERLIN, NEW_YORK, NOW, ROOT, TOKYO, records, report, world


@pytest.fixture(scope="module")
def of():
    return world()


def rows(of, query, customer=BERLIN):
    return records(report(of, customer, query))


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Berlin's clock goes back on 25 October at 01:00 UTC, New York's on 1 November at 06:00 UTC; Tokyo's never.
DAYS = {
    (BERLIN, "2026-10-25"): ("2026-10-24T22:00", "2026-10-25T23:00"),
    (BERLIN, "2026-11-11"): ("2026-11-10T23:00", "2026-11-11T23:00"),
    (NEW_YORK, "2026-11-01"): ("2026-11-01T04:00", "2026-11-02T05:00"),
    (NEW_YORK, "2026-10-31"): ("2026-10-31T04:00", "2026-11-01T04:00"),
    (TOKYO, "2026-11-01"): ("2026-10-31T15:00", "2026-11-01T15:00"),
}


@pytest.mark.parametrize(("customer", "day"), DAYS)
def test_a_day_of_each_campaign(of, customer, day):
    start, end = map(utc, DAYS[customer, day])
    expected = defaultdict(lambda: [0, 0, 0, Fraction(0), 0])
    traffic = of.traffic(customer, start=start, end=end, as_of=NOW)
    for n, campaign in enumerate(traffic.campaign):
        one = expected[int(campaign)]
        one[0] += int(traffic.impressions[n])
        one[1] += int(traffic.clicks[n])
        one[2] += int(traffic.cost_micros[n])
    primary = {a.id for a in of.conversion_actions(customer) if a.primary}
    found = of.conversions(customer, start=start, end=end, as_of=NOW)
    for n, campaign in enumerate(found.campaign):
        if int(found.action[n]) in primary:
            expected[int(campaign)][3] += round(Fraction(float(found.quantity[n])), 6)
            expected[int(campaign)][4] += int(found.value_micros[n])
    got = rows(
        of,
        "SELECT campaign.id, segments.date, metrics.impressions, metrics.clicks, metrics.cost_micros, "
        "metrics.conversions, metrics.conversions_value FROM campaign "
        f"WHERE segments.date = '{day}'",
        customer,
    )
    assert {row["campaign.id"] for row in got} == set(expected)
    for row in got:
        impressions, clicks, cost, conversions, value = expected[row["campaign.id"]]
        assert row["segments.date"] == day
        assert row["metrics.impressions"] == impressions
        assert row["metrics.clicks"] == clicks
        assert row["metrics.cost_micros"] == cost
        assert row["metrics.conversions"] == float(conversions)
        assert row["metrics.conversions_value"] == value / 1e6
    assert sum(row["metrics.conversions"] for row in got) > 0


@pytest.mark.parametrize(
    ("customer", "day", "repeated", "both"),
    [
        (BERLIN, "2026-10-25", 2, ("2026-10-25T00:00", "2026-10-25T01:00")),
        (NEW_YORK, "2026-11-01", 1, ("2026-11-01T05:00", "2026-11-01T06:00")),
    ],
)
def test_the_hour_that_a_clock_repeats_is_one_hour(of, customer, day, repeated, both):
    got = rows(
        of,
        f"SELECT segments.hour, metrics.impressions FROM customer WHERE segments.date = '{day}'",
        customer,
    )
    assert [row["segments.hour"] for row in got] == list(range(24))
    first, second = map(utc, both)
    traffic = of.traffic(customer, start=first, end=second + timedelta(hours=1), as_of=NOW)
    assert set(traffic.hour) == {int(first.timestamp()) // 3600, int(second.timestamp()) // 3600}
    assert got[repeated]["metrics.impressions"] == traffic.impressions.sum()
    start, end = map(utc, DAYS[customer, day])
    whole = of.traffic(customer, start=start, end=end, as_of=NOW).impressions.sum()
    assert sum(row["metrics.impressions"] for row in got) == whole


SPAN = "WHERE segments.date BETWEEN '2026-10-20' AND '2026-11-02'"
MEASURES = (
    "metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value"
)


def totals(got):
    return [
        sum(row[name.strip()] for row in got)
        if "conv" not in name
        else round(sum(row[name.strip()] for row in got), 4)
        for name in MEASURES.split(",")
    ]


@pytest.mark.parametrize(
    "split",
    [
        "segments.date",
        "segments.date, segments.hour",
        "segments.device",
        "segments.ad_network_type, segments.device",
        "segments.week",
        "segments.month, segments.quarter, segments.year",
        "segments.day_of_week, segments.month_of_year",
    ],
)
def test_every_split_adds_up_to_the_whole(of, split):
    whole = rows(of, f"SELECT {MEASURES} FROM customer {SPAN}")
    parts = rows(of, f"SELECT campaign.id, {split}, {MEASURES} FROM campaign {SPAN}")
    assert totals(parts) == totals(whole)
    keys = [tuple(value for name, value in row.items() if not name.startswith("metrics.")) for row in parts]
    assert len(set(keys)) == len(keys)


def test_groups_and_ads_and_keywords_add_up_to_their_campaigns(of):
    whole = {
        row["campaign.id"]: row
        for row in rows(
            of, f"SELECT campaign.id, campaign.advertising_channel_type, {MEASURES} FROM campaign {SPAN}"
        )
    }
    for resource, kinds in (
        ("ad_group", {"SEARCH", "SHOPPING", "DEMAND_GEN", "DISPLAY"}),
        ("ad_group_ad", {"SEARCH", "SHOPPING", "DEMAND_GEN", "DISPLAY"}),
        ("keyword_view", {"SEARCH"}),
        ("asset_group", {"PERFORMANCE_MAX"}),
    ):
        parts = rows(of, f"SELECT campaign.id, {MEASURES} FROM {resource} {SPAN}")
        assert {row["campaign.id"] for row in parts} == {
            id_ for id_, row in whole.items() if row["campaign.advertising_channel_type"] in kinds
        }
        for campaign in {row["campaign.id"] for row in parts}:
            mine = [row for row in parts if row["campaign.id"] == campaign]
            assert totals(mine) == totals([whole[campaign]])


def test_a_shared_budget_is_told_once_unless_its_campaigns_are_asked_for(of):
    once = rows(
        of, f"SELECT campaign_budget.id, campaign_budget.reference_count, {MEASURES} FROM campaign_budget"
    )
    assert sum(row["campaign_budget.reference_count"] for row in once) == 8
    assert len({row["campaign_budget.id"] for row in once}) == len(once) < 8
    each = rows(of, f"SELECT campaign_budget.id, campaign.id, {MEASURES} FROM campaign_budget")
    assert len(each) == 8
    assert totals(each) == totals(once)


def test_conversions_by_action(of):
    got = rows(
        of,
        "SELECT segments.conversion_action, segments.conversion_action_name, segments.conversion_action_category, "
        f"metrics.conversions, metrics.all_conversions, metrics.all_conversions_value FROM customer {SPAN}",
    )
    start, end = utc("2026-10-19T22:00"), utc("2026-11-02T23:00")
    found = of.conversions(BERLIN, start=start, end=end, as_of=NOW)
    categories = {"PURCHASE": "PURCHASE", "LEAD": "SUBMIT_LEAD_FORM", "ADD_TO_CART": "ADD_TO_CART"}
    actions = {a.id: a for a in of.conversion_actions(BERLIN)}
    assert len(got) == 3
    for row in got:
        action = actions[int(row["segments.conversion_action"].rpartition("/")[2])]
        mine = found.action == action.id
        total = round(float(found.quantity[mine].sum()), 4)
        assert row["segments.conversion_action_name"] == action.name
        assert row["segments.conversion_action_category"] == categories[action.category]
        assert round(row["metrics.all_conversions"], 4) == total
        # What the account does not count is in all conversions alone.
        assert round(row["metrics.conversions"], 4) == (total if action.primary else 0.0)
        assert row["metrics.all_conversions_value"] == found.value_micros[mine].sum() / 1e6


def test_conversions_by_their_own_date(of):
    """What came in on a day whatever its click's: another figure than what that day's clicks led to."""
    start, end = map(utc, DAYS[BERLIN, "2026-11-11"])
    got = rows(
        of,
        "SELECT metrics.conversions, metrics.conversions_by_conversion_date, "
        "metrics.conversions_value_by_conversion_date FROM customer WHERE segments.date = '2026-11-11'",
    )[0]
    primary = [a.id for a in of.conversion_actions(BERLIN) if a.primary]

    def summed(by):
        found = of.conversions(BERLIN, start=start, end=end, as_of=NOW, by=by)
        mine = [n for n, action in enumerate(found.action) if action in primary]
        return round(float(found.quantity[mine].sum()), 4), float(found.value_micros[mine].sum() / 1e6)

    assert round(got["metrics.conversions"], 4) == summed("click")[0]
    assert (
        round(got["metrics.conversions_by_conversion_date"], 4),
        got["metrics.conversions_value_by_conversion_date"],
    ) == summed("conversion")
    assert got["metrics.conversions"] != got["metrics.conversions_by_conversion_date"]


def test_lag_buckets_hold_all_conversions(of):
    got = rows(of, f"SELECT segments.conversion_lag_bucket, metrics.all_conversions FROM customer {SPAN}")
    whole = rows(of, f"SELECT metrics.all_conversions FROM customer {SPAN}")[0]["metrics.all_conversions"]
    found = of.conversions(BERLIN, start=utc("2026-10-19T22:00"), end=utc("2026-11-02T23:00"), as_of=NOW)
    by = {row["segments.conversion_lag_bucket"]: row["metrics.all_conversions"] for row in got}
    assert round(sum(by.values()), 3) == round(whole, 3)
    assert round(by["LESS_THAN_ONE_DAY"], 4) == round(float(found.quantity[found.delay_hours < 24].sum()), 4)
    third = (found.delay_hours >= 48) & (found.delay_hours < 72)
    assert round(by["TWO_TO_THREE_DAYS"], 4) == round(float(found.quantity[third].sum()), 4)


def test_ratios_are_ratios_of_sums(of):
    row = rows(
        of,
        "SELECT metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, "
        "metrics.conversions_value, metrics.ctr, metrics.average_cpc, metrics.average_cpm, "
        "metrics.cost_per_conversion, metrics.conversions_from_interactions_rate, metrics.interactions, "
        f"metrics.value_per_conversion FROM customer {SPAN}",
    )[0]
    impressions, clicks = row["metrics.impressions"], row["metrics.clicks"]
    cost, conversions = row["metrics.cost_micros"], row["metrics.conversions"]
    value = row["metrics.conversions_value"]
    assert row["metrics.interactions"] == clicks
    assert row["metrics.ctr"] == pytest.approx(clicks / impressions)
    assert row["metrics.average_cpc"] == pytest.approx(cost / clicks)
    assert row["metrics.average_cpm"] == pytest.approx(cost / impressions * 1000)
    assert row["metrics.cost_per_conversion"] == pytest.approx(cost / conversions)
    assert row["metrics.conversions_from_interactions_rate"] == pytest.approx(conversions / clicks)
    assert row["metrics.value_per_conversion"] == pytest.approx(value / conversions)
    row = rows(
        of,
        "SELECT asset_group.id, metrics.cost_micros, metrics.conversions_value, "
        f"metrics.conversions_value_per_cost FROM asset_group {SPAN}",
    )[0]
    value, cost = row["metrics.conversions_value"], row["metrics.cost_micros"]
    assert row["metrics.conversions_value_per_cost"] == pytest.approx(value * 1e6 / cost)


def test_impression_shares(of):
    auctions = of.auctions(BERLIN, first=date(2026, 11, 1), last=date(2026, 11, 7), as_of=NOW)
    got = rows(
        of,
        "SELECT campaign.id, campaign.advertising_channel_type, metrics.search_impression_share, "
        "metrics.search_budget_lost_impression_share, metrics.content_impression_share FROM campaign "
        "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-07'",
    )
    assert len(got) == 8
    for row in got:
        mine = auctions.campaign == row["campaign.id"]
        eligible = auctions.eligible[mine].sum()
        share = auctions.impressions[mine].sum() / eligible
        lost = (auctions.lost_to_budget * auctions.eligible)[mine].sum() / eligible
        display = row["campaign.advertising_channel_type"] in {"DISPLAY", "DEMAND_GEN"}
        assert row["metrics.search_impression_share"] == (
            None if display else pytest.approx(max(share, 0.0999))
        )
        assert row["metrics.search_budget_lost_impression_share"] == (
            None if display else pytest.approx(lost)
        )
        assert row["metrics.content_impression_share"] == (pytest.approx(share) if display else None)


def test_shares_of_a_day_are_told_on_the_next(of):
    """Eighteen hours after the day's end; 11 November ended at 23:00 UTC, sixteen hours before now."""
    query = "SELECT segments.date, metrics.impressions, metrics.search_impression_share FROM customer "
    got = rows(of, query + "WHERE segments.date BETWEEN '2026-11-10' AND '2026-11-12'")
    assert [row["metrics.search_impression_share"] is not None for row in got] == [True, False, False]


def test_extreme_shares_are_blurred():
    assert [_told("won", share) for share in (0.02, 0.0999, 0.1, 0.95)] == [0.0999, 0.0999, 0.1, 0.95]
    assert [_told("lost_to_budget", share) for share in (0.02, 0.9, 0.97)] == [0.02, 0.9, 0.9001]


def test_zero_rows_come_without_segments_only(of):
    tomorrow = "WHERE segments.date = '2026-11-13'"
    assert [
        row["metrics.clicks"]
        for row in rows(of, f"SELECT campaign.id, metrics.clicks FROM campaign {tomorrow}")
    ] == [0] * 8
    assert rows(of, f"SELECT campaign.id, segments.date, metrics.clicks FROM campaign {tomorrow}") == []
    hours = "SELECT segments.hour, {} FROM ad_group WHERE segments.date = '2026-11-11'"
    shown = rows(of, hours.format("metrics.impressions"))
    clicked = rows(of, hours.format("metrics.clicks"))
    assert len(clicked) == sum(row["metrics.clicks"] > 0 for row in clicked) < len(shown)


def test_conditions_order_and_limit(of):
    got = rows(
        of,
        "SELECT campaign.name, segments.device, metrics.cost_micros FROM campaign "
        f"{SPAN} AND campaign.advertising_channel_type = SEARCH AND segments.device IN (MOBILE, TABLET) "
        "AND metrics.clicks > 500 ORDER BY segments.device DESC, metrics.cost_micros LIMIT 3",
    )
    everything = rows(
        of,
        "SELECT campaign.name, campaign.advertising_channel_type, segments.device, metrics.cost_micros, "
        f"metrics.clicks FROM campaign {SPAN}",
    )
    left = [
        (row["segments.device"], row["metrics.cost_micros"])
        for row in everything
        if row["campaign.advertising_channel_type"] == "SEARCH"
        and row["segments.device"] != "DESKTOP"
        and row["metrics.clicks"] > 500
    ]
    # DeviceEnum: MOBILE 2, TABLET 3.
    left.sort(key=lambda row: ({"TABLET": 0, "MOBILE": 1}[row[0]], row[1]))
    assert [(row["segments.device"], row["metrics.cost_micros"]) for row in got] == left[:3]


def test_segments_have_the_worlds_own_words(of):
    got = rows(of, f"SELECT segments.device, segments.ad_network_type, metrics.clicks FROM customer {SPAN}")
    assert {row["segments.device"] for row in got} == set(DEVICES)
    assert {row["segments.ad_network_type"] for row in got} == set(NETWORKS["google_ads"])


def test_the_hierarchy_has_each_client_once_and_nearest_first(of):
    query = "SELECT customer_client.id, customer_client.level, customer_client.manager FROM customer_client"
    got = [tuple(row.values()) for row in rows(of, query, int(ROOT))]
    assert got[0] == (int(ROOT), 0, True)
    assert {id_: level for id_, level, _ in got} == {
        int(ROOT): 0, 4024177471: 1, BERLIN: 1, NEW_YORK: 1, TOKYO: 2,
    }  # fmt: skip
    assert len(got) == 5
    assert [tuple(row.values()) for row in rows(of, query, BERLIN)] == [(BERLIN, 0, False)]


def test_changes_newest_first_on_the_accounts_clock(of):
    got = rows(
        of,
        "SELECT change_event.change_date_time, change_event.user_email, change_event.changed_fields, "
        "change_event.old_resource, change_event.new_resource, change_event.change_resource_name "
        "FROM change_event WHERE change_event.change_date_time DURING LAST_30_DAYS LIMIT 1000",
    )
    made = of.changes(BERLIN, start=utc("2026-10-12T22:00"), end=utc("2026-11-11T23:00"))[::-1]
    assert len(got) == len(made) > 3
    for row, event in zip(got, made, strict=True):
        local = event.at + timedelta(hours=2 if event.at < utc("2026-10-25T01:00") else 1)
        assert row["change_event.change_date_time"] == local.strftime("%Y-%m-%d %H:%M:%S.%f")
        assert row["change_event.user_email"] == event.actor
        assert row["change_event.change_resource_name"].endswith(f"/{event.entity}")
        if "amount_micros" in event.after:
            assert row["change_event.changed_fields"] == ["amount_micros"]
            assert (
                row["change_event.new_resource"]["campaign_budget"]["amount_micros"]
                == event.after["amount_micros"]
            )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_attribute_can_be_written_at_every_version(of, version):
    """Each field that has a value fits the message of the version: name, type and enum constant."""
    known = catalogue(version)
    late = {
        "change_event": "change_event.change_date_time",
        "change_status": "change_status.last_change_date_time",
    }
    for resource, attributes in ATTRIBUTES.items():
        query = f"SELECT {', '.join(f'{resource}.{name}' for name in attributes)} FROM {resource}"
        if resource in late:
            query += f" WHERE {late[resource]} DURING LAST_30_DAYS LIMIT 100"
        found = report(of, BERLIN, query, version=version)
        assert isinstance(found.plan, Plan)
        written = types(version, "services.types.google_ads_service").SearchGoogleAdsResponse.pb()()
        RowWriter(found).write(0, len(found), written.results)
        assert len(written.results) == len(found) > 0
        for field in found.plan.select:
            values = [v for v in found.attributes[field.name] if v not in (None, [])]
            if field.enum is not None:
                flat = [v for value in values for v in (value if field.repeated else [value])]
                assert set(flat) <= set(field.enum), field.name
        assert known.version == version


def test_an_experiments_days_add_up_and_its_effect_is_that_of_its_arms(of):
    told = "metrics.clicks, metrics.control_clicks, metrics.clicks_point_estimate, metrics.clicks_p_value"
    (whole,) = rows(of, f"SELECT {told} FROM experiment")
    clicks, control, effect, p = (whole[name] for name in told.split(", "))
    assert clicks > 0
    assert effect == pytest.approx(clicks / control - 1)
    assert 0 <= p <= 1
    recent = "FROM experiment WHERE segments.date DURING LAST_7_DAYS"
    (week,) = rows(of, f"SELECT {told} {recent}")
    days = rows(of, f"SELECT segments.date, {told} {recent}")
    assert 1 < len(days) <= 7
    assert sum(day["metrics.clicks"] for day in days) == week["metrics.clicks"] <= clicks
    # Of a single day nothing can be told.
    assert not any(day.get("metrics.clicks_p_value") for day in days)
