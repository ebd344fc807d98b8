"""A conversion rate that has fallen far below its own past, beyond what chance and late conversions explain.

Expected is what the window's clicks should have brought by now: clicks, times how complete their conversions
are, times the campaign's usual rate, which is shrunk to its account's. The test is the lower tail of a
negative binomial with Var = E + 0.02 E² (the day-to-day variation of healthy accounts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from alerts.conditions._tests import lower_tail, spread
from alerts.conditions.contract import USUAL, Condition, Hours, Scope, Sum, Sure, Watched
from alerts.observation import Observation
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


class ConversionRate(Condition):
    """Settled conversions of `window` under `below` of what the week before promises, with p < `chance`."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("metric conversion_rate",)
    draws: ClassVar[str] = "conversion_rate"

    kind: Literal["conversion_rate"] = "conversion_rate"
    window: Hours = 24
    below: Annotated[float, Field(gt=0, lt=1)] = 0.5
    chance: Sure = 1e-4

    @property
    def sums(self) -> Sequence[Sum]:
        return [("conversions", self.window, 0), USUAL]

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        now = scene.sums(("conversions",), self.window)["conversions"]
        due = (scene.clicks * scene.complete)[:, : self.window].sum(1)
        expected = due * scene.usual
        chance = lower_tail(now, expected)
        share = now / np.maximum(expected, 1e-9)
        spend = scene.spend[:, : self.window].sum(1) / self.window
        return scene.observe(
            scope,
            watched,
            holds=(chance < self.chance) & (share < self.below),
            judged=expected > 0,
            seen=now,
            expected=lambda i: spread(float(expected[i])),
            sure=1 - chance,
            at_risk=spend * (1 - share),
            said=lambda i: f"Conversion rate {float(1 - share[i]):.0%} down",
        )
