"""The parts of the Campaign page: budget, cards, series, what is inside it, its auction, its past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import streamlit as st

from connectors.contract import Account
from metrics.changes import KINDS
from metrics.entities import Entity
from metrics.model import Metric
from panels import _format as f
from panels._address import kept
from panels._blocks import staleness
from panels._cards import PACE, TOO_EARLY, TOO_FEW, card, relative
from panels._drill import open_entity
from panels._entity import AUCTION, Line, Sheet, reconciled
from panels._facts import Interval
from panels._freshness import Stale
from panels._look import chart
from panels._marks import by_hour, by_moment, on, seen
from panels._slot import Process
from panels._status import Status, by_target
from panels._suggested import suggested
from panels._table import About, Column, Pill, of_metric, table, versions
from panels._trend import trend
from panels._view import View

__all__ = ["SHORT", "figure_columns", "figures_of", "page", "setup"]

SETTLED = 0.985
"""Share of its conversions from which on a window counts as settled."""

NOUNS = {"account": "campaign", "campaign": "ad group", "ad_group": "ad", "ad": "ad"}
"""What is one level down."""


def noun(entity: Entity) -> str:
    """What the parts of an entity are called; Meta's ad groups are ad sets."""
    return "ad set" if (entity.source, entity.level) == ("meta_ads", "campaign") else NOUNS[entity.level]


SHOWN = ("spend", "conversions", "cpa", "roas", "conversion_rate", "ctr", "cpc")
"""What can be drawn over time, and stands in the tables."""

SHORT = {"cpa": "CPA", "roas": "ROAS", "ctr": "CTR", "cpc": "CPC", "cpm": "CPM"}


def setup(status: str, serving: str) -> Pill | None:
    """How an entity stands at its platform: what keeps it from delivering comes first."""
    if "disapproved" in serving:
        return Pill(Status.act, "Disapproved")
    if status in ("paused", "removed"):
        return Pill(Status.none, status.capitalize())
    if serving:
        return Pill(Status.watch, serving.replace("_", " ").capitalize())
    return Pill(Status.none, "Enabled") if status == "enabled" else None


def page(
    of: Process,
    shown: Sheet,
    account: Account,
    view: View,
    now: datetime,
    *,
    goals: Mapping[str, float | None],
) -> None:
    """All parts, the health first. goals: targets by metric."""
    entity, until = shown.described.entity, view.as_known
    window = shown.days or view.title
    about = About(
        f"{noun(entity)}s of {shown.described.name}",
        window,
        until,
        versions(shown.metrics.values()),
    )
    local = until.astimezone(account.timezone)
    st.caption(
        f"{f.plain(account.name)} · {account.currency} · {account.timezone.key.replace('_', ' ')} · "
        f"{window[:1].lower() + window[1:]}, numbers to {f.clock(until, now.astimezone(account.timezone))}"
        + ("" if local.date() == now.astimezone(account.timezone).date() else " (not of today)")
    )
    old = staleness(of, view)
    budget(shown, account, old)
    cards(shown, goals, old)
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch"):
        history(shown, view, account)
    with right.container(border=True, height="stretch"):
        auction(shown)
    if not entity.ad_group:
        suggested(of, entity, account.currency, now, as_of=view.as_of, framed=True)
    if entity.level != "ad":
        with st.container(border=True):
            inside(of, shown, about, account)
    if not entity.ad_group:
        with st.container(border=True):
            segments(shown, about)
    if entity.campaign:
        with st.container(border=True):
            past(of, shown, about)


def budget(shown: Sheet, account: Account, old: Stale | None) -> None:
    """What it may spend, and how today's spend stands to that; judged only by what is not too old."""
    pace, currency = shown.pace, account.currency
    if not shown.described.entity.campaign and pace is None:
        return
    parts = []
    for limit in shown.limits[:2]:
        each = "a day" if limit.period == "daily" else "in total"
        text = f"**{f.plain(f.money(limit.amount, currency))}** {each}"
        if limit.campaigns > 1:
            text += f", shared by {limit.campaigns} campaigns"
        parts.append(text + (" for an ad set" if limit.ad_group else ""))
    if len(shown.limits) > 2:
        parts.append(f"and {len(shown.limits) - 2} more")
    if not parts and pace is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if old is not None:
            st.badge(old.label, icon=":material/schedule:", color="gray", help=old.help)
        elif pace is not None:
            status, word = PACE[pace.state]
            st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
        if parts:
            st.markdown("Budget " + " · ".join(parts), width="content")
        if pace is not None and pace.plan > 0:
            spent, expected, ends = (
                f.plain(f.money(v, currency)) for v in (pace.spent, pace.expected, pace.mid)
            )
            st.markdown(
                f":gray[{spent} spent of {expected} planned by {int(pace.hour):02d}:00, "
                f"day ends near {ends}]",
                width="content",
            )


def cards(shown: Sheet, goals: Mapping[str, float | None], old: Stale | None) -> None:
    """Spend, return or cost, conversions and their rate, each against its named baseline.

    A figure whose conversions are still arriving is judged and compared by what it will come to.
    """
    earns = (shown.now.get("revenue") or 0.0) > 0
    provisional = shown.completeness < SETTLED
    coming = shown.settled.get("conversions")
    early = provisional and (shown.completeness < TOO_EARLY or ((coming and coming.mid) or 0.0) < TOO_FEW)
    grid = st.grid(4, min_column_width=230, gap="small")
    for name in ("spend", "roas" if earns else "cpa", "conversions", "conversion_rate"):
        metric, value, goal = shown.metrics[name], shown.now.get(name), goals.get(name)
        said = shown.settled.get(name) if provisional else None
        judged = said.mid if said else value
        status, word = Status.none, "Provisional" if said else "Settled"
        if name == "spend":
            word = "As reported"
        elif early:
            word = "Too early"
        elif goal is not None:
            status = by_target(judged, goal, better=metric.better)
            word = status.value.word
        told = f"target {f.plain(f.figure(goal, metric.unit, shown.currency))}" if goal is not None else ""
        note = " · ".join(part for part in (_once_settled(shown, metric, said), told) if part)
        with grid.cell():
            card(
                SHORT.get(name, metric.title),
                f.figure(value, metric.unit, shown.currency),
                status,
                word=word,
                note=note,
                delta=None if early and name != "spend" else relative(judged, shown.before.get(name)),
                against=shown.label,
                better=metric.better,
                trend=tuple(v or 0.0 for v in shown.points.now[name]),
                chart="bar" if metric.unit == "count" else "area" if name == "spend" else "line",
                about=f"{metric.title}. {metric.limits} Version {metric.version}, owner {metric.owner}.",
                stale=old,
                provisional=said is not None,
            )


def _once_settled(shown: Sheet, metric: Metric, said: Interval | None) -> str:
    """What a provisional figure will come to, in four cases of five within the brackets."""
    if said is None or said.mid is None:
        return ""
    low, mid = (f.plain(f.figure(end, metric.unit, shown.currency)) for end in (said.low, said.mid))
    high = f.plain(f.figure(said.high, metric.unit, shown.currency)) if said.high is not None else "more"
    return f"\\~{mid} once settled ({low} to {high})"


def history(shown: Sheet, view: View, account: Account) -> None:
    """One metric over time, beside what it is compared with, and with what happened meanwhile."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Over time**", width="stretch")
        name = st.selectbox(
            "Metric",
            SHOWN,
            format_func=lambda n: SHORT.get(n, shown.metrics[n].title),
            label_visibility="collapsed",
            width=180,
            help="Which metric the chart shows.",
            **kept("metric", SHOWN, SHOWN[0]),
        )
    metric = shown.metrics[name]
    if not any(v for v in shown.points.now[name]):
        st.markdown(f":material/inbox: {metric.title}: nothing in this window.")
        return
    zone, points = account.timezone, shown.points
    place = by_hour(points.start.astimezone(zone).date(), zone) if points.step == "hour" else by_moment(zone)
    chart(
        on(trend(points, metric, shown.currency), seen(view, shown.described.entity.where), place, zone),
        alt=f"{metric.title} by {shown.points.step}, with {shown.points.label}",
        key="series",
    )


def auction(shown: Sheet) -> None:
    """What the market did: how much of it this had, and what kept it from more."""
    st.markdown("**Auction**")
    if shown.described.entity.ad_group:
        st.markdown(":material/inbox: The platforms report the auction by campaign.")
        return
    told = [n for n in (*AUCTION, "cpm") if shown.auction.get(n) is not None]
    if not told:
        st.markdown(":material/inbox: The source has reported no auction of these days yet.")
        return
    for name in told:
        metric = shown.metrics[name]
        value, before = shown.auction[name], shown.auction_before.get(name)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(SHORT.get(name, metric.title), width="stretch", help=metric.limits)
            moved = relative(value, before)
            if moved is not None and abs(moved) >= 0.005:
                st.markdown(f":gray[{f.change(moved)}]", width="content")
            st.markdown(f"**{f.plain(f.figure(value, metric.unit, shown.currency))}**", width="content")
    st.caption(f"{shown.auction_days}, against as many days before. The sources report it a day late.")


def figures_of(lines: Sequence[Line]) -> dict[str, list[object]]:
    """The columns of figures, and each line's share of the spend."""
    total = sum(line.figures["spend"] or 0.0 for line in lines)
    data: dict[str, list[object]] = {name: [line.figures[name] for line in lines] for name in SHOWN}
    data["share"] = [(line.figures["spend"] or 0.0) / total if total else None for line in lines]
    return data


def figure_columns(metrics: Mapping[str, Metric], currency: str) -> list[Column]:
    """How the columns of `figures_of` look."""

    def of(name: str, *, seen: bool = True) -> Column:
        column = of_metric(metrics[name], currency, shown=seen)
        return replace(
            column, title="Conv. rate" if name == "conversion_rate" else SHORT.get(name, column.title)
        )

    return [
        of("spend"),
        Column("share", "Share of spend", "percent"),
        of("conversions"),
        of("cpa"),
        of("roas"),
        of("conversion_rate"),
        of("ctr", seen=False),
        of("cpc", seen=False),
    ]


def inside(of: Process, shown: Sheet, about: About, account: Account) -> None:
    """One level down."""
    entity = shown.described.entity
    lines, part = shown.children, noun(entity)
    reconciliation(of, shown, account)
    table(
        {
            "name": [line.name for line in lines],
            "state": [setup(line.status, line.serving) for line in lines],
            **figures_of(lines),
            "trend": [line.trend for line in lines],
            "kind": [line.kind.replace("_", " ") for line in lines],
            "id": [line.id for line in lines],
        },
        [
            Column("name", part.capitalize(), "name", width=280),
            *([] if entity.level == "campaign" else [Column("state", "State", "state")]),
            *figure_columns(shown.metrics, shown.currency),
            Column("trend", "Spend by hour" if _hourly(shown) else "Spend, 14 days", "bars", width="medium"),
            *([Column("kind", "Kind", shown=False)] if entity.level == "account" else []),
            Column("id", "Id", shown=False),
        ],
        key=f"{entity.level}_parts",
        title=f"{part.capitalize()}s",
        alt=f"{part.capitalize()}s with spend, conversions, cost and return",
        about=about,
        empty=_without(shown),
        ids=[entity.child(line.id) for line in lines],
        opens=open_entity,
        noun=part,
    )


def _hourly(shown: Sheet) -> bool:
    return shown.described.entity.level == "account" and shown.points.step == "hour"


def _without(shown: Sheet) -> str:
    if shown.described.channel == "performance_max":
        return (
            "Performance Max has no ad groups or ads: Google places it by itself, and reports the campaign "
            "alone."
        )
    return "No ad group or ad has been reported here yet."


def reconciliation(of: Process, shown: Sheet, account: Account) -> None:
    """Whether the parts add up to the whole, and why they may not."""
    own, ads = shown.campaign_spend, shown.ads_spend
    if own is None or ads is None or not own or shown.described.channel == "performance_max":
        return
    if reconciled(own, ads):
        return
    source = of.workspace.sources.get(account.source, account.source)
    spend, parts = (f.plain(f.money(v, account.currency)) for v in (own, ads))
    status = Status.watch
    st.badge(
        f"Ads add up to {f.percent(ads / own, digits=0)} of the campaign",
        icon=status.value.icon,
        color=status.value.color,  # type: ignore[arg-type]
        help=f"Over the last seven whole days {source} reported {spend} for the campaign and {parts} for its "
        "ads. The campaign's total is the true one: ads come later, and not every placement has one.",
    )


def segments(shown: Sheet, about: About) -> None:
    """By device, network and hour."""
    kinds = {"Device": shown.devices, "Network": shown.networks, "Hour": shown.hours}
    choice = st.segmented_control(
        "Split by",
        list(kinds),
        required=True,
        help="Device and network are known by the day, the hour is the account's own.",
        **kept("segment", kinds, "Device"),
    )
    lines = kinds[choice or "Device"]
    table(
        {"name": [line.name for line in lines], **figures_of(lines)},
        [Column("name", choice or "Device", "name"), *figure_columns(shown.metrics, shown.currency)],
        key="segments",
        title=f"By {(choice or 'Device').lower()}",
        alt=f"The window's figures by {(choice or 'Device').lower()}",
        about=replace(about, subject=f"{shown.described.name} by {(choice or 'Device').lower()}"),
        empty="Nothing was reported by this split in this window.",
    )
    if choice != "Hour":
        st.caption("Known by the day and read at another moment: today's may differ from the cards above.")


def _worded(title: str, value: str) -> str:
    """A source's constant as words; a name, a date or an address as it is."""
    return value.replace("_", " ").lower() if title in ("Objective", "Bidding") else value


def past(of: Process, shown: Sheet, about: About) -> None:
    """How it is set up, and what changed."""
    facts = shown.described.facts or {}
    if facts:
        told = " · ".join(f"{title} **{f.plain(_worded(title, v))}**" for title, v in facts.items())
        st.markdown(f"**Set-up**  \n{told}")
    lines = shown.changes
    table(
        {
            "at": [c.at for c in lines],
            "kind": [KINDS[c.kind] for c in lines],
            "what": [c.what for c in lines],
            "who": [c.who or "seen by a poll" for c in lines],
        },
        [
            Column("at", "When", "moment", zone=str(of.workspace.timezone)),
            Column("kind", "Kind"),
            Column("what", "What", width="large"),
            Column("who", "Who", width="medium"),
        ],
        key="changes",
        title="Changes",
        alt="Changes of the set-up, newest first",
        about=replace(about, subject=f"Changes of {shown.described.name}"),
        empty="Nothing of its set-up has changed in the last 90 days.",
        rows=8,
    )
