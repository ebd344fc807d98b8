"""The funnel of a site: as it is now, over the last day, and what its visits were worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from connectors.contract import Window
from metrics import site_funnel
from metrics.site import Site
from metrics.site_funnel import Funnel, Step
from metrics.site_visits import Visits
from panels import _format as f
from panels import _look, _site_charts
from panels._address import kept
from panels._slot import process
from panels._status import Status
from panels._trace import Over, info_button

__all__ = ["DAY", "WORDS", "counted", "funnel_panels", "titled"]

DAY = "Last 24 hours"

BESIDE = "Beside it the share of the step before that went on; the mark is its usual."

WORDS = {
    "session_start": "Visits",
    "view_item": "View an item",
    "add_to_cart": "Add to cart",
    "begin_checkout": "Begin checkout",
    "purchase": "Purchase",
    "form_start": "Begin a form",
    "generate_lead": "Lead",
}

VISITS = {
    "sessions": "Sessions",
    "engagement_rate": "Engaged",
    "session_conversion_rate": "Key events a visit",
    "error_rate": "Errors a view",
}
"""What is told of a site's visits, in few words."""


def counted(one: Funnel, steps: Sequence[Step], now: datetime) -> Over:
    """The step at which a site breaks, or its first, over the funnel's own window."""
    step = next((s for s in steps if s.breaks), steps[0])
    lately = steps is one.now
    back, title = (site_funnel.NOW, "Last hour") if lately else (site_funnel.DAY, DAY)
    return Over(
        Window(now - back, now),
        f"{title}, {f.plain(one.name)}",
        {"source": one.source, "account": one.account, "step": step.name},
        note=f"The step {WORDS.get(step.name, step.name)!r}; each step of the funnel is counted so, and its "
        "share is of the step before.",
    )


def titled(title: str, about: str, metric: str, over: Over | None) -> None:
    """A panel's title, and where its numbers come from. over: None where it has none."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"title_{metric}"):
        st.markdown(title, help=about)
        if over is not None:
            st.space("stretch")
            info_button(metric, over, key=f"panel_{metric}")


def funnel_panels(shown: Site, now: datetime) -> None:
    """Where visitors of one site stay behind: as it is now, and over the last day."""
    if not shown.funnels:
        with st.container(border=True):
            st.markdown("**Funnel**")
            st.markdown(":material/inbox: No steps are known: they come with the events of the site.")
        return
    chosen = shown.funnels[0]
    if len(shown.funnels) > 1:
        names = [one.name for one in shown.funnels]
        with st.container(key="controls"):
            name = st.selectbox(
                "Site", names, width=320, **kept("site", names, names[0]), help="Those that break come first."
            )
        chosen = next(one for one in shown.funnels if one.name == name)
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        titled(
            "**Funnel now** · last hour",
            f"How often each step was done, as the source's realtime reports tell. {BESIDE}",
            "funnel_events",
            counted(chosen, chosen.now, now) if chosen.now else None,
        )
        steps(
            chosen.now,
            "Nobody tells of this hour: events of your own servers do, and Google Analytics.",
        )
    with right.container(border=True, height="stretch"):
        titled(
            "**Funnel** · last 24 hours",
            f"Sessions that got to each step. Google Analytics knows them two to six hours later. {BESIDE}",
            "funnel_sessions",
            counted(chosen, chosen.day, now) if chosen.day else None,
        )
        steps(chosen.day, "No session of the last day is known yet.")
        visits(chosen, shown.visits.get((chosen.source, chosen.account)))
        if chosen.withheld:
            st.caption(
                f"Of {f.percent(chosen.withheld)} of the sessions Google withholds channel and landing page: "
                "their rows are small."
            )


def visits(chosen: Funnel, found: Visits | None) -> None:
    """What a site's visits were worth, each figure with its usual and where it comes from."""
    of = process()
    assert of is not None
    if found is None or not any(found.now.values()):
        return
    end = f"{found.window.end.astimezone(of.workspace.timezone):%H:%M}"
    st.markdown(
        f"**Visits** · 24 hours up to {end}",
        help="As far as the source vouches for them. Usual is the mean of the seven days before.",
    )
    where = {"source": chosen.source, "account": chosen.account}
    grid = st.columns(len(VISITS), gap="small")
    for place, (name, label) in zip(grid, VISITS.items(), strict=True):
        unit = of.metrics()[name].unit
        usual = found.usual[name]
        with place.container(gap=None, key=f"small_{name}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(f"**{f.plain(f.figure(found.now[name], unit))}**", width="content")
                info_button(name, Over(found.window, f"The 24 hours up to {end}", where))
            st.caption(label)
            if usual is not None:
                st.caption(f"usually {f.plain(f.figure(usual, unit))}")


def steps(told: Sequence[Step], empty: str) -> None:
    """One funnel, with a sentence on where it breaks."""
    if not told:
        st.markdown(f":material/inbox: {empty}")
        return
    _look.chart(
        _site_charts.funnel([(WORDS.get(s.name, s.name), s) for s in told]), alt="Steps of the funnel"
    )
    broken = next((s for s in told if s.breaks), None)
    if broken is not None and broken.kept is None:
        st.markdown(
            f"{Status.act.value.icon} Visitors stay away, or nothing counts them: "
            f"{broken.reached:,.0f} came, {broken.expected:,.0f} are usual at this hour."
        )
    elif broken is not None:
        st.markdown(
            f"{Status.act.value.icon} It breaks at **{WORDS.get(broken.name, broken.name)}**: "
            f"{f.percent(broken.kept)} go on, usually {f.percent(broken.usual)}."
        )
    elif any(s.expected is not None for s in told):
        st.markdown(f"{Status.good.value.icon} Every step passes on its usual share.")
    else:
        st.markdown(":material/hourglass_empty: What is usual is known after a day.")
