"""Spend that runs ahead of the shaped plan: fast over the last hour, or less fast but lasting.

Plan and shape are the Pacing page's own (metrics.pacing). Read literally, "hourly spend over 120 % of the
daily budget's pace" fires on nearly half of all hours of a healthy campaign: so a short and a long window are
asked together (the multi-window alerts of the SRE workbook, chapter 5), the end of the day is asked too, and
under a floor of money nobody is disturbed. Sources report whole hours, so the shortest window is one hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from alerts.conditions.contract import Condition, Hours, Scope, Watched
from alerts.observation import Observation
from connectors.part import Part
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


class Window(Part):
    """`times` the plan over the last `hours`."""

    hours: Hours
    times: Annotated[float, Field(gt=1)]


class Pace(Condition):
    """Any of `windows` (each a list that must hold as a whole), and a day that will end over `projected`."""

    measures: ClassVar[Unit] = "money"
    reads: ClassVar[tuple[str, ...]] = ("metric spend", "table budget")
    draws: ClassVar[str] = "spend"

    kind: Literal["pace"] = "pace"
    windows: tuple[tuple[Window, ...], ...] = (
        (Window(hours=1, times=2.0),),
        (Window(hours=6, times=1.4), Window(hours=1, times=1.4)),
    )
    projected: Annotated[float, Field(ge=1)] = 1.1
    floor: Annotated[float, Field(ge=0)] = 5.0
    """Money ahead of plan within the window, in units of the account's currency."""

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        paces = scene.paces
        plan, end = paces.hourly, paces.mid / np.maximum(paces.plan, 1e-9)
        hours = sorted({one.hours for way in self.windows for one in way})
        spent = {n: scene.spend[:, :n].sum(1) for n in hours}
        due = {n: plan[:, :n].sum(1) for n in hours}
        holds = np.zeros(len(plan), dtype=bool)
        for way in self.windows:
            met = np.ones(len(plan), dtype=bool)
            for one in way:
                ahead = spent[one.hours] - due[one.hours] > self.floor
                met &= (spent[one.hours] >= one.times * due[one.hours]) & ahead
            holds |= met
        first = hours[0]
        times = spent[first] / np.maximum(due[first], 1e-9)
        return scene.observe(
            scope,
            watched,
            holds=holds & (end > self.projected),
            judged=due[first] > 0,
            seen=spent[first] / first,
            expected=due[first] / first,
            at_risk=(spent[first] - due[first]) / first,
            said=lambda i: f"Spend {min(float(times[i]), 99.0):.1f}× its pace",
        )
