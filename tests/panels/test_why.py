"""Why and where from: the dialogs behind a card, run by Streamlit itself."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from connectors.rows import AccountRow, Budget, Campaign, Change, Delivery, Recommendation
from tests.panels.conftest import NOW, ROOT, advise

DAY = timedelta(days=1)
THEN = NOW - 50 * DAY
"""Long enough ago that all conversions are in."""
PAGE = Path(__file__).with_name("why_page.py")


def shown(app: AppTest) -> str:
    assert not app.exception
    return "\n".join(m.value for m in [*app.subheader, *app.markdown, *app.caption, *app.info, *app.error])


def opened(button: str = "why", *, later: int = -50 * 24, **state) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state["later"] = later
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    return app.button(key=f"{button}_{state.get('metric', 'cpa')}").click().run()


@pytest.fixture
def moved(running):
    """Two campaigns: Brand's conversions fall from 2 to 1 an hour 24 hours ago, when anna raised its budget."""
    rows = []
    for campaign, before, now in (("1", 2.0, 1.0), ("2", 1.0, 1.0)):
        for h in range(1, 24 * 9 + 1):
            at = THEN - timedelta(hours=h)
            count = now if h <= 24 else before
            rows.append(
                Delivery(campaign, at, at.date(), at.hour, 1000, 50, 10_000_000, count, int(count * 40e6))
            )
    running.write("google_ads", "1", [AccountRow("Lamps GmbH", "EUR", "UTC")])
    running.write(
        "google_ads",
        "1",
        [
            Campaign("1", "Brand *DE*", "enabled", "", "search"),
            Campaign("2", "Shoes", "enabled", "", "shopping"),
        ],
    )
    running.write("google_ads", "1", rows)
    running.write("meta_ads", "2", [AccountRow("Meta", "EUR", "UTC")])
    edit = Change(
        "c1",
        THEN - DAY,
        "anna@example.com",
        "web",
        "update",
        "campaign",
        "1",
        "1",
        "",
        json.dumps({"target_cpa_micros": 20_000_000}),
        json.dumps({"target_cpa_micros": 10_000_000}),
    )
    running.write("google_ads", "1", [edit])
    return running


def test_why_says_what_moved_who_moved_it_who_did_it_and_what_to_do(moved):
    app = opened()
    told = shown(app)
    # 480 spent each day; 72 conversions, then 48: 6.67 to 10, all of it the conversion rate
    assert r"Cost per acquisition rose 50 % \(€6\.67 → €10\.00\)" in told
    assert r"conversion rate −33 % explains 100 %; Brand \*DE\* alone adds" in told
    assert "Brand \\*DE\\*: **target CPA €20 → €10** · anna\\@\u2060example\\.com" in told
    assert "Open the landing page of **Brand \\*DE\\***" in told
    movers = app.dataframe[0].value
    assert movers.iloc[0, 0] == "Brand *DE*"
    assert app.query_params["why"] == "cpa"


def test_what_the_platform_would_do_stands_under_what_to_do_as_its_own_view(moved):
    moved.write("google_ads", "1", [Budget("b", "1", "", "", 100_000_000, "daily", "campaign", shared=False)])
    advise(
        moved,
        Recommendation("a", "1", "campaign_budget", 100_000_000, 120_000_000, clicks=14.0, cost=140_000_000),
        Recommendation("b", "2", "sitelink_asset"),  # of the other campaign, which did not move it
    )
    app = opened()
    told = shown(app)
    said = "Google Ads suggests: **raise the daily budget from €100 to €120** :gray[(\\+14 clicks, \\+€140 cost a week)]"
    assert said in told
    assert "The platform's own view and its own estimate" in told
    assert "sitelinks" not in told
    links = [link.proto.url for link in app.get("link_button")]
    assert links == [
        "https://ads.google.com/aw/adgroups?campaignId=1&__e=1",
        "https://ads.google.com/aw/recommendations?campaignId=1&__e=1",
    ]


def test_where_the_platform_suggests_nothing_it_says_so_once_it_was_asked(moved):
    assert "suggests" not in shown(opened())
    advise(moved)
    told = shown(opened())
    assert "Google Ads itself suggests nothing for this campaign, as of " in told
    assert "Google Ads suggests:" not in told


def test_a_link_opens_the_dialog(moved):
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params["why"] = "cpa"
    app.session_state["later"] = -50 * 24
    told = shown(app.run())
    assert "Cost per acquisition rose 50 %" in told
    # and not again when the page behind it redraws
    assert "rose" not in shown(app.run())


def test_an_unknown_metric_opens_nothing(moved):
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params["why"] = "nonsense"
    assert "rose" not in shown(app.run())


def test_before_there_is_anything_to_compare_it_says_so(running):
    running.write("google_ads", "1", [AccountRow("Lamps GmbH", "EUR", "UTC")])
    running.write("meta_ads", "2", [AccountRow("Meta", "EUR", "UTC")])
    at = NOW - timedelta(hours=2)
    running.write("google_ads", "1", [Delivery("1", at, at.date(), at.hour, 10, 5, 10_000_000, 1.0, 0)])
    told = shown(opened(later=0))
    assert "there is nothing to compare it with" in told
    assert "What moved it" not in told


def test_a_window_without_data_says_so(moved):
    told = shown(opened(later=24 * 40))
    assert "not defined now" in told


def test_where_nobody_changed_anything_it_says_so(filled):
    told = shown(opened(metric="spend", later=0))
    assert "Nobody changed anything" in told
    assert "Spend held at €480" in told


def test_a_young_window_is_told_as_it_will_settle_like_on_the_card(filled):
    """The same conversions every hour: but of the last day's, more will come. Card and dialog agree by how much."""
    app = AppTest.from_file(str(ROOT / "panels/main.py"), default_timeout=60)
    app.query_params["why"] = "cpa"
    app.query_params["scope"] = "EUR"
    told = shown(app.run())
    cost = app.metric[2]
    assert "Cost per result" in cost.label
    assert cost.delta.startswith("-")
    assert f"Settled cost per acquisition fell {cost.delta[1:]}" in told
    assert "so far €10" in told  # ten euros an hour, one conversion


def test_a_definition_that_is_gone_is_told(filled):
    assert "There is no metric `gone` any more" in shown(opened(metric="gone", later=0))


def test_where_a_number_comes_from(moved):
    app = opened("info")
    told = shown(app)
    assert "Cost per acquisition: €10" in told
    assert "performance\\-team" in told
    assert "Conversions restate for days" in told
    assert "first version" in told
    formula, statement = (c.value for c in app.code)
    assert formula == "sum(cost) / 1e6 / nullif(sum(conversions), 0)"
    assert moved.warehouse.query(statement)["cpa"].to_pylist() == [10.0]
    rows, fetches = app.dataframe[0].value, app.dataframe[1].value
    assert len(rows) == 48
    assert list(fetches["Stream"]) == ["delivery"]
    assert [t.label for t in app.tabs] == ["Definition", "Rows · 48", "Fetches · 1", "SQL"]


def test_a_number_of_nothing_has_no_rows(moved):
    told = shown(opened("info", later=24 * 40))
    assert "No row stands behind this number" in told
    assert "No fetch changed these rows" in told
