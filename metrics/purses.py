"""The platforms' own budgets, day by day: what each plans to spend, and which campaigns it pays for.

A purse is what one budget pays for: a campaign with all its own budgets (its ad sets' too), or all campaigns
that draw on a shared one. Amounts are effective-dated: the warehouse keeps what it saw, and the source's own
change log says what held before the first look. A day's budget is the one in force at its end.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from connectors.contract import Account
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Budgets", "Purse", "budgets"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
_OPEN_FLIGHT: Final = 30
"""Days over which a total budget without a last day is spread."""


@dataclass(frozen=True, slots=True)
class Purse:
    """What one budget pays for. amount: now, in units of the account's currency; a day's, or in all.

    budget: its id, or that of the campaign whose own budgets it is. campaigns: ids, all that draw on it.
    parts: how many budgets it is made of (an ad set's each). starts, ends: of a total budget's flight.
    """

    budget: str
    name: str
    campaigns: tuple[str, ...]
    amount: float
    total: bool
    shared: bool
    parts: int = 1
    starts: date | None = None
    ends: date | None = None

    @property
    def daily(self) -> float:
        """What it plans for a day; a total one evenly over its flight."""
        return self.amount / _length(self.starts, self.ends) if self.total else self.amount


@dataclass(frozen=True)
class Budgets:
    """An account's budgets over the days `first` to today.

    campaigns: ids, sorted; names: theirs. planned: (campaigns, days) what each day's budget planned, shared
    ones divided evenly; a day on which a campaign was paused plans nothing. known: (campaigns, days) whether
    the campaign's state of that day is known. enabled: (campaigns, days) its state where it is.
    purses: those in force now; amounts: (purses, days) their daily budget on each day.
    until: each campaign's last day, or None.
    """

    campaigns: tuple[str, ...]
    names: Mapping[str, str]
    planned: Floats
    known: Bools
    enabled: Bools
    purses: tuple[Purse, ...]
    amounts: Floats
    until: Mapping[str, date | None]


@dataclass(slots=True)
class _Held:
    """One budget of one campaign through time: `values[i]` (amount, starts, ends) from `since[i]` on."""

    row: Mapping[str, Any]
    since: list[datetime]
    values: list[tuple[float, date | None, date | None]]
    open: bool

    def at(self, moment: datetime) -> tuple[float, date | None, date | None]:
        return self.values[max(bisect_left(self.since, moment) - 1, 0)]


def budgets(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    today: Mapping[AccountKey, date],
    first: date,
) -> dict[AccountKey, Budgets]:
    """Each account's budgets from `first` to its today. Asks the whole warehouse once."""
    held = _held(warehouse)
    status = _statuses(warehouse)
    campaigns: dict[AccountKey, dict[str, Mapping[str, Any]]] = {}
    for row in warehouse.query(
        "SELECT source, account, campaign, name, status, starts, ends FROM campaign ORDER BY campaign"
    ).to_pylist():
        campaigns.setdefault((row["source"], row["account"]), {})[row["campaign"]] = row
    return {
        key: _account(
            campaigns.get(key, {}), held.get(key, []), status.get(key, {}), _Days(known[key], first, day)
        )
        for key, day in today.items()
    }


def _held(warehouse: Warehouse) -> dict[AccountKey, list[_Held]]:
    rows = warehouse.query(
        """
        SELECT source, account, budget, campaign, ad_group, name, amount / 1e6 AS amount, period, shared,
          starts, ends, valid_from, valid_to
        FROM budget_history ORDER BY source, account, budget, campaign, ad_group, valid_from
        """
    ).to_pylist()
    before = _before(warehouse)
    found: dict[AccountKey, list[_Held]] = {}
    last: _Held | None = None
    for row in rows:
        key = (row["source"], row["account"])
        value = (row["amount"], row["starts"], row["ends"])
        if last is None or any(
            last.row[c] != row[c] for c in ("source", "account", "budget", "campaign", "ad_group")
        ):
            earlier = before.get((*key, row["budget"]), ())
            steps = [(at, old) for at, old in earlier if at < row["valid_from"]]
            # Before its first change it was what that change says it had been; after its last, what we saw.
            since = [_ALWAYS, *(at for at, _ in steps)]
            values = [(old, *value[1:]) for _, old in steps] + [value]
            last = _Held(row, since, values, row["valid_to"] is None)
            found.setdefault(key, []).append(last)
        else:
            last.since.append(row["valid_from"])
            last.values.append(value)
            last.row, last.open = row, row["valid_to"] is None
        if row["valid_to"] is not None:
            last.since.append(row["valid_to"])
            last.values.append((0.0, row["starts"], row["ends"]))
    return found


def _before(warehouse: Warehouse) -> dict[tuple[str, str, str], list[tuple[datetime, float]]]:
    """By budget, the amounts that changes put an end to, and when; oldest first, in units of the currency."""
    rows = warehouse.query(
        'SELECT source, account, entity, "at", before FROM change '
        "WHERE contains(before, 'amount_micros') AND operation = 'update' ORDER BY \"at\""
    ).to_pylist()
    found: dict[tuple[str, str, str], list[tuple[datetime, float]]] = {}
    for row in rows:
        amount = json.loads(row["before"]).get("amount_micros")
        if amount is not None:
            key = (row["source"], row["account"], row["entity"])
            found.setdefault(key, []).append((row["at"], float(amount) / 1e6))
    return found


def _statuses(warehouse: Warehouse) -> dict[AccountKey, dict[str, tuple[list[datetime], list[bool]]]]:
    """By account and campaign: from when on it was enabled or not, as far back as we looked."""
    found: dict[AccountKey, dict[str, tuple[list[datetime], list[bool]]]] = {}
    for row in warehouse.query(
        "SELECT source, account, campaign, status = 'enabled' AS enabled, valid_from, valid_to "
        "FROM campaign_history ORDER BY valid_from"
    ).to_pylist():
        since, values = found.setdefault((row["source"], row["account"]), {}).setdefault(
            row["campaign"], ([], [])
        )
        since.append(row["valid_from"])
        values.append(row["enabled"])
        if row["valid_to"] is not None:
            since.append(row["valid_to"])
            values.append(False)
    return found


class _Days:
    """An account's days, and the moment at which each ends."""

    def __init__(self, account: Account, first: date, last: date) -> None:
        self.days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        after = (day + timedelta(days=1) for day in self.days)
        self.ends = [datetime.combine(day, time(), account.timezone).astimezone(UTC) for day in after]


def _account(
    campaigns: Mapping[str, Mapping[str, Any]],
    held: Sequence[_Held],
    status: Mapping[str, tuple[list[datetime], list[bool]]],
    calendar: _Days,
) -> Budgets:
    days, ends = calendar.days, calendar.ends
    ids = tuple(sorted({*campaigns, *(one.row["campaign"] for one in held)}))
    place = {name: n for n, name in enumerate(ids)}
    known, enabled = np.zeros((len(ids), len(days)), dtype=bool), np.zeros((len(ids), len(days)), dtype=bool)
    for name, (since, values) in status.items():
        if name not in place:
            continue
        step = np.array([bisect_left(since, end) - 1 for end in ends])
        known[place[name]] = step >= 0
        enabled[place[name]] = np.array(values)[np.maximum(step, 0)] & (step >= 0)
    for name, row in campaigns.items():
        known[place[name], -1], enabled[place[name], -1] = True, row["status"] == "enabled"
        outside = np.array(
            [(row["starts"] or day) > day or (row["ends"] or day) < day for day in days], dtype=bool
        )
        known[place[name]] |= outside
        enabled[place[name]] &= ~outside
    own = {id(one): _daily(one, calendar) for one in held}
    planned = np.zeros((len(ids), len(days)))
    for group in _grouped(held).values():
        rows = [place[one.row["campaign"]] for one in group]
        on = enabled[rows] | ~known[rows]
        among = np.maximum(on.sum(0), 1) if group[0].row["shared"] else np.ones(len(days))
        for at, one, runs in zip(rows, group, on, strict=True):
            planned[at] += np.where(runs, own[id(one)] / among, 0.0)
    purses = [_purse(group, campaigns) for group in _purses(held)]
    amounts = [
        own[id(group[0])] if group[0].row["shared"] else np.sum([own[id(one)] for one in group], axis=0)
        for group in _purses(held)
    ]
    return Budgets(
        campaigns=ids,
        names={name: row["name"] for name, row in campaigns.items()},
        planned=planned,
        known=known,
        enabled=enabled,
        purses=tuple(purses),
        amounts=np.array(amounts).reshape(len(purses), len(days)),
        until={name: row["ends"] for name, row in campaigns.items()},
    )


def _grouped(held: Iterable[_Held]) -> dict[tuple[str, str], list[_Held]]:
    """Rows that are one budget (shared: by its id), or each by itself."""
    found: dict[tuple[str, str], list[_Held]] = {}
    for one in held:
        row = one.row
        key = (
            ("shared", row["budget"])
            if row["shared"]
            else (row["campaign"], f"{row['budget']}/{row['ad_group']}")
        )
        found.setdefault(key, []).append(one)
    return found


def _purses(held: Iterable[_Held]) -> list[list[_Held]]:
    """The rows in force now, by what they pay for together."""
    found: dict[tuple[str, str], list[_Held]] = {}
    for one in held:
        if one.open:
            row = one.row
            key = ("shared", row["budget"]) if row["shared"] else ("own", row["campaign"])
            found.setdefault(key, []).append(one)
    return list(found.values())


def _purse(group: Sequence[_Held], campaigns: Mapping[str, Mapping[str, Any]]) -> Purse:
    row = group[0].row
    members = tuple(sorted({one.row["campaign"] for one in group}))
    amounts = [one.values[-1][0] for one in group]
    name = row["name"] if row["shared"] else campaigns.get(members[0], {}).get("name", row["name"])
    return Purse(
        budget=row["budget"] if row["shared"] else members[0],
        name=name,
        campaigns=members,
        amount=amounts[0] if row["shared"] else sum(amounts),
        total=row["period"] == "total",
        shared=bool(row["shared"]),
        parts=1 if row["shared"] else len(group),
        starts=row["starts"],
        ends=row["ends"],
    )


def _daily(one: _Held, calendar: _Days) -> Floats:
    """What a budget plans for each day: a total one evenly over its flight, and nothing outside of it."""
    total = one.row["period"] == "total"
    if not total and len(one.values) == 1:
        return np.full(len(calendar.days), float(one.values[0][0]))
    out = np.zeros(len(calendar.days))
    for n, (day, end) in enumerate(zip(calendar.days, calendar.ends, strict=True)):
        amount, starts, last = one.at(end)
        if total and ((starts or day) > day or (last or day) < day):
            continue
        out[n] = amount / _length(starts, last) if total else amount
    return out


def _length(starts: date | None, ends: date | None) -> int:
    return max((ends - starts).days + 1, 1) if starts and ends else _OPEN_FLIGHT
