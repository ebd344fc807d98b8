"""What came of a change: the hours after it beside the same hours of the day before, and if that is news.

A campaign's day differs from the one before for no reason at all. Conversions are counts: what was to be
expected is the earlier rate times the later spend, with the uncertainty of both (a gamma posterior from
Jeffreys' prior, so that the count to come is negative binomial), and some more for what Poisson leaves out
(Var = E + 0.02 E^2). Spend is held against how much the same hours differed from day to day in the two weeks
before. Over all changes that are looked at together, the false-discovery rate is held at 5 % (Benjamini and
Hochberg 1995): with fifty changes on a page, two or three would look striking by chance alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from connectors.contract import Window
from metrics.compute import series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metrics.changes import Edit
    from metrics.model import Metric
    from metrics.same_age import Complete
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Aftermath", "Shift", "Verdict", "aftermath", "count_shift", "spend_shift"]

Floats = npt.NDArray[np.float64]

Verdict: TypeAlias = Literal["normal variation", "could be chance", "clear change", "started", "stopped"]

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_DAYS: Final = 15
"""Days before the change, by which usual differences from day to day are known: fourteen pairs."""

_FEWEST: Final = 5
"""Pairs of days below which nobody knows what is usual."""

_DISPERSION: Final = 0.02
"""Variance of a count beyond Poisson, as a part of the squared mean."""

_INSIDE: Final = 0.8
"""The interval inside which a difference is normal variation."""

_DISCOVERY: Final = 0.05
"""The part of the clear changes that may be chance."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A figure before and after, and what was to be expected after had nothing changed (80 %).

    p: how often chance alone would go as far; None where that cannot be said. verdict: "" then.
    """

    before: float
    now: float
    low: float | None
    high: float | None
    p: float | None
    verdict: Verdict | Literal[""]

    @property
    def relative(self) -> float | None:
        """The relative change."""
        return self.now / self.before - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The full hours after a change, at most a day's, beside the same hours of the day before.

    hours: how many. spend: in the account's currency. conversions: `before` is what was known of them at the
    same age. others: how many other changes touched the same campaigns within these two days: then nobody can
    say which of them it was.
    """

    hours: int
    spend: Shift
    conversions: Shift
    cpa_before: float | None
    cpa: float | None
    others: int


def aftermath(
    warehouse: Warehouse,
    book: Mapping[str, Metric],
    edits: Sequence[Edit],
    until: Mapping[AccountKey, datetime],
    *,
    complete: Complete | None = None,
) -> dict[tuple[str, str, str], Aftermath]:
    """What came of each edit, by (source, account, id); one without a full hour after it is left out.

    book: the definitions that hold. until: each account's watermark, cut to the hour (windows.watermarks).
    complete: how much of each hour's conversions is known; without, they are taken as they are.
    An edit of a whole account is not followed: everything in it moves at once, for any reason.
    """
    told = [e for e in edits if e.campaigns and (e.source, e.account) in until]
    hourly = _Hourly(warehouse, book, told, until, complete)
    near: dict[tuple[str, str, str], list[Edit]] = {}
    for edit in told:
        for campaign in edit.campaigns:
            near.setdefault((edit.source, edit.account, campaign), []).append(edit)
    found = {}
    for edit in told:
        one = hourly.of(edit)
        if one is not None:
            keys = [(edit.source, edit.account, campaign) for campaign in edit.campaigns]
            others = {e.id for key in keys for e in near[key] if abs(e.at - edit.at) < _DAY} - {edit.id}
            found[edit.source, edit.account, edit.id] = replace(one, others=len(others))
    return _judged(found)


class _Hourly:
    """Spend and conversions of the edits' campaigns, hour by hour, from one question."""

    def __init__(
        self,
        warehouse: Warehouse,
        book: Mapping[str, Metric],
        edits: Sequence[Edit],
        until: Mapping[AccountKey, datetime],
        complete: Complete | None,
    ) -> None:
        self.until, self.complete = until, complete
        self.start = datetime.min.replace(tzinfo=UTC)
        self.known: dict[AccountKey, Floats] = {}
        self.spend: dict[tuple[str, str, str], Floats] = {}
        self.conversions: dict[tuple[str, str, str], Floats] = {}
        if not edits:
            return
        self.start = _floor(min(e.at for e in edits)) - _DAYS * _DAY
        window = Window(self.start, max(*until.values(), self.start + _HOUR))
        where = {
            "source": sorted({e.source for e in edits}),
            "account": sorted({e.account for e in edits}),
            "campaign": sorted({c for e in edits for c in e.campaigns}),
        }
        wanted = [book["spend"], book["conversions"]]
        table = series(warehouse, wanted, window, step=_HOUR, by=("campaign",), where=where)
        steps = -((self.start - window.end) // _HOUR)
        spend, conversions = (
            np.nan_to_num(np.asarray(table[m.name].to_numpy(zero_copy_only=False), dtype=float))
            for m in wanted
        )
        keys = zip(*(table[n].to_pylist()[::steps] for n in ("source", "account", "campaign")), strict=True)
        for n, key in enumerate(keys):
            self.spend[key] = spend[n * steps : (n + 1) * steps]
            self.conversions[key] = conversions[n * steps : (n + 1) * steps]

    def of(self, edit: Edit) -> Aftermath | None:
        account = (edit.source, edit.account)
        keys = [(*account, campaign) for campaign in edit.campaigns if (*account, campaign) in self.spend]
        begun = _floor(edit.at)
        # The hour of the change belongs to neither side, nor does the same hour of the day before.
        first = self._step(begun if begun == edit.at else begun + _HOUR)
        hours = min(self._step(begun + _DAY), self._step(self.until[account])) - first
        if hours < 1 or not keys:
            return None
        spend = sum((self.spend[key] for key in keys), np.zeros(1))
        conversions = sum((self.conversions[key] for key in keys), np.zeros(1))
        known = self._known(account, len(spend))
        after, before = slice(first, first + hours), slice(first - 24, first - 24 + hours)
        days = np.array(
            [spend[max(first - 24 * d, 0) : max(first - 24 * d + hours, 0)].sum() for d in range(_DAYS + 1)]
        )
        exposed = float((spend * known)[before].sum()), float((spend * known)[after].sum())
        counted = float(conversions[before].sum()), float(conversions[after].sum())
        # A share of the earlier conversions would not have arrived yet at the age of the later ones.
        part = (exposed[1] / days[0]) / (exposed[0] / days[1]) if exposed[0] > 0 and days[0] > 0 else 1.0
        shift = count_shift(counted, exposed)
        return Aftermath(
            hours=hours,
            spend=spend_shift(days),
            conversions=replace(shift, before=shift.before * part),
            cpa_before=days[1] / (counted[0] * part) if counted[0] * part > 0 else None,
            cpa=days[0] / counted[1] if counted[1] > 0 else None,
            others=0,
        )

    def _known(self, account: AccountKey, steps: int) -> Floats:
        """The share of each step's conversions that is known by now."""
        if self.complete is None:
            return np.ones(steps)
        if account not in self.known:
            hours = [self.start + n * _HOUR for n in range(steps)]
            self.known[account] = np.asarray(self.complete(account, hours), dtype=float)
        return self.known[account]

    def _step(self, at: datetime) -> int:
        return (at - self.start) // _HOUR


def count_shift(counted: tuple[float, float], exposed: tuple[float, float]) -> Shift:
    """Conversions before and after, over what was spent on them (as far as they are known).

    Expected after: the rate before times the exposure after. p is two-sided.
    """
    before, now = counted
    if min(exposed) <= 0:
        return Shift(before, now, None, None, None, "")
    shape = before + 0.5
    mean = shape * exposed[1] / exposed[0]
    size = 1 / (1 / shape + _DISPERSION)
    chance = stats.nbinom(size, size / (size + mean))
    low, high = (float(chance.ppf(q)) for q in ((1 - _INSIDE) / 2, (1 + _INSIDE) / 2))
    # Attribution counts in fractions: each side of the count is asked for.
    p = 2 * min(float(chance.cdf(math.ceil(now))), float(chance.sf(math.floor(now) - 1)))
    return Shift(before, now, low, high, min(p, 1.0), "")


def spend_shift(days: Floats) -> Shift:
    """Spend after and before, and what the days before that say of usual differences.

    days: the same hours' spend, newest first: after the change, the day before it, and so on.
    """
    now, before = float(days[0]), float(days[1])
    if before <= 0 or now <= 0:
        verdict: Verdict | Literal[""] = "started" if now > 0 else "stopped" if before > 0 else ""
        return Shift(before, now, None, None, None, verdict)
    past = days[1:]
    paired = (past[:-1] > 0) & (past[1:] > 0)
    steps = np.log(past[:-1][paired] / past[1:][paired])
    if len(steps) < _FEWEST:
        return Shift(before, now, None, None, None, "")
    # About zero: a day is expected to be like the one before. The floor is a source's own rounding.
    spread = max(1.4826 * float(np.median(np.abs(steps))), 0.02)
    chance = stats.t(len(steps) - 1)
    reach = math.exp(float(chance.ppf((1 + _INSIDE) / 2)) * spread)
    p = 2 * float(chance.sf(abs(math.log(now / before)) / spread))
    return Shift(before, now, before / reach, before * reach, p, "")


def _judged(found: Mapping[tuple[str, str, str], Aftermath]) -> dict[tuple[str, str, str], Aftermath]:
    """Each with its verdicts, which depend on how many are looked at."""
    every = [s.p for a in found.values() for s in (a.spend, a.conversions) if s.p is not None]
    rates: list[float] = stats.false_discovery_control(np.array(every)).tolist() if every else []
    adjusted = iter(rates)

    def judged(shift: Shift) -> Shift:
        if shift.p is None:
            return shift
        rate = next(adjusted)
        if shift.p > 1 - _INSIDE:
            return replace(shift, verdict="normal variation")
        return replace(shift, verdict="clear change" if rate <= _DISCOVERY else "could be chance")

    return {
        key: replace(a, spend=judged(a.spend), conversions=judged(a.conversions)) for key, a in found.items()
    }


def _floor(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
