"""Acquisition: is the money buying the usual amount of traffic at the usual price, and where is it lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from metrics import windows
from metrics.compare import Comparison
from metrics.model import Metric, views
from panels import _format as f
from panels import _known, _live, _marks, _plots, _wall
from panels._address import kept
from panels._blocks import head, page, staleness
from panels._cards import fact_card
from panels._controls import controls
from panels._entity import PROPER
from panels._facts import Facts, Group, Trend, facts, groups, trend
from panels._look import chart
from panels._once import once
from panels._slot import Process, process
from panels._view import View

DELIVERY = ("spend", "impressions", "clicks", "ctr", "cpc", "cpm")
OVER_TIME = ("clicks", "impressions", "spend", "cpc", "ctr", "cpm")
BY_THE_DAY = ("device", "network")
"""What the platforms tell by the day alone."""
AUCTION = ("impression_share", "lost_to_budget", "lost_to_rank")

Shown = tuple[Facts, Facts, Trend, dict[str, list[Group]]]


@once
def load(version: int, view: View) -> Shown:
    """The page's figures, once for each version of the data and each view."""
    del version
    of = process()
    assert of is not None
    defined, known = of.metrics(), _known.now(of).accounts
    delivery = [defined[name] for name in DELIVERY]
    auction = [defined[name] for name in AUCTION]
    split = {
        "source": groups(of.warehouse, known, [defined["spend"], defined["cpc"]], view, ["source"]),
        "channel": groups(of.warehouse, known, [defined["spend"], defined["cpc"]], view, ["channel"]),
    }
    by_day = replace(defined["spend"], view=views()["segments"])
    for name in BY_THE_DAY:
        split[name] = groups(of.warehouse, known, [by_day], week(view), [name])
    return (
        facts(of.warehouse, known, delivery, view),
        facts(of.warehouse, known, auction, week(view)),
        trend(of.warehouse, known, delivery, view),
        split,
    )


def draw(of: Process, view: View, shown: Shown) -> None:
    """The page below its head."""
    delivery, auction, steps, split = shown
    old = staleness(of, view)
    grid = _wall.cards()
    for name in ("clicks", "cpc", "ctr", "cpm"):
        with grid.cell():
            fact_card(delivery, name, view, steps, chart="bar" if name == "clicks" else "line", stale=old)
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch"):
        chosen = st.segmented_control(
            "Over time",
            OVER_TIME,
            format_func=lambda name: delivery[name].metric.title,
            required=True,
            help="The grey line is the period that the figures are compared with.",
            **kept("metric", OVER_TIME, "clicks"),
        )
        chart(
            _marks.on_steps(
                _plots.line(steps, delivery[chosen].metric, of.workspace.timezone, before=_plots.past(view)),
                view,
                steps.at,
            ),
            alt=f"{delivery[chosen].metric.title} over time, beside {_plots.past(view)}",
            height="stretch",
        )
    with right.container(border=True, height="stretch"):
        share(auction)
    first, second = st.columns(2)
    with first.container(border=True, height="stretch"):
        breakdown("Spend by platform", split["source"], delivery["spend"].metric, of.workspace.sources)
    with second.container(border=True, height="stretch"):
        breakdown("Spend by kind of campaign", split["channel"], delivery["spend"].metric, {})
    for place, name in zip(st.columns(2), BY_THE_DAY, strict=True):
        with place.container(border=True, height="stretch"):
            breakdown(f"Spend by {name} · last 7 days", split[name], delivery["spend"].metric, PROPER)


def week(view: View) -> View:
    """The last seven days of the same accounts: shares are known by the day, and the newest comes late."""
    known = _known.now(process()).accounts  # type: ignore[arg-type]  # a page is drawn by a process
    reach = {k: windows.earlier(w, 6, known[k].timezone) for k, w in view.windows.items()}
    return replace(view, span="7d", windows=reach, against=Comparison.PRIOR)


def share(auction: Facts) -> None:
    """Of the impressions that could be had: which were, and what took the others."""
    st.markdown(
        "**Impression share** · last 7 days",
        help="Of the impressions that the campaigns were eligible for, weighed by them; known by the day, "
        "and by Google Ads alone.",
    )
    if auction["impression_share"].now is None:
        st.markdown(":material/inbox: No account of this choice reports an impression share.")
        return
    for name in AUCTION:
        fact = auction[name]
        state, word = fact.status
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.metric(
                fact.metric.title,
                f.figure(fact.now, "percent"),
                delta=f.change(fact.change).replace("−", "-") if fact.change is not None else None,
                delta_color="off",
                delta_description="vs the 7 days before" if fact.change is not None else None,
                help=fact.metric.limits,
            )
            st.badge(word, icon=state.value.icon, color=state.value.color)  # type: ignore[arg-type]


def breakdown(title: str, found: list[Group], metric: Metric, names: Mapping[str, str]) -> None:
    """One metric by group, with a tick where it was before."""
    st.markdown(f"**{title}**")
    if not found:
        st.markdown(":material/inbox: Nothing was delivered in this window.")
        return
    told = [Group(g.key, names.get(g.name, g.name.replace("_", " ")), g.now, g.before) for g in found]
    chart(_plots.bars(told, metric), alt=title)


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    head(of, "Acquisition", "Whether the money buys the usual traffic at the usual price, and what is lost.")
    page(load, draw, controls())


panels()
