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

    kind: Literal["budget"] = "budget"
    side: Literal["over", "under"]
    floor: Annotated[float, Field(ge=0)] = 10.0

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        paces = [scene.pace.campaigns.get(one[:3]) for one in scene.campaigns.labels]
        plan = np.array([p.plan if p else 0.0 for p in paces])
        mid = np.array([p.mid if p else 0.0 for p in paces])
        state = np.array([p.state if p else "unplanned" for p in paces])
        left = np.array([max(24 - p.hour, 1.0) if p else 1.0 for p in paces])
        off = np.abs(mid - plan)
        share = off / np.maximum(plan, 1e-9)
        return scene.observe(
            scope,
            watched,
            holds=(state == self.side) & (off > self.floor),
            judged=state != "unplanned",
            seen=mid,
            expected=plan,
            at_risk=off / left,
            said=lambda i: f"Day ends {float(share[i]):.0%} {self.side} plan",
        )
