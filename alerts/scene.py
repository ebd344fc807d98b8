"""What the rules look at: one picture of the warehouse, at each account's watermark, shared by all of them.

Whatever several rules need is asked once a pass, for all campaigns together, and kept as arrays whose rows
are the campaigns of `Scene.campaigns`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alerts.conditions.contract import Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from connectors.contract import Account, Window
from metrics import anomalies, maturity, model, pacing, traffic_mix, windows
from metrics.compute import answer
from metrics.forecasts import Method
from metrics.model import Metric
from metrics.plan import Question
from metrics.windows import AccountKey
from warehouse.store import Warehouse, Watermark

__all__ = ["DELIVERY", "Floats", "Memory", "Paces", "Scene", "Target"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DELIVERY: Final = "delivery"
"""The stream that every total comes from, and by whose watermark rules are judged."""

DAY: Final = 24
WEEK: Final = 7 * 24
HISTORY: Final = WEEK + DAY
"""Hours that the picture reaches back from each account's watermark: a week before the last day."""

MISSED: Final = 3
"""Polls in a row without an answer after which an account counts as stale."""

_OFTEN: Final = frozenset({"conversions", "conversion_rate", "cpa", "roas", "spend"})

_KEPT: Final = timedelta(minutes=15)
_LEARNED: Final = timedelta(hours=6)
"""Days before today are restated by little: what they say of today is learned so often."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a result is measured against, for the campaigns whose names or ids match (`*` and `?`)."""

    metric: str
    value: float
    source: str = "*"
    account: str = "*"
    campaign: str = "*"


_Hours = tuple[int, int]
"""So many hours, which end so many hours before the watermark."""


@dataclass(slots=True)
class Memory:
    """What is worth keeping from pass to pass.

    of, campaigns, at: for which watermarks and campaigns, and since when. pace, maturity, sums: change by the
    hour. days: what the days before a day say of it; since: since when they were learned.
    names, windows: of the sums that earlier passes asked for, so that the next one asks for them together.
    """

    of: Mapping[AccountKey, datetime] = field(default_factory=dict)
    campaigns: tuple[Labels, ...] = ()
    at: datetime | None = None
    pace: pacing.Day | None = None
    maturity: maturity.Maturity | None = None
    sums: dict[_Hours, dict[str, Floats]] = field(default_factory=dict)
    days: pacing.Memory = field(default_factory=dict)
    since: datetime | None = None
    names: set[str] = field(default_factory=set)
    windows: set[_Hours] = field(default_factory=set)
    usual: dict[Method, anomalies.Memory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paces:
    """The day of each campaign (metrics.pacing): 0 and "unplanned" where there is no budget.

    hourly: planned spend by the hour before the watermark, newest first, shape (campaigns, 24). An hour of
    yesterday is planned as the same hour of today: days differ less than hours do. left: hours of the day.
    """

    plan: Floats
    mid: Floats
    left: Floats
    state: npt.NDArray[np.str_]
    hourly: Floats


@dataclass(frozen=True, slots=True)
class _Campaigns:
    labels: tuple[Labels, ...]
    names: tuple[str, ...]
    tags: tuple[str, ...]
    enabled: Bools
    serving: tuple[str, ...]
    channels: tuple[str, ...]


class Scene:
    """The picture of one pass. Not for more than one thread.

    every: time between polls of delivery, by source. started: since when this process polls.
    metrics: definitions by name; the built-in ones where none are given. complete: an account's known share
    of the conversions of some hours; learned where it is not given.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        now: datetime,
        *,
        every: Mapping[str, timedelta],
        started: datetime,
        targets: Sequence[Target] = (),
        metrics: Mapping[str, Metric] | None = None,
        memory: Memory | None = None,
        complete: Callable[[AccountKey, Sequence[datetime]], Floats] | None = None,
    ) -> None:
        self.warehouse, self.now, self.started = warehouse, now, started
        self.every = every
        self.metrics = model.load() if metrics is None else metrics
        self._targets = tuple(targets)
        self._memory = memory or Memory()
        self._shares = complete
        self._sums: dict[_Hours, dict[str, Floats]] = {}
        self._foreseen = (sorted(self._memory.names & self.metrics.keys()), sorted(self._memory.windows))
        self._asked: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._selected: dict[Scope, Bools] = {}
        self._target_cache: dict[str, Floats] = {}
        self._judged: dict[Method, dict[AccountKey, anomalies.Judged]] = {}

    # -- accounts

    @cached_property
    def accounts(self) -> dict[AccountKey, Account]:
        """Every account that spends money."""
        return windows.accounts(self.warehouse)

    @cached_property
    def marks(self) -> dict[tuple[str, str, str], Watermark]:
        """The watermark of every stream."""
        return {(m.source, m.account, m.stream): m for m in self.warehouse.watermarks()}

    @cached_property
    def at(self) -> dict[AccountKey, datetime]:
        """Up to when each account's source vouches for its delivery, to the second."""
        found = {key: self.marks.get((*key, DELIVERY)) for key in self.accounts}
        return {key: m.data_as_of for key, m in found.items() if m is not None and m.data_as_of is not None}

    @cached_property
    def until(self) -> dict[AccountKey, datetime]:
        """The same, cut to whole hours of the account's clock."""
        found = windows.watermarks(self.warehouse, self.accounts, DELIVERY)
        return {key: found[key] for key in self.at if key in found}

    @cached_property
    def stale(self) -> frozenset[AccountKey]:
        """The accounts that missed so many polls that nothing can be said of their present."""
        return frozenset(key for key in self.accounts if self.overdue(key) is True)

    def overdue(self, key: AccountKey) -> bool | None:
        """Whether an account has missed its polls; None while this process has not had the time to ask it.

        A process that has just started knows nothing of polls that nobody made.
        """
        mark = self.marks.get((*key, DELIVERY))
        allowed = MISSED * self.every.get(key[0], timedelta(minutes=15))
        polled = mark.polled_at if mark else None
        if polled is not None and self.now - polled < allowed:
            return False
        return None if self.now - self.started < allowed else True

    def vouched(self, stream: str) -> dict[AccountKey, datetime]:
        """Each account's watermark of one stream."""
        return {
            key: mark.data_as_of
            for key in self.accounts
            if (mark := self.marks.get((*key, stream))) is not None and mark.data_as_of is not None
        }

    def polled(self, stream: str = DELIVERY) -> dict[AccountKey, datetime]:
        """When each account's stream was last answered: what is set up is as of then."""
        return {
            key: mark.polled_at
            for key in self.accounts
            if (mark := self.marks.get((*key, stream))) is not None and mark.polled_at is not None
        }

    # -- campaigns

    @cached_property
    def campaigns(self) -> _Campaigns:
        """Every campaign that is set up or has delivered lately, of accounts with a watermark, in order."""
        first = min(self.until.values(), default=self.now) - timedelta(hours=HISTORY)
        rows = self.warehouse.query(
            """SELECT source, account, campaign, coalesce(c.name, campaign) AS name,
              coalesce(c.labels, '') AS labels, coalesce(c.status = 'enabled', true) AS enabled,
              coalesce(c.serving, '') AS serving, coalesce(c.channel, '') AS channel
            FROM (SELECT DISTINCT source, account, campaign FROM delivery WHERE hour >= $first) AS d
            FULL JOIN campaign AS c USING (source, account, campaign)
            ORDER BY ALL""",
            {"first": first},
        )
        keys = zip(*(rows[name].to_pylist() for name in ("source", "account", "campaign")), strict=True)
        labels = [Labels(*key) for key in keys]
        kept = [i for i, one in enumerate(labels) if (one.source, one.account) in self.until]
        rows = rows.take(pa.array(kept, pa.int64()))
        return _Campaigns(
            tuple(labels[i] for i in kept),
            tuple(rows["name"].to_pylist()),
            tuple(rows["labels"].to_pylist()),
            np.array(rows["enabled"].to_pylist(), dtype=bool),
            tuple(rows["serving"].to_pylist()),
            tuple(rows["channel"].to_pylist()),
        )

    @cached_property
    def _place(self) -> dict[tuple[str, str, str], int]:
        return {one[:3]: i for i, one in enumerate(self.campaigns.labels)}

    @cached_property
    def keys(self) -> list[AccountKey]:
        """The accounts of the campaigns, each once, in order."""
        return list(dict.fromkeys((one.source, one.account) for one in self.campaigns.labels))

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """Which of `keys` each campaign belongs to."""
        place = {key: i for i, key in enumerate(self.keys)}
        return np.array([place[one.source, one.account] for one in self.campaigns.labels], dtype=np.int64)

    def by_account(self, value: Callable[[AccountKey], float]) -> Floats:
        """A figure of each campaign's account."""
        return np.array([value(key) for key in self.keys], dtype=float)[self.owner]

    def per_account(self, values: Floats) -> Floats:
        """The sum over each account's campaigns, at each of its campaigns."""
        sums = np.bincount(self.owner, weights=values, minlength=len(self.keys))
        return np.asarray(sums[self.owner], dtype=np.float64)

    def selected(self, scope: Scope) -> Bools:
        """The campaigns that a scope means."""
        if scope not in self._selected:
            self._selected[scope] = self._select(scope)
        return self._selected[scope]

    def _select(self, scope: Scope) -> Bools:
        found = self.campaigns
        if scope.everything:
            return np.ones(len(found.labels), dtype=bool)
        accounts = set(self.scoped(scope))
        return np.array(
            [
                (one.source, one.account) in accounts and scope.takes_campaign(one.campaign, name, tags)
                for one, name, tags in zip(found.labels, found.names, found.tags, strict=True)
            ],
            dtype=bool,
        )

    def scoped(self, scope: Scope) -> list[AccountKey]:
        """The accounts that a scope means."""
        return [k for k, a in self.accounts.items() if scope.takes_account(*k, a.name)]

    def targets(self, metric: str) -> Floats:
        """Each campaign's target of a metric, NaN where it has none; the last that matches holds."""
        if metric not in self._target_cache:
            found = np.full(len(self.campaigns.labels), np.nan)
            for target in self._targets:
                if target.metric == metric:
                    scope = Scope(source=target.source, account=target.account, campaign=target.campaign)
                    found[self.selected(scope)] = target.value
            self._target_cache[metric] = found
        return self._target_cache[metric]

    # -- figures

    @cached_property
    def _hourly(self) -> tuple[Floats, Floats]:
        """Clicks and spend by the hour before the watermark, newest first, shape (campaigns, HISTORY)."""
        first = min(self.until.values(), default=self.now) - timedelta(hours=HISTORY)
        rows = self.warehouse.query(
            """SELECT source, account, campaign, list(epoch(hour)) AS hours, list(clicks) AS clicks,
              list(cost) AS cost FROM delivery WHERE hour >= $first GROUP BY ALL""",
            {"first": first},
        )
        clicks, cost = (np.zeros((len(self.campaigns.labels), HISTORY)) for _ in range(2))
        place = self._place
        names = zip(*(rows[name].to_pylist() for name in ("source", "account", "campaign")), strict=True)
        index = np.array([place.get(key, -1) for key in names], dtype=np.int64)
        end = np.array([self.until[one[0], one[1]].timestamp() for one in self.campaigns.labels] or [0.0])
        lists = rows["hours"].combine_chunks()
        counts = np.diff(lists.offsets.to_numpy())
        row = np.repeat(index, counts)
        back = ((end[row] - lists.flatten().to_numpy()) / 3600 - 1).round().astype(np.int64)
        inside = (row >= 0) & (back >= 0) & (back < HISTORY)
        for into, name in ((clicks, "clicks"), (cost, "cost")):
            into[row[inside], back[inside]] = rows[name].combine_chunks().flatten().to_numpy()[inside]
        return clicks, cost / 1e6

    @property
    def clicks(self) -> Floats:
        """Clicks by the hour before the watermark, newest first."""
        return self._hourly[0]

    @property
    def spend(self) -> Floats:
        """Spend in units of the account's currency, by the hour before the watermark, newest first."""
        return self._hourly[1]

    @cached_property
    def complete(self) -> Floats:
        """The known share of each hour's conversions, by the account's own lag, as `clicks`."""
        ago = [timedelta(hours=back + 1) for back in range(HISTORY)]
        shares = [self._complete(key, [self.until[key] - one for one in ago]) for key in self.keys]
        return np.array(shares).reshape(len(self.keys), HISTORY)[self.owner]

    def _complete(self, key: AccountKey, hours: Sequence[datetime]) -> Floats:
        if self._shares is not None:
            return self._shares(key, hours)
        kept = self._kept
        if kept.maturity is None:
            kept.maturity = maturity.completed(self.warehouse, self.accounts, self.now)
        return kept.maturity.complete(key, hours)

    def sums(self, names: Sequence[str], hours: int, skip: int = 0) -> dict[str, Floats]:
        """Metrics of each campaign over `hours` hours that end `skip` hours before the watermark.

        NaN where a ratio has nothing to divide by.
        """
        window = (hours, skip)
        if not set(names) <= self._known(window).keys():
            foreseen, self._foreseen = self._foreseen, ([], [])
            self._memory.names |= set(names)
            self._memory.windows.add(window)
            # One scan for all that a pass is going to ask for, where an earlier one has shown what that is.
            self._ask_sums(foreseen[0], [one for one in foreseen[1] if not self._known(one)])
        if not set(names) <= self._known(window).keys():
            # Most rules want some of the same few: asked together they cost what one alone does.
            often = sorted(_OFTEN & self.metrics.keys())
            self._ask_sums(often if set(names) <= set(often) else names, [window])
        return self._known(window)

    def _known(self, window: _Hours) -> dict[str, Floats]:
        """The sums of a window so far: those of past days are kept for an hour, all others for this pass."""
        return (self._kept.sums if window[1] >= DAY else self._sums).setdefault(window, {})

    def _ask_sums(self, names: Sequence[str], asked: Sequence[_Hours]) -> None:
        if not names or not asked:
            return
        question = Question(tuple(self.metrics[name] for name in names), ("source", "account", "campaign"))
        table = answer(self.warehouse, question, [[self._window(*one)] for one in asked])
        for slot, one in enumerate(asked):
            self._known(one).update(self._placed(table, names, f"__{slot}" if slot else ""))

    def _window(self, hours: int, skip: int) -> dict[AccountKey, Window]:
        shift, span = timedelta(hours=skip), timedelta(hours=hours)
        return {key: Window(end - shift - span, end - shift) for key, end in self.until.items()}

    @cached_property
    def usual(self) -> Floats:
        """Conversions per click in the week before the last day, shrunk to the account's."""
        return self._rate(np.arange(len(self.campaigns.labels)))

    @cached_property
    def usual_of_channel(self) -> Floats:
        """The same of all campaigns of its account and channel together: what one like it brings."""
        kinds = list(zip(self.owner.tolist(), self.campaigns.channels, strict=True))
        place = {kind: i for i, kind in enumerate(dict.fromkeys(kinds))}
        return self._rate(np.array([place[kind] for kind in kinds], dtype=np.int64))

    def _rate(self, group: npt.NDArray[np.int64]) -> Floats:
        """Conversions per click of each group, its account's in so far as it has few (metrics.maturity)."""
        past = self.sums(("conversions",), WEEK, DAY)["conversions"]
        clicks = (self.clicks * self.complete)[:, DAY : DAY + WEEK].sum(1)
        rate = np.zeros(len(clicks))
        for number in range(len(self.keys)):
            of = np.flatnonzero(self.owner == number)
            _, inverse = np.unique(group[of], return_inverse=True)
            sums = [np.bincount(inverse, weights=one[of]).astype(float) for one in (past, clicks)]
            rate[of] = maturity.usual_rate(*sums)[inverse]
        return rate

    def ask(self, sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a question of a rule's own, asked once a pass."""
        asked = (sql, repr(sorted(params.items())))
        if asked not in self._asked:
            self._asked[asked] = self.warehouse.query(sql, params).to_pylist()
        return self._asked[asked]

    def _placed(self, table: pa.Table, names: Sequence[str], suffix: str) -> dict[str, Floats]:
        keys = zip(*(table[name].to_pylist() for name in ("source", "account", "campaign")), strict=True)
        index = np.array([self._place.get(key, -1) for key in keys], dtype=np.int64)
        found = {}
        for name in names:
            empty = 0.0 if self.metrics[name].additive else np.nan
            values = np.full(len(self.campaigns.labels), empty)
            values[index[index >= 0]] = table[name + suffix].to_numpy()[index >= 0]
            found[name] = values
        return found

    @cached_property
    def paces(self) -> Paces:
        """The day's pace of each campaign, as arrays."""
        return _paces([self.pace.campaigns.get(one[:3]) for one in self.campaigns.labels])

    @cached_property
    def pace(self) -> pacing.Day:
        """The day's pace of every account and campaign."""
        memory = self._kept
        if memory.pace is None:
            today = windows.today(self.accounts, self.until)
            memory.pace = pacing.day(self.warehouse, self.accounts, today, memory=memory.days)
        return memory.pace

    @cached_property
    def _kept(self) -> Memory:
        """What earlier passes kept; emptied for a new hour, for other campaigns, or after a while."""
        memory = self._memory
        if memory.since is None or self.now - memory.since >= _LEARNED:
            memory.since, memory.days = self.now, {}
        old = memory.at is None or self.now - memory.at >= _KEPT
        if old or memory.of != self.until or memory.campaigns != self.campaigns.labels:
            memory.of, memory.campaigns = dict(self.until), self.campaigns.labels
            memory.at, memory.pace, memory.maturity, memory.sums = self.now, None, None, {}
        return memory

    # -- anomalies

    def anomalies(self, method: Method) -> dict[AccountKey, anomalies.Judged]:
        """Each account's newest hours against what its history leads one to expect."""
        if method not in self._judged:
            memory = self._memory.usual.setdefault(method, anomalies.Memory())
            self._judged[method] = anomalies.judge(
                self.warehouse, self.accounts, self.until, memory, now=self.now, method=method
            )
        return self._judged[method]

    @cached_property
    def mixes(self) -> dict[tuple[AccountKey, traffic_mix.By], traffic_mix.Composition]:
        """Where the traffic of each account and site comes from, against the weeks before."""
        vouched: dict[str, dict[AccountKey, datetime]] = {}
        for (source, account, stream), mark in self.marks.items():
            if mark.data_as_of is not None:
                vouched.setdefault(stream, {})[source, account] = mark.data_as_of
        return traffic_mix.judge(self.warehouse, self.accounts, vouched)

    # -- observations

    def observe(
        self,
        scope: Scope,
        watched: Watched,
        *,
        holds: Bools,
        judged: Bools | None = None,
        seen: Floats,
        expected: Callable[[int], Range] | Floats | None = None,
        sure: Floats | None = None,
        at_risk: Floats | None = None,
        said: Callable[[int], str],
        at: Mapping[AccountKey, datetime] | None = None,
    ) -> list[Observation]:
        """Observations of campaigns, from arrays over all of them.

        holds: where the condition is met. judged: where it can be; elsewhere a watched series has NODATA.
        expected: a limit, or a range by a campaign's place. said: what is wrong, in a few words, likewise.
        """
        inside = self.selected(scope)
        judged = np.ones_like(holds) if judged is None else judged
        place = self._place
        extra = [i for one in watched if (i := place.get(one[:3])) is not None and not one.part]
        wanted = np.flatnonzero(inside & judged & holds).tolist()
        wanted += [i for i in extra if inside[i] and not (judged[i] and holds[i])]
        moments = self.at if at is None else at
        found = []
        for i in wanted:
            labels = self.campaigns.labels[i]
            key = (labels.source, labels.account)
            if key not in moments:
                continue
            if not judged[i]:
                found.append(Observation(labels, Result.NODATA, moments[key]))
                continue
            found.append(
                Observation(
                    labels,
                    Result.TRUE if holds[i] else Result.FALSE,
                    moments[key],
                    seen=float(seen[i]),
                    expected=_range(expected, i),
                    sure=None if sure is None else float(sure[i]),
                    at_risk=0.0 if at_risk is None else max(0.0, float(at_risk[i])),
                    said=said(i) if holds[i] else "",
                )
            )
        return found

    def currency(self, key: AccountKey) -> str:
        """The account's currency."""
        account = self.accounts.get(key)
        return account.currency if account else ""


def _paces(found: Sequence[pacing.Pace | None]) -> Paces:
    count = len(found)
    planned, hours = np.zeros((count, 25)), np.zeros(count)
    plan, mid = np.zeros(count), np.zeros(count)
    for i, pace in enumerate(found):
        if pace is not None and pace.plan > 0:
            planned[i], hours[i], plan[i], mid[i] = pace.planned, pace.hour, pace.plan, pace.mid
    newest = hours.round().astype(np.int64)[:, None] - 1
    return Paces(
        plan=plan,
        mid=mid,
        left=np.maximum(24 - hours, 1.0),
        state=np.array([pace.state if pace else "unplanned" for pace in found], dtype=np.str_),
        hourly=np.take_along_axis(np.diff(planned, axis=1), (newest - np.arange(24)) % 24, axis=1),
    )


def _range(expected: Callable[[int], Range] | Floats | None, i: int) -> Range | None:
    if expected is None or callable(expected):
        return expected(i) if expected else None
    return Range(*(float(expected[i]),) * 3)
