"""A metric against a plain limit, as it is read on the page: no test, no allowance for late conversions.

For rules that people word themselves. Rates of few events cross any limit by chance, and conversions of the
last hours are still coming in: the other kinds know that, this one does not. Hence `info` in what we ship.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from alerts.conditions.contract import Condition, Hours, Scope, Sum, Watched
from alerts.observation import Observation
from metrics.model import Metric, Unit

if TYPE_CHECKING:
    from alerts.scene import Floats, Scene

WEEK = 168


class Threshold(Condition):
    """`metric` over `window`, above or below so many times its limit.

    of: `target` (of the settings), `week` (the same metric over the 7 days before the window, an average of
    it for sums), `budget` (the day's budget, spread evenly over 24 hours; for spend), or `one`: `above` and
    `below` are the limit itself.
    """

    kind: Literal["threshold"] = "threshold"
    metric: Annotated[str, Field(min_length=1)]
    window: Hours = 24
    of: Literal["target", "week", "budget", "one"] = "one"
    above: Annotated[float, Field(gt=0)] | None = None
    below: Annotated[float, Field(gt=0)] | None = None
    floor: Annotated[float, Field(ge=0)] = 0.0
    """Spend in the window under which nobody is disturbed."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("needs either above or below")
        if self.of == "budget" and self.metric != "spend":
            raise ValueError("only spend is held against the budget")
        return self

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        seen = scene.sums((self.metric,), self.window)[self.metric]
        limit = self._limit(scene)
        spend = scene.spend[:, : self.window].sum(1)
        with np.errstate(all="ignore"):
            times = seen / limit
            judged = np.isfinite(times)
            over = times > self.above if self.above is not None else times < (self.below or 0.0)
        factor = self.above if self.above is not None else self.below or 0.0
        excess = np.nan_to_num(np.clip(1 - 1 / np.maximum(times, 1e-9), 0, 1)) if self.above else 1.0
        title = scene.metrics[self.metric].title
        return scene.observe(
            scope,
            watched,
            holds=judged & over & (spend > self.floor),
            judged=judged,
            seen=seen,
            expected=limit * factor,
            at_risk=spend / self.window * excess,
            said=lambda i: f"{title[:20]} {float(times[i]):.1f}× {_WORDS[self.of]}",
        )

    @property
    def sums(self) -> Sequence[Sum]:
        before = [(self.metric, WEEK, self.window)] if self.of == "week" else []
        return [(self.metric, self.window, 0), *before]

    def unit(self, metrics: Mapping[str, Metric]) -> Unit:
        return metrics[self.metric].unit

    def _limit(self, scene: Scene) -> Floats:
        count = len(scene.campaigns.labels)
        match self.of:
            case "target":
                return scene.targets(self.metric)
            case "budget":
                plan = scene.paces.plan
                return np.where(plan > 0, plan / 24 * self.window, np.nan)
            case "week":
                past = scene.sums((self.metric,), WEEK, self.window)[self.metric]
                additive = scene.metrics[self.metric].additive
                return np.where(past > 0, past * (self.window / WEEK if additive else 1.0), np.nan)
            case "one":
                return np.ones(count)


_WORDS = {"target": "target", "week": "its 7-day average", "budget": "its even pace", "one": ""}
