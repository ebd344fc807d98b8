"""The Experiments page: nothing, a fault, a verdict; run by Streamlit itself against a real warehouse."""

from dataclasses import replace
from datetime import timedelta

from streamlit.testing.v1 import AppTest

from connectors.rows import Experiment, ExperimentEffect
from metrics.experiments import Group, Test
from panels import _slot
from tests.panels.conftest import NOW, ROOT, tell
from tests.panels.test_pages import text

START = (NOW - timedelta(days=20)).date()


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page("experiments.py").run()


def team(*tests: Test) -> None:
    held = _slot.process_slot()
    held["process"] = replace(
        held["process"], workspace=replace(held["process"].workspace, experiments=tests)
    )


def arms(*patterns: str) -> tuple[Group, ...]:
    return tuple(Group(f"Arm {n}", patterns=(p,)) for n, p in enumerate(patterns))


def test_without_a_test_it_says_how_to_write_one(running):
    app = opened()
    assert not app.exception
    assert "No test is running" in text(app)
    assert any(code.value.startswith("experiments:") for code in app.code)


def test_equal_arms_have_no_winner(filled):
    team(Test("even", "Even", "", arms("c1", "c2"), START, metric="ctr", hypothesis="None at all"))
    app = opened()
    assert not app.exception, app.exception
    shown = text(app)
    assert "None at all" in shown
    # Every hour alike: there is no variation, so nothing can be said, and nothing is.
    assert "Collecting" in shown
    assert "safe to act" not in shown.lower()


def test_a_test_that_cannot_be_judged_says_why(filled):
    team(Test("odd", "Odd", "", arms("c1", "nothing*"), START))
    app = opened()
    assert not app.exception
    assert "No campaign belongs to Arm 1" in text(app)


def test_what_google_says_stands_beside_what_is_said_here(filled):
    arms = (("a", "c1"), ("b", "c2"))
    rows = [Experiment("7", a, "Bids", a, "running", a == "a", 0.5, of, START) for a, of in arms]
    tell(filled, Experiment, *rows)
    tell(filled, ExperimentEffect, ExperimentEffect("7", "cpa", -0.08, 0.21, 0.12))
    shown = text(opened())
    assert "Bids" in shown
    # Every hour alike: here nothing can be said.
    assert "as Google Ads tells it: −8.0 % ± 12 %, p = 0.21. Here: too little to say." in shown


def test_ended_tests_are_kept_apart(filled):
    over = Test("old", "Long over", "", arms("c1", "c2"), START, ends=(NOW - timedelta(days=5)).date())
    team(over)
    assert "Long over" not in text(opened(tests="running"))
    assert "Long over" in text(opened(tests="ended"))
    assert "Long over" in text(opened()), "with none running, the page opens on those that ended"


def test_hostile_titles_are_shown_as_they_are(filled):
    team(Test("x", ":red[x] **b**", "", arms("c1", "c2"), START))
    assert r"\:red\[x\] \*\*b\*\*" in text(opened())
