"""A landing page that answers with an error: clicks are paid for, and lead nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from alerts.conditions.contract import Condition, Scope, Watched
from alerts.observation import Observation, Result

if TYPE_CHECKING:
    from alerts.scene import Scene


class LandingPage(Condition):
    """`failures` checks of a page in a row that failed. Nothing checks pages yet, so nobody can tell."""

    kind: Literal["landing_page"] = "landing_page"
    failures: Annotated[int, Field(ge=1)] = 2

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        inside = set(scene.scoped(scope))
        return [
            Observation(one, Result.NODATA, scene.now)
            for one in sorted(watched)
            if (one.source, one.account) in inside
        ]
