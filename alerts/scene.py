"""What the rules look at: one picture of the warehouse, at each account's watermark, shared by all of them.

Whatever several rules need is asked once a pass, for all campaigns together, and kept as arrays whose rows
are the campaigns of `Scene.campaigns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alerts.conditions.contract import Scope, Sum
from alerts.memory import Delivered, Hours, Memory
from alerts.roster import DELIVERY, HISTORY, Bools, Floats, Roster, Target
from connectors.contract import Window
from metrics import anomalies, hourly, maturity, model, pacing, traffic_mix, windows
from metrics.compute import answer
from metrics.forecasts import Method
from metrics.model import Metric
from metrics.newest_hours import NewestHours
from metrics.plan import Question
from metrics.windows import AccountKey
from warehouse.store import Warehouse

__all__ = ["DELIVERY", "Floats", "Memory", "Paces", "Scene", "Target"]

DAY: Final = 24
WEEK: Final = 7 * 24

_OFTEN: Final = frozenset({"conversions", "conversion_rate", "cpa", "roas", "spend"})

_KEPT: Final = timedelta(minutes=15)
_LEARNED: Final = timedelta(hours=6)
"""Days before today are restated by little: what they say of today is learned so often."""


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


class Scene(Roster):
    """The picture of one pass. Not for more than one thread.

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
        super().__init__(warehouse, now, every=every, started=started, targets=targets)
        self.metrics = model.load() if metrics is None else metrics
        self._memory = memory or Memory(most=None)
        self._memory.left = False
        self._shares = complete
        self._sums: dict[Hours, dict[str, Floats]] = {}
        self._foreseen: dict[Hours, set[str]] = {}
        self._asked: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._stored = NewestHours(warehouse)
        self._judged: dict[Method, dict[AccountKey, anomalies.Judged]] = {}
        self._learned_days = 0

    @property
    def at_once(self) -> int | None:
        """Of so many campaigns a pass learns what is usual; None: of all, as another pass may not come."""
        return self._memory.most

    def leave(self) -> None:
        """Say that something is left for the next pass, which then comes soon."""
        self._memory.left = True

    def selected(self, scope: Scope) -> Bools:
        """The campaigns that a scope means."""
        kept = self._kept.selected
        if scope not in kept:
            kept[scope] = super().selected(scope)
        return kept[scope]

    # -- figures

    @cached_property
    def _delivered(self) -> Delivered:
        kept = self._kept
        end = self.by_account(lambda key: self.until[key].timestamp() / 3600)
        back = np.arange(HISTORY)[None]
        if (old := kept.delivered) is None:
            kept.delivered = self._read(end, np.full(len(end), HISTORY))
        else:
            moved = (end - old.end).round().astype(np.int64)
            changed = self._stored.changed(old.read)
            again = end - self.by_account(lambda key: changed.get(key, np.inf))
            fresh = np.clip(np.maximum(moved, again), 0, HISTORY).round().astype(np.int64)
            new = self._read(end, fresh)
            # All else was read before, so many places nearer to the watermark.
            place = np.clip(back - moved[:, None], 0, HISTORY - 1)
            clicks, spend = (
                np.where(back < fresh[:, None], now, np.take_along_axis(before, place, axis=1))
                for now, before in ((new.clicks, old.clicks), (new.spend, old.spend))
            )
            kept.delivered = Delivered(self.now, end, clicks, spend)
        return kept.delivered

    def _read(self, end: Floats, fresh: npt.NDArray[np.int64]) -> Delivered:
        """As stored; fresh: how many of its newest hours are wanted of each campaign, others are zero."""
        clicks, cost = (np.zeros((len(end), HISTORY)) for _ in range(2))
        if fresh.any():
            first = float((end - fresh)[fresh > 0].min())
            rows = self._stored.since(datetime.fromtimestamp(first * 3600, UTC))
            index = np.array([self.place.get(key, -1) for key in rows.campaigns], dtype=np.int64)
            row = np.repeat(index, np.diff(rows.edges))
            back = (end[row] - rows.hour - 1).round().astype(np.int64)
            inside = (row >= 0) & (back >= 0) & (back < fresh[row])
            for into, values in ((clicks, rows.clicks), (cost, rows.cost)):
                into[row[inside], back[inside]] = values[inside]
        return Delivered(self.now, end, clicks, cost / 1e6)

    @property
    def clicks(self) -> Floats:
        """Clicks by the hour before the watermark, newest first, shape (campaigns, HISTORY)."""
        return self._delivered.clicks

    @property
    def spend(self) -> Floats:
        """Spend in units of the account's currency, as `clicks`."""
        return self._delivered.spend

    @cached_property
    def complete(self) -> Floats:
        """The known share of each hour's conversions, by the account's own lag, as `clicks`."""
        kept = self._kept
        if kept.complete is None:
            share = self._shares or self._learned()
            ago = [timedelta(hours=back + 1) for back in range(HISTORY)]
            shares = [share(key, [self.until[key] - one for one in ago]) for key in self.keys]
            kept.complete = np.array(shares).reshape(len(self.keys), HISTORY)[self.owner]
        return kept.complete

    def _learned(self) -> Callable[[AccountKey, Sequence[datetime]], Floats]:
        kept = self._kept
        if kept.curves.keys() != self.accounts.keys():
            kept.curves = maturity.curves(self.warehouse, self.accounts, self.now)
        first = min(self.until.values(), default=self.now) - timedelta(hours=HISTORY)
        return maturity.completed(self.warehouse, self.accounts, self.now, kept.curves, since=first).complete

    def foresee(self, asked: Iterable[Sum]) -> None:
        """The sums that rules are going to ask for: once one of them is asked for, all are, by one scan."""
        wanted: dict[Hours, set[str]] = {}
        for name, hours, skip in asked:
            if name in self.metrics:
                wanted.setdefault((hours, skip), set()).add(name)
        self._foreseen = wanted

    def sums(self, names: Sequence[str], hours: int, skip: int = 0) -> dict[str, Floats]:
        """Metrics of each campaign over `hours` hours that end `skip` hours before the watermark.

        NaN where a ratio has nothing to divide by.
        """
        window = (hours, skip)
        if not set(names) <= self._known(window).keys():
            foreseen, self._foreseen = self._foreseen, {}
            with suppress(ValueError):  # of a metric that cannot be told: whoever asks for it is told so
                self._ask_sums({one: wanted - self._known(one).keys() for one, wanted in foreseen.items()})
        if not set(names) <= self._known(window).keys():
            # Most rules want some of the same few: asked together they cost what one alone does.
            often = set(_OFTEN & self.metrics.keys())
            self._ask_sums({window: often if often.issuperset(names) else set(names)})
        return self._known(window)

    def _known(self, window: Hours) -> dict[str, Floats]:
        """The sums of a window so far: those of past days, and of a week, are kept for an hour."""
        kept = window[1] >= DAY or window[0] >= WEEK
        return (self._kept.sums if kept else self._sums).setdefault(window, {})

    def _ask_sums(self, asked: Mapping[Hours, set[str]]) -> None:
        told: dict[Hours, list[Metric]] = {}
        others: dict[Hours, set[str]] = {}
        for window, names in asked.items():
            by_hour = {n for n in names if hourly.told(self.metrics[n]) and sum(window) <= HISTORY}
            if by_hour:
                told[window] = [self.metrics[n] for n in sorted(by_hour)]
            if names - by_hour:
                others[window] = names - by_hour
        if told:
            for window, found in self._by_hour.over(told).items():
                self._known(window).update(found)
        if others:
            every = sorted({name for names in others.values() for name in names})
            question = Question(
                tuple(self.metrics[name] for name in every), ("source", "account", "campaign")
            )
            table = answer(self.warehouse, question, [[self._window(*one)] for one in others])
            for slot, one in enumerate(others):
                self._known(one).update(self._placed(table, every, f"__{slot}" if slot else ""))

    @cached_property
    def _by_hour(self) -> hourly.Sums:
        memory = self._kept.hours
        return hourly.Sums(
            self.warehouse, self.accounts, self.until, self.place, memory, hours=HISTORY, now=self.now
        )

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
        index = np.array([self.place.get(key, -1) for key in keys], dtype=np.int64)
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
            self._forget_aged(memory)
            before = dict(memory.days)
            memory.pace = pacing.day(self.warehouse, self.accounts, today, memory=memory.days)
            new = {key for key, one in memory.days.items() if one is not before.get(key)}
            memory.days_at |= dict.fromkeys(new, self.now)
            self._learned_days = sum(len(memory.days[key].names) for key in new)
        return memory.pace

    def _forget_aged(self, memory: Memory) -> None:
        """Those that were learned long ago, of about as many campaigns as are learned in one pass."""
        total = 0
        for key, at in sorted(memory.days_at.items(), key=lambda one: one[1]):
            if self.now - at < _LEARNED or (total and total > (self.at_once or total)):
                break
            if (one := memory.days.pop(key, None)) is not None:
                total += len(one.names)
            del memory.days_at[key]

    @cached_property
    def _kept(self) -> Memory:
        """What earlier passes kept; emptied for a new hour, for other campaigns, or after a while."""
        memory = self._memory
        if memory.since is None or self.now - memory.since >= _LEARNED:
            memory.since, memory.curves = self.now, {}
        found = self.campaigns
        others = memory.campaigns != found.labels
        named = found.names, found.tags, [(key, one.name) for key, one in self.accounts.items()]
        if others or memory.named != named:
            memory.named, memory.selected = named, {}
        if others:
            memory.delivered, memory.hours = None, hourly.Memory()
        old = memory.at is None or self.now - memory.at >= _KEPT
        if old or others or memory.of != self.until:
            memory.of, memory.campaigns = dict(self.until), found.labels
            memory.at, memory.pace, memory.complete, memory.sums = self.now, None, None, {}
        return memory

    # -- anomalies

    def anomalies(self, method: Method) -> dict[AccountKey, anomalies.Judged]:
        """Each account's newest hours against what its history leads one to expect."""
        if method not in self._judged:
            memory = self._memory.usual.setdefault(method, anomalies.Memory())
            # A pass that has just learned the days of thousands leaves what is usual to the next one.
            busy = self.at_once is not None and self._learned_days > self.at_once
            memory.most = 0 if busy else self.at_once
            self._judged[method] = anomalies.judge(
                self.warehouse,
                self.accounts,
                self.until,
                memory,
                now=self.now,
                method=method,
                stored=self._stored,
            )
        return self._judged[method]

    def unlearned(self, method: Method) -> frozenset[AccountKey]:
        """The accounts whose day is still to be learned: `anomalies` says nothing of them."""
        self.anomalies(method)
        return self._memory.usual[method].waiting

    @cached_property
    def mixes(self) -> dict[tuple[AccountKey, traffic_mix.By], traffic_mix.Composition]:
        """Where the traffic of each account and site comes from, against the weeks before."""
        vouched: dict[str, dict[AccountKey, datetime]] = {}
        for (source, account, stream), mark in self.marks.items():
            if mark.data_as_of is not None:
                vouched.setdefault(stream, {})[source, account] = mark.data_as_of
        return traffic_mix.judge(self.warehouse, self.accounts, vouched)


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
