"""What the API says an experiment changed: the arms' sums, and the effect with its margin and p-value.

How Google works its own out is not published. Here days are the units: what a day adds to the difference of
the arms' logs, linearised (the delta method), with a normal law, looked at once; the margin is of 95 %.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sandbox.google_check import Plan
    from sandbox.google_fields import Field
    from sandbox.google_snapshot import Joined, Snapshot
    from sandbox.model import Experiment

__all__ = ["Effects"]

Floats = npt.NDArray[np.float64]

_95 = 1.959964

_RATIOS = {"cost_per_conversion": ("cost", "conversions"), "conversion_value_per_cost": ("value", "cost")}
_SUMS = {
    "impressions": "impressions",
    "clicks": "clicks",
    "cost_micros": "cost",
    "conversion_value": "value",
}
_ESTIMATES = {
    "impressions": "impressions_point_estimate",
    "clicks": "clicks_point_estimate",
    **{
        name: f"{name}_change_point_estimate"
        for name in ("cost_per_conversion", "conversion_value_per_cost", "cost_micros", "conversion_value")
    },
    "conversions_absolute_change": "conversions_absolute_change_point_estimate",
}
"""The field of an effect's estimate; its margin's and p-value's follow one pattern."""

_ARM = {
    "impressions": "impressions",
    "clicks": "clicks",
    "cost_micros": "cost",
    "conversions": "conversions",
    "conversions_value": "value",
}
_CONTROL = {
    "control_impressions": "impressions",
    "control_clicks": "clicks",
    "control_cost_micros": "cost",
    "control_conversions": "conversions",
    "control_conversion_value": "value",
}
_OVER = {
    "cost_per_conversion": (1, "cost_per_conversion"),
    "conversions_value_per_cost": (1, "conversion_value_per_cost"),
    "control_cost_per_conversion": (0, "cost_per_conversion"),
    "control_conversion_value_per_cost": (0, "conversion_value_per_cost"),
}


class Effects:
    """The figures of an account's experiments over the plan's days; day by day where these are selected.

    rows: the experiment of each row, its index into `entities`.
    """

    def __init__(self, plan: Plan, snapshot: Snapshot, entities: Sequence[Joined]) -> None:
        spans = [plan.days]
        if plan.selected("segments"):
            first, last = plan.days
            assert first is not None
            assert last is not None
            days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            spans = [(day, day) for day in days]
        self.rows = [n for n in range(len(entities)) for _ in spans]
        self._days = [first for _ in entities for first, _ in spans]
        self._told = [_told(snapshot, row["experiment"], *span) for row in entities for span in spans]

    def column(self, field: Field) -> list[Any]:
        """A metric's or the day's value in each row, None where unset."""
        if field.resource == "segments":
            return [None if day is None else day.isoformat() for day in self._days]
        values = [told.get(field.path[-1]) for told in self._told]
        return [round(v) if v is not None and field.kind.startswith("INT") else v for v in values]


def _told(
    snapshot: Snapshot, experiment: Experiment, first: date | None, last: date | None
) -> dict[str, float]:
    arms = _days(
        snapshot,
        max(experiment.starts, first or experiment.starts),
        min(experiment.ends, last or experiment.ends, snapshot.today - timedelta(days=1)),
        [campaigns for *_, campaigns in sorted(experiment.arms, key=lambda arm: not arm[2])],
    )
    found: dict[str, float] = {}
    if len(arms) < 2:  # it has yet to begin, or has one arm
        return found
    control, treatment = arms[:2]
    found |= {name: float(treatment[column].sum()) for name, column in _ARM.items()}
    found |= {name: float(control[column].sum()) for name, column in _CONTROL.items()}
    for name, (arm, ratio) in _OVER.items():
        above, below = (arms[arm][column].sum() for column in _RATIOS[ratio])
        if below > 0:
            # A cost is in micros, a value over a cost in units over units.
            found[name] = float(above / below * (1e6 if ratio == "conversion_value_per_cost" else 1))
    for name, estimate in _ESTIMATES.items():
        effect = _effect(name, control, treatment)
        if effect is not None:
            names = (estimate, f"{name}_margin_of_error", f"{name}_p_value")
            found |= dict(zip(names, effect, strict=True))
    return found


def _effect(name: str, control: dict[str, Floats], treatment: dict[str, Floats]) -> tuple[float, ...] | None:
    """Estimate, margin and p-value; None while there is too little."""
    days = len(control["clicks"])
    if days < 2 or min(arm["conversions"].sum() for arm in (control, treatment)) <= 0:
        return None
    scale = days / (days - 1)
    if name == "conversions_absolute_change":
        more = treatment["conversions"] - control["conversions"]
        error = math.sqrt(scale * float(((more - more.mean()) ** 2).sum()))
        return float(more.sum()), _95 * error, _p(float(more.sum()), error)
    parts = []
    for arm in (treatment, control):
        above, below = (
            (arm[_RATIOS[name][0]], arm[_RATIOS[name][1]])
            if name in _RATIOS
            else (arm[_SUMS[name]], np.ones(days))
        )
        if above.sum() <= 0 or below.sum() <= 0:
            return None
        ratio = above.sum() / below.sum()
        parts.append((ratio, (above - ratio * below) / above.sum()))
    (one, ours), (other, theirs) = parts
    log, error = math.log(one / other), math.sqrt(scale * float(((ours - theirs) ** 2).sum()))
    return float(one / other - 1), float(_95 * error * one / other), _p(log, error)


def _p(estimate: float, error: float) -> float:
    return math.erfc(abs(estimate) / error / math.sqrt(2)) if error > 0 else 1.0


def _days(
    snapshot: Snapshot, first: date, last: date, of_arms: Sequence[tuple[int, ...]]
) -> list[dict[str, Floats]]:
    """Each arm's sums by whole local day, first to last; none where there is no such day."""
    zone = snapshot.advertiser.timezone
    count = (last - first).days + 1
    if count < 1:
        return []
    edges = [first + timedelta(days=n) for n in range(count + 1)]
    begins = np.array([datetime.combine(day, time(), zone).timestamp() / 3600 for day in edges])
    start, end = (datetime.fromtimestamp(float(begins[n]) * 3600, UTC) for n in (0, -1))
    world, of = snapshot.world, snapshot.customer
    traffic = world.traffic(of, start=start, end=end, as_of=snapshot.at)
    came = world.conversions(of, start=start, end=end, as_of=snapshot.at)
    primary = np.isin(came.action, [a.id for a in world.conversion_actions(of) if a.primary])

    def by_day(hour: Any, values: Any, kept: Any) -> Floats:
        day = np.searchsorted(begins, hour[kept], side="right") - 1
        return np.bincount(day, values[kept], count).astype(float)

    arms = []
    for campaigns in of_arms:
        shown = np.isin(traffic.campaign, campaigns)
        counted = primary & np.isin(came.campaign, campaigns)
        arms.append(
            {
                "impressions": by_day(traffic.hour, traffic.impressions, shown),
                "clicks": by_day(traffic.hour, traffic.clicks, shown),
                "cost": by_day(traffic.hour, traffic.cost_micros, shown),
                "conversions": by_day(came.click_hour, came.quantity, counted),
                "value": by_day(came.click_hour, came.value_micros, counted) / 1e6,
            }
        )
    return arms
