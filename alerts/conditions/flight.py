"""A plan's money that will be overspent, or left over, by the end of its month, quarter or flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, NamedTuple, Self
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from metrics.flight import FlightPace, flights
from metrics.flights import SpendPlan
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.rules import Rule
    from alerts.scene import Scene
    from warehouse.store import Warehouse

__all__ = ["PLANS", "Flight", "flying"]

PLANS: Final = ("plans", "")
"""The account of plans, which may be about several."""

_DRAWS: Final = 500
"""What of 500 drawn ends there is none of is not impossible."""


_KEPT: Final = timedelta(hours=3)
_MOVED: Final = 0.02
"""A flight's end is worked out anew so often, or where the spend of the last days is another by so much."""


class _Kept(NamedTuple):
    """What was worked out: for which accounts' watermarks, on which day, when so much had been spent."""

    until: Mapping[tuple[str, str], datetime]
    day: date
    spent: float
    paces: Sequence[FlightPace]


_PACES: Final[WeakKeyDictionary[Warehouse, dict[tuple[SpendPlan, ...], _Kept]]] = WeakKeyDictionary()


class Flight(Condition):
    """The flight is on `side` of its plan (docs/pacing.md), and its end will be by over `by` of the amount.

    One series a plan of the team's. Without plans there is nothing to say: platforms' budgets are limits, and
    nobody means to spend all of them. What a plan is about must not be stale in any account.
    """

    measures: ClassVar[Unit] = "money"
    reads: ClassVar[tuple[str, ...]] = ("metric spend", "table budget")

    kind: Literal["flight"] = "flight"
    side: Literal["over", "under"]
    by: Annotated[float, Field(ge=0, le=1)] = 0.05

    _plans: tuple[SpendPlan, ...] = PrivateAttr(())
    _zone: ZoneInfo = PrivateAttr(ZoneInfo("UTC"))

    @property
    def plans(self) -> tuple[SpendPlan, ...]:
        """What the team means to spend."""
        return self._plans

    @property
    def zone(self) -> ZoneInfo:
        """The team's."""
        return self._zone

    def flying(self, plans: Sequence[SpendPlan], zone: ZoneInfo) -> Self:
        """The same about these plans. zone: the team's, whose date says which month it is."""
        made = self.model_copy()
        made._plans, made._zone = tuple(plans), zone  # noqa: SLF001  # a copy of its own
        return made

    def like(self, other: Condition) -> Condition:
        return self.flying(other.plans, other.zone) if isinstance(other, Flight) else self

    def currency(self, labels: Labels) -> str:
        return next((plan.currency for plan in self._plans if plan.name == labels.part), "")

    def moments(self, scene: Scene) -> Moments:
        return {PLANS: max(scene.at.values())} if scene.at else {}

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        if not self._plans or not scene.at:
            return ()
        inside = set(scene.scoped(scope))
        told = (
            self._told(scene, pace)
            for pace in self._paces(scene)
            if scope.everything or inside.intersection(pace.accounts)
        )
        return [one for one in told if one.result is Result.TRUE or one.labels in watched]

    def _paces(self, scene: Scene) -> Sequence[FlightPace]:
        """The pace of each plan. It takes seconds where there are thousands of campaigns."""
        here, spent = scene.now.astimezone(self._zone), float(scene.spend.sum())
        by_plans = _PACES.setdefault(scene.warehouse, {})
        kept = by_plans.get(self._plans)
        if kept is None or not (
            kept.day == here.date()
            and kept.until.keys() == scene.until.keys()
            and all(at - kept.until[key] < _KEPT for key, at in scene.until.items())
            and abs(spent - kept.spent) <= _MOVED * kept.spent
        ):
            paces = flights(scene.warehouse, scene.accounts, self._plans, here)
            kept = by_plans[self._plans] = _Kept(scene.until, here.date(), spent, paces)
        return kept.paces

    def _told(self, scene: Scene, pace: FlightPace) -> Observation:
        labels = Labels(*PLANS, "", pace.plan.name)
        at = min((scene.at[key] for key in pace.accounts if key in scene.at), default=scene.now)
        if pace.today > pace.over.last:
            return Observation(labels, Result.FALSE, at)  # it is over: nothing can be done any more
        if scene.stale.intersection(pace.accounts):
            return Observation(labels, Result.STALE, at)
        if pace.state not in ("on", "over", "under"):
            return Observation(labels, Result.NODATA, at)
        off = abs(pace.mid - pace.amount)
        holds = pace.state == self.side and off > self.by * pace.amount
        left = max(pace.left * 24 + 24 - pace.hour, 1.0)
        sure = pace.risk if self.side == "over" else 1 - pace.risk
        return Observation(
            labels,
            Result.TRUE if holds else Result.FALSE,
            at,
            seen=pace.mid,
            expected=Range(pace.amount, pace.amount, pace.amount),
            sure=min(sure, 1 - 1 / _DRAWS),
            at_risk=off / left,
            said=f"Flight ends {off / pace.amount:.0%} {self.side} plan" if holds else "",
        )


def flying(rules: Sequence[Rule], plans: Sequence[SpendPlan], zone: ZoneInfo) -> tuple[Rule, ...]:
    """The rules, those about flights with the team's plans."""
    return tuple(
        rule.model_copy(update={"condition": rule.condition.flying(plans, zone)})
        if isinstance(rule.condition, Flight)
        else rule
        for rule in rules
    )
