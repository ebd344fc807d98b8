"""What to change: new daily budgets that bring a flight to its plan, in one sane step.

Every budget is moved from where it is towards its bound by the same share of the way, sooner where the
results say so, until the projected end meets the plan. Bounds: a fifth above today's budget; a fifth below
what is usually spent of it, for an unused rest of a budget changes nothing; never below what is spent today.
A raise helps only where the budget, not the demand, holds the spend back, and is for what earns its goal, or
nearly. Amounts are rounded as people
choose them. Budgets of a whole flight, and those that also pay for campaigns outside of the plan, stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from metrics._flight_parts import at_present
from metrics.flight import Budgeted, FlightPace

__all__ = ["Earned", "Move", "Rebudget", "rebudget", "response", "rounded", "scores", "usual"]

STEP: Final = 0.2
"""A larger step sends the platforms' bidding back to learning."""

_CLOSE: Final = 0.01
"""An end this near to the amount, as a share of it, needs no change."""

_RECENT: Final = 14
_TILT: Final = 2.0
"""The best purse moves up to this many times as far as the mean one, the worst as little as its inverse."""

_WORTH: Final = 0.8
"""A purse whose return is below this share of its goal is not raised."""

_SURE: Final = 10.0
"""Conversions at which a purse's own return counts as much as its account's."""

_WITHOUT_CENTS: Final = frozenset({"JPY", "KRW", "HUF", "CLP", "IDR", "ISK", "COP", "TWD", "VND", "PYG"})

Kind: TypeAlias = Literal["roas", "cpa", "cpl"]

Entity: TypeAlias = tuple[str, str, str]
"""(source, account, campaign)"""


@dataclass(frozen=True, slots=True)
class Earned:
    """What a campaign brought over a settled month; money in the account's currency.

    leads: of the conversions. goal_roas, goal_cpa, goal_cpl: its targets, None without.
    """

    spend: float
    conversions: float
    revenue: float
    leads: float = 0.0
    goal_roas: float | None = None
    goal_cpa: float | None = None
    goal_cpl: float | None = None

    def gained(self, kind: Kind) -> float:
        """What a return of this kind is counted in."""
        return {"roas": self.revenue, "cpl": self.leads, "cpa": self.conversions}[kind]

    def goal(self, kind: Kind) -> float:
        """The target as a return, 0 without one."""
        if kind == "roas":
            return self.goal_roas or 0.0
        cost = self.goal_cpl if kind == "cpl" else self.goal_cpa
        return 1 / cost if cost else 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """A new daily budget; before, after: in units of the account's currency.

    effect: by how much the flight's end moves, in the plan's currency. score: its return over its goal (1 is
    on goal), None where nothing is known.
    """

    line: Budgeted
    before: float
    after: float
    effect: float
    score: float | None


@dataclass(frozen=True, slots=True)
class Rebudget:
    """Moves, the largest effect first; where the flight ends as things are and with all of them.

    reached: whether that is on the amount; if not, a further step is needed once this one has shown.
    """

    moves: tuple[Move, ...]
    before: float
    after: float
    reached: bool


def scores(lines: Iterable[Budgeted], earned: Mapping[Entity, Earned]) -> dict[int, float]:
    """Each line's return over its goal, by its place; lines of accounts without results are left out.

    Return is leads per money in an account that lives on leads, revenue per money in one that has revenue,
    else conversions per money; shrunk towards the account's own by what ten conversions cost there. Goal: the
    targets of its campaigns, weighted by spend, else the account's own return: then the score only ranks.
    """
    found: dict[int, float] = {}
    totals: dict[tuple[str, str], list[Earned]] = {}
    for (source, account, _), one in earned.items():
        totals.setdefault((source, account), []).append(one)
    for place, line in enumerate(lines):
        of_account = totals.get((line.source, line.account), [])
        spend = sum(one.spend for one in of_account)
        conversions = sum(one.conversions for one in of_account)
        if spend <= 0 or conversions <= 0:
            continue
        kind: Kind = "roas" if sum(one.revenue for one in of_account) > 0 else "cpa"
        if sum(one.leads for one in of_account) > conversions / 2:
            kind = "cpl"
        mean = sum(one.gained(kind) for one in of_account) / spend
        steady = _SURE * spend / conversions
        own = [earned[key] for c in line.campaigns if (key := (line.source, line.account, c)) in earned]
        money = sum(one.spend for one in own)
        shrunk = (sum(one.gained(kind) for one in own) + steady * mean) / (money + steady)
        aimed = [(one.spend, one.goal(kind)) for one in own if one.spend > 0 and one.goal(kind) > 0]
        weight = sum(spent for spent, _ in aimed)
        goal = sum(spent * goal for spent, goal in aimed) / weight if weight > 0 else mean
        found[place] = shrunk / goal
    return found


def response(line: Budgeted, amount: float) -> float:
    """What the line is expected to spend after today at a daily budget of `amount`, in all.

    As the last fourteen days would have at that budget, relative to what they would have at today's. Units of
    the account's currency.
    """
    assert line.purse is not None
    raw, held = line.raw[-_RECENT:], line.held[-_RECENT:]
    now = float((raw * at_present(raw, held, line.purse.amount)).sum())
    if now <= 0:
        return line.rest * amount / line.purse.amount
    return line.rest * float((raw * at_present(raw, held, amount)).sum()) / now


def usual(line: Budgeted) -> float:
    """What its whole purse spends on a day of delivery, as at today's budget; the account's currency."""
    raw, held = line.raw[-_RECENT:], line.held[-_RECENT:]
    amount = line.purse.amount if line.purse else 0.0
    return float((raw * at_present(raw, held, amount)).sum() / max((raw > 0).sum(), 1))


def rounded(amount: float, currency: str, low: float, high: float) -> float:
    """An amount as people choose it, to half of its second digit, and inside the bounds if they leave one."""
    cent = 1.0 if currency in _WITHOUT_CENTS else 0.01
    step: float = max(10.0 ** (math.floor(math.log10(max(amount, cent))) - 1) / 2, cent)
    near = round(amount / step) * step
    if near < low:
        near = math.ceil(low / step - 1e-9) * step
    if near > high:
        near = math.floor(high / step + 1e-9) * step
    return round(near, 2)


def rebudget(pace: FlightPace, earned: Mapping[Entity, Earned]) -> Rebudget:
    """The budgets that land on the plan, or come as near as one step allows.

    None are told for a plan without an amount: there the budgets are the plan, and it would move with them.
    """
    off = pace.amount - pace.mid
    nothing = Rebudget((), pace.mid, pace.mid, abs(off) <= _CLOSE * pace.amount)
    judged = pace.state in ("on", "over", "under")
    if not pace.plan.amounts or not judged or not pace.left or nothing.reached:
        return nothing
    score = scores(pace.lines, earned)
    open_ = [
        (line, bound, score.get(place))
        for place, line in enumerate(pace.lines)
        if (bound := _bound(line, up=off > 0)) is not None and (off < 0 or score.get(place, 1.0) >= _WORTH)
    ]

    def at(share: float) -> list[float]:
        return [
            line.purse.amount + (bound - line.purse.amount) * min(share * _speed(own, up=off > 0), 1.0)
            for line, bound, own in open_
            if line.purse is not None
        ]

    def moved(amounts: Iterable[float]) -> list[float]:
        return [
            (response(line, amount) - line.rest) * line.rate
            for (line, _, _), amount in zip(open_, amounts, strict=True)
        ]

    low, high = 0.0, _TILT
    for _ in range(40):
        middle = (low + high) / 2
        if abs(sum(moved(at(middle)))) < abs(off):
            low = middle
        else:
            high = middle
    moves = []
    for (line, bound, own), wanted in zip(open_, at(high), strict=True):
        assert line.purse is not None
        before = line.purse.amount
        after = rounded(wanted, line.currency, min(bound, before), max(bound, before))
        effect = (response(line, after) - line.rest) * line.rate
        if abs(effect) > 1e-4 * pace.amount and (after > before) == (off > 0):
            moves.append(Move(line, before, after, effect, own))
    after = pace.mid + sum(move.effect for move in moves)
    return Rebudget(
        tuple(sorted(moves, key=lambda move: -abs(move.effect))),
        pace.mid,
        after,
        abs(pace.amount - after) <= 2 * _CLOSE * pace.amount,
    )


def _speed(score: float | None, *, up: bool) -> float:
    """How soon a purse moves: the best is raised first, the worst is cut first."""
    if score is None or score <= 0:
        return 1.0
    return float(np.clip(score if up else 1 / score, 1 / _TILT, _TILT))


def _bound(line: Budgeted, *, up: bool) -> float | None:
    """How far its budget may be moved, or None where moving it is not possible or changes nothing."""
    purse = line.purse
    if purse is None or purse.total or purse.amount <= 0 or line.days == 0 or line.rest <= 0:
        return None
    if set(line.campaigns) != set(purse.campaigns):
        return None
    if up:
        bound = purse.amount * (1 + STEP)
    else:
        least = 100.0 if line.currency in _WITHOUT_CENTS else 1.0
        bound = max(min(purse.amount, usual(line) or purse.amount) * (1 - STEP), line.spent, least)
        if bound >= purse.amount:
            return None
    return bound if abs(response(line, bound) - line.rest) > 0.005 * line.rest else None
