"""Overview: is the money going out as planned, does it earn, and can the numbers be trusted right now."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase

import pandas as pd
import streamlit as st

from metrics import windows
from panels import _charts, _freshness, _live
from panels import _format as f
from panels._overview import SPANS, CampaignLine, Figures, Scope, figures, scopes
from panels._slot import Process, process
from panels._status import Status, by_target

ROWS = 12
"""Campaigns in the bars and the table; all of them in the table's search."""

PACE = {
    "on": (Status.good, "On plan"),
    "over": (Status.act, "Over plan"),
    "under": (Status.watch, "Under plan"),
    "unplanned": (Status.none, "No plan"),
}

running = process()
assert running is not None, "main.py opens pages only once the process is up"


@st.cache_data(max_entries=64, show_spinner=False)
def load(version: int, scope: Scope, span: str) -> Figures | None:
    """The page's figures, once for each version of the data; `version` is the cache's key."""
    del version
    now = process()
    assert now is not None
    return figures(now.warehouse, windows.accounts(now.warehouse), scope, span)


def target(of: Process, scope: Scope, metric: str, accounts: dict[tuple[str, str], str]) -> float | None:
    """The workspace's target for all accounts of the scope; the last that matches all of them holds."""
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


def ratio(over: float, under: float) -> float | None:
    """A ratio of sums; None over nothing."""
    return over / under if under > 0 else None


def relative(value: float | None, usual: float | None) -> float | None:
    """The relative change; None where either is missing."""
    return value / usual - 1 if value is not None and usual else None


def card(
    label: str,
    value: str,
    status: Status,
    *,
    delta: float | None,
    against: str,
    better: str,
    trend: tuple[float, ...],
    chart: str,
    about: str,
    word: str = "",
) -> None:
    """One card: name, value, change against a named baseline, state as icon and word, its hours."""
    colour = {"higher": "normal", "lower": "inverse"}.get(better, "off")
    st.metric(
        f"{status.value.icon} {label}",
        value,
        delta=f.change(delta) if delta is not None and abs(delta) >= 0.005 else None,
        delta_color=colour if status in (Status.watch, Status.act) else "off",  # type: ignore[arg-type]
        delta_description=f"{word or status.value.word} · {against}",
        help=about,
        border=True,
        height="stretch",
        chart_data=list(trend) if len(trend) > 1 else None,
        chart_type=chart,  # type: ignore[arg-type]
    )


def cards(shown: Figures, roas_target: float | None, cpa_target: float | None, span: str) -> None:
    """The four numbers that a morning begins with."""
    scope, now, usual, hours = shown.scope, shown.now, shown.usual, shown.hours
    baseline = "vs prior 7 days" if span == "7d" else "vs same hours, 7-day average"
    if not shown.history:
        baseline = "no history to compare with yet"
    late = (
        f" About {f.percent(1 - shown.known, digits=0)} of the conversions of this window usually "
        "arrive later; the comparison allows for it."
        if shown.known < 0.985
        else ""
    )
    grid = st.grid(4, min_column_width=230, gap="small")
    pace = shown.pace
    with grid.cell():
        if pace is None or pace.index is None:
            status, word = PACE["unplanned"]
            value, off, against = f.money(now["spend"], scope.currency), None, "no budget is set for today"
        else:
            status, word = PACE[pace.state]
            value, off = f.money(pace.spent, scope.currency), pace.index - 1
            against = f"{f.percent(pace.index, digits=0)} of plan to {int(pace.hour):02d}:00"
        card(
            "Spend pacing",
            value,
            status,
            delta=off,
            against=against,
            better="neutral",
            trend=hours["spend"],
            chart="area",
            word=word,
            about="Today's spend to the hour that the source vouches for, over what the budgets and the "
            "usual hours plan until then.",
        )
    roas, usual_roas = (
        ratio(now["revenue"], now["spend"]),
        ratio(usual["revenue"] * shown.known, usual["spend"]),
    )
    with grid.cell():
        card(
            "ROAS",
            f.multiple(roas),
            by_target(roas / shown.known if roas else roas, roas_target, better="higher"),
            delta=relative(roas, usual_roas),
            against=baseline if roas_target is None else f"target {f.multiple(roas_target)} · {baseline}",
            better="higher",
            trend=tuple(
                r / s if s > 0 else 0.0 for r, s in zip(hours["revenue"], hours["spend"], strict=True)
            ),
            chart="line",
            about=f"Conversion value over spend.{late}",
        )
    cpa = ratio(now["spend"], now["conversions"])
    usual_cpa = ratio(usual["spend"], usual["conversions"] * shown.known)
    with grid.cell():
        card(
            "Cost per result",
            f.money(cpa, scope.currency),
            by_target(cpa * shown.known if cpa else cpa, cpa_target, better="lower"),
            delta=relative(cpa, usual_cpa),
            against=baseline
            if cpa_target is None
            else f"target {f.money(cpa_target, scope.currency)} · {baseline}",
            better="lower",
            trend=tuple(
                s / c if c > 0 else 0.0 for s, c in zip(hours["spend"], hours["conversions"], strict=True)
            ),
            chart="line",
            about=f"Spend over primary conversions.{late}",
        )
    with grid.cell():
        card(
            "Conversions",
            f.count(now["conversions"]),
            Status.none,
            delta=relative(now["conversions"], usual["conversions"] * shown.known),
            against=baseline,
            better="higher",
            trend=hours["conversions"],
            chart="bar",
            word="Arriving" if shown.known < 0.985 else "Settled",
            about=f"Primary conversions, by the hour of the click.{late}",
        )


def attention(of: Process, now: datetime, accounts: dict[tuple[str, str], str]) -> None:
    """What keeps numbers from coming or money from going out as planned."""
    found = _freshness.troubles(of.warehouse.watermarks())
    st.markdown("**Needs attention**")
    if not found:
        st.markdown(f":green[{Status.good.value.icon}] All accounts answer.")
    for trouble in found[:4]:
        title = of.workspace.sources.get(trouble.source, trouble.source)
        name = f.plain(accounts.get((trouble.source, trouble.account), trouble.account))
        status = Status.watch if trouble.held else Status.act
        with st.container(gap=None):
            st.badge(f"{title} · {name}", icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            st.markdown(f.plain(trouble.cause[:160]))
            if trouble.mend:
                st.markdown(f"**How to fix:** {f.plain(trouble.mend)}")
            good = f"Data up to {f.clock(trouble.polled_at, now)}. " if trouble.polled_at else ""
            again = f"Next try {f.clock(trouble.retry_at, now)}." if trouble.retry_at else ""
            if good or again:
                st.caption(good + again)
    if len(found) > 4:
        st.caption(f"and {len(found) - 4} more under Data health")


def table(lines: tuple[CampaignLine, ...], currency: str, of: Process) -> None:
    """The campaigns: sortable, searchable, exported from its own toolbar."""
    frame = pd.DataFrame(
        {
            "campaign": [line.name for line in lines],
            "source": [of.workspace.sources.get(line.source, line.source) for line in lines],
            "spend": [line.spend for line in lines],
            "conversions": [line.conversions for line in lines],
            "roas": [line.roas for line in lines],
            "pace": [line.pace.index if line.pace else None for line in lines],
            "state": [
                [f"{PACE[line.pace.state][0].value.mark} {PACE[line.pace.state][1]}"] if line.pace else []
                for line in lines
            ],
            "trend": [list(line.trend) for line in lines],
        }
    )
    words = {f"{status.value.mark} {word}": status.value.color for status, word in PACE.values()}
    st.dataframe(
        frame,
        hide_index=True,
        height=min(38 * (len(lines) + 1), 38 * (ROWS + 1)),
        alt="Campaigns with spend, conversions, return, pace and state",
        column_config={
            "campaign": st.column_config.TextColumn("Campaign", pinned=True),
            "source": st.column_config.TextColumn("Source"),
            "spend": st.column_config.NumberColumn(f"Spend, {currency}", format="localized"),
            "conversions": st.column_config.NumberColumn("Conversions", format="%.1f"),
            "roas": st.column_config.NumberColumn("ROAS", format="%.2f×"),
            "pace": st.column_config.ProgressColumn(
                "Pace today", min_value=0, max_value=2, format="percent", help="Spent over planned by now."
            ),
            "state": st.column_config.MultiselectColumn(
                "State", options=list(words), color=list(words.values())
            ),
            "trend": st.column_config.BarChartColumn("Spend by hour", y_min=0),
        },
    )


@st.fragment(key=_live.PANELS)
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    known = windows.accounts(of.warehouse)
    choices = {scope.key: scope for scope in scopes(known)}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f.plain(of.workspace.name), anchor=False)
        if of.workspace.demo:
            st.badge("Sandbox data", icon=":material/science:", color="gray")
        for fresh in _freshness.of_sources(of.warehouse.watermarks(), of.workspace.sources, now):
            st.badge(
                fresh.label,
                icon=fresh.status.value.icon,
                color=fresh.status.value.color,  # type: ignore[arg-type]
                help=fresh.help,
            )
    if not choices:
        empty(of)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        key = st.selectbox(
            "Accounts",
            list(choices),
            format_func=lambda k: choices[k].label,
            key="scope",
            bind="query-params",
            width=320,
            help="Money of different currencies is never added up.",
        )
        span = st.segmented_control(
            "Window",
            list(SPANS),
            format_func=SPANS.__getitem__,
            default="today",
            key="win",
            bind="query-params",
            required=True,
            help="Until the last full hour that the sources vouch for, on each account's own clock.",
        )
    scope = choices[key]
    shown = load(of.data_version(), scope, span)
    if shown is None:
        empty(of)
        return
    names = {k: a.name for k, a in known.items()}
    cards(shown, target(of, scope, "roas", names), target(of, scope, "cpa", names), span)
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch"):
        pace = shown.pace
        if pace is None or pace.plan <= 0:
            st.markdown("**Spend against plan**")
            st.markdown(":material/inbox: No budget is set for today in these accounts.")
        else:
            low, mid, high, plan = (
                f.plain(f.money(value, scope.currency))
                for value in (pace.low, pace.mid, pace.high, pace.plan)
            )
            st.markdown(f"**Spend against plan** · today ends at {mid} ({low} to {high}) of {plan}")
            st.vega_lite_chart(
                _charts.spend_against_plan(pace, scope.currency),
                alt=f"Cumulative spend against plan: {f.money(pace.spent, scope.currency)} of "
                f"{f.money(pace.expected, scope.currency)} planned by {int(pace.hour):02d}:00",
            )
    with right.container(border=True, height="stretch"):
        attention(of, now, names)
    bars, lines = st.columns([1, 2])
    with bars.container(border=True, height="stretch"):
        st.markdown(f"**Spend by campaign** · {SPANS[span].lower()}")
        top = shown.campaigns[:ROWS]
        if top:
            st.vega_lite_chart(_charts.spend_by_campaign(top, scope.currency), alt="Spend by campaign")
        else:
            st.markdown(":material/inbox: Nothing was spent in this window.")
    with lines.container(border=True, height="stretch", key="desk"):
        st.markdown("**Campaigns**")
        if shown.campaigns:
            table(shown.campaigns, scope.currency, of)
        else:
            st.markdown(":material/inbox: No campaign delivered in this window.")


def empty(of: Process) -> None:
    """The page before the first numbers."""
    state = of.status()
    with st.container(border=True):
        if state.get("failing_accounts") or state.get("problems"):
            attention(of, datetime.now(UTC).astimezone(of.workspace.timezone), {})
        else:
            st.markdown(":material/hourglass_top: **The first numbers are on their way.**")
            st.caption(
                "The accounts are being listed and today's delivery fetched; this takes seconds. "
                "The page fills itself."
            )


panels()
