"""Acquisition, Engagement and Revenue in every state, run by Streamlit itself against a real warehouse."""

from datetime import timedelta

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from connectors.rows import SegmentDelivery
from panels import _freshness
from tests.panels.conftest import NOW, ROOT, failed
from tests.panels.test_pages import text

PAGES = ["acquisition", "engagement", "revenue"]


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page(f"{page}.py").run()


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_warehouse_says_what_it_waits_for(running, page):
    app = opened(page)
    assert not app.exception
    assert "No data in this window yet" in text(app)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("win", ["1h", "today", "yesterday", "7d", "28d", "month"])
def test_every_window_has_its_cards(filled, page, win):
    app = opened(page, win=win)
    assert not app.exception, app.exception
    assert len(app.metric) >= 4


def test_figures_worked_out_by_hand(filled):
    app = opened("acquisition", scope="EUR")
    said = {m.label: m for m in app.metric}
    # Two accounts, each 50 clicks of 1,000 impressions for 10 euros an hour.
    assert said["Clicks"].value.replace(",", "") in (
        f"{100 * NOW.hour}",
        f"{NOW.hour / 10:.2f}k",
        f"{NOW.hour / 10:.1f}k",
    )
    assert said["Cost per click"].value == "€0.20"
    assert said["Click-through rate"].value == "5.0 %"
    assert said["Cost per thousand impressions"].value == "€10.00"
    assert said["Clicks"].proto.delta_description == "vs same hours, 7-day average"
    assert "Usual" in text(app)


def test_spend_is_divided_by_device_and_network(filled):
    day = (NOW - timedelta(days=1)).date()
    rows = [
        SegmentDelivery("c1", device, network, day, 100, 10, cost * 10**6, 0.0, 0)
        for device, network, cost in (
            ("iphone", "feed", 5),
            ("desktop", "feed", 20),
            ("iphone", "stories", 30),
        )
    ]
    filled.write("google_ads", "1", rows)
    app = opened("acquisition", scope="EUR")
    assert not app.exception
    drawn = {chart.proto.alt: chart.proto.data.data for chart in app.get("vega_lite_chart")}
    told = {}
    for by in ("device", "network"):
        shown = pa.ipc.open_stream(drawn[f"Spend by {by} · last 7 days"]).read_all().to_pylist()
        told[by] = [(row["name"], row["value"]) for row in shown]
    assert told == {
        "device": [("iPhone", 35.0), ("desktop", 20.0)],
        "network": [("stories", 30.0), ("feed", 25.0)],
    }


def test_revenue_is_judged_by_the_targets(filled):
    app = opened("revenue", scope="EUR")
    said = {m.label: m for m in app.metric}
    assert said["Return on ad spend"].value == "4.00×"  # target 3
    assert "On track" in text(app)


def test_a_source_that_fails_is_said_where_the_numbers_would_be(running):
    failed(running, cause="The token has expired.", mend="Make a new token.")
    app = opened("revenue")
    assert not app.exception
    assert "The token has expired" in text(app)
    assert "Make a new token" in text(app)


def test_a_replay_shows_only_what_was_known(filled):
    before = f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M}Z"
    app = opened("acquisition", at=before)
    assert not app.exception
    assert "**Replay: " in text(app)


@pytest.mark.parametrize("page", ["acquisition", "revenue"])
def test_a_wall_has_no_navigation_and_turns_by_itself(filled, page):
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    app.query_params["mode"] = "wall"
    app.run()
    app.switch_page(f"{page}.py").run()
    assert not app.exception
    assert app.session_state["wall_since"] > 0


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", ""])
def test_a_moment_that_is_none_falls_back_to_now(filled, at):
    app = opened("acquisition", at=at)
    assert not app.exception
    assert "**Replay.**" not in text(app)


@pytest.mark.parametrize(
    "query", [{"win": "never"}, {"scope": "gone/1"}, {"vs": "target"}, {"win": "custom", "from": "x"}]
)
def test_what_is_no_longer_possible_falls_back(filled, query):
    app = opened("acquisition", **query)
    assert not app.exception
    assert len(app.metric) >= 4 or "No data in this window yet" in text(app)


def test_what_is_too_old_is_neither_judged_nor_passed_over(filled, monkeypatch):
    monkeypatch.setattr(_freshness, "_STALE", timedelta(0))  # polled a moment ago, and that is too long
    app = opened("revenue", scope="EUR")
    assert not app.exception, app.exception
    assert {cell[0] for cell in app.dataframe[-1].value["state"]} == {"○ Stale"}
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60).run()
    assert not app.exception, app.exception
    shown = text(app)
    assert "Was not asked since 15:20" in shown  # Berlin's clock
    assert "All accounts answer" not in shown
    assert "over** by tonight" not in shown
