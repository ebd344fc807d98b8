"""What the Pacing page shows, worked out once for each version of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import yaml

from connectors.contract import Account
from metrics import flight, windows
from metrics.compute import evaluate
from metrics.flight import FlightPace
from metrics.flights import SpendPlan
from metrics.rebudget import Earned, Rebudget, rebudget
from metrics.windows import AccountKey
from panels import _format as f
from panels._slot import Process, Target
from panels._status import Status, worst
from warehouse.store import Watermark

__all__ = ["STATES", "Loose", "Plans", "example", "plans", "stale", "state", "summary"]

STATES: Final = {
    "on": (Status.good, "On plan"),
    "over": (Status.act, "Over plan"),
    "under": (Status.watch, "Under plan"),
    "unplanned": (Status.none, "No amount"),
    "upcoming": (Status.none, "Not begun"),
    "incomplete": (Status.none, "History missing"),
    "waiting": (Status.none, "No data yet"),
    "refused": (Status.none, "No rates"),
}
"""What each state of a flight looks like, and its word: over and under are never the same."""

_SETTLED: Final = (31, 3)
"""Days before today between which results are compared: long enough ago for conversions to have come in."""

_STALE: Final = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class Loose:
    """What is spent outside of all plans: by currency, campaigns and their mean day of the last week."""

    currency: str
    campaigns: int
    daily: float


@dataclass(frozen=True, slots=True)
class Plans:
    """Each plan's pace with what to change; own: whether the team wrote them. names: of campaigns."""

    paces: tuple[FlightPace, ...]
    changes: tuple[Rebudget, ...]
    own: bool
    loose: tuple[Loose, ...]
    names: Mapping[tuple[str, str, str], str]


def plans(of: Process, known: Mapping[AccountKey, Account], now: datetime) -> Plans:
    """All plans of the workspace, or the platforms' own budgets. now: in the workspace's time zone."""
    written = of.workspace.plans
    asked: Sequence[SpendPlan] = written or flight.by_budgets(known)
    paces = flight.flights(of.warehouse, known, asked, now)
    names = {
        (r["source"], r["account"], r["campaign"]): r["name"]
        for r in of.warehouse.query("SELECT source, account, campaign, name FROM campaign").to_pylist()
    }
    earned = _earned(of, known, names, now)
    return Plans(
        paces=tuple(paces),
        changes=tuple(rebudget(pace, earned) for pace in paces),
        own=bool(written),
        loose=tuple(_loose(of, known, names, written, now)) if written else (),
        names=names,
    )


def _earned(
    of: Process, known: Mapping[AccountKey, Account], names: Mapping[tuple[str, str, str], str], now: datetime
) -> dict[tuple[str, str, str], Earned]:
    defined = of.metrics()
    first, last = (now.date() - timedelta(days=days) for days in _SETTLED)
    table = evaluate(
        of.warehouse,
        [defined[name] for name in ("spend", "conversions", "revenue", "cpl")],
        windows.days(known, first, last),
        ("source", "account", "campaign"),
    )
    found = {}
    for row in table.to_pylist():
        key = (row["source"], row["account"], row["campaign"])
        account = known.get(key[:2])
        if account is None:
            continue
        goals = {
            metric: _goal(of.workspace.targets, metric, account, (row["campaign"], names.get(key, "")))
            for metric in ("roas", "cpa", "cpl")
        }
        spend, cpl = row["spend"] or 0.0, row["cpl"]
        found[key] = Earned(
            spend=spend,
            conversions=row["conversions"] or 0.0,
            revenue=row["revenue"] or 0.0,
            leads=spend / cpl if cpl else 0.0,
            goal_roas=goals["roas"],
            goal_cpa=goals["cpa"],
            goal_cpl=goals["cpl"],
        )
    return found


def _goal(
    targets: Sequence[Target], metric: str, account: Account, campaign: tuple[str, str]
) -> float | None:
    held = [
        t.value
        for t in targets
        if t.metric == metric
        and fnmatchcase(account.source, t.source)
        and any(fnmatchcase(text, t.account) for text in (account.id, account.name))
        and any(fnmatchcase(text, t.campaign) for text in campaign)
    ]
    return held[-1] if held else None


def _loose(
    of: Process,
    known: Mapping[AccountKey, Account],
    names: Mapping[tuple[str, str, str], str],
    written: Sequence[SpendPlan],
    now: datetime,
) -> list[Loose]:
    rows = of.warehouse.query(
        "SELECT source, account, campaign, sum(cost) / 7e6 AS daily FROM delivery "
        "WHERE day BETWEEN $first AND $last GROUP BY ALL HAVING sum(cost) > 0",
        {"first": now.date() - timedelta(days=7), "last": now.date() - timedelta(days=1)},
    ).to_pylist()
    found: dict[str, list[float]] = {}
    for row in rows:
        key = (row["source"], row["account"], row["campaign"])
        account = known.get(key[:2])
        if account is None:
            continue
        named = (account.id, account.name), (row["campaign"], names.get(key, row["campaign"]))
        if not any(plan.covers(account.source, *named) for plan in written):
            found.setdefault(account.currency, []).append(row["daily"])
    return [Loose(currency, len(found[currency]), sum(found[currency])) for currency in sorted(found)]


def stale(pace: FlightPace, marks: Sequence[Watermark], now: datetime) -> timedelta | None:
    """How long ago the plan's slowest account last answered, where that is too long for a verdict."""
    polled = [
        now - mark.polled_at
        for mark in marks
        if mark.stream == "delivery" and (mark.source, mark.account) in pace.accounts and mark.polled_at
    ]
    age = max(polled, default=None)
    return age if age is not None and age > _STALE else None


def state(pace: FlightPace, age: timedelta | None) -> tuple[Status, str]:
    """How a plan stands, in colour and word; grey where its data is stale."""
    status, word = STATES[pace.state]
    if age is not None and status is not Status.none:
        return Status.none, f"Stale, {f.age(age)}"
    return status, word


def summary(states: Sequence[tuple[Status, str]]) -> tuple[str, Status, str]:
    """All plans in one figure ("3 of 4"), the worst state, and what is off, in words."""
    judged: list[Status] = [status for status, _ in states if status is not Status.none]
    good = sum(status is Status.good for status in judged)
    if not judged:
        return f.NOTHING, Status.none, "No verdict yet"
    words: dict[str, int] = {}
    for status, word in states:
        if status in (Status.act, Status.watch):
            words[word] = words.get(word, 0) + 1
    parts = [f"{count} {word.lower()}" for word, count in words.items()]
    return f"{good} of {len(judged)}", worst(judged), " · ".join(parts) or "All on plan"


def example(paces: Sequence[FlightPace], known: Mapping[AccountKey, Account]) -> str:
    """Plans as they could stand in paceline.yaml: the present budgets, by month."""
    written = []
    for pace in paces:
        amount = pace.amount or 10_000.0
        size = 10.0 ** max(len(str(int(amount))) - 2, 0)
        names = [known[key].name for key in pace.accounts] or ["*"]
        written.append(
            {
                "name": f"Always on, {pace.plan.currency}",
                "owner": "you@example.com",
                "amount": int(round(amount / size) * size),
                "currency": pace.plan.currency,
                "period": "month",
                "accounts": sorted(set(names)),
                "curve": "weekday",
            }
        )
    text: str = yaml.safe_dump({"plans": written}, sort_keys=False, allow_unicode=True, width=100)
    return text
