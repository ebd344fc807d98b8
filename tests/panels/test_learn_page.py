"""The lessons in the app: computed from the reader's own campaigns; the walk checks its answer."""

import pytest

from panels import _walk
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
