"""An account whose data stopped coming: polls missed in a row. Told on the wall clock, by nature.

While it fires, the account's numbers mean nothing, so that its other alerts are muted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


class Freshness(Condition):
    """Three polls of delivery missed in a row (see Scene.overdue)."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ()
    mutes_account: ClassVar[bool] = True
    by_clock: ClassVar[bool] = True

    kind: Literal["freshness"] = "freshness"

    def moments(self, scene: Scene) -> Moments:
        return dict.fromkeys(scene.accounts, scene.now)

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        found = []
        for key in scene.scoped(scope):
            labels = Labels(*key)
            late = scene.overdue(key)
            if late is None:
                found.append(Observation(labels, Result.NODATA, scene.now))
            elif late or labels in watched:
                found.append(_told(scene, key, labels, late=late))
        return found


def _told(scene: Scene, key: tuple[str, str], labels: Labels, *, late: bool) -> Observation:
    mark = scene.marks.get((*key, "delivery"))
    polled = mark.polled_at if mark else None
    every = scene.every.get(key[0])
    span = (scene.now - (polled or scene.started)).total_seconds()
    missed = span / every.total_seconds() if every else 0.0
    why = f": {mark.error}" if mark and mark.error else ""
    of = [i for i, one in enumerate(scene.campaigns.labels) if one[:2] == key]
    return Observation(
        labels,
        Result.TRUE if late else Result.FALSE,
        scene.now,
        seen=float(int(missed)),
        expected=Range(0.0, 0.0, 1.0),
        at_risk=float(scene.spend[of, :24].sum()) / 24,
        said=f"No data for {span / 60:.0f} min{why}" if late else "",
    )
