"""`plans` in `paceline.yaml`: what the team means to spend, on what, and how it spreads over the days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, WithJsonSchema

from connectors.part import Part
from connectors.units import Currency
from metrics.flights import CURVES, Amount, Curve, SpendPlan
from service.faults import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.marks import Marked, Problem

__all__ = ["Plan", "Revision", "faults", "planned"]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _curve(value: object) -> object:
    if isinstance(value, str):
        if value not in CURVES:
            raise ValueError(f"is no curve{nearest(value, CURVES)}, or a list of weights")
        return value
    if not isinstance(value, list | tuple):
        raise ValueError(f"is no curve: write {', '.join(CURVES)}, or a list of weights")  # noqa: TRY004  # pydantic reports a ValueError
    numbers = [w for w in value if isinstance(w, int | float) and not isinstance(w, bool) and w >= 0]
    if len(numbers) < len(value) or not sum(numbers):
        raise ValueError("is no curve: weights are numbers of at least 0, and one is more than that")
    return tuple(float(w) for w in numbers)


Patterns = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""One pattern, or several of which one must match."""


class Revision(Part):
    """Another amount for the whole flight, from a day on."""

    since: date
    amount: PositiveFloat


class Plan(Part):
    """What is to be spent in a month, a quarter or a flight, on the campaigns that match.

    amount: for the whole period; without one, the platforms' own budgets are the plan. currency: of the
    amount, else the workspace's. period: month and quarter repeat; a flight has `start` and `end`.
    source, accounts, campaigns: `*` and `?` match; the latter two match names or ids, one pattern or a list.
    curve: even, front, back, weekday, or a list of weights for equal parts of the period.
    changes: later amounts, each from its day on.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    owner: str = ""
    amount: PositiveFloat | None = None
    currency: Currency | None = None
    period: Literal["month", "quarter", "flight"] = "month"
    start: date | None = None
    end: date | None = None
    source: str = "*"
    accounts: Patterns = ("*",)
    campaigns: Patterns = ("*",)
    curve: Annotated[Curve, BeforeValidator(_curve), WithJsonSchema({"examples": [*CURVES, [1, 2, 1]]})] = (
        "even"
    )
    changes: list[Revision] = Field(default_factory=list)


def planned(plan: Plan, currency: str) -> SpendPlan:
    """The plan as the metrics know it. currency: the workspace's."""
    later = sorted((change.since, change.amount) for change in plan.changes)
    first = [] if plan.amount is None else [Amount(plan.amount)]
    return SpendPlan(
        name=plan.name,
        currency=plan.currency or currency,
        amounts=tuple(first + [Amount(amount, since) for since, amount in later]),
        owner=plan.owner,
        period=plan.period,
        starts=plan.start,
        ends=plan.end,
        source=plan.source,
        accounts=plan.accounts,
        campaigns=plan.campaigns,
        curve=plan.curve,
    )


def faults(marked: Marked, sources: Iterable[str]) -> list[Problem]:
    """What a plan's own fields cannot know: names used twice, days that contradict each other."""
    written = marked.data.get("plans")
    found: list[Problem] = []
    names: dict[str, int] = {}
    for index, plan in enumerate(written if isinstance(written, list) else ()):
        if not isinstance(plan, Mapping):
            continue
        place = ("plans", index)
        name = str(plan.get("name", ""))
        if name and name in names:
            line = marked.values["plans", names[name], "name"][0]
            found.append(marked.problem((*place, "name"), f"{name!r} is another plan's name, on line {line}"))
        names.setdefault(name, index)
        source = plan.get("source", "*")
        if isinstance(source, str) and not set("*?[") & set(source) and source not in set(sources):
            message = f"{source!r} is no configured source{nearest(source, sources)}"
            found.append(marked.problem((*place, "source"), message))
        found += _dates(marked, place, plan)
    return found


def _dates(marked: Marked, place: tuple[str, int], plan: Mapping[str, Any]) -> list[Problem]:
    found = []
    start, end = plan.get("start"), plan.get("end")
    if plan.get("period", "month") == "flight":
        found += [
            marked.problem(
                (*place, name), f"is missing: a flight has its {word} day, such as 2026-12-24", at_key=True
            )
            for name, word in (("start", "first"), ("end", "last"))
            if plan.get(name) is None
        ]
        if isinstance(start, date) and isinstance(end, date) and end < start:
            found.append(marked.problem((*place, "end"), f"{end} is before the flight's first day, {start}"))
    else:
        found += [
            marked.problem((*place, name), "is only for a plan with `period: flight`", at_key=True)
            for name in ("start", "end")
            if name in plan
        ]
    changes = plan.get("changes")
    if changes and plan.get("amount") is None:
        found.append(
            marked.problem(
                (*place, "changes"), "change an amount that is missing: write `amount`", at_key=True
            )
        )
    days: set[date] = set()
    for n, change in enumerate(changes if isinstance(changes, list) else ()):
        since = change.get("since") if isinstance(change, Mapping) else None
        if not isinstance(since, date):
            continue
        if since in days:
            found.append(
                marked.problem((*place, "changes", n, "since"), f"{since} has another amount already")
            )
        days.add(since)
    return found
