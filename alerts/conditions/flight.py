"""A plan's money that will be overspent, or left over, by the end of its month, quarter or flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self
from weakref import ReferenceType, WeakKeyDictionary, ref
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from metrics.flight import FlightPace, flights_in_steps
from metrics.flights import SpendPlan
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.rules import Rule
    from alerts.scene import Scene
    from metrics.in_steps import Steps
    from warehouse.store import Warehouse

__all__ = ["PLANS", "Flight", "flying"]

PLANS: Final = ("plans", "")
"""The account of plans, which may be about several."""

_DRAWS: Final = 500
"""What of 500 drawn ends there is none of is not impossible."""


_KEPT: Final = timedelta(hours=3)
_MOVED: Final = 0.02
"""A flight's end is worked out anew so often, or where the spend of the last days is another by so much; at
once where a budget or a campaign is set up otherwise."""

_AT_ONCE: Final = 1000
"""Campaigns to look at in one pass, of all steps, where learning is spread over passes."""

_SET_UP: Final = """SELECT
  (SELECT bit_xor(hash(source, account, campaign, name, status, starts, ends)) FROM campaign) AS campaigns,
  (SELECT bit_xor(hash(source, account, budget, campaign, ad_group, amount, period, shared, starts, ends))
    FROM budget) AS budgets"""


class _Kept(NamedTuple):
    """What was worked out: for which accounts' watermarks, on which day, when so much had been spent, as what
    was set up.
    """

    until: Mapping[tuple[str, str], datetime]
    day: date
    set_up: Sequence[Mapping[str, Any]]
    spent: float
    paces: Sequence[FlightPace] = ()


@dataclass(slots=True)
class _Known:
    """Of some plans: what was worked out last, what is being worked out, and by which scene it was asked."""

    kept: _Kept | None = None
    begun: tuple[_Kept, Steps[list[FlightPace]]] | None = None
    asked: ReferenceType[Scene] | None = None


_PACES: Final[WeakKeyDictionary[Warehouse, dict[tuple[SpendPlan, ...], _Known]]] = WeakKeyDictionary()


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
        # Nothing is said, be it good or bad, until the paces are worked out for the first time.
        ready = scene.at and (not self._plans or self._paces(scene) is not None)
        return {PLANS: max(scene.at.values())} if ready else {}

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        if not self._plans or not scene.at:
            return ()
        inside = set(scene.scoped(scope))
        told = (
            self._told(scene, pace)
            for pace in self._paces(scene) or ()
            if scope.everything or inside.intersection(pace.accounts)
        )
        return [one for one in told if one.result is Result.TRUE or one.labels in watched]

    def _paces(self, scene: Scene) -> Sequence[FlightPace] | None:
        """The pace of each plan; None where it was never worked out to its end.

        That takes seconds where there are thousands of campaigns: then each pass does some of it, and the
        paces before are in force meanwhile.
        """
        known = _PACES.setdefault(scene.warehouse, {}).setdefault(self._plans, _Known())
        if known.asked is None or known.asked() is not scene:
            known.asked = ref(scene)
            self._bring(scene, known)
        return known.kept.paces if known.kept else None

    def _bring(self, scene: Scene, known: _Known) -> None:
        here = scene.now.astimezone(self._zone)
        now = _Kept(scene.until, here.date(), scene.ask(_SET_UP, {}), float(scene.spend.sum()))
        if known.begun and known.begun[0].day != now.day:
            known.begun = None
        done = 0
        while known.begun or known.kept is None or not _holds(known.kept, now):
            if known.begun is None:
                known.begun = now, flights_in_steps(scene.warehouse, scene.accounts, self._plans, here)
            if scene.at_once is not None and done >= _AT_ONCE:
                scene.leave()
                return
            of, steps = known.begun
            try:
                done += next(steps)
            except StopIteration as end:
                # Whatever was set up otherwise meanwhile: where somebody always edits, it would never end.
                known.kept, known.begun = of._replace(paces=end.value), None
            except Exception:
                known.begun = None
                raise

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


def _holds(kept: _Kept, now: _Kept) -> bool:
    """Whether what was worked out may still be told."""
    return (
        (kept.day, kept.set_up) == (now.day, now.set_up)
        and kept.until.keys() == now.until.keys()
        and all(at - kept.until[key] < _KEPT for key, at in now.until.items())
        and abs(now.spent - kept.spent) <= _MOVED * kept.spent
    )


def flying(rules: Sequence[Rule], plans: Sequence[SpendPlan], zone: ZoneInfo) -> tuple[Rule, ...]:
    """The rules, those about flights with the team's plans."""
    return tuple(
        rule.model_copy(update={"condition": rule.condition.flying(plans, zone)})
        if isinstance(rule.condition, Flight)
        else rule
        for rule in rules
    )
