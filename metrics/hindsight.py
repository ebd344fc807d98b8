"""How good the settled estimate was: what was said of past days at some ages, against what is known by now.

Everything is said again with nothing but what the ledger had seen by then: the curve, the usual rates, the
conversions known so far. Days that were not watched from the start, or not looked at after their end, are no
evidence and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metrics.cohorts import credits_of, growths, midnights
from metrics.estimate import DISPERSION, settled, usual_rate
from metrics.lag import Growth, learn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from connectors.contract import Account
    from metrics.lag import Curve
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["AGES", "Score", "backtest"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AGES: Final = (6, 12, 24, 48)
"""Hours after a day's end at which the estimate is tried."""

_KNOWN: Final = 0.97
"""Completeness from which a day counts as known."""

_REFERENCE: Final = 14 * 24.0
"""Hours from which usual rates are taken, as in `metrics.maturity`."""

_REACH: Final = timedelta(days=45)
"""How far back days are looked for."""


@dataclass(frozen=True, slots=True)
class Score:
    """How far off the figures of whole days were, some hours after the day's end.

    of: days of whole accounts, or of single campaigns. raw, settled: the error of what was known and of what
    was estimated, over all conversions (WAPE). inside: share of the 80 % intervals that held what came.
    closer: share of the days whose settled CPA was closer to the later one than the raw. days: how many.
    """

    age: int
    of: Literal["account", "campaign"]
    raw: float
    settled: float
    inside: float
    closer: float
    days: int


def backtest(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    now: datetime,
    *,
    days: int = 14,
    ages: Sequence[int] = AGES,
) -> list[Score]:
    """The scores of the latest `days` days of each account that are all but complete, by age.

    Empty while no day was both watched and has had the time to settle.
    """
    credit = credits_of(warehouse, now)
    tried: dict[tuple[int, str], list[Floats]] = {}
    for key, growth in growths(warehouse, known, now).items():
        past = _past(warehouse, key, known[key].timezone, growth, now)
        if past is None:
            continue
        for day in past.days(learn(growth, past.now), days):
            curve = learn(growth, past.end[day] + min(ages))
            for age in ages:
                if past.watched(day, past.end[day] + age):
                    rows = past.said(day, past.end[day] + age, curve, credit.get(key, 1.0))
                    tried.setdefault((age, "campaign"), []).append(rows)
                    tried.setdefault((age, "account"), []).append(rows.sum(0, keepdims=True))
    return [
        _score(age, of, np.concatenate(tried[age, of]))
        for of in ("account", "campaign")
        for age in ages
        if (age, of) in tried
    ]


def _score(age: int, of: Literal["account", "campaign"], rows: Floats) -> Score:
    truth, known, late, lost, noise, wander, doubt, cost = rows.T
    said = settled(known, late, lost, noise=noise, more=wander + doubt**2)
    whole = max(float(truth.sum()), 1e-9)
    with np.errstate(all="ignore"):
        cpa = cost / truth
        closer = np.abs(cost / said.mid - cpa) < np.abs(cost / known - cpa)
    counted = (truth > 0) & (cost > 0)
    return Score(
        age=age,
        of=of,
        raw=float(np.abs(known - truth).sum()) / whole,
        settled=float(np.abs(said.mid - truth).sum()) / whole,
        inside=float(((truth >= said.low - 1e-9) & (truth <= said.high + 1e-9)).mean()),
        closer=float(closer[counted].mean()) if counted.any() else 0.0,
        days=len(truth),
    )


@dataclass(frozen=True, slots=True)
class _Past:
    """An account's last weeks by campaign, times in hours since 1970.

    hours: starts of the hours with delivery, ascending; begin: of the cohort that each belongs to; day_of:
    index of its day. end: of each day. clicks: (campaigns, hours). cost: (campaigns, days). Then one element
    a difference: campaign, cohort's start, day, when it was seen, conversions.
    """

    growth: Growth
    now: float
    hours: Floats
    begin: Floats
    day_of: Ints
    end: Floats
    clicks: Floats
    cost: Floats
    campaign: Ints
    cohort: Floats
    day: Ints
    seen: Floats
    amount: Floats

    def days(self, curve: Curve, most: int) -> Iterator[int]:
        """The latest days that are all but complete by now."""
        complete = curve.at(self.last(self.now) - self.begin)
        of_day = [complete[self.day_of == day] for day in range(len(self.end))]
        # Before the first of them there must be what usual rates are taken from.
        first = self.end[0] + _REFERENCE / 2
        known = [
            day
            for day, shares in enumerate(of_day)
            if len(shares) and shares.mean() >= _KNOWN and self.end[day] >= first
        ]
        yield from known[-most:]

    def last(self, then: float) -> Floats:
        """When each hour was last looked at."""
        return self.growth.looks.last(self.begin, then)

    def watched(self, day: int, then: float) -> bool:
        """Whether the day's hours were looked at while they were young, and once more after its end."""
        of_day = self.day_of == day
        first = self.growth.looks.first(self.begin)[of_day]
        return bool((first <= self.end[day]).all() and (self.last(then)[of_day] >= self.end[day]).all())

    def said(self, day: int, then: float, curve: Curve, credit: float) -> Floats:
        """One row a campaign: what came, what was known, and the parts of what was expected (see _score)."""
        age = np.maximum(self.last(then) - self.begin, 0.0)
        lost, error = curve.withdrawn_at(age), curve.error_at(age)
        late = np.maximum(1 - curve.at(age) + lost, 0.0)
        by_then = self.seen <= then
        reference = (self.hours >= then - _REFERENCE) & (self.hours < then)
        counted = by_then & (self.cohort >= then - _REFERENCE)
        conversions = self._sum(counted)
        rate = usual_rate(conversions, (self.clicks * reference * (1 - late + lost)).sum(1))
        clicks = self.clicks * (self.day_of == day)
        parts = [(clicks * share).sum(1) * rate for share in (late, lost, error)]
        of_day = self.day == day
        return np.stack(
            [
                self._sum(of_day),
                self._sum(of_day & by_then),
                parts[0],
                parts[1],
                (parts[0] + parts[1]) * credit,
                DISPERSION * parts[0] ** 2,
                parts[2],
                self.cost[:, day],
            ],
            axis=1,
        )

    def _sum(self, kept: npt.NDArray[np.bool_]) -> Floats:
        size = len(self.clicks)
        return np.asarray(np.bincount(self.campaign[kept], self.amount[kept], size), dtype=float)


_HOURLY: Final = """SELECT campaign, day, epoch(hour) / 3600 AS cohort, epoch(seen_to) / 3600 AS seen,
  CAST(sum(conversions) AS DOUBLE) AS amount
FROM delivery_ledger WHERE source = $source AND account = $account AND day >= $since AND seen_to <= $now
  AND conversions <> 0
GROUP BY ALL"""

_DAILY: Final = """SELECT campaign, day, epoch(seen_to) / 3600 AS seen,
  CAST(sum(conversions) AS DOUBLE) AS amount
FROM day_totals_ledger WHERE source = $source AND account = $account AND day >= $since AND seen_to <= $now
  AND "primary" AND conversions <> 0
GROUP BY ALL"""


def _past(
    warehouse: Warehouse, key: AccountKey, zone: ZoneInfo, growth: Growth, now: datetime
) -> _Past | None:
    bounds = {"source": key[0], "account": key[1], "since": (now - _REACH).date(), "now": now}
    delivered = warehouse.query(
        """SELECT campaign, day, epoch(hour) / 3600 AS hour, CAST(sum(clicks) AS DOUBLE) AS clicks,
          sum(cost) / 1e6 AS cost
        FROM delivery WHERE source = $source AND account = $account AND day >= $since AND hour < $now
        GROUP BY ALL ORDER BY hour""",
        bounds,
    )
    by_the_hour = growth.shares is None
    rows = warehouse.query(_HOURLY if by_the_hour else _DAILY, bounds)
    if not delivered.num_rows or not rows.num_rows:
        return None
    names = {c: n for n, c in enumerate(sorted({*_words(delivered, "campaign"), *_words(rows, "campaign")}))}
    days = sorted({*_words(delivered, "day"), *_words(rows, "day")})
    place = {day: n for n, day in enumerate(days)}
    hours, hour_at = np.unique(delivered["hour"].to_numpy(), return_inverse=True)
    day_at = np.array([place[day] for day in _words(delivered, "day")])
    campaign_at = np.array([names[c] for c in _words(delivered, "campaign")])
    day_of = np.zeros(len(hours), dtype=int)
    day_of[hour_at] = day_at
    clicks, cost = np.zeros((len(names), len(hours))), np.zeros((len(names), len(days)))
    np.add.at(clicks, (campaign_at, hour_at), delivered["clicks"].to_numpy())
    np.add.at(cost, (campaign_at, day_at), delivered["cost"].to_numpy())
    begins = midnights(days, zone)
    day = np.array([place[d] for d in _words(rows, "day")])
    return _Past(
        growth=growth,
        now=now.timestamp() / 3600,
        hours=hours,
        begin=hours if by_the_hour else begins[day_of],
        day_of=day_of,
        end=midnights([d + timedelta(days=1) for d in days], zone),
        clicks=clicks,
        cost=cost,
        campaign=np.array([names[c] for c in _words(rows, "campaign")]),
        cohort=rows["cohort"].to_numpy() if by_the_hour else begins[day],
        day=day,
        seen=rows["seen"].to_numpy(),
        amount=rows["amount"].to_numpy(),
    )


def _words(table: pa.Table, name: str) -> list[str] | list[date]:
    found: list[str] | list[date] = table[name].to_pylist()
    return found
