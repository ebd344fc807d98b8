"""What a review goes by: whether a thing is used, heard, owned and still true, each in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from alerts.notify.contract import Severity
from metrics.words import figure, percent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from alerts.review import Reviewed
    from alerts.rules import Rule
    from metrics.catalog import Catalog, Entry, Ref
    from metrics.model import Metric
    from metrics.usage import Usage

__all__ = ["REVIEWED", "Level", "Sign", "Signs", "limit", "present"]

State: TypeAlias = Literal["good", "warn", "bad", "none"]

REVIEWED: Final = ("dashboard", "rule", "metric", "view")
"""Kinds that have reviews; tables and sources are what the platforms offer."""

_ENOUGH: Final = timedelta(days=28)
"""Looks are counted so long before that nobody looked says anything."""
_TOLD: Final = 5
"""Incidents that were told before the share that was acted on says anything."""
_HEARD: Final = 0.3
_FLAPS: Final = 3
_REACH: Final = 0.25
"""A limit is far off where nobody comes near a quarter of it."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One finding. state: what it means for keeping the thing as it is."""

    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of the entries of a catalogue.

    looks: by the entry's name, over `span`; counted: since which day looks are. people: names that hear.
    figures: what came of each rule over the span. changed: when an entry last changed, by its name.
    """

    catalog: Catalog
    today: date
    span: timedelta
    looks: Mapping[str, Usage]
    counted: date | None
    people: Collection[str]
    figures: Sequence[Reviewed]
    changed: Mapping[str, datetime]

    def of(self, entry: Entry) -> list[Sign]:
        """What speaks for and against an entry, the worst first."""
        found = [self._owner(entry), *self._changed(entry)]
        match entry.ref.kind:
            case "dashboard":
                found.append(self._opened(entry))
            case "metric" | "view":
                found.append(self._used(entry.ref))
            case "rule":
                found += [self._fired(one) for one in self.figures if one.rule.id == entry.ref.name]
        order = ("bad", "warn", "none", "good")
        return sorted(found, key=lambda sign: order.index(sign.state))

    @property
    def _days(self) -> int:
        """Days over which looks and alerts are known."""
        known = (self.today - self.counted).days + 1 if self.counted else 0
        return min(known, self.span.days)

    def _opened(self, entry: Entry) -> Sign:
        seen = self.looks.get(str(entry.ref))
        if seen is not None:
            readers = f"{seen.readers} reader{'s' if seen.readers != 1 else ''}"
            times = f"{seen.times} time{'s' if seen.times != 1 else ''}"
            return Sign(
                "good", f"Opened {times} by {readers} in {self._days} days, last on {_day(seen.last)}."
            )
        if self._days < _ENOUGH.days:
            days = f"{self._days} day{'s' if self._days != 1 else ''}"
            return Sign("none", f"Not opened in the {days} since looks are counted.")
        return Sign("bad", f"Nobody opened it in {self._days} days.")

    def _used(self, ref: Ref) -> Sign:
        readers = self.catalog.readers(ref)
        by = {kind: sum(one.kind == kind for one in readers) for kind in ("metric", "rule", "dashboard")}
        seen = self.looks.get(str(ref))
        looked = f" Its meaning was looked up {seen.times} times." if seen else ""
        if not readers and ref.kind == "view":
            return Sign("none", f"No metric is read from it; a page may read it as it is.{looked}")
        if not readers:
            return Sign("warn", f"Nothing uses it: no dashboard shows it, no rule watches it.{looked}")
        told = ", ".join(f"{n} {kind}{'s' if n != 1 else ''}" for kind, n in by.items() if n)
        return Sign("good", f"Used by {told}.{looked}")

    def _fired(self, one: Reviewed) -> Sign:
        degree, days = str(one.rule.severity).capitalize(), self._days
        if not one.fires and days < _ENOUGH.days:
            return Sign("none", f"{degree}: has not fired in {_many(days, 'day')}; too few to judge it by.")
        if not one.fires:
            return Sign("none", f"{degree}: never fired in {days} days. Is its limit within reach?")
        rate = one.acted_rate
        told = f"{degree}: fired {_many(one.fires, 'time')} on {_many(one.days, 'day')}"
        if rate is not None:
            told += f", {_many(one.told, 'incident')} told, {percent(rate, digits=0)} acted on"
        told += f"; called useful {one.useful}, noise {one.noise} times" if one.useful or one.noise else ""
        # Information asks nobody to act, and what began today has had no day to be acted on.
        asks = one.rule.severity is not Severity.INFO and one.days > 1
        if asks and rate is not None and one.told >= _TOLD and rate < _HEARD:
            return Sign(
                "bad", f"{told}. Hardly anybody acts on it: raise its limit, or let it be information."
            )
        if one.noise > one.useful:
            return Sign("warn", f"{told}. More people call it noise than useful.")
        if one.flaps > _FLAPS:
            return Sign("warn", f"{told}. It came and went {one.flaps} times: let it hold longer.")
        return Sign("good", f"{told}.")

    def _owner(self, entry: Entry) -> Sign:
        if entry.owner in self.people:
            return Sign("good", f"{entry.owner} owns it, and hears of it.")
        if not self.people:  # one thing to mend, not one for each entry
            return Sign("none", f"{entry.owner} owns it; alerts.people names nobody yet.")
        return Sign("warn", f"{entry.owner} is none of alerts.people: nobody is told when it needs somebody.")

    def _changed(self, entry: Entry) -> list[Sign]:
        at = self.changed.get(str(entry.ref))
        if at is None or (entry.reviewed is not None and at.date() <= entry.reviewed):
            return []
        since = f" since its review of {_day(entry.reviewed)}" if entry.reviewed else ""
        return [Sign("warn", f"Changed on {_day(at.date())}{since}.")]


@dataclass(frozen=True, slots=True)
class Level:
    """Where an account's metric is at present, and the limit at which the rule would fire. Own currency."""

    account: str
    currency: str
    value: float
    limit: float


def limit(rule: Rule, target: float | None, usual: float | None) -> float | None:
    """The figure at which a rule on a metric fires; None where it has no plain limit.

    target: the account's, of the rule's metric. usual: the metric over the last 28 days.
    """
    condition = rule.condition
    above, below = getattr(condition, "above", None), getattr(condition, "below", None)
    factor = getattr(condition, "times", None) or above or below
    base = {"one": 1.0, "target": target, "week": usual}.get(getattr(condition, "of", "target"))
    if not isinstance(factor, float | int) or base is None or getattr(condition, "metric", None) is None:
        return None
    return float(factor) * base


def present(metric: Metric, levels: Sequence[Level], *, below: bool) -> Sign | None:
    """The limit beside the present baseline of each account. below: whether it fires under the limit."""
    if not levels:
        return None
    ratios = {level.account: level.value / level.limit for level in levels}
    told = "; ".join(
        f"{level.account} {figure(level.value, metric.unit, level.currency)}, fires "
        f"{'under' if below else 'over'} {figure(level.limit, metric.unit, level.currency)}"
        for level in sorted(levels, key=lambda one: one.value / one.limit, reverse=not below)[:3]
    )
    past = [name for name, ratio in ratios.items() if (ratio < 1 if below else ratio > 1)]
    text = f"{metric.title} over 28 days: {told}."
    if past:
        return Sign("bad", f"{text} {len(past)} of {len(levels)} accounts are past it on average.")
    nearest = min(ratios.values()) if below else max(ratios.values())
    if (nearest > 1 / _REACH) if below else (nearest < _REACH):
        return Sign("warn", f"{text} No account comes near it.")
    return Sign("good", text)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
