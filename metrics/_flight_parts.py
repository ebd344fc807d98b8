"""One account's part in a plan: what it spent, what its budgets planned, and how each purse goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from metrics import caps, spent
from metrics.flights import Flight, SpendPlan
from metrics.money import MissingRate
from metrics.projection import cumulative_share, day_shares
from metrics.purses import Budgets, Purse

if TYPE_CHECKING:
    from connectors.contract import Account
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["HISTORY", "Group", "Part", "Statement", "at_present", "part", "statements"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

HISTORY: Final = 28
"""Complete days from which the level and the shape of a day are learned."""

_LIMITED: Final = 0.9
"""From this share of a day's budget on it was the budget that held the spend back, not the demand."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What an account spent and was to spend, in its own currency.

    today, hour: at its watermark. since: first day without a gap in what was fetched. campaigns: ids, sorted.
    days: (campaigns, days) spend from `first` on; the last is today up to the watermark. hours: (campaigns,
    HISTORY + 1, 24). on: (campaigns, days) whether a campaign ran; where its state of the day is not known,
    whether it spent. planned: (campaigns, days) by the budgets; what did not run was to spend what it spent.
    """

    account: Account
    today: date
    hour: float
    since: date | None
    first: date
    campaigns: tuple[str, ...]
    days: Floats
    hours: Floats
    on: Bools
    planned: Floats
    budgets: Budgets


def statements(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    today: Mapping[AccountKey, tuple[date, float]],
    first: date,
    *,
    since: Mapping[AccountKey, date],
    budgets: Mapping[AccountKey, Budgets],
) -> dict[AccountKey, Statement]:
    """Read the accounts' spend since `first`. today: each one's day and hour at its watermark."""
    days = {key: day for key, (day, _) in today.items()}
    daily = spent.daily_of(warehouse, days, first, {key: budgets[key].campaigns for key in today})
    names = {key: listed for key, (listed, _) in daily.items()}
    hourly = spent.hourly_of(warehouse, days, names, days=HISTORY)
    return {
        key: _statement(
            known[key],
            at,
            first,
            since=since.get(key),
            budgets=budgets[key],
            daily=daily[key],
            hours=hourly[key][1],
        )
        for key, at in today.items()
    }


def _statement(
    account: Account,
    at: tuple[date, float],
    first: date,
    *,
    since: date | None,
    budgets: Budgets,
    daily: tuple[list[str], Floats],
    hours: Floats,
) -> Statement:
    (today, hour), (names, days) = at, daily
    whole = min(int(hour), 23)
    hours[:, -1, whole + (hour > whole) :] = 0.0  # what is stored past the watermark is not vouched for
    days[:, -1] = hours[:, -1].sum(1)
    place = {name: n for n, name in enumerate(budgets.campaigns)}
    told = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    listed = (told >= 0)[:, None]
    known, enabled, planned = (
        np.where(listed, values[told], 0) if len(place) else np.zeros(days.shape)
        for values in (budgets.known, budgets.enabled, budgets.planned)
    )
    on = np.where(known > 0, enabled > 0, days > 0)
    return Statement(
        account=account,
        today=today,
        hour=hour,
        since=since,
        first=first,
        campaigns=tuple(names),
        days=days,
        hours=hours,
        on=on,
        planned=np.where(on, planned, days),
        budgets=budgets,
    )


@dataclass(frozen=True, slots=True)
class Group:
    """Campaigns of a plan that one purse pays for; money in the account's currency.

    purse: None where no budget is known. campaigns: of the plan. history: (HISTORY, 24) what they would have
    spent in each hour at today's budget; actual: (HISTORY,) what they did. raw, held: (HISTORY,) what the
    whole purse did spend, and its budget then. spent: today, by the plan's campaigns; usual: a day's budget,
    the plan's part of it. running: whether one of them is not paused.
    runs: (days,) whether they spend on each coming day of the flight. day, block, left: what the platform
    allows (see outlook.Limits), without what is spent already. overspend: beyond the budget so far.
    """

    purse: Purse | None
    campaigns: tuple[str, ...]
    history: Floats
    actual: Floats
    raw: Floats
    held: Floats
    spent: float
    usual: float
    running: bool
    runs: Bools
    day: float
    block: Ints
    left: Floats
    overspend: caps.Overspend | None


@dataclass(frozen=True, slots=True)
class Part:
    """An account's part in a plan, over the days of its flight; money in the plan's currency.

    spend: (days,) of complete days, zeros from today on. today: spent so far, 0 outside of the flight.
    budgeted: (days,) by the platform's budgets. share: (25,) of a usual day that is over at each full hour.
    stopped: what paused campaigns spent today. hours: (24,) today's spend. rate: today's, from the account's
    currency.
    """

    of: Statement
    spend: Floats
    today: float
    budgeted: Floats
    share: Floats
    stopped: float
    hours: Floats
    rate: float
    groups: tuple[Group, ...]

    @property
    def over(self) -> float:
        """The share of a usual day that is over at the watermark."""
        return float(np.interp(self.of.hour, np.arange(25), self.share))

    @property
    def recent(self) -> Floats:
        """(HISTORY,) what the past days would have spent at today's budgets."""
        return np.asarray(np.sum([g.history.sum(1) for g in self.groups], axis=0) * self.rate)

    @property
    def usual(self) -> float:
        """What a day may be expected to spend: as the past days, or as is budgeted where there are none."""
        mean = float(self.recent.mean())
        return mean if mean > 0 else sum(g.usual for g in self.groups) * self.rate

    @property
    def of_week(self) -> float:
        """The mean of what was spent on the last seven complete days."""
        return float(np.sum([g.actual[-7:].mean() for g in self.groups])) * self.rate


def part(
    plan: SpendPlan, over: Flight, of: Statement, rates: Mapping[tuple[str, date], float]
) -> Part | None:
    """The account's part in a plan; None if none of its campaigns belong. Raises MissingRate.

    rates: from (currency, day) to the plan's currency.
    """
    account = of.account
    rows = [
        n
        for n, campaign in enumerate(of.campaigns)
        if plan.covers(
            account.source,
            (account.id, account.name),
            (campaign, of.budgets.names.get(campaign, campaign)),
        )
    ]
    if not rows:
        return None
    days = of.days.shape[1]
    day_of = [of.first + timedelta(days=n) for n in range(days)]
    factors = np.array([_rate(rates, plan, account.currency, day) for day in day_of])
    at = over.place(of.first) + np.arange(days)
    inside = (at >= 0) & (at < over.days)
    spend, budgeted = np.zeros(over.days), np.zeros(over.days)
    spend[at[inside]] = (of.days[rows].sum(0) * factors)[inside]
    budgeted[at[inside]] = (of.planned[rows].sum(0) * factors)[inside]
    now = over.place(of.today)
    today = float(spend[now]) if 0 <= now < over.days else 0.0
    spend[max(now, 0) :] = 0.0
    groups = tuple(_groups(of, rows, over))
    rate = float(factors[-1])
    for day in range(max(now + 1, 0), over.days):
        budgeted[day] = sum(g.usual for g in groups if g.runs[day - now - 1]) * rate
    weekdays = np.array([day.weekday() for day in day_of[-1 - HISTORY : -1]])
    shares = day_shares(of.hours[rows, :-1].sum(0)[None], weekdays, of.today.weekday())
    return Part(
        of=of,
        spend=spend,
        today=today,
        budgeted=budgeted,
        share=np.array([cumulative_share(shares, hour)[0] for hour in range(25)]),
        stopped=float((of.days[rows, -1] * ~of.on[rows, -1]).sum() * rate),
        hours=of.hours[rows, -1].sum(0) * rate,
        rate=rate,
        groups=groups,
    )


def _rate(rates: Mapping[tuple[str, date], float], plan: SpendPlan, currency: str, day: date) -> float:
    if currency == plan.currency:
        return 1.0
    if (currency, day) not in rates:
        raise MissingRate(f"{currency} {day}", plan.currency)
    return rates[currency, day]


def at_present(spend: Floats, held: Floats, amount: float) -> Floats:
    """By which factor each day's spend would differ at a budget of `amount`, shape of `spend`.

    spend: of the whole purse; held: its budget then. A day that spent nearly all of its budget was held back
    by it, and moves with it; any other had no more demand, and is cut only by a budget below what it spent.
    """
    if amount <= 0:
        return np.ones_like(spend)
    known = (held > 0) & (spend > 0)
    limited = spend >= _LIMITED * held
    moved = np.where(
        limited, amount / np.maximum(held, 1e-9), np.minimum(amount / np.maximum(spend, 1e-9), 1.0)
    )
    return np.asarray(np.where(known, moved, 1.0))


def _groups(of: Statement, rows: Sequence[int], over: Flight) -> list[Group]:
    mine = {of.campaigns[n]: n for n in rows}
    place = {name: n for n, name in enumerate(of.campaigns)}
    found = []
    loose = dict(mine)
    for n, purse in enumerate(of.budgets.purses):
        members = [name for name in purse.campaigns if name in mine]
        if members:
            whole = [place[name] for name in purse.campaigns if name in place]
            found.append(_group(of, over, [mine[m] for m in members], whole, (purse, of.budgets.amounts[n])))
            for name in members:
                loose.pop(name, None)
    found += [_group(of, over, [n], [n], (None, np.zeros(of.days.shape[1]))) for n in loose.values()]
    return found


def _group(
    of: Statement, over: Flight, rows: Sequence[int], whole: Sequence[int], held: tuple[Purse | None, Floats]
) -> Group:
    purse, amounts = held
    enabled = of.on[whole, -1]
    running = of.on[rows, -1]
    raw = of.days[whole].sum(0)
    daily = amounts[-1]
    usual = daily * running.sum() / max(enabled.sum(), 1) if running.any() else 0.0
    ahead = max((over.last - of.today).days, 0)
    coming = [of.today + timedelta(days=n + 1) for n in range(ahead)]
    until = [of.budgets.until.get(of.campaigns[row]) for row, on in zip(rows, running, strict=True) if on]
    runs = np.array(
        [
            over.first <= day
            and any(end is None or day <= end for end in until)
            and (purse is None or not purse.total or purse.ends is None or day <= purse.ends)
            and (purse is None or purse.amount > 0)
            for day in coming
        ],
        dtype=bool,
    )
    past = slice(-1 - HISTORY, -1)
    factor = at_present(raw[past], amounts[past], daily)
    day, block, left = _limits(of, purse, amounts, raw, ahead)
    rule = caps.RULES.get(of.account.source)
    beyond = None
    if purse is not None and not purse.total and rule is not None:
        beyond = caps.overspend(rule, of.today, amounts, raw)
    return Group(
        purse=purse,
        campaigns=tuple(of.campaigns[row] for row in rows),
        history=of.hours[rows, :-1].sum(0) * factor[:, None],
        actual=of.days[rows].sum(0)[past],
        raw=raw[past],
        held=amounts[past],
        spent=float(of.days[rows, -1].sum()),
        usual=float(usual),
        running=bool(running.any()),
        runs=runs,
        day=day,
        block=block,
        left=left,
        overspend=beyond,
    )


def _limits(
    of: Statement, purse: Purse | None, amounts: Floats, raw: Floats, ahead: int
) -> tuple[float, Ints, Floats]:
    """What the platform allows the purse from now on: on a day, and in each stretch of the coming days."""
    block, rule = np.zeros(ahead, dtype=np.int64), caps.RULES.get(of.account.source)
    if purse is None or purse.amount <= 0:
        return np.inf, block, np.array([np.inf])
    if purse.total:
        flown = max((purse.starts - of.first).days, 0) if purse.starts else 0
        return np.inf, block, np.array([purse.amount - raw[flown:].sum()])
    if rule is None:
        return np.inf, block, np.array([np.inf])
    block = caps.blocks(rule, of.today, ahead)
    begun = (of.today - caps.starts(rule, of.today)).days + 1
    left = np.full(1 + (int(block[-1]) if ahead else 0), rule.times * amounts[-1])
    left[0] = caps.allowance(rule, of.today, amounts) - raw[-begun:].sum()
    return rule.day * float(amounts[-2:].max()), block, left
