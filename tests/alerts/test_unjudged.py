"""A rule that cannot be judged is an incident of its owner's, once, however often it fails."""

import pytest

from alerts.engine import Finding
from alerts.observation import Labels
from alerts.unjudged import told
from tests.alerts.timeline import SLACK, START, TRUE, Timeline, describe, minutes, rule
from warehouse.access import local

ABOUT = Labels("", "", "", "spend/critical")


def judged(fault=""):
    """A pass in which the rule failed, or did not."""
    return lambda engine, now: engine.take({"spend/critical": Finding({}, fault=fault)}, now)


def test_its_owner_is_told_once_and_of_the_end_when_an_hour_went_well(calls):
    line = calls().do(0, judged("ZeroDivisionError: x"))
    line.want(0.5, 0.5, "first", to="email dana@team.test")
    # Failing now and then is one matter.
    line.do(5, judged()).do(10, judged("ZeroDivisionError: x")).do(15, judged()).do(74, judged())
    line.play(74.5)
    assert line.engine.failing == {}
    assert line.states()[("rule-fails", "warning", ABOUT)] == "firing"
    line.do(75, judged()).want(75.5, 75.5, "all_resolved", to="email dana@team.test").play(400)


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
@pytest.mark.parametrize("routes", [None, SLACK])
def test_it_takes_the_route_of_a_warning_whatever_the_rule_s_own(tmp_path, severity, routes):
    line = Timeline(tmp_path, [rule("spend", severity, routes=routes)])
    line.do(0, lambda engine, now: engine.take({f"spend/{severity}": Finding({}, fault="KeyError: x")}, now))
    line.want(0.5, 0.5, "first", to="email dana@team.test").play(3)


@pytest.mark.parametrize(("owner", "muted"), [("Dana", True), ("Sam", False)])
def test_a_silence_of_the_owner_s_alerts_holds_it_too(calls, owner, muted):
    def silence(engine, now):
        engine.silence(
            {"owner": owner}, by=local("Max"), reason="away", starts=now, ends=now + minutes(60), now=now
        )

    line = calls().do(0, silence).do(1, judged("KeyError: x"))
    at = 61.5 if muted else 1.5
    line.want(at, at, "first", to="email dana@team.test").play(70)


def test_what_the_rule_told_stays_as_it_was(calls):
    line = calls().at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="slack C000001").want(0.5, 0.5, "first", to="sms +4930000001")
    line.do(5, judged("KeyError: x")).want(5.5, 5.5, "first", to="email dana@team.test")
    line.play(10)
    assert line.engine.failing == {"spend/critical": "KeyError: x"}
    assert sorted(line.states().values()) == ["firing", "firing"]


def test_a_pass_without_the_rule_says_nothing_of_it(calls):
    line = calls(rule("spend"), rule("clock")).do(0, judged("KeyError: x")).at(90, clock={})
    line.want(0.5, 0.5, "first", to="email dana@team.test").play(200)
    assert line.engine.failing == {"spend/critical": "KeyError: x"}


def test_with_the_rule_goes_its_alert(tmp_path):
    line = Timeline(tmp_path, [rule("spend")]).do(0, judged("KeyError: x"))
    line.do(9, lambda engine, _now: engine.use([rule("other")], describe))
    line.want(0.5, 0.5, "first", to="email dana@team.test")
    line.want(10.5, 10.5, "all_resolved", to="email dana@team.test").play(100)
    assert line.engine.failing == {}


def test_of_rules_without_a_state_only_failures_are_told():
    now = START + minutes(1)
    found = told({"spend/critical": "", "pace/warning": "KeyError: x"}, [], now)
    assert [(o.labels.part, str(o.result), o.said) for o in found.values()] == [
        ("pace/warning", "true", "Rule cannot be judged: KeyError"),
    ]
    found = told({"spend/critical": ""}, [ABOUT], now)
    assert [(o.labels.part, str(o.result)) for o in found.values()] == [("spend/critical", "false")]
