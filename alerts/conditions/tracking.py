"""Clicks that are paid for and conversions that no longer arrive: the site's tag is gone, or half of it.

Told by arrivals, the conversions that polls saw come in, of whatever click: an hour of them is complete when
it is over, so an outage shows long before the clicks' own conversions are late. Expected is what arrived in
the same hours of the past days, in proportion to the clicks of the last day. An account that was not polled
for so long has no arrivals yet: there the last hours' clicks are asked what they should have brought by now,
by the week's rate and the share of conversions that is known at their age.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from alerts.conditions._tests import lower_tail, spread
from alerts.conditions.contract import Condition, Hours, Moments, Scope, Sure, Watched
from alerts.observation import Labels, Observation, Result
from metrics.model import Unit, views

if TYPE_CHECKING:
    from alerts.scene import Floats, Scene

DAYS = 7

ARRIVALS = 3
"""Days of polls that show what arrives; fewer are the polling's own beginning."""


class Tracking(Condition):
    """An account's arrivals over `window` under `below` of what was expected, with p under `chance`."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("metric conversions_by_arrival", "metric clicks")
    draws: ClassVar[str] = "conversions"

    kind: Literal["tracking"] = "tracking"
    window: Hours = 3
    below: Annotated[float, Field(gt=0, lt=1)] = 0.2
    chance: Sure = 1e-4

    def moments(self, scene: Scene) -> Moments:
        return scene.polled()

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        polled = self.moments(scene)
        keys = [key for key in scene.scoped(scope) if key in polled and key in scene.until]
        if not keys:
            return []
        seen, past, days, newest = _arrivals(scene, self.window, {key: polled[key] for key in keys})
        clicks = _clicks(scene)
        pace = np.array([clicks.get(key, 1.0) for key in keys])
        arrived = days >= ARRIVALS
        due, brought, odds, hours = _brought(scene, self.window, keys)
        expected = np.where(arrived, np.array(past) / np.maximum(days, 1) * pace, due)
        count = np.where(arrived, np.array(seen), brought)
        chance = np.where(arrived, lower_tail(count, expected), odds)
        found = []
        for i, key in enumerate(keys):
            labels = Labels(*key)
            known = expected[i] > 0
            holds = bool(known and chance[i] < self.chance and count[i] < self.below * expected[i])
            if not holds and labels not in watched:
                continue
            result = Result.TRUE if holds else Result.FALSE if known else Result.NODATA
            of = [n for n, one in enumerate(scene.campaigns.labels) if one[:2] == key]
            empty = scene.until[key] - timedelta(hours=int(hours[i]))
            found.append(
                Observation(
                    labels,
                    result,
                    polled[key],
                    seen=float(count[i]),
                    expected=spread(float(expected[i])),
                    sure=float(1 - chance[i]),
                    at_risk=float(scene.spend[of, :24].sum()) / 24,
                    said=f"No conversions arrive, {expected[i]:.0f} expected" if holds else "",
                    began=newest.get(key) if arrived[i] else empty,
                )
            )
        return found


def _clicks(scene: Scene) -> dict[tuple[str, str], float]:
    """Each account's last day of clicks over the daily mean of the week before; 1 where there were none."""
    parts = (scene.clicks[:, :24].sum(1), scene.clicks[:, 24:].sum(1) / DAYS)
    last, usual = (np.bincount(scene.owner, one, len(scene.keys)) for one in parts)
    pace = np.where(usual > 0, last / np.maximum(usual, 1e-9), 1.0)
    return dict(zip(scene.keys, pace.tolist(), strict=True))


def _brought(
    scene: Scene, hours: int, keys: Sequence[tuple[str, str]]
) -> tuple[Floats, Floats, Floats, Floats]:
    """What an account's last clicks should have brought by now, what they did, how likely; over which hours.

    Of the windows up to `hours` the one that tells most: a young outage shows in the last hours alone. The
    chance is of any of them (Bonferroni).
    """
    due = np.cumsum((scene.clicks * scene.complete)[:, :hours], 1) * scene.usual[:, None]
    brought = np.column_stack([scene.sums(("conversions",), h)["conversions"] for h in range(1, hours + 1)])
    of = [[n for n, one in enumerate(scene.campaigns.labels) if one[:2] == key] for key in keys]
    expected, seen = (np.array([part[n].sum(0) for n in of]) for part in (due, brought))
    chance = lower_tail(seen, expected)
    best = chance.argmin(1)[:, None]
    chosen = (np.take_along_axis(part, best, 1)[:, 0] for part in (expected, seen, chance))
    expected, seen, chance = chosen
    return expected, seen, np.minimum(chance * hours, 1.0), best[:, 0] + 1.0


def _arrivals(
    scene: Scene, hours: int, polled: Moments
) -> tuple[list[float], list[float], Floats, dict[tuple[str, str], datetime]]:
    """What arrived in the last hours; in those of past days, and their number; when something last did."""
    last = max(polled.values())
    first = min(polled.values()) - timedelta(days=DAYS, hours=hours)
    rows = scene.ask(
        f"SELECT source, account, epoch(seen) AS seen, sum(conversions) AS conversions "  # noqa: S608  # our own view
        f"FROM ({views()['arrivals'].sql}) GROUP BY ALL",
        {
            "start": first,
            "stop": last + timedelta(seconds=1),
            "first_day": first.date(),
            "last_day": last.date(),
        },
    )
    sums = {key: np.zeros(DAYS + 1) for key in polled}
    newest: dict[tuple[str, str], datetime] = {}
    any_day = {key: np.zeros(DAYS + 1, dtype=bool) for key in polled}
    for row in rows:
        key = (row["source"], row["account"])
        if key not in polled:
            continue
        ago = (polled[key].timestamp() - row["seen"]) / 3600
        day = int(ago // 24)
        if ago >= 0 and row["conversions"] > 0:
            at = datetime.fromtimestamp(row["seen"], UTC)
            newest[key] = max(at, newest.get(key, at))
        if 0 <= day <= DAYS:
            any_day[key][day] = True
            if ago - 24 * day < hours:
                sums[key][day] += row["conversions"]
    days = np.array([float(any_day[key][1:].sum()) for key in polled])
    return [sums[key][0] for key in polled], [sums[key][1:].sum() for key in polled], days, newest
