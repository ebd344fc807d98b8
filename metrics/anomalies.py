"""The newest hours of a whole installation against what its history leads one to expect, from stored data.

What is usual is learned once a local day for each account (`metrics.reference`), again where a backfill has
brought more of its past, and kept in a `Memory`; every poll tests the hours since against it
(`metrics.watch`), all series of all accounts together, so that false discoveries are controlled over the
installation. Where there are thousands of campaigns, the learning is spread over several calls.

    found = judge(warehouse, known, until, memory, now=now)
    found["google_ads", "123"].signals("spend")        # which of its campaigns, the account last
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from metrics import watch
from metrics.cohorts import curves
from metrics.forecasts import METHODS, Method
from metrics.newest_hours import NewestHours, Older, joined
from metrics.reference import HISTORY_DAYS, RECENT_HOURS, Hours, Reference, learn
from metrics.stored_hours import (
    Cells,
    Facts,
    Seen,
    arrivals,
    came,
    clock,
    local_day,
    newest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.contract import Account
    from metrics.lag import Curve
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Judged", "Memory", "judge"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_REACH: Final = timedelta(hours=RECENT_HOURS + 49)
"""Of the looks that say what could have arrived by now."""

_COUNTED: Final = 3
"""Days whose conversions the tests of the newest hours look at, the present one apart."""

_DAY: Final = timedelta(days=1)

_Reach: TypeAlias = tuple[datetime, ...]
"""The first moment that was looked at, of each stream that is learned from."""

WHOLE: Final = ("",)
"""The campaigns of an account that was judged as one."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One account's tests. Rows are its campaigns, in order, the account itself last.

    campaigns: their ids. until: up to where delivery is judged; polled: the last look at its conversions.
    tests: of each metric. hits: which of each test's series are signals. spend: an hour, over the last 24,
    in units of the account's currency.
    """

    campaigns: tuple[str, ...]
    until: datetime
    polled: datetime
    tests: tuple[watch.Tests, ...]
    hits: tuple[Bools, ...]
    spend: Floats

    def signals(self, family: str) -> Bools:
        """Which series are a signal of this family."""
        found = [hits for test, hits in zip(self.tests, self.hits, strict=True) if test.family == family]
        return np.asarray(np.logical_or.reduce(found))

    def strongest(self, family: str, entity: int) -> watch.Tests:
        """The family's test that says most of a series: the one that is a signal, else the least likely."""

        def rank(n: int) -> tuple[bool, float]:
            p = self.tests[n].p[entity]
            return not self.hits[n][entity], float(p) if np.isfinite(p) else 2.0

        of = [n for n, test in enumerate(self.tests) if test.family == family]
        return self.tests[min(of, key=rank)]


@dataclass(slots=True)
class _Usual:
    """An account's reference for a day (None: it delivered nothing) and from how far back it was learned, the
    campaigns that its rows are, hours that were read before, and the expectations of past days.
    """

    day: date | None = None
    reach: _Reach = ()
    campaigns: tuple[str, ...] = ()
    reference: Reference | None = None
    older: Older | None = None
    expected: dict[int, Floats] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """What is worth keeping from poll to poll: what each account's day is expected to be.

    most: campaigns to learn in one call, though one account at least; None: all that is due, 0: none.
    waiting: the accounts that a call left for the next one, of whose day nothing can be said yet. sizes: how
    many campaigns each account has. lags: the lag curves as of the beginning of an account's day.
    """

    most: int | None = None
    usual: dict[AccountKey, _Usual] = field(default_factory=dict)
    waiting: frozenset[AccountKey] = frozenset()
    sizes: dict[AccountKey, int] = field(default_factory=dict)
    lags: dict[AccountKey, tuple[date, _Reach, Curve | None]] = field(default_factory=dict)


def judge(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    until: Mapping[AccountKey, datetime],
    memory: Memory,
    *,
    now: datetime,
    as_of: datetime | None = None,
    method: Method = "bands",
    stored: NewestHours | None = None,
) -> dict[AccountKey, Judged]:
    """Every test of the accounts' newest hours, and which of them are signals.

    until: each account's watermark, cut to whole hours of its clock. Accounts that delivered nothing in
    seven weeks are left out, as are those that are still `waiting` to be learned. as_of: `now`, to judge a
    past moment by nothing but what was known then. method: how spend is expected; other than by bands, spend
    alone is tested, and a decomposition judges accounts alone. A memory is of one method. stored: the newest
    hours, where others read them too.
    """
    until = {key: end for key, end in until.items() if key in known}
    days = {key: local_day(end, known[key].timezone) for key, end in until.items()}
    reach = _reach(warehouse, known, days)
    due = [
        key
        for key, day in days.items()
        if (kept := memory.usual.get(key)) is None or (kept.day, kept.reach) != (day, reach[key])
    ]
    chosen = _slice(warehouse, due, until, memory) if memory.most != 0 else []
    behind = {key: (days[key], reach[key]) for key in due}
    if memory.most and chosen and len(chosen) < len(due) and _unlearned(behind, memory):
        _lags(warehouse, known, behind, memory)  # of all of them: work enough for one call
        chosen = []
    for key in chosen:
        kept = memory.usual.setdefault(key, _Usual())
        if kept.reach != reach[key]:
            kept.expected.clear()
        kept.reach = reach[key]
    if chosen:
        _learn(
            warehouse,
            known,
            {key: days[key] for key in chosen},
            memory,
            lags=_lags(warehouse, known, behind, memory),
            now=now,
            as_of=as_of,
            method=method,
        )
    memory.waiting = frozenset(
        key for key in due if (kept := memory.usual.get(key)) is None or kept.day != days[key]
    )
    usual = {
        key: kept
        for key in until
        if key not in memory.waiting and (kept := memory.usual[key]).reference is not None
    }
    cells = {key: newest(known[key].timezone, until[key]) for key in usual}
    stored = stored or NewestHours(warehouse, as_of)
    read_at = [kept.older.read for kept in usual.values() if kept.older]
    changed = stored.changed(min(read_at)) if read_at else {}
    older = {
        key: kept.older.before(cells[key], changed.get(key, np.inf)) if kept.older else None
        for key, kept in usual.items()
    }
    read = {
        key: one.cut(slice(len(past.start) if (past := older[key]) else 0, None))
        for key, one in cells.items()
    }
    facts = _newest(warehouse, read, {key for key, past in older.items() if past is None}, stored, as_of)
    seen = Seen(warehouse, now, _REACH)
    lags = {key: kept.reference.lag for key, kept in usual.items() if kept.reference is not None}
    arrived = arrivals(warehouse, known, lags, now) if method == "bands" else {}
    begun: dict[AccountKey, tuple[tuple[str, ...], Hours, datetime, list[watch.Tests]]] = {}
    for key, kept in usual.items():
        reference = kept.reference
        assert reference is not None  # of `usual`
        hours = facts[key].hours(key, kept.campaigns, reference.lag, seen)
        if (past := older[key]) is not None:
            born = cells[key].born(reference.lag)
            looked = seen.last(key, reference.lag, born)
            hours = joined(past, hours, cells[key], born=born, looked=looked)
        kept.older = Older(now, hours.start, hours.clicks, hours.spend)
        hours = _of(method, hours)
        look = seen.of(key, reference.lag)
        if look is None:
            continue
        campaigns = kept.campaigns if len(hours.clicks) == len(kept.campaigns) else WHOLE
        if method == "bands":
            news = came(arrived.get(key), campaigns, reference.lag, hours, look)
            tests = [watch.decline(reference), *watch.judge(reference, hours, news)]
        else:  # all else is judged with the bands: tested again, it would count twice among the discoveries
            tests = [watch.spend(reference, hours)]
        begun[key] = campaigns, hours, datetime.fromtimestamp(float(look.at.max()) * 3600, UTC), tests
    hits = iter(watch.graded([test for *_, tests in begun.values() for test in tests]))
    found = {}
    for key, (campaigns, hours, polled_at, tests) in begun.items():
        spent = hours.spend[:, -24:].sum(1) / 24
        found[key] = Judged(
            campaigns,
            until[key],
            polled_at,
            tuple(tests),
            tuple(next(hits) for _ in tests),
            np.append(spent, spent.sum()),
        )
    return found


def _newest(
    warehouse: Warehouse,
    cells: Mapping[AccountKey, Cells],
    fresh: set[AccountKey],
    stored: NewestHours,
    as_of: datetime | None,
) -> dict[AccountKey, Facts]:
    """The facts of each account's cells. fresh: those of which all hours are read, as none were before."""
    if not 0 < len(fresh) < len(cells):
        return dict.fromkeys(cells, Facts(warehouse, cells, as_of, counted=_COUNTED, stored=stored))
    found: dict[AccountKey, Facts] = {}
    for keys, shared in ((fresh, None), (cells.keys() - fresh, stored)):
        part = {key: cells[key] for key in keys}
        found |= dict.fromkeys(keys, Facts(warehouse, part, as_of, counted=_COUNTED, stored=shared))
    return found


def _learn(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    days: Mapping[AccountKey, date],
    memory: Memory,
    *,
    lags: Mapping[AccountKey, Curve],
    now: datetime,
    as_of: datetime | None,
    method: Method,
) -> None:
    """What the days before lead one to expect of each account's day, into the memory."""
    cells = {
        key: clock(known[key].timezone, day - HISTORY_DAYS * _DAY, day - _DAY) for key, day in days.items()
    }
    facts = Facts(warehouse, cells, as_of)
    seen = Seen(warehouse, now, HISTORY_DAYS * _DAY + _REACH)
    for key, day in days.items():
        kept = memory.usual[key]
        campaigns = facts.campaigns(key)
        if campaigns != kept.campaigns:
            kept.expected.clear()
        kept.day, kept.campaigns, kept.reference, kept.older = day, campaigns, None, None
        if campaigns and key in lags:
            hours = _of(method, facts.hours(key, campaigns, lags[key], seen))
            kept.reference = learn(
                hours,
                lags[key],
                day=day.toordinal(),
                memory=kept.expected,
                forecast=METHODS[method],
            )


def _reach(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], days: Mapping[AccountKey, date]
) -> dict[AccountKey, _Reach]:
    """How far back each account was looked at, as far as its day is learned from."""
    rows = warehouse.query(
        """SELECT source, account, stream, min(window_start) AS first FROM journal
        WHERE stream IN ('delivery', 'day_totals') AND outcome = 'ok' GROUP BY ALL ORDER BY ALL"""
    )
    found: dict[AccountKey, _Reach] = dict.fromkeys(days, ())
    for row in rows.to_pylist():
        key = row["source"], row["account"]
        if key in days:
            begins = datetime.combine(days[key] - HISTORY_DAYS * _DAY, time(), known[key].timezone)
            found[key] += (max(row["first"], begins.astimezone(UTC)),)
    return found


def _of(method: Method, hours: Hours) -> Hours:
    """The hours as a method sees them: a decomposition takes too long for single campaigns."""
    if method != "decomposition":
        return hours
    sums = {name: getattr(hours, name).sum(0, keepdims=True) for name in ("clicks", "spend", "known")}
    return replace(hours, **sums)


def _slice(
    warehouse: Warehouse,
    due: Sequence[AccountKey],
    until: Mapping[AccountKey, datetime],
    memory: Memory,
) -> list[AccountKey]:
    """Those of the due that are learned now: first those of which nothing is known."""
    if memory.most is None or not due:
        return list(due)
    if not set(due) <= memory.sizes.keys():
        rows = warehouse.query(
            """SELECT source, account, count(DISTINCT campaign) AS campaigns FROM delivery
            WHERE hour >= $since GROUP BY ALL""",
            {"since": min(until.values()) - timedelta(hours=RECENT_HOURS)},
        ).to_pylist()
        memory.sizes = dict.fromkeys(until, 0)
        memory.sizes |= {(row["source"], row["account"]): row["campaigns"] for row in rows}
    ordered = sorted(due, key=lambda key: (key in memory.usual, key))
    found: list[AccountKey] = []
    total = 0
    for key in ordered:
        total += memory.sizes[key]
        if found and total > memory.most:
            break
        found.append(key)
    return found


def _lags(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    due: Mapping[AccountKey, tuple[date, _Reach]],
    memory: Memory,
) -> dict[AccountKey, Curve]:
    """Each account's lag curve as of the day's beginning: what goes wrong today is not what is usual.

    One question answers for all accounts of a midnight: those that wait are learned with the others.
    """
    begins: dict[datetime, list[AccountKey]] = {}
    for key in _unlearned(due, memory):
        midnight = datetime.combine(due[key][0], time(), known[key].timezone).astimezone(UTC)
        begins.setdefault(midnight, []).append(key)
    for moment, keys in begins.items():
        found = curves(warehouse, {key: known[key] for key in keys}, moment)
        memory.lags |= {key: (*due[key], found.get(key)) for key in keys}
    return {key: lag for key in due if (lag := memory.lags[key][2]) is not None}


def _unlearned(due: Mapping[AccountKey, tuple[date, _Reach]], memory: Memory) -> list[AccountKey]:
    """Those whose lag curve as of the beginning of that day is not known."""
    return [key for key, of in due.items() if key not in memory.lags or memory.lags[key][:2] != of]
