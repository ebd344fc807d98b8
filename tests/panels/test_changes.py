"""The page of everything that happened, run by Streamlit itself."""

import json
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from connectors.contract import Window
from connectors.rows import AccountRow, Campaign, Change, Delivery
from connectors.schema import to_batch
from metrics import notes
from tests.panels.conftest import ASKED, NOW, ROOT, failed
from warehouse.access import local
from warehouse.store import Fetch, Slice

HOUR = timedelta(hours=1)
ALL = Window(NOW - timedelta(days=60), NOW + timedelta(days=1))


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60).run()
    for name, value in query.items():
        app.query_params[name] = value
    return app.switch_page("changes.py").run()


def picked(app: AppTest, key: str, value: str) -> AppTest:
    """A page switch in AppTest drops the address, so that a test picks what a link would say."""
    return next(g for g in app.get("button_group") if g.key == key).set_value(value).run()


def shown(app: AppTest) -> str:
    assert not app.exception
    return "\n".join(m.value for m in [*app.markdown, *app.caption, *app.info, *app.error, *app.subheader])


def edit(name, at, campaign, actor="anna@example.com", **after):
    before = json.dumps(dict.fromkeys(after, 1_000_000))
    return Change(
        name, at, actor, "web", "update", "campaign", campaign, campaign, "", before, json.dumps(after)
    )


@pytest.fixture
def changed(running):
    """Two campaigns of one account; one doubles its spend 30 hours ago, when anna raised its target."""
    running.write("google_ads", "1", [AccountRow("Lamps GmbH", "EUR", "UTC")])
    running.write(
        "google_ads",
        "1",
        [Campaign("1", "Brand", "enabled", "", "search"), Campaign("2", "Shoes", "enabled", "", "search")],
    )
    rows = []
    for campaign, more in (("1", 2), ("2", 1)):
        for h in range(1, 24 * 20):
            at = NOW - h * HOUR
            cost = 10_000_000 * (more if h <= 30 else 1) + (at.day % 2) * 100_000
            rows.append(Delivery(campaign, at, at.date(), at.hour, 1000, 50, cost, 1.0, 40_000_000))
    running.write("google_ads", "1", rows)
    edits = [
        edit("c1", NOW - 30 * HOUR, "1", target_cpa_micros=2_000_000),
        edit("c2", NOW - 50 * HOUR, "2", actor="ben@example.com", status="PAUSED"),
        edit("old", NOW - timedelta(days=12), "2", status="PAUSED"),
    ]
    running.write("google_ads", "1", edits)
    return running


def lines(app: AppTest):
    return app.dataframe[0].value


def test_an_empty_warehouse_promises_the_first_numbers(running):
    told = shown(opened())
    assert "The first numbers are on their way" in told


def test_where_nothing_happened_it_says_so(filled):
    app = opened()
    told = shown(app)
    assert "Nothing happened here in this window" in told
    assert not app.dataframe


def test_everything_that_happened_the_newest_first(changed):
    notes.add(changed.book, "Sale *begins*", at=NOW - 40 * HOUR, by=local("cleo"), now=NOW)
    app = opened()
    told = shown(app)
    assert "Everything that happened · 3" in told
    found = lines(app)
    assert list(found["scope"].str[0]) == ["Brand", "All accounts", "Shoes"]
    assert list(found["what"]) == ["target CPA €1 → €2", "Sale *begins*", "status 1000000 → paused"]
    assert list(found["who"]) == ["anna@example.com", "cleo", "ben@example.com"]
    # 24 hours at 20 after it, 24 at 10 before it (and ten cents more on days with odd numbers)
    assert found["spend"][0].startswith("€24")
    assert "→ €48" in found["spend"][0]
    assert list(found["verdict"][0]) == ["○ Clear change"]
    assert list(found["verdict"][2]) == ["○ Normal variation"]


def test_filters_stand_in_the_address(changed):
    assert list(lines(opened(who="ben@example.com"))["who"]) == ["ben@example.com"]
    assert list(lines(opened(of="1"))["scope"].str[0]) == ["Brand"]
    app = picked(opened(), "url_win", "28d")
    assert len(lines(app)) == 3
    app.multiselect(key="url_kind").set_value(["bidding"]).run()
    assert list(lines(app)["kind"]) == ["Bidding"]


@pytest.mark.parametrize("figure", ["spend", "cpa", "roas", "conversions"])
def test_every_figure_is_drawn_with_its_marks(changed, figure):
    app = picked(opened(), "url_figure", figure)
    shown(app)
    spec = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    marked = spec["layer"][-1]
    assert marked["mark"]["type"] == "point"
    assert "2 marks" in app.get("vega_lite_chart")[0].proto.alt


def test_what_a_source_restated_is_listed(changed):
    """An hour of a day that was over at the last look had one conversion of the day's 48, and gets four."""
    at = NOW.replace(hour=0) - timedelta(days=3)
    cost = 10_000_000 + (at.day % 2) * 100_000
    late = Delivery("1", at, at.date(), 0, 1000, 50, cost - 2_000_000, 4.0, 40_000_000)
    same = Delivery("2", at, at.date(), 0, 1000, 50, cost, 1.0, 40_000_000)
    piece = Slice("google_ads", "1", "delivery", Delivery, Window(at, at + HOUR))
    fetch = Fetch("google_ads", "1", "delivery", piece.window, NOW, 5, "ok")
    changed.warehouse.write(
        piece, [to_batch(Delivery, [late, same])], seen_at=ASKED + HOUR / 60, vouched=NOW, fetch=fetch
    )
    changed.state["version"] += 1
    found = lines(opened())
    (row,) = found[found["kind"] == "Restated"].to_dict("records")
    assert row["what"] == f"{at:%a %-d %b}: conversions 24 → 27 (+3), spend −€2.00"
    assert list(row["scope"]) == ["Brand"]


def test_a_note_is_written_and_taken_back(changed):
    app = opened()
    app.text_area(key="note_text").set_value("Checkout was down")
    app.text_input(key="note_author").set_value("cleo")
    app.get("button")
    next(b for b in app.button if b.label == "Add").click().run()
    shown(app)
    (note,) = notes.read(changed.book, ALL)
    assert (note.text, note.author, note.source) == ("Checkout was down", "cleo", "")
    assert "Checkout was down" in list(lines(app)["what"])
    # the row's dialog
    app.selectbox(key="changes_find").set_value(list(lines(app)["what"]).index("Checkout was down")).run()
    assert "All accounts: Checkout was down" in shown(app)
    next(b for b in app.button if b.label == "Take this note back").click().run()
    assert notes.read(changed.book, ALL) == []


def test_an_empty_note_is_refused_in_words(changed):
    app = opened()
    next(b for b in app.button if b.label == "Add").click().run()
    assert "The note is empty" in shown(app)
    assert notes.read(changed.book, ALL) == []


def test_a_change_opens_with_what_came_of_it_and_what_was_known(changed):
    app = opened()
    app.selectbox(key="changes_find").set_value(0).run()
    told = shown(app)
    assert "Brand: target CPA €1 → €2" in told
    assert "The 24 full hours after it" in told
    assert "clear change" in told
    # everything was fetched at once, long after: nobody was watching then
    assert "Paceline was not watching these hours" in told


def test_a_stale_source_is_told(changed):
    failed(changed, cause="Error validating access token", mend="Create a new token.")
    changed.write("google_ads", "1", [AccountRow("Lamps GmbH", "EUR", "UTC")])
    assert not opened().exception
