"""A campaign that began to spend: meant, most of the time, and worth a look the other times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from alerts.conditions.contract import Condition, Hours, Scope, Watched
from alerts.observation import Observation
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


class NewSpender(Condition):
    """More than `floor` spent in `window` by a campaign that had spent nothing in the week before it.

    An account that is itself new, with less than that week of history, has no new spenders.
    """

    measures: ClassVar[Unit] = "money"
    reads: ClassVar[tuple[str, ...]] = ("metric spend",)
    draws: ClassVar[str] = "spend"

    kind: Literal["new_spender"] = "new_spender"
    window: Hours = 24
    floor: Annotated[float, Field(ge=0)] = 20.0

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        spent = scene.spend[:, : self.window].sum(1)
        before = scene.spend[:, self.window :].sum(1)
        account = scene.per_account(scene.spend[:, 144:].sum(1))
        return scene.observe(
            scope,
            watched,
            holds=(spent > self.floor) & (before == 0),
            judged=account > 0,
            seen=spent,
            expected=np.zeros_like(spent),
            at_risk=spent / self.window,
            said=lambda _i: "New spender",
        )
