"""The lessons in the app: computed from the reader's own campaigns; the walk checks its answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from metrics.practice import Practised
from panels import _slot, _walk
from tests.panels.test_pages import opened, text


def lesson(name: str):
    app = opened()
    app.query_params["lesson"] = name
    return app.switch_page("learn.py").run()


def test_chance_is_told_of_the_readers_own_campaign(filled):
    app = lesson("chance")
    assert not app.exception
    shown = text(app)
    # Even delivery: 24 conversions a day, 10 each. Nothing scatters, so every day is inside.
    assert "**24 conversions a day**" in shown
    assert "Of its last 25 days, **25** lie within what chance explains." in shown
    assert "until a rise of 25 % stands out" in shown


def test_without_conversions_it_says_so(running):
    app = lesson("chance")
    assert not app.exception
    assert "No campaign has had a conversion" in text(app)


@pytest.mark.parametrize(("name", "says"), [("pacing", "30.4 times"), ("tests", "always valid")])
def test_the_other_lessons_are_there(running, name, says):
    app = lesson(name)
    assert not app.exception
    assert says in text(app)


def test_the_walks_table_adds_up_to_its_chart():
    parts = [[int(n) for n in moved.split(" → ")] for _, _, moved, _ in _walk.CAMPAIGNS]
    assert sum(usual for usual, _ in parts) == sum(_walk.USUAL["Conversions"][11:]) == 16
    assert sum(today for _, today in parts) == sum(_walk.TODAY["Conversions"][11:]) == 2
    # The same money for half of the conversions: the cost has doubled, as the question says.
    costs = [sum(day["Spend, €"]) / sum(day["Conversions"]) for day in (_walk.USUAL, _walk.TODAY)]
    assert costs[1] / costs[0] == pytest.approx(2, abs=0.1)


def test_the_walk_gives_hints_and_checks_the_answer(running):
    app = lesson("walk")
    app.button(key="walk_hint").click().run()
    assert "What moved, and what did not" in app.info[0].value
    app.radio(key="walk_answer").set_value("late").run()
    assert "late everywhere" in app.warning[0].value
    app.radio(key="walk_answer").set_value("tag").run()
    assert not app.exception
    assert "put it back" in app.success[0].value


class Desk:
    """Whoever begins incidents: one is at account 2 of Meta's, whose clicks have become dearer."""

    def __init__(self):
        self.held = None

    def current(self):
        return self.held

    def begin(self, *, by):
        now = datetime.now(UTC)
        self.held = Practised(7, "cpc_spike", "meta_ads", "2", now - timedelta(hours=4), now, frozenset("1"))

    def end(self, *, by):
        self.held = None


def test_an_incident_of_the_sandbox_is_begun_looked_for_answered_and_ended(filled):
    slot = _slot.process_slot()
    slot["process"] = replace(slot["process"], practice=Desk())
    app = lesson("walk")
    app.button(key="practice_begin").click().run()
    assert not app.exception
    assert "the sources are being asked" in text(app)  # nothing was polled since
    assert "dearer" not in "".join(one.value for one in app.success)

    def check(where, what):
        app.selectbox(key="practice_where").set_value(where)
        app.radio(key="practice_what").set_value(what)
        next(one for one in app.button if one.label == "Check").click().run()
        assert not app.exception

    check(None, "cpc_spike")
    assert "Say both" in app.info[0].value
    check(("google_ads", "1"), "cpc_spike")
    assert "Something is wrong there, too, and longer. It is another account" in app.warning[0].value
    check(("meta_ads", "2"), "budget_runaway")
    assert "The account is right" in app.warning[0].value
    check(("meta_ads", "2"), "cpc_spike")
    assert "each click costs nearly twice as much" in app.success[0].value
    app.button(key="practice_end").click().run()
    assert not app.exception
    assert "A click has become dearer: Account 2." in app.success[0].value
    assert app.button(key="practice_begin").label == "Start an incident"
