"""The list of all campaigns: searched, grouped, filtered, and quick with a thousand of them."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.rows import AccountRow, Campaign, Delivery
from metrics import windows
from metrics.dimensions import Convention
from metrics.model import load
from panels import _slot
from panels._campaigns import listing
from panels._scope import scopes
from panels._view import view
from tests.panels.conftest import NOW, hours
from tests.panels.test_campaign import opened
from tests.panels.test_pages import text


def names(app) -> list[str]:
    return [v[0] for v in app.dataframe[0].value["name"]]


def named(pattern: str) -> None:
    slot = _slot.process_slot()
    of = slot["process"]
    slot["process"] = replace(of, workspace=replace(of.workspace, naming=Convention(pattern)))


@pytest.fixture
def several(filled):
    """Account 1 has four campaigns: DE and FR, brand and generic, 10, 20, 30 and 40 an hour; one is idle."""
    titles = ["DE | Brand", "DE | Generic", "FR | Brand", "FR | Generic"]
    filled.write(
        "google_ads",
        "1",
        [
            *(Campaign(f"k{n}", title, "enabled", "", "search") for n, title in enumerate(titles)),
            Campaign("idle", "IT | Brand", "paused", "", "display"),
        ],
    )
    filled.write("google_ads", "1", [h for n in range(4) for h in hours(f"k{n}", cost=10.0 * (n + 1))])
    return filled


def test_the_most_money_first_and_the_idle_last(several):
    app = opened()
    assert not app.exception
    assert app.subheader[0].value == "All campaigns"
    frame = app.dataframe[0].value
    assert names(app) == [
        "FR | Generic",
        "FR | Brand",
        "DE | Generic",
        "DE | Brand",
        "DE | Brand 2",
        "DE | Brand 1",  # the reply no longer holds it
        "IT | Brand",
    ]
    spend = [40 * NOW.hour, 30 * NOW.hour, 20 * NOW.hour, 10 * NOW.hour, 10 * NOW.hour, 0, 0]
    assert frame["spend"].tolist() == spend
    assert frame["share"].round(3).tolist() == [round(100 * s / sum(spend), 3) for s in spend]
    assert list(frame["trend"][0]) == [40.0] * NOW.hour
    assert [v[0] for v in frame["state"]][-1] == "○ Paused"


def test_search_takes_every_word(several):
    app = opened()
    app.text_input(key="url_q").set_value("brand fr").run()
    assert names(app) == ["FR | Brand"]
    app.text_input(key="url_q").set_value("nothing like it").run()
    assert not app.exception
    assert "take a word out" in text(app)


def test_names_become_groups(several):
    named(r"(?P<country>[A-Z]{2}) \| (?P<topic>\w+)")
    app = opened()
    app.selectbox(key="url_by").set_value("country").run()
    assert not app.exception
    frame = app.dataframe[0].value
    assert dict(zip(names(app), frame["spend"], strict=True)) == {"FR": 70 * NOW.hour, "DE": 40 * NOW.hour}
    assert frame["roas"].round(3).tolist() == [round(80 / 70, 3), round(120 / 40, 3)]


def test_a_group_opens_its_campaigns(several):
    named(r"(?P<country>[A-Z]{2}) \| (?P<topic>\w+)")
    app = opened(only="country:FR")
    assert not app.exception
    assert names(app) == ["FR | Generic", "FR | Brand"]
    assert next(b.label for b in app.button if b.icon == ":material/close:") == "Country: **FR**"


@pytest.mark.parametrize("only", ["country:FR", "nonsense", ":x", "campaign:k1", "channel:<b>"])
def test_a_filter_that_is_none_is_no_error(several, only):
    assert not opened(only=only).exception


def test_before_the_first_numbers(running):
    app = opened()
    assert not app.exception
    assert "on their way" in text(app)


@pytest.mark.slow
def test_a_thousand_campaigns_are_listed_quickly(running):
    """Cold, with the day's 24 hours of each: what one visitor pays once for a version of the data."""
    running.write("google_ads", "1", [AccountRow("Account 1", "EUR", "UTC")])
    start = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) - timedelta(days=8)
    count = int((NOW - start) / timedelta(hours=1))
    moments = [start + timedelta(hours=h) for h in range(count)]
    running.write(
        "google_ads", "1", [Campaign(f"k{n}", f"C {n}", "enabled", "", "search") for n in range(1000)]
    )
    running.write(
        "google_ads",
        "1",
        [
            Delivery(f"k{n}", at, at.date(), at.hour, 100, 5, 1_000_000 + n, 0.1, 4_000_000)
            for n in range(1000)
            for at in moments
        ],
    )
    known = windows.accounts(running.warehouse)
    shown = view(
        known,
        windows.watermarks(running.warehouse, known),
        scopes(known)[0],
        span="7d",
        now=datetime.now(UTC),
    )
    defined = load()
    listing(running.warehouse, defined, shown)
    begun = time.process_time()
    found = listing(running.warehouse, defined, shown)
    assert len(found.lines) == 1000
    assert len(found.lines[0].trend) == 7
    assert time.process_time() - begun < 1.0
