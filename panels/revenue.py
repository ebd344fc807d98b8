"""Revenue: what the money brings back, against the team's targets, and which campaigns bring it."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase

import streamlit as st

from connectors.contract import Account
from panels import _freshness, _known, _live, _marks, _plots, _wall
from panels._blocks import head, page, staleness
from panels._cards import TOO_FEW, fact_card
from panels._controls import controls
from panels._drill import open_campaign
from panels._facts import Facts, Group, Trend, facts, groups, trend
from panels._look import chart
from panels._maturity import learned
from panels._once import once
from panels._slot import Process, process
from panels._status import Status, by_target
from panels._table import About, Column, Pill, of_metric, table, versions
from panels._view import View

METRICS = (
    *("revenue", "roas", "cpa", "average_order_value", "spend", "conversions"),
    *("settled_revenue", "settled_roas", "settled_cpa", "settled_conversions"),
)
BY_CAMPAIGN = ("revenue", "roas", "cpa", "spend", "conversions", "settled_roas", "settled_conversions")
WORDS = {Status.good: "On target", Status.watch: "Watch", Status.act: "Act now", Status.none: "No target"}

Shown = tuple[Facts, Trend, list[Group], list[Group]]


@once
def load(version: int, view: View) -> Shown:
    """The page's figures, once for each version of the data and each view."""
    of = process()
    assert of is not None
    defined, known = of.metrics(), _known.now(of).accounts
    chosen = [defined[name] for name in METRICS]
    by = [defined[name] for name in BY_CAMPAIGN]
    late = learned(version, view.as_of).relations
    return (
        facts(of.warehouse, known, chosen, view, relations=late),
        trend(of.warehouse, known, chosen, view, relations=late),
        groups(of.warehouse, known, by, view, ["channel"], relations=late),
        groups(of.warehouse, known, by, view, ["campaign"], name="campaign_name", relations=late),
    )


def target(of: Process, metric: str, account: Account, *, campaign: str = "", name: str = "") -> float | None:
    """The target of a campaign, or without one of the whole account. The last that matches holds."""
    held = [
        t.value
        for t in of.workspace.targets
        if t.metric == metric
        and fnmatchcase(account.source, t.source)
        and (fnmatchcase(account.id, t.account) or fnmatchcase(account.name, t.account))
        and (
            t.campaign == "*"
            or (campaign and (fnmatchcase(name, t.campaign) or fnmatchcase(campaign, t.campaign)))
        )
    ]
    return held[-1] if held else None


def goal(of: Process, metric: str, view: View) -> float | None:
    """The one target of a metric that holds for all accounts of a view; None for none or several."""
    known = _known.now(of).accounts
    goals = {target(of, metric, known[key]) for key in view.windows}
    return goals.pop() if len(goals) == 1 and (metric == "roas" or not view.convert) else None


def draw(of: Process, view: View, shown: Shown) -> None:
    """The page below its head."""
    told, steps, channels, lines = shown
    old = staleness(of, view)
    grid = _wall.cards()
    for name in ("roas", "revenue", "cpa", "average_order_value"):
        with grid.cell():
            fact_card(
                told,
                name,
                view,
                steps,
                goal=goal(of, name, view),
                chart="bar" if name == "revenue" else "line",
                stale=old,
            )
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch"):
        st.markdown(
            "**Revenue over time**",
            help="Conversion value by the time of the click. The newest is provisional.",
        )
        chart(
            _marks.on_steps(
                _plots.line(
                    steps,
                    told["revenue"].metric,
                    of.workspace.timezone,
                    before=_plots.past(view),
                    settled=told.settled("revenue"),
                ),
                view,
                steps.at,
            ),
            alt=f"Revenue over time, beside {_plots.past(view)}",
            height="stretch",
        )
    with right.container(border=True, height="stretch"):
        st.markdown(
            "**ROAS by kind of campaign** · once settled", help="A tick marks the period compared with."
        )
        earning = [g for g in channels if g.now["spend"]]
        if earning:
            named = [Group(g.key, g.name.replace("_", " "), g.now, g.before) for g in earning]
            chart(_plots.bars(named, told["settled_roas"].metric), alt="Settled ROAS by kind of campaign")
        else:
            st.markdown(":material/inbox: Nothing was spent in this window.")
    with st.container(border=True, key="desk"):
        campaigns(of, view, told, lines)


def campaigns(of: Process, view: View, told: Facts, lines: list[Group]) -> None:
    """Every campaign with what it brought back, against its own target."""
    known = _known.now(of).accounts
    old = {} if view.as_of is not None else _freshness.old(_known.now(of).marks, datetime.now(UTC))
    states = []
    for line in lines:
        key = (line.key["source"], line.key["account"])
        if key in old:
            states.append(Pill(Status.none, "Stale"))
            continue
        wanted = target(of, "roas", known[key], campaign=line.key["campaign"], name=line.name)
        few = (line.now["settled_conversions"] or 0.0) < TOO_FEW
        state = Status.none if few else by_target(line.now["settled_roas"], wanted, better="higher")
        states.append(Pill(state, "Too few" if few and wanted is not None else WORDS[state]))
    metrics = [
        told[name].metric for name in ("revenue", "roas", "settled_roas", "cpa", "spend", "conversions")
    ]
    table(
        {
            "campaign": [line.name for line in lines],
            "source": [of.workspace.sources.get(line.key["source"], line.key["source"]) for line in lines],
            "state": states,
            **{m.name: [line.now[m.name] for line in lines] for m in metrics},
            "change": [change(line, "revenue") for line in lines],
        },
        [
            Column("campaign", "Campaign", "name"),
            Column("source", "Source"),
            *(of_metric(m, view.currency) for m in metrics),
            Column("change", "Change", "change", help=f"Of revenue, {told.against}."),
            Column("state", "State", "state", help="Settled ROAS against the campaign's own target."),
        ],
        key="revenue_campaigns",
        title="Campaigns by revenue",
        alt="Campaigns with revenue, return, cost and state",
        about=About("Campaigns by revenue", view.title, view.as_known, versions(metrics)),
        empty="No campaign delivered in this window.",
        rows=12,
        ids=[(g.key["source"], g.key["account"], g.key["campaign"]) for g in lines],
        opens=lambda key: open_campaign(*key),
    )


def change(line: Group, name: str) -> float | None:
    """The relative change of a group's metric."""
    now, before = line.now[name], line.before[name]
    return now / before - 1 if now is not None and before else None


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    head(
        of, "Revenue", "What the money brings back, against the team's targets, and which campaigns bring it."
    )
    page(load, draw, controls())


panels()
