"""rules.yaml: what is right is read, what is wrong is told with its place and its mend."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from alerts.notify.contract import Severity
from alerts.routes import Person, Receiver, Routing
from metrics.model import load as metrics
from service import rules
from service.settings import SettingsError

METRICS = metrics()
PEOPLE = Routing(people=(Person(name="Dana"), Person(name="Sam")))

GOOD = """\
rules:
  - id: cpl
    title: Cost per lead
    owner: Dana
    severity: warning
    condition: {kind: cost_over_target, metric: cpl, window: 2d}
    scope: {campaign: "*Leads*"}
    for: 15m
    keep_firing_for: 2h
    no_data: alert
    routes: [email Sam, slack]
    review: 2027-02-01
"""


def read(folder, text, routing=PEOPLE):
    (folder / "rules.yaml").write_text(text)
    return rules.load(folder, routing, METRICS)


def faults(folder, text, routing=PEOPLE):
    with pytest.raises(SettingsError) as caught:
        read(folder, text, routing)
    return [str(problem) for problem in caught.value.problems]


def test_a_rule_is_read_as_it_is_written(tmp_path):
    (rule,) = read(tmp_path, GOOD)
    assert (rule.id, rule.owner, rule.severity, rule.name) == ("cpl", "Dana", Severity.WARNING, "cpl/warning")
    assert (rule.timing.hold, rule.timing.keep) == (timedelta(minutes=15), timedelta(hours=2))
    assert rule.timing.no_data == "alert"
    assert rule.routes == (Receiver("email", "Sam"), Receiver("slack", ""))
    assert rule.condition.model_dump() == {
        "kind": "cost_over_target",
        "metric": "cpl",
        "times": 2.0,
        "window": 48,
        "sure": 0.99,
        "floor": 0.0,
    }
    assert rule.scope.campaign == "*Leads*"
    assert rule.review == date(2027, 2, 1)


def test_a_workspace_without_rules_has_the_shipped_ones(tmp_path):
    found = rules.load(tmp_path, Routing(), METRICS)
    kinds = {(rule.condition.kind, str(rule.severity)) for rule in found}
    assert {
        ("threshold", "info"),
        ("pace", "warning"),
        ("pace", "critical"),
        ("freshness", "critical"),
    } <= kinds
    assert len({rule.name for rule in found}) == len(found)
    assert all(rule.runbook for rule in found if rule.severity is not Severity.INFO)


FAULTS = {
    "an id of Paceline's own": (
        ("id: cpl", "id: rule-fails"),
        "rules.yaml:2:9: rules.0.id: 'rule-fails' is Paceline's own, of rules that fail: choose another",
    ),
    "a misspelt key": (
        ("keep_firing_for", "keep_fireing_for"),
        "rules.yaml:9:5: rules.0.keep_fireing_for: is no known setting, did you mean 'keep_firing_for'?",
    ),
    "a misspelt kind": (
        ("cost_over_target", "cost_over_targt"),
        (
            "rules.yaml:6:23: rules.0.condition.kind: 'cost_over_targt' is no kind of condition, "
            "did you mean 'cost_over_target'?"
        ),
    ),
    "a misspelt figure": (
        ("window: 2d", "windw: 2d"),
        "rules.yaml:6:54: rules.0.condition.windw: is no known setting, did you mean 'window'?",
    ),
    "a window of half an hour": (
        ("window: 2d", "window: 30m"),
        "rules.yaml:6:62: rules.0.condition.window: '30m' is not whole hours or days: write such as 6h, 24h or 7d",
    ),
    "a duration without a unit": (
        ("for: 15m", "for: 15"),
        (
            "rules.yaml:8:10: rules.0.for: 15 is not a duration: write a whole number and a unit, "
            "such as 30s, 5m, 4h or 28d"
        ),
    ),
    "an owner nobody knows": (
        ("owner: Dana", "owner: Dan"),
        "rules.yaml:4:12: rules.0.owner: 'Dan' is none of alerts.people, did you mean 'Dana'?",
    ),
    "a metric nobody knows": (
        ("{kind: cost_over_target, metric: cpl, window: 2d}", "{kind: threshold, metric: cpx, above: 2}"),
        "rules.yaml:6:42: rules.0.condition.metric: 'cpx' is no metric, did you mean 'cpm'?",
    ),
    "a missing review": (
        ("    review: 2027-02-01\n", ""),
        "rules.yaml:2:5: rules.0.review: is missing",
    ),
    "a receiver without a channel": (
        ("email Sam", "Sam"),
        (
            "rules.yaml:11:14: rules.0.routes.0: 'Sam' begins with no channel: write one of slack, email, sms, "
            "apprise, inbox, then whom"
        ),
    ),
}


@pytest.mark.parametrize(("change", "told"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_place_and_its_mend(tmp_path, change, told):
    assert change[0] in GOOD
    assert faults(tmp_path, GOOD.replace(*change)) == [told]


def test_the_same_rule_twice(tmp_path):
    twice = GOOD + GOOD.removeprefix("rules:\n")
    assert faults(tmp_path, twice) == [
        "rules.yaml:13:9: rules.1.id: 'cpl' is there already with severity warning: rule 1"
    ]
    assert len(read(tmp_path, GOOD + GOOD.removeprefix("rules:\n").replace("warning", "critical"))) == 2


def test_all_faults_are_told_at_once(tmp_path):
    text = GOOD.replace("owner: Dana", "owner: Dan").replace("window: 2d", "windw: 2d").replace("15m", "15")
    assert len(faults(tmp_path, text)) == 2  # the owner of a rule that is not read is not looked up
    assert faults(tmp_path, "rule: []\n")[0].startswith("rules.yaml:1:1: begins with `rules:`")
