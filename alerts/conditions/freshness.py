"""An account whose data stopped coming: polls missed in a row, or answers that stand still.

An answer vouches for what it says up to the source's own lag, so that a report that has frozen looks like an
account that delivers nothing. It is told from one by what is usual: the account delivered in those hours of
almost every day of the week before, a campaign may deliver, and no poll has changed anything for as long.

Told on the wall clock, by nature. While it fires, the account's numbers mean nothing, so that its other
alerts are muted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.roster import Bools
    from alerts.scene import Scene

STOOD: Final = 3
"""Hours in which the account usually delivers, of which its source knows nothing."""

_ALMOST: Final = 0.8
_LEAST_DAYS: Final = 3
"""An hour is usual if it delivered on so many of the days before, of so many at least that are known."""

_CANNOT: Final = re.compile(
    r"disapproved|not.eligible|misconfigured|suspended|billing|ended|paused|pending|removed", re.IGNORECASE
)
"""What a source says of a campaign that does not deliver by right."""


class Freshness(Condition):
    """Three polls of delivery missed in a row (see Scene.overdue), or three usual hours without news."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ()
    mutes_account: ClassVar[bool] = True
    by_clock: ClassVar[bool] = True

    kind: Literal["freshness"] = "freshness"

    def moments(self, scene: Scene) -> Moments:
        return dict.fromkeys(scene.accounts, scene.now)

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        found = []
        still = _still(scene)
        for key in scene.scoped(scope):
            labels = Labels(*key)
            late = scene.overdue(key)
            if late is None:
                found.append(Observation(labels, Result.NODATA, scene.now))
            elif not late and key in still:
                found.append(_stands(scene, key, labels, still[key]))
            elif late or labels in watched:
                found.append(_told(scene, key, labels, late=late))
        return found


def _still(scene: Scene) -> dict[tuple[str, str], tuple[int, int]]:
    """Accounts whose source answers and says nothing new: usual hours that are missing, and hours since."""
    rows = scene.ask(
        """SELECT source, account, max(seen_at) FILTER (changed > 0) AS changed FROM journal
        WHERE stream = 'delivery' AND outcome = 'ok' AND seen_at > $since GROUP BY ALL""",
        {"since": scene.now - timedelta(days=1)},
    )
    quiet = {
        (row["source"], row["account"])
        for row in rows
        if row["changed"] is None or scene.now - row["changed"] >= timedelta(hours=STOOD)
    }
    found = {}
    for key in quiet & scene.until.keys():
        of = [i for i, one in enumerate(scene.campaigns.labels) if one[:2] == key]
        could = (
            i for i in of if scene.campaigns.enabled[i] and not _CANNOT.search(scene.campaigns.serving[i])
        )
        delivered = scene.spend[of].sum(0) > 0
        if any(scene.spend[i].any() for i in could):
            since = int(delivered.argmax())
            missing = sum(_usual(delivered, back, since) for back in range(since))
            if missing >= STOOD:
                found[key] = missing, since
    return found


def _usual(delivered: Bools, back: int, since: int) -> bool:
    """Whether an account usually delivers at this hour. delivered: by hours back; nothing since `since`."""
    days = np.arange(back % 24, len(delivered), 24)
    known = delivered[days[days >= since]]
    return len(known) >= _LEAST_DAYS and known.mean() >= _ALMOST


def _stands(scene: Scene, key: tuple[str, str], labels: Labels, found: tuple[int, int]) -> Observation:
    missing, since = found
    of = [i for i, one in enumerate(scene.campaigns.labels) if one[:2] == key]
    return Observation(
        labels,
        Result.TRUE,
        scene.now,
        seen=float(missing),
        expected=Range(0.0, 0.0, STOOD - 1.0),
        at_risk=float(scene.spend[of].sum()) / (scene.spend.shape[1] - since),
        said=f"Its source answers, and nothing new for {since} h",
        began=scene.until[key] - timedelta(hours=since),
    )


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
