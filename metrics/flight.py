"""Is the flight on plan: spent against planned at each account's watermark, and where it will end.

Expected by now is each account's part of the plan for the days that are over, and for today the share of a
usual day that is over at its watermark. The verdict's tolerance narrows with the plan that has elapsed. What
is still to come is drawn (metrics.outlook) at the budgets in force and within what the platforms allow.
Mathematics and measured accuracy: docs/pacing.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from metrics import money, purses, spent, windows
from metrics._flight_draws import drawn
from metrics._flight_parts import Group, Part, Statement, part, statements
from metrics.caps import Overspend
from metrics.flights import Flight, SpendPlan, flight, spread, weekday_index
from metrics.in_steps import Steps, finished

if TYPE_CHECKING:
    from connectors.contract import Account
    from metrics.purses import Purse
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Budgeted", "FlightPace", "by_budgets", "flights", "flights_in_steps", "tolerance"]

Floats = npt.NDArray[np.float64]

_FIRST, _LAST = 0.25, 0.03

_BACK: Final = 35
"""Days read before today at least: a whole month, and four weeks of history."""

_LONGEST: Final = 400
"""Days read before today at most, however long a flight is."""


def tolerance(elapsed: float) -> float:
    """How far off plan is still on plan, as a fraction, when this share of the plan has elapsed.

    A quarter at the flight's start, 3 % at its end. (Optmyzr narrows from 25 % to 1 %; 5 % off is commonly
    "on pace".)
    """
    return _FIRST + (_LAST - _FIRST) * min(max(elapsed, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A purse's line in a plan; money in units of the account's currency; `rate` is its rate to the plan's.

    campaigns: the plan's that it pays for. usual: the plan's part of its daily budget. spent: today.
    rest: what they are expected to spend after today, in all; days: on how many days. history, raw, held: as
    in a group (see metrics._flight_parts): what budgets mean for spend. overspend: what it spent beyond it.
    """

    source: str
    account: str
    currency: str
    purse: Purse | None
    campaigns: tuple[str, ...]
    rate: float
    usual: float
    spent: float
    rest: float
    days: int
    history: Floats
    raw: Floats
    held: Floats
    overspend: Overspend | None


@dataclass(frozen=True, slots=True)
class FlightPace:
    """A plan's pace; money in units of the plan's currency, arrays over the days of the flight.

    accounts: those with data. waiting: names of accounts that have none yet. today: the day of the account
    that is furthest behind. hour: its watermark on its clock. missing: days of the flight of which no data
    was fetched. planned: (days,) the amount by day. actual: (days,) complete days. spent, expected: until the
    watermarks. low, mid, high: where the flight will end, with an 80 % interval. risk: the probability to end
    above the amount. required: what today would have to spend for the rest to go by plan; rate: the mean of
    the last seven complete days. fan: (3, days) low, mid, high of the cumulative spend at each day's end, NaN
    on complete days. hours, hours_planned: (24,) of today. refused: why there are no figures.
    """

    plan: SpendPlan
    over: Flight
    amount: float = 0.0
    accounts: tuple[AccountKey, ...] = ()
    waiting: tuple[str, ...] = ()
    today: date = date.min
    hour: float = 0.0
    missing: int = 0
    spent: float = 0.0
    expected: float = 0.0
    low: float = 0.0
    mid: float = 0.0
    high: float = 0.0
    risk: float = 0.0
    required: float = 0.0
    rate: float = 0.0
    planned: Floats = field(default_factory=lambda: np.zeros(0))
    actual: Floats = field(default_factory=lambda: np.zeros(0))
    fan: Floats = field(default_factory=lambda: np.zeros((3, 0)))
    hours: Floats = field(default_factory=lambda: np.zeros(24))
    hours_planned: Floats = field(default_factory=lambda: np.zeros(24))
    lines: tuple[Budgeted, ...] = ()
    refused: str = ""

    @property
    def index(self) -> float | None:
        """Spent as a multiple of expected; None before anything was expected."""
        return self.spent / self.expected if self.expected > 0 else None

    @property
    def elapsed(self) -> float:
        """The share of the amount that was to be spent by now."""
        return self.expected / self.amount if self.amount > 0 else 0.0

    @property
    def left(self) -> int:
        """Days of the flight after today."""
        return max((self.over.last - self.today).days, 0)

    @property
    def state(self) -> str:
        """refused, waiting, unplanned, upcoming, incomplete; else over, under or on.

        Off plan is what is off by now and will still be off at the end, or what is all but certain to end
        off: the whole 80 % interval is further from the amount than the last day's tolerance.
        """
        if self.refused:
            return "refused"
        if not self.accounts:
            return "waiting"
        if self.amount <= 0:
            return "unplanned"
        if self.today < self.over.first:
            return "upcoming"
        if self.missing:
            return "incomplete"
        if self.low > self.amount * (1 + _LAST):
            return "over"
        if self.high < self.amount * (1 - _LAST):
            return "under"
        allowed, index = tolerance(self.elapsed), self.index
        if index is None:
            return "on"
        if index > 1 + allowed and self.mid > self.amount:
            return "over"
        return "under" if index < 1 - allowed and self.mid < self.amount else "on"


def by_budgets(known: Mapping[AccountKey, Account]) -> list[SpendPlan]:
    """The plans of a team that wrote none: the platforms' own budgets of the month, one for each currency."""
    count: dict[str, int] = {}
    for account in known.values():
        count[account.currency] = count.get(account.currency, 0) + 1
    return [
        SpendPlan(f"Budgets in {currency}", currency, accounts=_ids(known, currency))
        for currency in sorted(count, key=lambda c: (-count[c], c))
    ]


def _ids(known: Mapping[AccountKey, Account], currency: str) -> tuple[str, ...]:
    return tuple(account.id for account in known.values() if account.currency == currency)


def flights(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], plans: Sequence[SpendPlan], now: datetime
) -> list[FlightPace]:
    """The pace of each plan. now: the present in the team's time zone; its date says which month it is.

    A plan in another currency than an account's is converted by the rates of each day, and refused where
    there is none.
    """
    return finished(flights_in_steps(warehouse, known, plans, now))


def flights_in_steps(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], plans: Sequence[SpendPlan], now: datetime
) -> Steps[list[FlightPace]]:
    """The same step by step: by the data as they are at the first."""
    until = windows.watermarks(warehouse, known)
    today = {
        key: (spent.local_day(known[key], window), spent.clock(known[key], window))
        for key, window in windows.today(known, until).items()
    }
    over = [flight(plan, now.date()) for plan in plans]
    statements = (yield from _statements(warehouse, known, today, over)) if today else {}
    first = min((of.first for of in statements.values()), default=now.date())
    last = max((of.today for of in statements.values()), default=now.date())
    found = []
    for plan, dates in zip(plans, over, strict=True):
        covered = [key for key, a in known.items() if plan.covers(a.source, (a.id, a.name))]
        waiting = tuple(known[key].name for key in covered if key not in statements)
        rates = _rates(warehouse, {known[key].currency for key in covered}, plan.currency, first, last)
        try:
            parts = []
            for key in covered:
                if key in statements:
                    parts.append(part(plan, dates, statements[key], rates))
                    yield len(statements[key].campaigns)
        except money.MissingRate as missing:
            found.append(FlightPace(plan, dates, waiting=waiting, refused=str(missing)))
            continue
        mine = [p for p in parts if p is not None]
        pace = (yield from _pace(plan, dates, mine, waiting)) if mine else None
        found.append(pace or FlightPace(plan, dates, waiting=waiting))
    return found


def _statements(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    today: Mapping[AccountKey, tuple[date, float]],
    over: Sequence[Flight],
) -> Steps[dict[AccountKey, Statement]]:
    earliest = min(day for day, _ in today.values())
    total = warehouse.query("SELECT min(starts) AS starts FROM budget WHERE period = 'total'")["starts"][0]
    begun = [dates.first for dates in over] + ([total.as_py()] if total.as_py() else [])
    first = max(min([earliest - timedelta(days=_BACK), *begun]), earliest - timedelta(days=_LONGEST))
    since = spent.complete_from(warehouse, known)
    held = purses.budgets(warehouse, known, {key: day for key, (day, _) in today.items()}, first)
    yield sum(len(of.campaigns) for of in held.values())
    found = statements(warehouse, known, today, first, since=since, budgets=held)
    yield sum(len(of.campaigns) for of in found.values())
    return found


def _rates(
    warehouse: Warehouse, currencies: set[str], to: str, first: date, last: date
) -> dict[tuple[str, date], float]:
    if currencies <= {to}:
        return {}
    found = money.rates(warehouse, currencies, to, first, last)
    return {
        (currency, day): rate
        for currency, day, rate in zip(found.currency, found.day, found.rate, strict=True)
    }


def _pace(
    plan: SpendPlan, over: Flight, parts: Sequence[Part], waiting: tuple[str, ...]
) -> Steps[FlightPace]:
    planned = _planned(plan, over, parts)
    places = [over.place(p.of.today) for p in parts]
    expected = remaining = today_planned = 0.0
    hours_planned = np.zeros(24)
    for mine, p, at in zip(planned, parts, places, strict=True):
        begun = min(max(at, 0), over.days)
        expected += mine[:begun].sum()
        remaining += mine[begun:].sum()
        if 0 <= at < over.days:
            running = mine[at] - (p.stopped if not plan.amounts else 0.0)
            expected += mine[at] - running * (1 - p.over)
            today_planned += mine[at]
            hours_planned += running * np.diff(p.share)
    actual = np.sum([p.spend for p in parts], axis=0)
    daily, rests = yield from drawn(over, parts)
    complete, amount = float(actual.sum()), float(planned.sum())
    cumulative = complete + daily.cumsum(1)
    low, mid, high = np.quantile(cumulative[:, -1], [0.1, 0.5, 0.9])
    behind = min(parts, key=lambda p: (p.of.today, p.of.hour))
    first_open = min(max(min(places), 0), over.days)
    fan = np.quantile(actual.cumsum() + daily.cumsum(1), [0.1, 0.5, 0.9], axis=0)
    fan[:, :first_open] = np.nan
    return FlightPace(
        plan=plan,
        over=over,
        amount=amount,
        accounts=tuple((p.of.account.source, p.of.account.id) for p in parts),
        waiting=waiting,
        today=behind.of.today,
        hour=behind.of.hour,
        missing=max(_missing(over, p) for p in parts),
        spent=complete + sum(p.today for p in parts),
        expected=expected,
        low=float(low),
        mid=float(mid),
        high=float(high),
        risk=float((cumulative[:, -1] > amount).mean()),
        required=(amount - complete) * today_planned / remaining if remaining > 0 else 0.0,
        rate=float(sum(p.of_week for p in parts)),
        planned=planned.sum(0),
        actual=actual,
        fan=fan,
        hours=np.sum([p.hours for p in parts], axis=0),
        hours_planned=hours_planned,
        lines=tuple(
            _line(p, group, rest)
            for p, mine in zip(parts, rests, strict=True)
            for group, rest in zip(p.groups, mine, strict=True)
        ),
    )


def _missing(over: Flight, of: Part) -> int:
    """Days of the flight, before today, that were never fetched."""
    since = of.of.since or of.of.today
    return max((min(since, of.of.today, over.last) - over.first).days, 0)


def _planned(plan: SpendPlan, over: Flight, parts: Sequence[Part]) -> Floats:
    """Each account's part of the plan by day, (accounts, days): a written amount as they usually spend."""
    if not plan.amounts:
        return np.stack([p.budgeted for p in parts])
    usual = np.array([p.usual for p in parts])
    share = usual / usual.sum() if usual.sum() > 0 else np.full(len(parts), 1 / len(parts))
    last = max(p.of.today for p in parts) - timedelta(days=1)
    recent = np.sum([p.recent for p in parts], axis=0)
    return np.asarray(share[:, None] * spread(plan, over, weekday_index(recent, last)))


def _line(of: Part, group: Group, rest: float) -> Budgeted:
    account = of.of.account
    return Budgeted(
        source=account.source,
        account=account.id,
        currency=account.currency,
        purse=group.purse,
        campaigns=group.campaigns,
        rate=of.rate,
        usual=group.usual,
        spent=group.spent,
        rest=float(rest),
        days=int(group.runs.sum()),
        history=group.history.sum(1),
        raw=group.raw,
        held=group.held,
        overspend=group.overspend,
    )
