"""What is not as its own history leads one to expect, with no threshold to set (docs/anomalies.md).

One rule watches one kind: conversions (by the hour of the click and by the hour of arrival), spend, the price
of a click, a slow decline of conversions, or the mix of traffic. Series are the accounts and their campaigns;
of a mix, an account's networks and devices, and a site's channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from metrics.forecasts import Method, missing
from metrics.model import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.scene import Scene
    from metrics.anomalies import Judged
    from metrics.model import Metric
    from metrics.traffic_mix import Composition
    from metrics.watch import Tests
    from metrics.windows import AccountKey

__all__ = ["Anomaly"]

Kind = Literal["conversions", "spend", "cpc", "drift", "mix"]

_UNITS: Final[dict[Kind, Unit]] = {
    "conversions": "count",
    "spend": "money",
    "cpc": "money",
    "drift": "count",
    "mix": "percent",
}
_EXPLAINED: Final = ("spend", "cpc")
"""Kinds whose change a metric of the same name explains; conversions that still come in explain none."""


_COURSES: Final[Mapping[str, str]] = {
    "conversions": "conversions",
    "spend": "spend",
    "cpc": "cpc",
    "drift": "conversion_rate",
}


class Anomaly(Condition):
    """`of` is a signal: unlikely by itself and among all series, and large enough to matter."""

    kind: Literal["anomaly"] = "anomaly"
    of: Kind
    method: Method = "bands"
    """How spend is expected: by robust bands, or by a model of metrics.forecasts (the extra `models`)."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """Money at risk an hour, in units of the account's currency, under which nobody is disturbed."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.method != "bands" and self.of != "spend":
            raise ValueError(f"only spend is expected by {self.method}; leave method out")
        if (package := missing(self.method)) is not None:
            raise ValueError(f"method {self.method} needs {package}: install paceline[models]")
        return self

    @property
    def metric(self) -> str | None:
        """The metric whose factors say why."""
        return self.of if self.of in _EXPLAINED else None

    @property
    def course(self) -> str:
        return _COURSES.get(self.of, "")

    def unit(self, metrics: Mapping[str, Metric]) -> Unit:  # noqa: ARG002  # the contract's
        return _UNITS[self.of]

    def moments(self, scene: Scene) -> Moments:
        if self.of == "mix":
            return {key: one.until for (key, _), one in scene.mixes.items()}
        # What arrives is judged by the clock of the polls, all else by the watermark.
        moments = scene.polled() if self.of == "conversions" else scene.at
        # Of whose day is not learned yet nothing was said in this pass, be it good or bad.
        waiting = scene.unlearned(self.method)
        return {key: at for key, at in moments.items() if key not in waiting}

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        if self.of == "mix":
            return self._mixes(scene, scope, watched)
        moments = self.moments(scene)
        inside = scene.selected(scope)
        told: dict[AccountKey, set[str]] = {}
        for one in watched:
            if not one.part:
                told.setdefault((one.source, one.account), set()).add(one.campaign)
        found: list[Observation] = []
        for key in scene.scoped(scope):
            judged = scene.anomalies(self.method).get(key)
            if judged is None or key not in moments:
                continue
            signals = judged.signals(self.of)
            asked = told.get(key, set())
            meant = [
                n
                for n, campaign in enumerate(judged.campaigns)
                if (signals[n] or campaign in asked)
                and (at := scene.place.get((*key, campaign))) is not None
                and inside[at]
            ]
            if scope.campaign == scope.label == "*" and (signals[-1] or "" in asked):
                meant.append(len(judged.campaigns))
            found += self._account(key, judged, meant, watched, moments)
        return found

    def _account(
        self, key: AccountKey, judged: Judged, meant: Sequence[int], watched: Watched, moments: Moments
    ) -> list[Observation]:
        """Of those that are meant, and are a signal or watched; the account comes last."""
        signals = judged.signals(self.of)
        found = []
        own = 0.0  # money at risk of the campaigns: the account's is what goes beyond
        for entity in meant:
            campaign = judged.campaigns[entity] if entity < len(judged.campaigns) else ""
            labels = Labels(*key, campaign)
            test = judged.strongest(self.of, entity)
            if not np.isfinite(test.p[entity]):
                found.append(Observation(labels, Result.NODATA, moments[key]))
                continue
            risk = _risk(test, entity, float(judged.spend[entity]))
            holds = bool(signals[entity]) and risk >= self.floor
            if not holds and labels not in watched:
                continue
            if campaign and holds:
                own += risk
            low, high = test.band(entity)
            found.append(
                Observation(
                    labels,
                    Result.TRUE if holds else Result.FALSE,
                    moments[key],
                    seen=float(test.seen[entity]),
                    expected=Range(low, float(test.mid[entity]), high),
                    sure=1 - float(test.p[entity]),
                    at_risk=risk if campaign else max(risk - own, 0.0),
                    said=_said(test, entity) if holds else "",
                    began=moments[key] - timedelta(hours=int(test.hours[entity])) if holds else None,
                )
            )
        return found

    def _mixes(self, scene: Scene, scope: Scope, watched: Watched) -> list[Observation]:
        found = []
        for (key, by), one in scene.mixes.items():
            account = scene.accounts.get(key)
            labels = Labels(*key, "", by)
            if not scope.takes_account(*key, account.name if account else ""):
                continue
            of = [n for n, label in enumerate(scene.campaigns.labels) if label[:2] == key]
            spend = float(scene.spend[of, :24].sum()) / 24
            holds = one.shift.signal and spend * one.share >= self.floor
            if not holds and labels not in watched:
                continue
            if one.shift.p is None:
                found.append(Observation(labels, Result.NODATA, one.until))
                continue
            usual = float(one.usual[one.most])
            found.append(
                Observation(
                    labels,
                    Result.TRUE if holds else Result.FALSE,
                    one.until,
                    seen=float(one.now[one.most]),
                    expected=Range(usual, usual, usual),
                    sure=1 - one.shift.p,
                    at_risk=spend * one.share,
                    said=_moved(one) if holds else "",
                )
            )
        return found


def _risk(test: Tests, entity: int, an_hour: float) -> float:
    """Money per hour: what is spent above expectation, or what is paid for conversions that do not come."""
    seen, mid = float(test.seen[entity]), max(float(test.mid[entity]), 1e-9)
    if test.metric == "spend":
        return max(seen - mid, 0.0) / float(test.hours[entity])
    if test.metric == "cpc":
        return an_hour * max(1 - mid / max(seen, 1e-9), 0.0)
    return an_hour * min(max(1 - seen / mid, 0.0), 1.0)


def _said(test: Tests, entity: int) -> str:
    seen, mid = float(test.seen[entity]), max(float(test.mid[entity]), 1e-9)
    hours = int(test.hours[entity])
    length = f"{hours} h" if hours < 72 else f"{hours // 24} days"
    if test.metric == "spend":
        return f"Spend {seen / mid:.1f}× usual, {length}"
    if test.metric == "cpc":
        return f"Click price {seen / mid:.1f}× usual, {length}"
    if seen < 0.5:
        return f"No conversions for {length}"
    slowly = "Slow decline: conversions" if test.metric == "drift" else "Conversions"
    return f"{slowly} {1 - seen / mid:.0%} down, {length}"


def _moved(one: Composition) -> str:
    return f"Traffic mix: {one.parts[one.most]} +{one.shift.moved[one.most] * 100:.0f} points"
