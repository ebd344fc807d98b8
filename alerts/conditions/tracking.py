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
from alerts.conditions.contract import USUAL, Condition, Hours, Moments, Scope, Sum, Sure, Watched
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

    @property
    def sums(self) -> Sequence[Sum]:
        return [*(("conversions", hours, 0) for hours in range(1, self.window + 1)), USUAL]

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
        expected = np.where(arrived, past / np.maximum(days, 1) * pace, due)
        count = np.where(arrived, seen, brought)
        chance = np.where(arrived, lower_tail(count, expected), odds)
        spent = _by_account(scene, scene.spend[:, :24], keys).sum(1) / 24
        found = []
        for i, key in enumerate(keys):
            labels = Labels(*key)
            known = expected[i] > 0
            holds = bool(known and chance[i] < self.chance and count[i] < self.below * expected[i])
            if not holds and labels not in watched:
                continue
            result = Result.TRUE if holds else Result.FALSE if known else Result.NODATA
            empty = scene.until[key] - timedelta(hours=int(hours[i]))
            found.append(
                Observation(
                    labels,
                    result,
                    polled[key],
                    seen=float(count[i]),
                    expected=spread(float(expected[i])),
                    sure=float(1 - chance[i]),
                    at_risk=float(spent[i]),
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


def _by_account(scene: Scene, values: Floats, keys: Sequence[tuple[str, str]]) -> Floats:
    """Sums over each account's campaigns, a row for each of the keys; zero where it has none."""
    sums = np.zeros((len(scene.keys) + 1, values.shape[1]))
    np.add.at(sums, scene.owner, values)
    place = {key: n for n, key in enumerate(scene.keys)}
    return sums[[place.get(key, -1) for key in keys]]


def _brought(
    scene: Scene, hours: int, keys: Sequence[tuple[str, str]]
) -> tuple[Floats, Floats, Floats, Floats]:
    """What an account's last clicks should have brought by now, what they did, how likely; over which hours.

    Of the windows up to `hours` the one that tells most: a young outage shows in the last hours alone. The
    chance is of any of them (Bonferroni).
    """
    due = np.cumsum((scene.clicks * scene.complete)[:, :hours], 1) * scene.usual[:, None]
    brought = np.column_stack([scene.sums(("conversions",), h)["conversions"] for h in range(1, hours + 1)])
    expected, seen = (_by_account(scene, part, keys) for part in (due, brought))
    chance = lower_tail(seen, expected)
    best = chance.argmin(1)[:, None]
    chosen = (np.take_along_axis(part, best, 1)[:, 0] for part in (expected, seen, chance))
    expected, seen, chance = chosen
    return expected, seen, np.minimum(chance * hours, 1.0), best[:, 0] + 1.0


def _arrivals(
    scene: Scene, hours: int, polled: Moments
) -> tuple[Floats, Floats, Floats, dict[tuple[str, str], datetime]]:
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
    place = {key: n for n, key in enumerate(polled)}
    of = np.array([place.get((row["source"], row["account"]), -1) for row in rows], dtype=np.int64)
    at, count = (np.array([row[name] for row in rows], dtype=float) for name in ("seen", "conversions"))
    ago = (np.array([one.timestamp() for one in polled.values()])[of] - at) / 3600
    day = (ago // 24).astype(np.int64)
    came = (of >= 0) & (ago >= 0)
    newest = np.full(len(polled), -np.inf)
    np.maximum.at(newest, of[came & (count > 0)], at[came & (count > 0)])
    inside = came & (day <= DAYS)
    any_day = np.zeros((len(polled), DAYS + 1), dtype=bool)
    any_day[of[inside], day[inside]] = True
    inside &= ago - 24 * day < hours
    sums = np.zeros((len(polled), DAYS + 1))
    np.add.at(sums, (of[inside], day[inside]), count[inside])
    last_at = {key: datetime.fromtimestamp(newest[n], UTC) for key, n in place.items() if newest[n] > 0}
    return sums[:, 0], sums[:, 1:].sum(1), any_day[:, 1:].sum(1).astype(float), last_at
