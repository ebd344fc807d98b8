"""Is the day's money going out as planned: plan, pace at the watermark, and where the day will end.

The plan of a day is the sum of the platforms' own budgets, shaped by how each campaign usually spreads its
spend over the hours. Pace is judged up to the hour for which the source vouches, not up to the present: a
source that lags three hours would make noon look like half of plan.
"""

# ruff: noqa: S608  # parts of statements that are written here; values are bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from connectors.contract import Account, Window
from metrics.projection import Past, cumulative_share, past, project
from metrics.spent import clock, hourly_of, local_day
from metrics.windows import AccountKey
from warehouse.store import Warehouse

__all__ = ["CampaignKey", "Day", "Learned", "Memory", "Pace", "day", "tolerance"]

Floats = npt.NDArray[np.float64]
CampaignKey = tuple[str, str, str]
"""(source, account, campaign)"""


@dataclass(slots=True)
class Learned:
    """What the days before an account's day say of its campaigns: one by one, and of some of them as one."""

    day: date
    names: list[str]
    before: Past
    _together: tuple[bytes, Past] | None = None

    def together(self, on: npt.NDArray[np.bool_]) -> Past:
        """Of those that `on` marks, whichever these were when last asked."""
        which = on.tobytes()
        if self._together is None or self._together[0] != which:
            history = self.before.history[on].sum(0, keepdims=True)
            self._together = which, past(history, self.before.weekdays, self.day.weekday())
        return self._together[1]


Memory = dict[AccountKey, Learned]

_FIRST, _LAST = 0.25, 0.10


def tolerance(elapsed: float) -> float:
    """How far off plan is still on plan, as a fraction, when this share of the day's plan is over.

    A quarter at the start, a tenth at the end. A flight narrows further, but a day need not: platforms even
    out single days by themselves (Google may spend twice a day's budget, and 30.4 times it in a month).
    """
    return _FIRST + (_LAST - _FIRST) * min(max(elapsed, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """A day's pace in units of the account's currency.

    plan: the whole day's. spent, expected: until the watermark. low, mid, high: where the day will end, with
    an 80 % interval. planned, actual: cumulative at each full hour, 25 values; actual is NaN past the
    watermark. hour: the watermark on the account's clock, 0 to 24.
    """

    plan: float
    spent: float
    expected: float
    low: float
    mid: float
    high: float
    planned: Floats
    actual: Floats
    hour: float

    @property
    def index(self) -> float | None:
        """Spent as a multiple of expected; None before anything was expected."""
        return self.spent / self.expected if self.expected > 0 else None

    def converted(self, rate: float) -> Pace:
        """The same in another currency, of which one unit of this one buys `rate`."""
        money = ("plan", "spent", "expected", "low", "mid", "high", "planned", "actual")
        return replace(self, **{name: getattr(self, name) * rate for name in money})

    @property
    def state(self) -> str:
        """on, over, under, or unplanned where there is no budget.

        Off plan is only what is off by now and will still be off tonight: an early hour alone is no verdict.
        """
        if self.plan <= 0 or self.index is None:
            return "unplanned"
        allowed = tolerance(self.expected / self.plan)
        if self.index > 1 + allowed and self.mid > self.plan:
            return "over"
        return "under" if self.index < 1 - allowed and self.mid < self.plan else "on"


@dataclass(frozen=True, slots=True)
class Day:
    """The pace of every account and campaign, each on its own calendar's present day."""

    accounts: Mapping[AccountKey, Pace]
    campaigns: Mapping[CampaignKey, Pace]

    def total(self, keys: Sequence[AccountKey]) -> Pace | None:
        """Several accounts of one currency together, their ends independent; None without any."""
        parts = [self.accounts[key] for key in keys if key in self.accounts]
        if not parts:
            return None
        mid = sum(p.mid for p in parts)
        return Pace(
            plan=sum(p.plan for p in parts),
            spent=sum(p.spent for p in parts),
            expected=sum(p.expected for p in parts),
            low=mid - float(np.hypot.reduce([p.mid - p.low for p in parts])),
            mid=mid,
            high=mid + float(np.hypot.reduce([p.high - p.mid for p in parts])),
            planned=np.sum([p.planned for p in parts], axis=0),
            actual=np.sum([p.actual for p in parts], axis=0),
            hour=min(p.hour for p in parts),
        )


def day(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    windows: Mapping[AccountKey, Window],
    *,
    as_of: datetime | None = None,
    memory: Memory | None = None,
) -> Day:
    """The pace of the day that each account's window covers.

    windows: each account's day so far, from local midnight to its watermark (`windows.today`).
    as_of: by the spend, the budgets and the states as they were known then; None: as they are known now.
    memory: what earlier calls for the same days learned of the days before, for whoever asks often.
    """
    today = {key: local_day(known[key], window) for key, window in windows.items()}
    budgets, paused = _budgets(warehouse, today, as_of)
    also: dict[AccountKey, list[str]] = {key: [] for key in windows}
    for key, name in budgets:
        also[key].append(name)
    memory = {} if memory is None else memory
    learned = _learned(warehouse, today, also, as_of, memory)
    accounts: dict[AccountKey, Pace] = {}
    campaigns: dict[CampaignKey, Pace] = {}
    for key, window in windows.items():
        names, before, now = learned[key]
        hour = clock(known[key], window)
        plans = np.array([budgets.get((key, name), 0.0) for name in names])
        halted = np.array([(key, name) in paused for name in names], dtype=bool)
        paces = _paces(before, now, plans, hour)
        paces = [_ended(p) if off else p for p, off in zip(paces, halted, strict=True)]
        campaigns |= {(*key, name): pace for name, pace in zip(names, paces, strict=True)}
        if names:
            # Those that run, together; the plan is the sum of theirs, not one of the account's shape.
            plan = plans[~halted].sum(keepdims=True)
            (whole,) = _paces(memory[key].together(~halted), now[~halted].sum(0, keepdims=True), plan, hour)
            accounts[key] = _added(whole, paces, halted)
    return Day(accounts, campaigns)


def _learned(
    warehouse: Warehouse,
    today: Mapping[AccountKey, date],
    also: Mapping[AccountKey, Sequence[str]],
    as_of: datetime | None,
    memory: Memory,
) -> dict[AccountKey, tuple[list[str], Past, Floats]]:
    """Each account's campaigns, what their days before say, and today's spend by the hour."""
    new = {key: day for key, day in today.items() if key not in memory or memory[key].day != day}
    fresh = hourly_of(warehouse, {k: d for k, d in today.items() if k not in new}, also, days=0, as_of=as_of)
    # A campaign that was not there when the days before were learned: they are learned again.
    new |= {key: today[key] for key, (names, _) in fresh.items() if not set(names) <= set(memory[key].names)}
    found = {}
    for key, (names, spend) in hourly_of(warehouse, new, also, as_of=as_of).items():
        count, day = spend.shape[1] - 1, today[key]
        weekdays = np.array([(day - timedelta(days=d)).weekday() for d in range(count, 0, -1)])
        memory[key] = Learned(day, names, past(spend[:, :-1], weekdays, day.weekday()))
        found[key] = (names, memory[key].before, spend[:, -1])
    for key in today.keys() - new.keys():
        names, before = memory[key].names, memory[key].before
        now = np.zeros((len(names), 24))
        some, spend = fresh[key]
        now[[names.index(name) for name in some]] = spend[:, -1]
        found[key] = (names, before, now)
    return found


def _ended(pace: Pace) -> Pace:
    """A paused campaign's day: whoever paused it meant its spend to end there, so that is its plan."""
    done = np.where(np.isnan(pace.actual), pace.spent, pace.actual)
    spent = pace.spent
    return replace(pace, plan=spent, expected=spent, low=spent, mid=spent, high=spent, planned=done)


def _added(running: Pace, campaigns: Sequence[Pace], halted: npt.NDArray[np.bool_]) -> Pace:
    """An account's pace: the end of what runs, what the paused ones spent, and every campaign's plan."""
    ended = sum(p.spent for p, off in zip(campaigns, halted, strict=True) if off)
    return replace(
        running,
        plan=sum(p.plan for p in campaigns),
        spent=sum(p.spent for p in campaigns),
        expected=sum(p.expected for p in campaigns),
        low=running.low + ended,
        mid=running.mid + ended,
        high=running.high + ended,
        planned=np.sum([p.planned for p in campaigns], axis=0),
        actual=np.sum([p.actual for p in campaigns], axis=0),
    )


def _paces(before: Past, now: Floats, plans: Floats, hour: float) -> list[Pace]:
    """One pace for each row of `now`, today's spend, shape (entities, 24)."""
    whole = min(int(hour), 23)
    spent = now[:, :whole].sum(1) + (now[:, whole] if hour > whole else 0.0)
    said = project(before, spent, hour, expected=plans)
    shares = before.shares
    over = cumulative_share(shares, hour)
    planned = np.concatenate([np.zeros((len(shares), 1)), shares.cumsum(1)], axis=1) * plans[:, None]
    actual = np.concatenate([np.zeros((len(now), 1)), now.cumsum(1)], axis=1)
    actual[:, int(np.ceil(hour)) + 1 :] = np.nan
    return [
        Pace(
            plan=float(plans[i]),
            spent=float(spent[i]),
            expected=float(plans[i] * over[i]),
            low=float(said.low[i]),
            mid=float(said.mid[i]),
            high=float(said.high[i]),
            planned=planned[i],
            actual=actual[i],
            hour=hour,
        )
        for i in range(len(plans))
    ]


def _budgets(
    warehouse: Warehouse, today: Mapping[AccountKey, date], as_of: datetime | None
) -> tuple[dict[tuple[AccountKey, str], float], set[tuple[AccountKey, str]]]:
    """Each enabled campaign's budget for today, in units of its currency; and the campaigns that are paused.

    A shared budget is divided evenly over the campaigns that draw on it: so it is paced once. A total one is
    spread over its flight's days, and plans nothing outside of it. A budget that its source no longer lists
    was replaced.
    """
    days = {f"{source}/{account}": day for (source, account), day in today.items()}
    at = {} if as_of is None else {"at": as_of}
    holds = "valid_to IS NULL" if as_of is None else "valid_from <= $at AND coalesce(valid_to > $at, true)"
    campaigns = "campaign" if as_of is None else f"(SELECT * FROM campaign_history WHERE {holds})"
    rows = warehouse.query(
        f"""
        SELECT b.source, b.account, b.campaign,
          sum(b.amount / 1e6
            / CASE WHEN b.shared THEN count_shared ELSE 1 END
            / CASE WHEN b.period = 'total'
                THEN greatest(coalesce(date_diff('day', b.starts, b.ends) + 1, 30), 1) ELSE 1 END) AS amount
        FROM (
          SELECT b.*, count(*) OVER (PARTITION BY b.source, b.account, b.budget) AS count_shared
          FROM (SELECT * FROM budget_history WHERE {holds}) AS b
          JOIN {campaigns} AS c USING (source, account, campaign)
          JOIN (SELECT unnest($accounts) AS key, unnest($days) AS today) AS t
            ON t.key = b.source || '/' || b.account
          WHERE c.status = 'enabled'
            AND coalesce(b.starts <= t.today, true) AND coalesce(b.ends >= t.today, true)
        ) AS b
        GROUP BY ALL
        """,
        {"accounts": list(days), "days": list(days.values()), **at},
    )
    idle = warehouse.query(
        f"SELECT source, account, campaign FROM {campaigns} AS c WHERE status <> 'enabled'", at
    )
    named, halted = (
        [
            ((source, account), campaign)
            for source, account, campaign in zip(
                *(table[name].to_pylist() for name in ("source", "account", "campaign")), strict=True
            )
        ]
        for table in (rows, idle)
    )
    return dict(zip(named, rows["amount"].to_pylist(), strict=True)), set(halted)
