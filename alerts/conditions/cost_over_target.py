"""Cost per result far over its target, as sure as one wants to be with few results that are still coming in.

A result's rate per unit of money has a Gamma posterior: prior shape 2 around the target, so that two results
on target weigh as much as the prior; conversions known, and spend counted only as far as its conversions are
in (Gelman et al., Bayesian Data Analysis, 2.6; the completeness by metrics.maturity). It fires where the
posterior says that the cost is over `times` the target. A campaign that brought mostly something else in the
week before, or nothing, is not judged: its cost per lead would be the price of a by-product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import gammainc

from alerts.conditions.contract import USUAL, Condition, Hours, Scope, Sum, Sure, Watched
from alerts.observation import Observation
from metrics.model import Unit
from metrics.words import money

if TYPE_CHECKING:
    from alerts.scene import Floats, Scene

_PRIOR = 2.0
DAY, WEEK = 24, 168
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

    @property
    def sums(self) -> Sequence[Sum]:
        names = (self.metric, "spend")
        return [*((name, self.window, 0) for name in names), *((name, WEEK, DAY) for name in names), USUAL]

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        target = scene.targets(self.metric)
        count, before = self._results(scene, self.window), self._results(scene, WEEK, DAY)
        others = scene.sums(("conversions",), WEEK, DAY)["conversions"]
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
            judged=np.isfinite(target) & (before > 0) & (before >= 0.5 * others),
            seen=cost,
            expected=target,
            sure=sure,
            at_risk=wasted,
            said=said,
        )

    def _results(self, scene: Scene, hours: int, skip: int = 0) -> Floats:
        """How many results there were: what was spent, by what one cost."""
        known = scene.sums((self.metric, "spend"), hours, skip)
        with np.errstate(all="ignore"):
            return np.nan_to_num(known["spend"] / known[self.metric], nan=0.0, posinf=0.0)
