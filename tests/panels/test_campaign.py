"""The Campaign page at every level and in every state, run by Streamlit against a real warehouse."""

from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from connectors.contract import Window
from connectors.rows import (
    AccountRow,
    Ad,
    AdDelivery,
    Auction,
    Budget,
    Campaign,
    Recommendation,
    SegmentDelivery,
)
from connectors.schema import Row, to_batch
from tests.panels.conftest import ASKED, NOW, ROOT, advise, failed, hours
from tests.panels.test_pages import text
from warehouse.store import Fetch, Slice

TODAY = NOW.date()


def opened(window: str = "", **query: str) -> AppTest:
    """The page at this address. A page switch in AppTest forgets bound widgets, so the window is picked."""
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60).run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("campaign.py").run()
    if window:
        next(g for g in app.get("button_group") if g.key == "url_win").set_value(window).run()
        assert app.session_state["url_win"] == window
    return app


def metric(app: AppTest, label: str):
    return next(m for m in app.metric if m.label == label)


@pytest.fixture
def drilled(filled: SimpleNamespace) -> SimpleNamespace:
    """Account 1's campaign has two ad groups with one ad each: 60 and 180 a day of its 240."""
    days = [TODAY - timedelta(days=n) for n in range(20)]
    filled.write(
        "google_ads",
        "1",
        [
            Ad("c1", "g1", "a1", "Shoes", "Shoes | A", "enabled", "", "https://example.test/shoes"),
            Ad("c1", "g2", "a2", "Boots", "Boots | A", "enabled", "disapproved", ""),
            Ad("c1", "g2", "a3", "Boots", "Boots | B", "paused", "", ""),
        ],
    )
    filled.write(
        "google_ads",
        "1",
        [
            AdDelivery("c1", group, ad, day, 6000, 300, cost * 1_000_000, 6.0, 240_000_000)
            for day in days
            for group, ad, cost in (("g1", "a1", 60), ("g2", "a2", 180))
        ],
    )
    filled.write(
        "google_ads",
        "1",
        [
            SegmentDelivery("c1", device, "search", day, 6000, 300, cost * 1_000_000, 6.0, 240_000_000)
            for day in days
            for device, cost in (("mobile", 180), ("desktop", 60))
        ],
    )
    filled.write("google_ads", "1", [Auction("c1", day, 24_000, 0.6, 0.1, 0.3) for day in days])
    return filled


def later(running: SimpleNamespace, row: Row) -> None:
    """What a poll a minute later finds."""
    window = Window(NOW - timedelta(days=60), NOW)
    seen = ASKED + timedelta(minutes=1)
    kind = type(row)
    piece = Slice("google_ads", "1", kind.table, kind, window, ZoneInfo("UTC"))
    fetch = Fetch("google_ads", "1", kind.table, window, seen, 5, "ok")
    running.warehouse.write(piece, [to_batch(kind, [row])], seen_at=seen, vouched=NOW, fetch=fetch)
    running.state["version"] += 1


CAMPAIGN = {"source": "google_ads", "account": "1", "campaign": "c1"}


def test_a_campaign(drilled):
    app = opened(**CAMPAIGN)
    assert not app.exception
    assert app.subheader[0].value == r"DE \| Brand 1"
    assert [m.label for m in app.metric][:4] == ["Spend", "ROAS", "Conversions", "Conversion rate"]
    # 10 an hour, one conversion worth 40 an hour, 50 clicks an hour.
    assert metric(app, "Spend").value == (f"€{10 * NOW.hour}" if NOW.hour >= 10 else f"€{10 * NOW.hour:.2f}")
    assert metric(app, "ROAS").value == "4.00×"
    assert metric(app, "Conversions").value == str(NOW.hour)
    assert metric(app, "Conversion rate").value == "2.0 %"
    assert "vs same hours, 7-day average" in metric(app, "Spend").proto.delta_description
    groups = app.dataframe[0].value
    assert [v[0] for v in groups["name"]] == ["Boots", "Shoes"]
    assert groups["spend"].tolist() == [180.0, 60.0]
    assert groups["share"].tolist() == [75.0, 25.0]
    shown = text(app)
    assert r"**€240** a day" in shown
    assert "60 %" in shown  # impression share
    assert "Ads add up" not in " ".join(m.value for m in app.markdown)


def test_what_google_suggests_for_the_campaign_and_for_its_account(drilled):
    advise(
        drilled,
        Recommendation("a", "c1", "campaign_budget", 240_000_000, 300_000_000, clicks=70.0),
        Recommendation("b", "", "call_asset"),
    )
    app = opened(**CAMPAIGN)
    assert not app.exception
    shown = text(app)
    assert "suggests: **raise the daily budget from €240 to €300** :gray[(\\+70 clicks a week)]" in shown
    assert "phone number" not in shown
    app = opened(source="google_ads", account="1")
    assert "suggests: **add a phone number**" in text(app)
    assert "suggests" not in text(opened(**CAMPAIGN, adset="g1"))


def test_ads_that_do_not_add_up_are_told(drilled):
    day = TODAY - timedelta(days=2)
    drilled.write("google_ads", "1", [AdDelivery("c1", "g1", "a9", day, 0, 0, 84_000_000, 0.0, 0)])
    app = opened(**CAMPAIGN)
    assert not app.exception
    # The reply no longer holds the other ads' days: 84 of seven days' 1,680 are left.
    assert "Ads add up to 5 % of the campaign" in text(app)


@pytest.mark.parametrize(
    ("parts", "subject", "inside"),
    [
        ({}, "Account 1", [r"DE | Brand 1"]),
        ({"campaign": "c1"}, r"DE \| Brand 1", ["Boots", "Shoes"]),
        ({"campaign": "c1", "adset": "g2"}, "Boots", ["Boots | A", "Boots | B"]),
    ],
)
@pytest.mark.parametrize("window", ["1h", "today", "yesterday", "7d", "28d", "month"])
def test_every_level_in_every_window(drilled, parts, subject, inside, window):
    app = opened(source="google_ads", account="1", window=window, **parts)
    assert not app.exception
    assert app.subheader[0].value == subject
    assert [v[0] for v in app.dataframe[0].value["name"]] == inside


def test_an_ad_stands_alone(drilled):
    app = opened(**CAMPAIGN, adset="g1", ad="a1", window="7d")
    assert not app.exception
    assert app.subheader[0].value == r"Shoes \| A"
    # Six whole days of 60; the six days before were the same.
    assert metric(app, "Spend").value == "€360"
    assert metric(app, "Spend").proto.delta_description == "vs the days before"
    assert "https\\:\u2060//example\\.test/shoes" in text(app)
    assert "report the auction by campaign" in text(app)


def test_today_of_an_ad_is_compared_with_nothing(drilled):
    app = opened(**CAMPAIGN, adset="g1", ad="a1")
    assert not app.exception
    assert metric(app, "Spend").value == "€60.00"
    assert metric(app, "Spend").proto.delta == ""
    assert "today stands alone" in metric(app, "Spend").proto.delta_description


def test_performance_max_says_why_it_has_no_ads(drilled):
    drilled.write("google_ads", "3", [Campaign("c3", "US | PMax", "enabled", "", "performance_max")])
    app = opened(source="google_ads", account="3", campaign="c3")
    assert not app.exception
    assert "Performance Max has no ad groups" in text(app)
    assert "Ads add up" not in text(app)


def test_a_paused_campaign(drilled):
    later(drilled, Campaign("c1", "DE | Brand 1", "paused", "", "search"))
    app = opened(**CAMPAIGN)
    assert not app.exception
    assert ":material/pause_circle: Paused" in text(app)
    changes = app.dataframe[-1].value
    assert changes[["kind", "what", "who"]].values.tolist() == [
        ["Status", "Status enabled → paused", "seen by a poll"]
    ]


def test_a_changed_budget_stands_in_the_past(drilled):
    later(drilled, Budget("b1", "c1", "", "", 300_000_000, "daily", "campaign", shared=False))
    app = opened(**CAMPAIGN)
    assert not app.exception
    changes = app.dataframe[-1].value
    assert changes[["kind", "what"]].values.tolist() == [["Budget", "Budget 240.00 → 300.00"]]
    assert r"**€300** a day" in text(app)


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ({"source": "google_ads", "account": "1", "campaign": "brand 1"}, "campaign"),
        ({"source": "google_ads", "account": "9", "campaign": "c1"}, "campaign"),
        ({"source": "bing_ads", "account": "1"}, "account"),
        ({**CAMPAIGN, "adset": "g9"}, "ad group or ad set"),
        ({**CAMPAIGN, "adset": "g1", "ad": "<b>x</b>"}, "ad"),
    ],
)
def test_wrong_ids_offer_near_names(drilled, query, level):
    app = opened(**query)
    assert not app.exception
    assert app.subheader[0].value == f"No such {level}"
    assert not app.metric
    assert "<b>" not in text(app)
    if query["account"] != "1" or level == "campaign":
        assert any("Brand 1" in button.label for button in app.button)


def test_before_the_first_delivery(running):
    running.write("google_ads", "1", [AccountRow("Account 1", "EUR", "UTC")])
    running.write("google_ads", "1", [Campaign("c1", "DE | Brand 1", "enabled", "", "search")])
    app = opened(**CAMPAIGN)
    assert not app.exception
    assert "no numbers for this window" in text(app)


def test_a_failing_account_is_told_beside_the_name(drilled):
    drilled.write("meta_ads", "2", hours("c2"))
    failed(drilled, cause="Error validating access token", mend="Create a new token.")
    app = opened(source="meta_ads", account="2", campaign="c2")
    assert not app.exception
    assert "failing, last good" in text(app)


def test_hostile_names_are_shown_as_they_are(drilled):
    name = "=cmd|' /C calc'!A0 :red[x] <b> $y$ [a](http://x)"
    drilled.write("google_ads", "1", [Campaign("c1", name, "enabled", "", "search")])
    app = opened(**CAMPAIGN)
    assert not app.exception
    shown = r"\:red\[x\] \<b\> \$y\$ \[a\]\(http\:" + "\u2060//x" + r"\)"
    assert shown in app.subheader[0].value
