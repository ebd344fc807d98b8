"""The catalogue in the app: found, read, followed; looks counted."""

from datetime import UTC, datetime, timedelta

import pytest

from metrics import usage
from tests.panels.test_pages import opened, text


@pytest.fixture
def page(running):
    def go(**query: str):
        app = opened()
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page("catalogue.py").run()

    return go


def formula(app) -> str:
    (code,) = [one for one in app.code if one.language == "sql"]
    return code.value


def test_a_word_is_answered_with_meaning_owner_and_last_change_before_the_list(page):
    app = page(q="cpa")
    assert not app.exception
    shown = text(app)
    assert "Spend ÷ primary conversions" in shown
    assert r"Owner **performance\-team** · version 1 since **1 Nov 2026**: first version" in shown
    assert list(app.dataframe[0].value["title"].iloc[0]) == ["Cost per acquisition"]


def test_a_metric_by_its_address_says_what_it_is_made_of_and_who_uses_it(page):
    app = page(metric="cpa")
    assert not app.exception
    assert formula(app) == "sum(cost) / 1e6 / nullif(sum(conversions), 0)"
    ways = [button.label for button in app.button]
    assert ":blue[Delivery of a campaign by the hour]" in ways
    assert ":blue[Overview]" in ways
    assert "head\\-of\\-marketing" in text(app)


def test_what_is_not_there_any_more_is_said_and_the_list_shown(page):
    app = page(metric="gone")
    assert not app.exception
    assert "no metric gone" in app.toast[0].value
    assert len(app.dataframe) == 1


def test_a_search_without_an_answer_says_what_to_try(page):
    app = page(q="zeppelin")
    assert not app.exception
    assert "Try one word of it" in text(app)


def test_looks_at_pages_and_entries_are_counted_once_until_another_is_opened(page, running):
    app = page(metric="cpa")
    app.run()
    looks = usage.read(running.book, datetime.now(UTC).date() - timedelta(days=1))
    assert {subject: said.times for subject, said in looks.items()} == {
        "dashboard overview": 1,
        "dashboard catalogue": 1,
        "metric cpa": 1,
    }


def test_the_list_opens_a_row(page):
    app = page(q="cpa")
    app.button(key="open_best").click().run()
    assert not app.exception
    assert formula(app).startswith("sum(cost)")
