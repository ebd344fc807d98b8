"""Impressions that a profitable campaign lost because its budget was spent: money left on the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from alerts.conditions.contract import Condition, Moments, Scope, Sum, Watched
from alerts.observation import Observation
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene

WEEK = 168


class LostToBudget(Condition):
    """More than `share` of impressions lost to budget on the last known day, in a week on target."""

    measures: ClassVar[Unit] = "percent"
    reads: ClassVar[tuple[str, ...]] = ("view auction", "metric roas", "metric cpa")

    kind: Literal["lost_to_budget"] = "lost_to_budget"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @property
    def sums(self) -> Sequence[Sum]:
        return [(name, WEEK, 0) for name in ("roas", "cpa", "spend")]

    def moments(self, scene: Scene) -> Moments:
        return scene.vouched("auction")

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        rows = scene.ask(
            """SELECT source, account, campaign, arg_max(lost_to_budget, day) AS lost
            FROM auction WHERE lost_to_budget IS NOT NULL AND day >= $first GROUP BY ALL""",
            {"first": scene.now.date() - timedelta(days=7)},
        )
        share = {(r["source"], r["account"], r["campaign"]): r["lost"] for r in rows}
        lost = np.array([share.get(one[:3], np.nan) for one in scene.campaigns.labels], dtype=float)
        week = scene.sums(("roas", "cpa", "spend"), WEEK)
        with np.errstate(all="ignore"):
            good = (week["roas"] >= scene.targets("roas")) | (week["cpa"] <= scene.targets("cpa"))
            could = week["spend"] / WEEK * lost / (1 - lost)
            holds = good & (lost > self.share)
        aimed = np.isfinite(scene.targets("roas")) | np.isfinite(scene.targets("cpa"))
        return scene.observe(
            scope,
            watched,
            holds=holds,
            judged=np.isfinite(lost) & aimed,
            seen=lost,
            expected=np.full_like(lost, self.share),
            at_risk=np.nan_to_num(could),
            said=lambda i: f"{float(lost[i]):.0%} of impressions lost to budget",
            at=self.moments(scene),
        )
