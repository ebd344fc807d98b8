"""The table of what to change: new budgets with their effect, and budgets that are overspent."""

from __future__ import annotations

from datetime import UTC, datetime

from metrics.entities import Entity
from metrics.flight import Budgeted, FlightPace
from metrics.links import entity_url
from metrics.rebudget import Rebudget, usual
from metrics.words import exact
from panels import _format as f
from panels._drill import open_entity
from panels._plans import Plans
from panels._table import About, Column, table

__all__ = ["change", "said"]


def key(line: Budgeted) -> tuple[str, str, str]:
    """What a line is known by: its budget, or its campaign where it has none."""
    return line.source, line.account, line.purse.budget if line.purse else line.campaigns[0]


def said(pace: FlightPace, found: Rebudget) -> str:
    """What the changes come to, in a sentence; markdown."""
    before, after, amount = (
        f.plain(f.money(v, pace.plan.currency)) for v in (found.before, found.after, pace.amount)
    )
    if not pace.plan.amounts:
        return "here the budgets are the plan; a plan with an amount says what would land on it"
    if found.moves:
        text = f"ends at {after} instead of {before}, of {amount}"
        return text if found.reached else f"{text}; a further step once this one has shown"
    if found.reached:
        return f"nothing: ends at {before} of {amount}"
    if not pace.left:
        return "nothing any more: this is the last day"
    return f"no daily budget brings {before} to {amount}: see what is paused, or has no more demand"


def change(shown: Plans, pace: FlightPace, found: Rebudget, now: datetime) -> None:
    """New daily budgets that land on the plan, and what overspends its budget today."""
    currency = pace.plan.currency
    moves = {key(move.line): move for move in found.moves}
    rest = [line for line in pace.lines if line.overspend is not None and key(line) not in moves]
    lines = [move.line for move in found.moves] + sorted(rest, key=lambda one: -one.spent * one.rate)
    names = [title(shown, line) for line in lines]

    its = [moves.get(key(line)) for line in lines]
    alone = [line.campaigns[0] if len(line.campaigns) == 1 else "" for line in lines]

    table(
        {
            "campaign": names,
            "now": [exact(one.purse.amount, one.currency) if one.purse else "" for one in lines],
            "usual": [exact(round(usual(one), 2), one.currency) for one in lines],
            "new": [exact(m.after, one.currency) if m else "" for m, one in zip(its, lines, strict=True)],
            "change": [m.after / m.before - 1 if m else None for m in its],
            "effect": [m.effect if m else None for m in its],
            "score": [m.score if m else None for m in its],
            "spent": [exact(round(one.spent, 2), one.currency) for one in lines],
            "over": [str(one.overspend).capitalize() if one.overspend else "" for one in lines],
            "link": [
                entity_url(one.source, one.account, only) or None
                for one, only in zip(lines, alone, strict=True)
            ],
        },
        [
            Column("campaign", "Campaign", "name", width=300),
            Column("now", "Budget a day", "amount", width=110),
            Column(
                "usual", "Usual a day", "amount", "Mean of the last 14 days, as at today's budget.", width=110
            ),
            Column(
                "new",
                "New budget",
                "amount",
                "From tomorrow on; at most a fifth above the budget, or below what is usually spent.",
                width=110,
            ),
            Column("change", "Change", "change"),
            Column("effect", "Effect on the end", "money", currency=currency, width=150),
            Column(
                "score",
                "Return on goal",
                "multiple",
                "Return over its target (or its account's mean), steadied where conversions are few. The "
                "best is raised first, the worst is cut first.",
                width=130,
            ),
            Column("spent", "Spent today", "amount", shown=False),
            Column(
                "over",
                "Over its budget",
                help="Google may spend twice a budget on a day and 30.4 times it in a month; Meta 1.75 times "
                "on a day and 7 times in a week. What is beyond is unexplained.",
                shown=any(one.overspend for one in lines),
                width="large",
            ),
            Column("link", "Platform", "link", "The campaign where it is changed."),
        ],
        key="changes",
        title=f"What to change · {said(pace, found)}",
        alt="Budgets to change with their effect, and budgets that are overspent",
        about=About(f"What to change for {pace.plan.name}", f"{now:%B %Y}", now.astimezone(UTC)),
        empty="No budget needs a change, and none is overspent.",
        ids=[Entity(one.source, one.account, only) for one, only in zip(lines, alone, strict=True)],
        opens=open_entity,
        noun="campaign",
        rows=8,
    )


def title(shown: Plans, line: Budgeted) -> str:
    """What a budget is called: its campaign, or the shared budget with the number of its campaigns."""
    if len(line.campaigns) == 1:
        return shown.names.get((line.source, line.account, line.campaigns[0]), line.campaigns[0])
    return f"{line.purse.name if line.purse else 'Budget'} ({len(line.campaigns)} campaigns)"
