"""Who changed what, in words, and which of it may be behind a movement."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.contract import Window
from connectors.rows import Ad, Budget, Change
from metrics.changes import edits, suspects
from metrics.explain import explain
from tests.metrics.conftest import hour, midnight, named

DAY = midnight(date(2026, 11, 3))
NOW = Window(DAY, DAY + timedelta(days=1))
BEFORE = Window(DAY - timedelta(days=1), DAY)
BOTH = Window(BEFORE.start, NOW.end)


def changed(
    name,
    at,
    *,
    kind="campaign",
    entity="1",
    campaign="1",
    before=None,
    after=None,
    operation="update",
    actor="anna@example.com",
):
    return Change(
        name,
        DAY + at,
        actor,
        "google_ads_web_client",
        operation,
        kind,
        entity,
        campaign,
        "as the source says it",
        json.dumps(before or {}),
        json.dumps(after or {}),
    )


TEN = timedelta(hours=10, minutes=14)


@pytest.fixture
def accounts(store):
    store.account("google_ads", "g1")
    store.account("meta_ads", "m1", currency="USD")
    store.campaign("google_ads", "g1", named("1", "Brand Search DE"), named("2", "Shoes"))
    store.campaign("meta_ads", "m1", named("7", "Retargeting"))
    store.reply("google_ads", "g1", [Ad("1", "11", "111", "Exact", "Blue ad", "enabled", "")])
    store.reply("meta_ads", "m1", [Ad("7", "71", "711", "Lamps", "Video", "enabled", "")])
    store.reply(
        "google_ads",
        "g1",
        [
            Budget("b1", "1", "", "", 50_000_000, "daily", "campaign", shared=False),
            Budget("b2", "1", "", "Shared", 90_000_000, "daily", "campaign", shared=True),
            Budget("b2", "2", "", "Shared", 90_000_000, "daily", "campaign", shared=True),
        ],
    )
    store.reply("meta_ads", "m1", [Budget("71", "7", "71", "", 1, "total", "ad_group", shared=False)])
    return store


@pytest.mark.parametrize(
    ("source", "change", "kind", "scope", "what"),
    [
        (
            "google_ads",
            changed(
                "a",
                TEN,
                kind="campaign_budget",
                entity="b1",
                before={"amount_micros": 50_000_000},
                after={"amount_micros": 80_000_000},
            ),
            "budget",
            "Brand Search DE",
            "daily budget €50 → €80",
        ),
        (
            "google_ads",
            changed(
                "a",
                TEN,
                kind="campaign_budget",
                entity="b2",
                campaign="",
                before={"amount_micros": 1_234_500_000},
                after={"amount_micros": 99_990_000},
            ),
            "budget",
            "2 campaigns",
            "daily budget €1,234.50 → €99.99",
        ),
        (
            "google_ads",
            changed("a", TEN, before={"status": "ENABLED"}, after={"status": "PAUSED"}),
            "status",
            "Brand Search DE",
            "status enabled → paused",
        ),
        (
            "google_ads",
            changed(
                "a",
                TEN,
                before={"target_cpa.target_cpa_micros": 20_000_000, "name": "Old"},
                after={"target_cpa.target_cpa_micros": 31_500_000, "name": "Brand Search DE"},
            ),
            "bidding",
            "Brand Search DE",
            "name Old → Brand Search DE, target CPA €20 → €31.50",
        ),
        (
            "google_ads",
            changed(
                "a",
                TEN,
                kind="ad_group",
                entity="11",
                before={"cpc_bid_micros": 1_000_000},
                after={"cpc_bid_micros": 900_000},
            ),
            "bidding",
            "Brand Search DE",
            "ad group “Exact”: CPC bid €1 → €0.90",
        ),
        (
            "meta_ads",
            changed(
                "a",
                TEN,
                kind="ad_group",
                entity="71",
                campaign="7",
                before={"amount_micros": 59_400_000},
                after={"amount_micros": 92_400_000},
            ),
            "budget",
            "Retargeting",
            "ad set “Lamps”: total budget $59.40 → $92.40",
        ),
        (
            "meta_ads",
            changed(
                "a", TEN, kind="ad", entity="711", campaign="7", operation="create", after={"name": "Video"}
            ),
            "created",
            "Retargeting",
            "ad “Video” created",
        ),
        (
            "google_ads",
            changed("a", TEN, operation="remove"),
            "removed",
            "Brand Search DE",
            "campaign removed",
        ),
        (
            "google_ads",
            changed("a", TEN, before={"labels": ["x", "y"]}, after={"labels": ["z"]}),
            "other",
            "Brand Search DE",
            "labels 2 values → z",
        ),
        ("google_ads", changed("a", TEN, campaign=""), "other", "Brand Search DE", "as the source says it"),
        (
            "google_ads",
            changed(
                "a", TEN, kind="customer", campaign="", entity="g1", after={"auto_tagging_enabled": True}
            ),
            "other",
            "google_ads g1",
            "customer: auto tagging enabled none → True",
        ),
    ],
)
def test_a_change_in_words(accounts, source, change, kind, scope, what):
    account = {"google_ads": "g1", "meta_ads": "m1"}[source]
    accounts.reply(source, account, [change], window=BOTH)

    (edit,) = edits(accounts.warehouse, BOTH)
    assert (edit.kind, edit.scope, edit.what) == (kind, scope, what)
    assert edit.sentence == f"{scope}: {what}, anna@example.com"
    assert (edit.at, edit.via) == (DAY + TEN, "google ads web client")


def test_changes_of_a_window_the_newest_first_and_filtered(accounts):
    hours = [timedelta(hours=n) for n in (-25, -24, 5, 24)]
    accounts.reply(
        "google_ads",
        "g1",
        [changed(str(n), h) for n, h in enumerate(hours)],
        window=Window(DAY - timedelta(days=9), DAY + timedelta(days=9)),
    )
    accounts.reply("meta_ads", "m1", [changed("m", timedelta(hours=6), campaign="7")], window=BOTH)
    accounts.reply(
        "google_ads",
        "g1",
        [changed("b", timedelta(hours=7), kind="campaign_budget", entity="b2", campaign="")],
        window=Window(DAY + timedelta(hours=7), DAY + timedelta(hours=8)),
    )

    def ids(**where):
        return [e.id for e in edits(accounts.warehouse, BOTH, where)]

    assert ids() == ["b", "m", "2", "1"]
    assert ids(source="meta_ads") == ["m"]
    assert ids(account=["g1"]) == ["b", "2", "1"]
    # the shared budget belongs to both of its campaigns
    assert ids(source="google_ads", account="g1", campaign="2") == ["b"]
    assert (
        edits(accounts.warehouse, Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)))
        == []
    )


def test_suspects_are_near_in_scope_and_time(accounts, book):
    """Brand's spend falls by 90, Shoes' rises by 10: Brand moved nine tenths of what moved."""
    accounts.reply(
        "google_ads",
        "g1",
        [
            hour("1", "2026-11-02T09:00", impressions=10, clicks=1, cost=190),
            hour("2", "2026-11-02T09:00", impressions=10, clicks=1, cost=100),
            hour("1", "2026-11-03T09:00", impressions=10, clicks=1, cost=100),
            hour("2", "2026-11-03T09:00", impressions=10, clicks=1, cost=110),
        ],
    )
    accounts.reply(
        "google_ads",
        "g1",
        [
            changed("shoes now", timedelta(hours=8), campaign="2"),
            changed("brand now", timedelta(hours=7), campaign="1"),
            changed("brand the day before", timedelta(hours=-24), campaign="1"),
            changed("account now", timedelta(hours=6), campaign="", kind="customer", entity="g1"),
            changed("brand too late", timedelta(hours=24), campaign="1"),
        ],
        window=Window(BEFORE.start, NOW.end + timedelta(days=1)),
    )
    accounts.reply("meta_ads", "m1", [changed("elsewhere", timedelta(hours=8), campaign="7")], window=BOTH)
    wide = Window(BEFORE.start, NOW.end + timedelta(days=1))
    found = explain(accounts.warehouse, book["spend"], NOW, BEFORE, where={"account": "g1"})
    told = suspects(found, edits(accounts.warehouse, wide), NOW)

    assert [(s.edit.id, s.share, s.score) for s in told] == [
        ("account now", 1, 1),
        ("brand now", pytest.approx(0.9), pytest.approx(0.9)),
        ("brand the day before", pytest.approx(0.9), pytest.approx(0.45)),
        ("shoes now", pytest.approx(0.1), pytest.approx(0.1)),
        ("elsewhere", 0, 0),
    ]
    # where the movement is known by source only, time alone tells
    by_source = explain(accounts.warehouse, book["spend"], NOW, BEFORE, by="source", where={"account": "g1"})
    assert {s.share for s in suspects(by_source, edits(accounts.warehouse, BOTH), NOW)} == {None}
