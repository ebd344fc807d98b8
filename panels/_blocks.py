"""What every page is made of: its head, its cards, and what stands there while there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from metrics import money
from panels import _format as f
from panels import _freshness
from panels._facts import Fact, Trend
from panels._slot import Process, process
from panels._status import Status
from panels._trace import info_button
from panels._view import View
from panels._why import why_button

__all__ = ["fact_card", "head", "nothing", "page"]


def head(of: Process, title: str, about: str) -> datetime:
    """The page's name, what it answers, and how fresh each source is; the present in the team's zone."""
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(title, anchor=False, help=about, width="content")
        if of.workspace.demo:
            st.badge("Sandbox data", icon=":material/science:", color="gray")
        for fresh in _freshness.of_sources(of.warehouse.watermarks(), of.workspace.sources, now):
            st.badge(
                fresh.label,
                icon=fresh.status.value.icon,
                color=fresh.status.value.color,  # type: ignore[arg-type]
                help=fresh.help,
            )
    return now


def page(draw: Callable[[Process, View], None], view: View | None) -> None:
    """Draw a page's body; in words where there is nothing to draw."""
    of = process()
    assert of is not None
    if view is None:
        nothing(of)
        return
    try:
        draw(of, view)
    except money.MissingRate as missing:
        st.warning(
            f"**Not shown in {view.currency}:** {f.plain(str(missing))}.", icon=Status.watch.value.icon
        )
        return
    if view.left_out:
        names = ", ".join(f.plain(name) for name in view.left_out)
        st.caption(f":material/info: Not counted, for want of data in this window: {names}. See Data health.")


def nothing(of: Process) -> None:
    """A page without data: what it waits for, or what keeps it from coming."""
    found = _freshness.troubles(of.warehouse.watermarks())
    with st.container(border=True):
        if found:
            st.markdown(f"{Status.act.value.icon} **No data, because the sources do not answer.**")
            for trouble in found[:3]:
                title = of.workspace.sources.get(trouble.source, trouble.source)
                st.markdown(f"{title}: {f.plain(trouble.cause)}")
                if trouble.mend:
                    st.markdown(f"**How to fix:** {f.plain(trouble.mend)}")
            st.page_link("health.py", label="Data health", icon=":material/monitor_heart:")
            return
        st.markdown(":material/hourglass_top: **No data in this window yet.**")
        st.caption(
            "The sources have brought nothing for it: choose another window, or wait for the first poll, "
            "which takes seconds. The page fills itself."
        )


def fact_card(
    fact: Fact,
    view: View,
    trend: Trend | None,
    against: str,
    *,
    status: tuple[Status, str] | None = None,
    note: str = "",
    chart: str = "line",
    stale: str = "",
) -> None:
    """One card: the figure, its change against a named baseline, its steps, its state in icon and word.

    status: where a target judges it; else whether it lies where it usually does. stale: how old the data
    is, where it is too old to judge: the card is grey then.
    """
    metric, currency = fact.metric, view.currency
    state, word = (Status.none, stale) if stale else status or fact.status
    usual = ""
    if fact.low is not None and fact.high is not None and fact.periods >= 3:
        low, high = (f.figure(v, metric.unit, currency) for v in (fact.low, fact.high))
        usual = f"usually {f.plain(low)} to {f.plain(high)}"
    grave = state in (Status.watch, Status.act)
    colour = {"higher": "normal", "lower": "inverse"}.get(metric.better, "off") if grave else "off"
    steps = [v for v in (trend.now.get(metric.name, ()) if trend else ()) if v is not None]
    delta = fact.change
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(
            metric.title,
            f.figure(fact.now, metric.unit, currency),
            # A sign in ASCII: Streamlit takes the arrow's direction from it.
            delta=f.change(delta).replace("−", "-") if delta is not None and abs(delta) >= 0.005 else None,
            delta_color=colour,  # type: ignore[arg-type]
            delta_description=against,
            help=f"{metric.limits} Owner: {metric.owner}, version {metric.version}.",
            chart_data=steps if len(steps) > 1 else None,
            chart_type=chart,  # type: ignore[arg-type]
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(word, icon=state.value.icon, color=state.value.color)  # type: ignore[arg-type]
            if note or usual:
                st.caption(note or usual, width="content")
        with st.container(horizontal=True, gap="small", key=f"card_{metric.name}"):
            if metric.view.name == "delivery":
                why_button(metric.name, view)
            info_button(metric.name, view)
