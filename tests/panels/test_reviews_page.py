"""The reviews in the app: listed by urgency, decided, kept from viewers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from metrics import reviews
from metrics.catalog import Ref
from panels._slot import process_slot
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
