"""Cost per result far over its target, as sure as one wants to be with few results that are still coming in.

A result's rate per unit of money has a Gamma posterior: prior shape 2 around the target, so that two results
on target weigh as much as the prior; conversions known, and spend counted only as far as its conversions are
in (Gelman et al., Bayesian Data Analysis, 2.6; the completeness by metrics.maturity). It fires where the
posterior says that the cost is over `times` the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import gammainc

from alerts.conditions.contract import Condition, Hours, Scope, Sure, Watched
from alerts.observation import Observation
from metrics.model import Unit
from metrics.words import money

if TYPE_CHECKING:
    from alerts.scene import Scene

_PRIOR = 2.0
_COUNTED = {"cpa": "conversions", "cpl": "leads"}
_NAMED = {"cpa": "CPA", "cpl": "Cost per lead"}


class CostOverTarget(Condition):
    """`metric` over `times` its target, with probability `sure`, over `window`."""

    measures: ClassVar[Unit] = "money"

    kind: Literal["cost_over_target"] = "cost_over_target"
    metric: Literal["cpa", "cpl"]
    times: Annotated[float, Field(ge=1)] = 2.0
    window: Hours = 24
    sure: Sure = 0.99
    floor: Annotated[float, Field(ge=0)] = 0.0
    """Spend in the window, in units of the account's currency, under which nobody is disturbed."""

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        target = scene.targets(self.metric)
        known = scene.sums(_sums_of(scene, self.metric), self.window)
        count = known[_COUNTED[self.metric]] if _COUNTED[self.metric] in known else _results(scene, self)
        spend = scene.spend[:, : self.window]
        settled = (spend * scene.complete[:, : self.window]).sum(1)
        spent = spend.sum(1)
        with np.errstate(all="ignore"):
            limit = 1 / (self.times * target)
            sure = gammainc(_PRIOR + count, limit * (_PRIOR * target + settled))
            cost = settled / np.maximum(count, 1.0)
        wasted = np.maximum(spent - count * target, 0.0) / self.window

        def said(i: int) -> str:
            currency = scene.currency((scene.campaigns.labels[i].source, scene.campaigns.labels[i].account))
            name = _NAMED[self.metric]
            if count[i] < 0.5:
                return f"{name}: none for {money(float(spent[i]), currency)}"
            return f"{name} {float(cost[i] / target[i]):.1f}× target"

        return scene.observe(
            scope,
            watched,
            holds=(sure > self.sure) & (spent > self.floor),
            judged=np.isfinite(target),
            seen=cost,
            expected=target,
            sure=sure,
            at_risk=wasted,
            said=said,
        )


def _sums_of(scene: Scene, metric: str) -> tuple[str, ...]:
    counted = _COUNTED[metric]
    return (counted,) if counted in scene.metrics else (metric, "spend")


def _results(scene: Scene, condition: CostOverTarget) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How many results there were, from the cost of one, where the team has no metric that counts them."""
    known = scene.sums((condition.metric, "spend"), condition.window)
    with np.errstate(all="ignore"):
        return np.nan_to_num(known["spend"] / known[condition.metric], nan=0.0, posinf=0.0)
