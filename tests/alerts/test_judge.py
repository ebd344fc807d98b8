"""One pass of the rules over a scene: by whose clock, and what a rule that cannot tell is taken for."""

from datetime import timedelta
from typing import Literal

from alerts.conditions.contract import Condition
from alerts.judge import judge
from alerts.observation import Labels, Result
from alerts.rules import Rule
from tests.alerts.conftest import NOW
from tests.alerts.timeline import rule

BRAND = Labels("google_ads", "a", "brand")


class Broken(Condition):
    kind: Literal["broken"] = "broken"

    def evaluate(self, scene, scope, watched):
        raise ZeroDivisionError


def above(limit):
    made = rule("spend").model_dump(exclude={"condition"}, by_alias=True)
    condition = {"kind": "threshold", "metric": "spend", "window": 1, "of": "one", "above": limit}
    return Rule.model_validate({**made, "condition": condition})


def told(scene, *rules, watched=frozenset()):
    found = judge(scene, rules, {one.name: frozenset(watched) for one in rules})
    return {one.id: found[one.name] for one in rules}


def test_a_source_that_lags_three_hours_is_judged_at_its_watermark(world):
    world.campaign_of("brand", cost=10)
    world.scene()  # vouched for up to NOW
    late = world.scene(now=NOW + timedelta(hours=3), polled=NOW + timedelta(hours=3) - timedelta(minutes=1))
    found = told(late, above(9))["spend"]
    assert (found.told[BRAND].result, found.told[BRAND].at) == (Result.TRUE, NOW)
    assert found.fresh == {("google_ads", "a"): NOW}


def test_an_account_that_missed_its_polls_is_stale_whatever_its_figures(world):
    world.campaign_of("brand", cost=10)
    found = told(world.scene(now=NOW + timedelta(minutes=15)), above(9))["spend"]
    assert found.told[BRAND].result is Result.STALE
    assert found.fresh == {}  # so that nothing counts as missing either


def test_what_is_watched_and_false_is_told(world):
    world.campaign_of("brand", cost=10)
    scene = world.scene()
    assert told(scene, above(11))["spend"].told == {}
    assert told(scene, above(11), watched=[BRAND])["spend"].told[BRAND].result is Result.FALSE


def test_a_rule_that_fails_is_an_error_of_its_own(world):
    world.campaign_of("brand", cost=10)
    broken = rule("broken").model_copy(update={"condition": Broken()})
    found = told(world.scene(), broken, above(9), watched=[BRAND])
    assert found["broken"].told[BRAND].result is Result.ERROR
    assert found["spend"].told[BRAND].result is Result.TRUE
