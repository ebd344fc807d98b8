"""The reviews in the app: listed by urgency, decided, kept from viewers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts import conditions
from alerts.catalog import Current
from alerts.routes import Routing
from metrics import reviews
from metrics.catalog import Ref
from metrics.dashboards import shipped
from panels._slot import process_slot
from service import rules
from tests.panels.conftest import METRICS, ROOT
from tests.panels.test_alerts_page import engine, rule  # noqa: F401  # a fixture
from tests.panels.test_pages import opened, text


@pytest.fixture
def page(running):
    def go(**query: str):
        app = opened()
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page("reviews.py").run()

    return go


def test_all_that_has_reviews_is_listed(page):
    app = page()
    assert not app.exception
    kinds = set(app.dataframe[0].value["kind"])
    assert kinds == {"Dashboard", "Metric", "View"}
    assert "name them under `alerts.people`" in app.info[0].value
    assert [metric.label for metric in app.metric] == [
        "Overdue", "Due within 14 days", "With evidence against", "Under review",
    ]  # fmt: skip


def test_a_decision_is_recorded_and_moves_the_date(page, running):
    app = page(dashboard="revenue")
    app.radio[0].set_value("change").run()
    app.text_area[0].set_value("Show margin, not revenue.")
    app.text_input(key="review_by").set_value("dana")
    app.button(key="record").click().run()
    assert not app.exception
    assert "Recorded: to be changed" in app.success[0].value
    (made,) = reviews.history(running.book, Ref("dashboard", "revenue"))
    assert (made.by, made.choice, made.note) == ("dana", "change", "Show margin, not revenue.")
    assert (made.next - datetime.now(UTC).date()).days == 14
    assert "to be changed" in text(app)


def test_the_days_to_choose_from_are_those_of_the_team(page, running):
    slot = process_slot()
    # At every hour one of the two is in another day than UTC.
    far, days = ("Etc/GMT+12", 1) if datetime.now(UTC).hour < 12 else ("Pacific/Kiritimati", 366)
    team = replace(slot["process"].workspace, timezone=ZoneInfo(far))
    slot["process"] = replace(slot["process"], workspace=team)
    app = page(dashboard="revenue")
    app.date_input[0].set_value(datetime.now(ZoneInfo(far)).date() + timedelta(days=days))
    app.text_input(key="review_by").set_value("dana")
    app.button(key="record").click().run()
    assert [error.value for error in app.error] == []
    assert "Recorded: kept" in app.success[0].value


def test_a_change_without_a_reason_is_refused_in_words(page, running):
    app = page(dashboard="revenue")
    app.radio[0].set_value("retire").run()
    app.text_input(key="review_by").set_value("dana")
    app.button(key="record").click().run()
    assert "Say what to retire, and why" in app.error[0].value
    assert reviews.latest(running.book) == {}


def test_a_rules_limit_beside_the_present_stands_in_the_list_and_on_its_page(engine, filled, page):  # noqa: F811
    """Each account pays 10 a conversion against a target of 20, in its own currency: 0.4 times that is 8."""
    watched = conditions.read({"kind": "threshold", "metric": "cpa", "of": "target", "above": 0.4})
    dear = rule().model_copy(update={"id": "dear", "title": "Dear", "condition": watched})
    listed = [dear, *rules.load(ROOT / "nowhere", Routing(), METRICS)]
    engine.rules = {(one.id, str(one.severity)): one for one in listed}
    held = process_slot()
    known = Current(
        filled.book, metrics=lambda: METRICS, dashboards=shipped, sources=[], rules=lambda: listed
    )
    held["process"] = replace(held["process"], catalog=known)
    app = page()
    assert not app.exception
    rows = app.dataframe[0].value
    (row,) = [one for _, one in rows.iterrows() if one["title"] == ["Dear"]]
    assert "Act on it" in row["evidence"][0]
    said = "3 of 3 accounts are past it on average."
    assert row["why"].endswith(said)
    shown = text(page(rule="dear")).replace("\\", "")
    assert "Account 1 (Google Ads) €10.00, fires over €8.00" in shown
    assert "Account 3 (Google Ads) $10.00, fires over $8.00" in shown
