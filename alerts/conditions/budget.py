"""A day that will end over or under its plan, by more than the day's own tolerance (metrics.pacing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from alerts.conditions.contract import Condition, Scope, Watched
from alerts.observation import Observation
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


class Budget(Condition):
    """The day's spend is `side` of its plan now and will be tonight, by at least `floor` of money."""

    measures: ClassVar[Unit] = "money"
    reads: ClassVar[tuple[str, ...]] = ("metric spend", "table budget")
    draws: ClassVar[str] = "spend"

    kind: Literal["budget"] = "budget"
    side: Literal["over", "under"]
    floor: Annotated[float, Field(ge=0)] = 10.0

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        paces = scene.paces
        plan, mid = paces.plan, paces.mid
        off = np.abs(mid - plan)
        share = off / np.maximum(plan, 1e-9)
        return scene.observe(
            scope,
            watched,
            holds=(paces.state == self.side) & (off > self.floor),
            judged=paces.state != "unplanned",
            seen=mid,
            expected=plan,
            at_risk=off / paces.left,
            said=lambda i: f"Day ends {float(share[i]):.0%} {self.side} plan",
        )
