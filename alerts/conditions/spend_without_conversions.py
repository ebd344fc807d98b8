"""Money spent by a campaign that brings nothing, where others of its account and channel bring something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from alerts.conditions._tests import lower_tail, spread
from alerts.conditions.contract import USUAL, Condition, Hours, Scope, Sum, Sure, Watched
from alerts.observation import Observation
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


class SpendWithoutConversions(Condition):
    """No conversion in `window`, which chance alone explains with p < `chance`, and over `floor` spent."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("metric spend", "metric conversions")
    draws: ClassVar[str] = "conversions"

    kind: Literal["spend_without_conversions"] = "spend_without_conversions"
    window: Hours = 72
    floor: Annotated[float, Field(ge=0)] = 50.0
    chance: Sure = 0.005

    @property
    def sums(self) -> Sequence[Sum]:
        return [("conversions", self.window, 0), USUAL]

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        known = scene.sums(("conversions",), self.window)["conversions"]
        spend = scene.spend[:, : self.window].sum(1)
        due = (scene.clicks * scene.complete)[:, : self.window].sum(1)
        expected = due * scene.usual_of_channel
        chance = lower_tail(known, expected)
        return scene.observe(
            scope,
            watched,
            holds=(known <= 0) & (spend > self.floor) & (chance < self.chance),
            judged=expected > 0,
            seen=known,
            expected=lambda i: spread(float(expected[i])),
            sure=1 - chance,
            at_risk=spend / self.window,
            said=lambda _i: f"Spend without conversions in {self.window} h",
        )
