"""Overview: is the money going out as planned, does it earn, and can the numbers be trusted right now."""

from __future__ import annotations

import textwrap
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from operator import itemgetter
from zoneinfo import ZoneInfo

import streamlit as st

from alerts.engine import Engine
from alerts.incident import Incident
from metrics import pacing
from metrics.windows import AccountKey
from panels import _charts, _freshness, _incident, _known, _live, _marks, _plots, _wall
from panels import _format as f
from panels._blocks import head, page, staleness
from panels._cards import PACE, fact_card, pace_card
from panels._controls import controls
from panels._drill import open_campaign
from panels._first import first
from panels._look import chart
from panels._maturity import learned
from panels._once import once
from panels._overview import CampaignLine, Figures, figures
from panels._scope import Scope
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, Rows, of_metric, table, versions
from panels._view import View

DAY = timedelta(days=1)
MOST = 3
"""Incidents, campaigns and troubles that are named; the rest has its page."""
ROWS = 12
"""Campaigns in the bars, and in the table before it scrolls."""


@once
def load(version: int, view: View) -> Figures:
    """The page's figures, once for each version of the data and each view."""
    of = process()
    assert of is not None
    known, defined = _known.now(of).accounts, of.metrics()
    return figures(of.warehouse, known, view, defined, learned(version, view.as_of))


def target(of: Process, scope: Scope, metric: str, accounts: dict[tuple[str, str], str]) -> float | None:
    """The workspace's target for all accounts of the scope; the last that matches all of them holds.

    A target of money is in an account's own currency: accounts of several have none together.
    """
    if scope.converted and metric != "roas":
        return None
    held = [
        t.value
        for t in of.workspace.targets
        if t.metric == metric
        and t.campaign == "*"
        and all(
            fnmatchcase(source, t.source)
            and (fnmatchcase(account, t.account) or fnmatchcase(accounts[source, account], t.account))
            for source, account in scope.accounts
        )
    ]
    return held[-1] if held else None


def who(trouble: _freshness.Trouble, accounts: dict[tuple[str, str], str]) -> str:
    """Whom a trouble hits: one account by name, several by their number."""
    if len(trouble.accounts) > 1:
        return f"{len(trouble.accounts)} accounts"
    account = "".join(trouble.accounts)
    return accounts.get((trouble.source, account), account) or "all accounts"


def off_plan(lines: tuple[CampaignLine, ...]) -> list[tuple[CampaignLine, pacing.Pace]]:
    """Campaigns whose day will end well over plan, the most money first; single euros are no news."""
    plan = sum(line.pace.plan for line in lines if line.pace)
    found = [
        (line, line.pace)
        for line in lines
        if line.pace and line.pace.state == "over" and line.pace.low - line.pace.plan > 0.005 * plan
    ]
    return sorted(found, key=lambda pair: pair[1].plan - pair[1].mid)


def grave(of: Process, shown: Figures | None) -> list[Incident]:
    """The open incidents of the view's accounts that somebody should act on; none of a replayed moment."""
    if of.alerts is None or shown is None or shown.view.as_of is not None:
        return []
    found, _ = _incident.split(of.alerts.records.open_incidents())
    return [one for one in found if _concerns(of.alerts, one, shown.view.windows)]


def _concerns(engine: Engine, incident: Incident, accounts: Collection[AccountKey]) -> bool:
    """Whether an incident is about one of these accounts; what is about a site is, by who pays for it."""
    if incident.group.account:
        return (incident.group.source, incident.group.account) in accounts
    return any(one.key.labels[:2] in accounts for one in engine.records.members(incident.id))


def attention(
    of: Process, now: datetime, accounts: dict[tuple[str, str], str], shown: Figures | None = None
) -> None:
    """What keeps numbers from coming or money from going out as planned."""
    found = _freshness.troubles(_known.now(of).marks)
    st.markdown("**Needs attention**")
    past = shown is not None and shown.view.as_of is not None
    old = {} if past else _freshness.old(_known.now(of).marks, now)
    judged = () if shown is None else shown.campaigns
    over = off_plan(tuple(one for one in judged if (one.source, one.account) not in old))[:MOST]
    alarms = grave(of, shown)
    for incident in alarms[:MOST]:
        assert of.alerts is not None
        status, word = _incident.FACES[incident.group.severity]
        said = _incident.headline(of.alerts, incident)
        with st.container(gap=None):
            st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            st.page_link(
                "alerts.py",
                label=f"**{f.plain(said)}**",
                query_params={"incident": str(incident.id)},
                help="Opens the incident: why, since when, and what to do.",
            )
            st.caption(_incident.since(incident, of.alerts.records.members(incident.id), now))
    if len(alarms) > MOST:
        st.caption(f"and {len(alarms) - MOST} more under Alerts")
    failing = {(one.source, account) for one in found for account in one.accounts}
    for (source, account), mark in sorted(
        (one for one in old.items() if one[0] not in failing), key=itemgetter(0)
    )[:MOST]:
        title, name = of.workspace.sources.get(source, source), accounts.get((source, account), account)
        last = f"since {f.clock(mark.polled_at, now)}" if mark.polled_at else "yet"
        with st.container(gap=None):
            st.badge(f"{title} · {f.plain(name)}", icon=":material/schedule:", color="gray")
            st.markdown(f"Was not asked {last}, and nothing failed: is the machine awake, is the polling on?")
    if not found and not over and not alarms and not old:
        st.markdown(f":green[{Status.good.value.icon}] All accounts answer, no campaign is far over plan.")
    for line, pace in over:
        currency = shown.view.currency if shown else ""
        with st.container(gap=None):
            st.badge(f.plain(line.name), icon=Status.act.value.icon, color="red")
            st.markdown(
                f"{f.percent(pace.index, digits=0)} of plan by {int(pace.hour):02d}:00: "
                f"**{f.plain(f.money(pace.mid - pace.plan, currency))} over** by tonight"
            )
            spent, plan = f.money(pace.spent, currency), f.money(pace.plan, currency)
            st.caption(f"{f.plain(spent)} spent of {f.plain(plan)} a day")
    for trouble in found[:4]:
        title = of.workspace.sources.get(trouble.source, trouble.source)
        name = f.plain(who(trouble, accounts))
        status = Status.watch if trouble.held else Status.act
        with st.container(gap=None):
            st.badge(f"{title} · {name}", icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            st.markdown(f.plain(textwrap.shorten(trouble.cause, 200, placeholder=" …")))
            if trouble.mend:
                st.markdown(f"**How to fix:** {f.plain(trouble.mend)}")
            good = f"Data up to {f.clock(trouble.polled_at, now)}. " if trouble.polled_at else ""
            again = f"Next try {f.clock(trouble.retry_at, now)}." if trouble.retry_at else ""
            if good or again:
                st.caption(good + again)
    if len(found) > 4:
        st.caption(f"and {len(found) - 4} more under Data health")


def state(line: CampaignLine, old: frozenset[AccountKey]) -> Pill | None:
    """How a campaign's day goes; nothing of what is too old to judge."""
    if (line.source, line.account) in old:
        return Pill(Status.none, "Stale")
    return Pill(*PACE[line.pace.state]) if line.pace else None


@once
def listed(version: int, view: View, old: frozenset[AccountKey]) -> Rows[tuple[str, str, str]]:
    """The campaigns of the window, most money first; those of accounts that are too old have no state."""
    of, shown = process(), load(version, view)
    assert of is not None
    lines, currency = shown.campaigns, view.currency
    return Rows(
        {
            "campaign": [line.name for line in lines],
            "source": [of.workspace.sources.get(line.source, line.source) for line in lines],
            "spend": [line.spend for line in lines],
            "conversions": [line.conversions for line in lines],
            "roas": [line.roas for line in lines],
            "pace": [line.pace.index if line.pace else None for line in lines],
            "state": [state(line, old) for line in lines],
            "trend": [line.trend for line in lines],
            "account": [line.account for line in lines],
            "id": [line.campaign for line in lines],
        },
        [
            Column("campaign", "Campaign", "name", width=205),
            Column("source", "Source"),
            of_metric(shown.metrics["spend"], currency),
            of_metric(shown.metrics["conversions"]),
            of_metric(shown.metrics["roas"], title="ROAS"),
            Column("pace", "Pace today", "progress", "Spent over planned by now."),
            Column("state", "State", "state"),
            Column("trend", "Spend by hour", "bars", width=105),
            Column("account", "Account id", shown=False),
            Column("id", "Campaign id", shown=False),
        ],
        [(line.source, line.account, line.campaign) for line in lines],
    )


def campaigns(shown: Figures, of: Process) -> None:
    """The table of the campaigns, each of which opens."""
    old = _freshness.old(_known.now(of).marks, datetime.now(UTC)) if shown.view.as_of is None else {}
    table(
        listed(of.data_version(), shown.view, frozenset(old)),
        key="campaigns",
        title="Campaigns",
        alt="Campaigns with spend, conversions, return, pace and state",
        about=About("Campaigns", shown.view.title, shown.view.as_known, versions(shown.metrics.values())),
        empty="No campaign delivered in this window.",
        opens=lambda of: open_campaign(*of),
        noun="campaign",
        rows=ROWS,
    )


def draw(of: Process, view: View, shown: Figures) -> None:
    """The page below its head."""
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    names = _known.now(of).names
    cards(of, shown, names)
    history = of.backfill()
    if history and history["state"] in ("running", "waiting"):
        part = f.percent(history["done"] / max(history["days"], 1), digits=0)
        st.caption(
            f":material/history: History is still being fetched ({part}): until it is there, pace and "
            "comparisons rest on few days."
        )
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch", key="plan"):
        if view.present and view.step < DAY:
            plan(of, shown)
        else:
            spend(of, shown)
    with right.container(border=True, height="stretch", key="attention"):
        attention(of, now, names, shown)
    bars, lines = st.columns([1, 2])
    with bars.container(border=True, height="stretch", key="bars"):
        st.markdown(f"**Spend by campaign** · {view.title.lower()}")
        top = shown.campaigns[:ROWS]
        if top:
            picked = chart(
                _charts.spend_by_campaign(top, view.currency),
                height="stretch",
                on_select="rerun",
                key="spend_by_campaign",
                alt="Spend by campaign; the table beside it opens the same",
            )
            for bar in picked.selection.get("pick", []):
                open_campaign(bar["source"], bar["account"], bar["id"])
        else:
            st.markdown(":material/inbox: Nothing was spent in this window.")
    with lines.container(border=True, height="stretch", key="desk"):
        campaigns(shown, of)


def cards(of: Process, shown: Figures, names: dict[tuple[str, str], str]) -> None:
    """The four numbers that a morning begins with."""
    view, told = shown.view, shown.told
    old = staleness(of, view)
    grid = _wall.cards()
    with grid.cell():
        if view.present:
            pace_card(shown.pace, shown.course, view, reached=reached(shown), stale=old)
        else:
            fact_card(told, "spend", view, shown.steps, chart="bar", stale=old)
    for name, label, kind in (
        ("roas", "ROAS", "line"),
        ("cpa", "Cost per result", "line"),
        ("conversions", "Conversions", "bar"),
    ):
        goal = target(of, view.scope, name, names)
        with grid.cell():
            fact_card(told, name, view, shown.steps, label=label, goal=goal, chart=kind, stale=old)


def reached(shown: Figures) -> str:
    """Up to when the pace is judged: an hour of the clock, where all accounts' clocks agree."""
    hours = {int(line.pace.hour) for line in shown.campaigns if line.pace is not None}
    return f"to {hours.pop():02d}:00" if len(hours) == 1 else "by now"


def zone(of: Process, view: View) -> ZoneInfo:
    """The clock of the accounts, where all keep one; else the team's."""
    known = _known.now(of).accounts
    zones = {known[key].timezone for key in view.today}
    return zones.pop() if len(zones) == 1 else of.workspace.timezone


def spend(of: Process, shown: Figures) -> None:
    """The window's spend beside the period that it is compared with."""
    view, metric = shown.view, shown.metrics["spend"]
    st.markdown(f"**Spend** · {view.title[:1].lower()}{view.title[1:]}")
    chart(
        _marks.on_steps(
            _plots.line(shown.steps, metric, of.workspace.timezone, before=_plots.past(view)),
            view,
            shown.steps.at,
        ),
        alt=f"Spend over time, beside {_plots.past(view)}",
    )


def plan(of: Process, shown: Figures) -> None:
    """The day's spend against its plan."""
    pace, view = shown.pace, shown.view
    if pace is None or shown.course is None or pace.plan <= 0:
        st.markdown("**Spend against plan** · today")
        st.markdown(":material/inbox: No budget is set for today in these accounts.")
        return
    low, mid, high, whole = (
        f.plain(f.money(value, view.currency)) for value in (pace.low, pace.mid, pace.high, pace.plan)
    )
    st.markdown(f"**Spend against plan** · today ends at {mid} ({low} to {high}) of {whole}")
    clock, course = zone(of, view), shown.course
    drawn = _charts.spend_against_plan(course, view.currency, clock)
    place = _marks.by_moment(clock, (course.at[0], course.at[-1]))
    chart(
        _marks.on(drawn, _marks.seen(view), place, clock),
        alt=f"Cumulative spend against plan: {f.money(pace.spent, view.currency)} of "
        f"{f.money(pace.expected, view.currency)} planned {reached(shown)}",
        height="stretch",
    )


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    head(of, f.plain(of.workspace.name), "Is the money going out as planned, does it earn, what needs you.")
    view = controls()
    if view is None and not _known.now(of).until:
        first(of)
    else:
        page(load, draw, view)


panels()
