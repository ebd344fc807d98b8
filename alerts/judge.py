"""One pass of the rules over a scene: what each found, with what could not be told said as such."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from alerts.engine import Finding
from alerts.notify.words import clip
from alerts.observation import Labels, Observation, Result
from warehouse.errors import StorageError

if TYPE_CHECKING:
    from alerts.rules import Rule
    from alerts.scene import Scene

__all__ = ["judge"]

_LONGEST_FAULT: Final = 120

_LOG = logging.getLogger(__name__)


def judge(
    scene: Scene, rules: Iterable[Rule], watched: Mapping[str, frozenset[Labels]]
) -> dict[str, Finding]:
    """What each rule finds, by its name. watched: by rule, the series that have a state.

    A rule that fails finds ERROR for its watched series, with the fault, and hinders no other. What is judged
    by the data of an account that is stale is STALE.
    """
    rules = list(rules)
    scene.foresee(one for rule in rules for one in rule.condition.sums)
    return {rule.name: _find(scene, rule, watched.get(rule.name, frozenset())) for rule in rules}


def _find(scene: Scene, rule: Rule, watched: frozenset[Labels]) -> Finding:
    condition = rule.condition
    try:
        told = {one.labels: one for one in condition.evaluate(scene, rule.scope, watched)}
        moments = condition.moments(scene)
    except StorageError:
        raise  # no rule's own fault: the whole pass is tried again
    except Exception as error:  # noqa: BLE001  # a rule of the team's own must not silence the others
        _LOG.exception("rule %s failed", rule.name)
        fault = clip(" ".join(f"{type(error).__name__}: {error}".split()), _LONGEST_FAULT)
        return Finding({one: Observation(one, Result.ERROR, scene.now) for one in watched}, fault=fault)
    if condition.by_clock or not condition.by_account:
        return Finding(told, moments)
    for labels in watched | told.keys():
        if (labels.source, labels.account) in scene.stale:
            known = told.get(labels)
            told[labels] = (
                replace(known, result=Result.STALE, at=scene.now)
                if known
                else Observation(labels, Result.STALE, scene.now)
            )
    return Finding(told, {key: at for key, at in moments.items() if key not in scene.stale})
