"""The connector against the sandbox's Graph over TLS, its figures against the world's own cells and events."""

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Account, Window
from connectors.errors import Unauthorized, Unexpected
from connectors.meta_ads import MetaAds, Settings
from tests.connectors.meta_kit import connector, fetched
from tests.sandbox.meta_kit import NEW_YORK_ID, NOW

DAY = timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
# In New York 2026-11-21 runs from 05:00 to 05:00 UTC.
SATURDAY = (datetime(2026, 11, 21, 5, tzinfo=UTC), datetime(2026, 11, 22, 5, tzinfo=UTC))
# There the clock goes back on 2026-11-01, a day of 25 hours from UTC-4 to UTC-5.
FALL_BACK = (datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC))
WEEK = (datetime(2026, 11, 15, 5, tzinfo=UTC), datetime(2026, 11, 22, 5, tzinfo=UTC))


@pytest.fixture(scope="module")
def shop(sandbox):
    """The account in New York."""
    return next(a for a in connector(sandbox).accounts() if a.id == str(NEW_YORK_ID))


def hours(sandbox, start, end, as_of=NOW):
    """(impressions, clicks, cost in micros) by campaign and hour, straight from the world."""
    traffic = sandbox.world.traffic(NEW_YORK_ID, start=start, end=end, as_of=as_of)
    columns = (traffic.campaign, traffic.hour, traffic.impressions, traffic.clicks, traffic.cost_micros)
    found = defaultdict(lambda: (0, 0, 0))
    for campaign, hour, *measures in zip(*(column.tolist() for column in columns), strict=True):
        key = str(campaign), datetime.fromtimestamp(hour * 3600, UTC)
        found[key] = tuple(a + b for a, b in zip(found[key], measures, strict=True))
    return found


def converted(sandbox, start, end, *, categories, clicks=168, views=24, as_of=NOW):
    """(count, micros) by campaign, straight from the world: clicks and views within so many hours."""
    events = sandbox.world.conversions(NEW_YORK_ID, start=start, end=end, as_of=as_of)
    kinds = {action.id: action.category for action in sandbox.world.conversion_actions(NEW_YORK_ID)}
    found = defaultdict(lambda: (0, 0))
    columns = (events.campaign, events.action, events.view, events.delay_hours, events.value_micros)
    for campaign, action, view, delay, value in zip(*(c.tolist() for c in columns), strict=True):
        if kinds[action] in categories and delay < (views if view else clicks):
            count, worth = found[str(campaign)]
            found[str(campaign)] = count + 1, worth + value
    return dict(found)


def total(rows, *measures, by=("campaign",)):
    found = defaultdict(lambda: [0] * len(measures))
    for row in rows:
        cell = found[row[by[0]] if len(by) == 1 else tuple(row[name] for name in by)]
        for place, measure in enumerate(measures):
            cell[place] += row[measure]
    return {name: tuple(cell) for name, cell in found.items()}


# Accounts


def test_accounts_as_meta_describes_them(sandbox):
    found = {a.id: a for a in connector(sandbox).accounts()}
    want = {str(a.id): a for a in sandbox.world.advertisers("meta", at=NOW)}
    assert found.keys() == want.keys()
    for number, account in found.items():
        assert (account.source, account.currency) == ("meta_ads", want[number].currency)
        assert (account.name, account.timezone) == (want[number].name, want[number].timezone)


def test_only_those_that_are_named_and_what_is_out_of_reach_stops_nothing(sandbox):
    source = connector(sandbox, accounts=[f"act_{NEW_YORK_ID}", "999"])
    assert [account.id for account in source.accounts()] == [str(NEW_YORK_ID)]
    assert list(source.unreachable) == ["999"]
    assert "access to the ad account" in source.unreachable["999"].mend
    with pytest.raises(Unauthorized):
        list(connector(sandbox, accounts=["999"]).accounts())


def test_a_stopped_account_is_listed_and_says_why_it_is_stopped(sandbox, shop):
    book = sandbox.incidents
    started = book.start("account_suspended", at=NOW - DAY, advertiser=NEW_YORK_ID, lasts=2 * DAY)
    try:
        source = connector(sandbox)
        assert str(NEW_YORK_ID) in {account.id for account in source.accounts()}
        with pytest.raises(Unauthorized, match="is disabled") as failed:
            source.check(shop)
        assert "Account quality" in failed.value.mend
        with pytest.raises(Unauthorized, match="is disabled"):
            fetched(source, "delivery", shop, *SATURDAY)
        assert fetched(source, "day_totals", shop, *SATURDAY)  # the past can still be read
    finally:
        book.stop(started.id, at=NOW)
    connector(sandbox).check(shop)


# Delivery


def test_hours_are_the_worlds_hours(sandbox, shop):
    rows = fetched(connector(sandbox), "delivery", shop, *SATURDAY)
    want = hours(sandbox, *SATURDAY)
    got = {(r["campaign"], r["hour"]): (r["impressions"], r["clicks"], r["cost"]) for r in rows}
    assert got == want
    assert len(got) == len(rows) > 0
    for row in rows:
        assert (row["day"], row["hour_of_day"]) == (date(2026, 11, 21), (row["hour"].hour - 5) % 24)


def test_hours_have_no_conversions_rather_than_too_few(sandbox, shop):
    rows = fetched(connector(sandbox), "delivery", shop, *SATURDAY)
    assert {(row["conversions"], row["conversion_value"]) for row in rows} == {(None, None)}


def test_a_window_within_a_day_has_its_own_hours(sandbox, shop):
    start = SATURDAY[0] + timedelta(hours=7, minutes=30)
    rows = fetched(connector(sandbox), "delivery", shop, start, SATURDAY[0] + timedelta(hours=9, minutes=1))
    assert {row["hour_of_day"] for row in rows} == {8, 9}  # hours that begin in [07:30, 09:01)


def test_the_hour_that_comes_twice_stands_at_the_first(sandbox, shop):
    rows = fetched(connector(sandbox), "delivery", shop, *FALL_BACK)
    want = hours(sandbox, *FALL_BACK)
    first, second = datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert {row["hour_of_day"] for row in rows} == set(range(24))
    assert second not in {row["hour"] for row in rows}
    for row in rows:
        if row["hour"] == first:
            assert row["hour_of_day"] == 1
            both = zip(want[row["campaign"], first], want[row["campaign"], second], strict=True)
            assert (row["impressions"], row["clicks"], row["cost"]) == tuple(a + b for a, b in both)
    spent = total(rows, "impressions", "clicks", "cost")
    for campaign, sums in spent.items():
        assert sums == tuple(
            sum(cell[m] for (owner, _), cell in want.items() if owner == campaign) for m in range(3)
        )


def test_a_report_run_brings_what_single_days_bring(sandbox, shop):
    """Seven days come by a run, each day at once; the runs' rows come in pages of their own."""
    waits = []
    source = connector(sandbox, wait=waits.append)
    week = fetched(source, "delivery", shop, *WEEK)
    assert waits  # a run was looked at
    days = [
        row
        for n in range(7)
        for row in fetched(connector(sandbox), "delivery", shop, WEEK[0] + n * DAY, WEEK[0] + (n + 1) * DAY)
    ]

    def key(row):
        return row["campaign"], row["hour"]

    assert sorted(week, key=key) == sorted(days, key=key)
    assert {key(row) for row in week} == set(hours(sandbox, *WEEK))


def test_the_past_is_restated(sandbox, shop):
    """The same Saturday as it was told on Saturday night and two days later."""
    early = SATURDAY[1]
    sandbox.clock.set(early, frozen=True)
    try:
        before = fetched(connector(sandbox, now=early), "delivery", shop, *SATURDAY)
        counts = fetched(connector(sandbox, now=early), "day_totals", shop, *SATURDAY)
    finally:
        sandbox.clock.set(NOW, frozen=True)
    after = fetched(connector(sandbox), "delivery", shop, *SATURDAY)
    want = hours(sandbox, *SATURDAY, as_of=early)
    assert {(r["campaign"], r["hour"]): r["cost"] for r in before} == {k: v[2] for k, v in want.items()}
    assert before != after
    later = fetched(connector(sandbox), "day_totals", shop, *SATURDAY)
    assert sum(r["conversions"] for r in later) > sum(r["conversions"] for r in counts)


# Conversions


def test_a_purchase_is_counted_once(sandbox, shop):
    rows = fetched(connector(sandbox), "day_totals", shop, *WEEK)
    bought = [row for row in rows if row["action"] == "purchase"]
    want = converted(sandbox, *WEEK, categories={"PURCHASE"})
    assert total(bought, "conversions", "conversion_value") == want
    assert {(row["category"], row["primary"]) for row in bought} == {("purchase", True)}
    assert {row["day"] for row in bought} <= set(Window(*WEEK).days(NEW_YORK))
    asked = {"level": "account", "fields": "actions"}
    asked |= {"time_range": json.dumps({"since": "2026-11-15", "until": "2026-11-21"})}
    told = connector(sandbox)._graph.get((f"act_{NEW_YORK_ID}", "insights"), asked)
    naive = sum(int(a["value"]) for a in told["data"][0]["actions"] if "purchase" in a["action_type"])
    assert naive > 2 * sum(count for count, _ in want.values())  # what adding up the list would say


def test_events_have_their_categories(sandbox, shop):
    rows = fetched(connector(sandbox), "day_totals", shop, *WEEK)
    keys = Counter((row["campaign"], row["action"], row["day"]) for row in rows)
    assert set(keys.values()) == {1}
    told = {(row["action"], row["category"], row["primary"]) for row in rows}
    assert told <= {
        ("purchase", "purchase", True),
        ("lead", "lead", True),
        ("add_to_cart", "cart", False),
        ("complete_registration", "signup", False),
        ("contact", "contact", False),
    }
    for action, category in (("add_to_cart", "ADD_TO_CART"), ("lead", "LEAD"), ("contact", "CONTACT")):
        mine = [row for row in rows if row["action"] == action]
        want = converted(sandbox, *WEEK, categories={category})
        assert {name: sums[0] for name, sums in total(mine, "conversions").items()} == {
            name: count for name, (count, _) in want.items()
        }


@pytest.mark.parametrize(
    ("windows", "clicks", "views"),
    [
        (("7d_click", "1d_view"), 168, 24),
        (("7d_click",), 168, 0),
        (("1d_click",), 24, 0),
        (("28d_click", "1d_view"), 672, 24),
        ((), 168, 24),  # the ad sets' own setting, which is the default everywhere in this world
    ],
)
def test_conversions_count_in_the_windows_that_were_asked_for(sandbox, shop, windows, clicks, views):
    source = connector(sandbox, attribution_windows=windows)
    rows = [r for r in fetched(source, "day_totals", shop, *WEEK) if r["action"] == "purchase"]
    want = converted(sandbox, *WEEK, categories={"PURCHASE"}, clicks=clicks, views=views)
    got = total(rows, "conversions", "conversion_value")
    assert {name: sums for name, sums in got.items() if any(sums)} == want
    told = ",".join(windows) or "ad sets' own windows"
    assert source.usage.api_version == f"v26.0 {told}"


def test_ads_and_segments_add_up_to_their_campaigns(sandbox, shop):
    measures = ("impressions", "clicks", "cost")
    source = connector(sandbox)
    by_hour = total(fetched(source, "delivery", shop, *WEEK), *measures, by=("campaign", "day"))
    events = [row for row in fetched(source, "day_totals", shop, *WEEK) if row["primary"]]
    counted = total(events, "conversions", "conversion_value")
    for stream in ("ad_delivery", "segment_delivery"):
        rows = fetched(source, stream, shop, *WEEK)
        assert total(rows, *measures, by=("campaign", "day")) == by_hour
        sums = total(rows, "conversions", "conversion_value")
        assert {name: cell for name, cell in sums.items() if any(cell)} == counted
    assert {row["network"] for row in rows} == {"facebook", "instagram", "audience_network"}
    assert {"iphone", "desktop"} <= {row["device"] for row in rows}


def test_what_counts_as_a_conversion_can_be_told(sandbox, shop):
    source = connector(sandbox, primary=["add_to_cart"])
    events = fetched(source, "day_totals", shop, *SATURDAY)
    assert {row["action"] for row in events if row["primary"]} == {"add_to_cart"}
    carts = sum(row["conversions"] for row in events if row["action"] == "add_to_cart")
    assert sum(row["conversions"] for row in fetched(source, "ad_delivery", shop, *SATURDAY)) == carts > 0


# Context and set-up


def test_reach_frequency_and_rankings(sandbox, shop):
    rows = fetched(connector(sandbox), "auction", shop, *WEEK)
    found = sandbox.world.auctions(NEW_YORK_ID, first=date(2026, 11, 15), last=date(2026, 11, 21), as_of=NOW)
    columns = (found.campaign, found.day, found.impressions, found.reach)
    want = {
        (str(campaign), date(1970, 1, 1) + timedelta(days=day)): (impressions, reach)
        for campaign, day, impressions, reach in zip(*(c.tolist() for c in columns), strict=True)
    }
    assert {(r["campaign"], r["day"]): (r["impressions"], r["reach"]) for r in rows} == want
    for row in rows:
        assert row["frequency"] == pytest.approx(row["impressions"] / row["reach"], abs=1e-6)
    words = {row[f"{name}_ranking"] for row in rows for name in ("quality", "engagement", "conversion")}
    assert words & {"average", "above_average", "below_average_10", "below_average_20", "below_average_35"}
    assert "unknown" not in words


def test_campaigns_and_ads_as_they_are_set_up(sandbox, shop):
    source = connector(sandbox)
    campaigns = {row["campaign"]: row for row in fetched(source, "campaigns", shop, *SATURDAY)}
    for one in sandbox.world.campaigns(NEW_YORK_ID, at=NOW):
        row = campaigns.pop(str(one.id))
        assert (row["name"], row["status"]) == (one.name, one.status.lower())
        assert (row["starts"], row["ends"]) == (one.starts, one.ends)
        assert row["labels"] == ",".join(sorted(one.labels))
        assert row["channel"] == one.kind
    assert campaigns == {}
    ads = {row["ad"]: row for row in fetched(source, "ads", shop, *SATURDAY)}
    groups = {group.id: group for group in sandbox.world.ad_groups(NEW_YORK_ID, at=NOW)}
    for one in sandbox.world.ads(NEW_YORK_ID, at=NOW):
        row = ads.pop(str(one.id))
        assert (row["ad_name"], row["final_url"]) == (one.name, one.final_url)
        assert (row["campaign"], row["ad_group"]) == (str(one.campaign), str(one.ad_group))
        assert row["ad_group_name"] == groups[one.ad_group].name
        assert ("rejected" in row["serving"]) == (one.review == "DISAPPROVED")
    assert ads == {}


def test_budgets_where_they_sit(sandbox, shop):
    rows = {row["budget"]: row for row in fetched(connector(sandbox), "budgets", shop, *SATURDAY)}
    held = {budget.id: budget for budget in sandbox.world.budgets(NEW_YORK_ID, at=NOW)}
    holders = [*sandbox.world.campaigns(NEW_YORK_ID, at=NOW), *sandbox.world.ad_groups(NEW_YORK_ID, at=NOW)]
    levels = set()
    for holder in holders:
        if not holder.budget:
            continue
        row, budget = rows.pop(str(holder.id)), held[holder.budget]
        cents = (budget.amount_micros + 5_000) // 10_000 * 10_000
        assert row["amount"] == (cents if holder.status == "ENABLED" or row["level"] == "campaign" else 0)
        assert row["period"] == {"DAILY": "daily", "TOTAL": "total"}[budget.period]
        assert row["campaign"] == str(getattr(holder, "campaign", holder.id))
        levels.add(row["level"])
    assert rows == {}
    assert levels == {"campaign", "ad_group"}


def test_changes_are_told_once_with_their_campaign(sandbox, shop):
    start, end = NOW - 28 * DAY, NOW
    rows = fetched(connector(sandbox), "changes", shop, start, end)
    want = sandbox.world.changes(NEW_YORK_ID, start=start, end=end)
    assert Counter((row["at"], row["campaign"], row["actor"]) for row in rows) == Counter(
        (change.at.replace(microsecond=0), str(change.campaign), change.actor) for change in want
    )
    assert len({row["change"] for row in rows}) == len(rows) > 0
    assert fetched(connector(sandbox), "changes", shop, start, end) == rows
    half = start + (end - start) / 2
    parts = [*fetched(connector(sandbox), "changes", shop, start, half)]
    parts += fetched(connector(sandbox), "changes", shop, half, end)
    assert {row["change"] for row in parts} == {row["change"] for row in rows}


def test_tests_that_meta_runs(sandbox):
    tried = 0
    for account in connector(sandbox).accounts():
        rows = fetched(connector(sandbox), "experiments", account, *SATURDAY)
        for test in sandbox.world.experiments(int(account.id), at=NOW):
            arms = {row["arm"]: row for row in rows if row["experiment"] == str(test.id)}
            for number, name, control, share, campaigns in test.arms:
                row = arms.pop(str(number))
                assert (row["arm_name"], row["control"]) == (name, control)
                assert row["split"] == pytest.approx(share)
                assert row["campaigns"] == ",".join(sorted(map(str, campaigns)))
            assert arms == {}
            tried += 1
    assert tried, "no test in this world"


# What may go wrong


def test_an_empty_window_is_empty(sandbox, shop):
    long_ago = datetime(2026, 1, 5, 5, tzinfo=UTC)
    for stream in ("delivery", "day_totals", "ad_delivery", "segment_delivery", "auction", "changes"):
        assert fetched(connector(sandbox), stream, shop, long_ago, long_ago + DAY) == []


def test_a_reply_with_numbers_that_are_none_is_not_believed(script, waits):
    row = {"campaign_id": "1", "date_start": "2026-11-21", "impressions": "many", "spend": "1"}
    hour = {"hourly_stats_aggregated_by_advertiser_time_zone": "01:00:00 - 01:59:59"}
    script.says((200, {}, {"account_status": 1}), (200, {}, {"data": [row | hour]}))
    source = MetaAds(Settings(access_token="t", graph_url=script.url), now=NOW, wait=waits.append)
    account = some_account()
    with pytest.raises(Unexpected, match="delivery: the reply cannot be read") as failed:
        fetched(source, "delivery", account, *SATURDAY)
    assert failed.value.__context__ is None


def some_account():
    return Account("meta_ads", "1", "Shop", "USD", NEW_YORK)


def test_fractions_of_conversions_stay_exact(script, waits):
    entry = {"action_type": "omni_purchase", "value": "0.1", "7d_click": "0.1", "1d_view": "0.2"}
    row = {"campaign_id": "1", "date_start": "2026-11-21", "actions": [entry], "action_values": [entry]}
    script.says((200, {}, {"data": [row]}))
    source = MetaAds(Settings(access_token="t", graph_url=script.url), now=NOW, wait=waits.append)
    (got,) = fetched(source, "day_totals", some_account(), *SATURDAY)
    assert (got["conversions"], got["conversion_value"]) == (Decimal("0.300000"), 300_000)
