"""The cards at the top of a page: each a number, its baseline, its steps, and its state in icon and word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from metrics.pacing import Pace
from panels import _format as f
from panels._course import Course
from panels._facts import PROVISIONAL, Fact, Facts, Trend
from panels._freshness import Stale
from panels._status import Status, by_target
from panels._trace import info_button
from panels._view import View
from panels._why import why_button

__all__ = ["PACE", "TOO_FEW", "card", "fact_card", "pace_card", "ratio", "relative", "verdict"]

PACE = {
    "on": (Status.good, "On plan"),
    "over": (Status.act, "Over plan"),
    "under": (Status.watch, "Under plan"),
    "unplanned": (Status.none, "No plan"),
}
"""What each state of a pace looks like, and its word."""

TOO_EARLY = 0.05
"""Below this share of arrived conversions a figure that rests on them says nothing."""

TOO_FEW = 5
"""Conversions, once settled, below which chance alone moves a ratio past any target."""


def ratio(over: float | None, under: float | None) -> float | None:
    """A ratio of sums; None over nothing, and of nothing known."""
    return over / under if over is not None and under is not None and under > 0 else None


def relative(value: float | None, usual: float | None) -> float | None:
    """The relative change; None where either is missing."""
    return value / usual - 1 if value is not None and usual else None


def card(
    label: str,
    value: str,
    status: Status,
    *,
    word: str,
    note: str,
    delta: float | None,
    against: str,
    better: str,
    trend: Sequence[float],
    chart: str,
    about: str,
    metric: str = "",
    view: View | None = None,
    stale: Stale | None = None,
    provisional: bool = False,
) -> None:
    """One card: name, value, change against a named baseline, its steps, and the state in icon and word.

    note: a line of markdown. metric: the definition that "Why?" and "Source" are about, over the view.
    stale: the data is too old to judge: the value is grey, is compared with nothing, and has no state.
    provisional: the value is hatched.
    """
    delta, against = (None, "") if stale else (delta, against)
    worse = delta is not None and {"higher": delta < 0, "lower": delta > 0}.get(better, False)
    # Red is for what is in a bad way and getting worse; a recovery is no success yet, and stays grey.
    grave = worse and status in (Status.watch, Status.act) and stale is None
    still = delta is not None and abs(delta) < 0.005
    looks = "stale" if stale else "provisional" if provisional else "firm"
    name = "".join(c if c.isalnum() else "_" for c in (metric or label).lower())
    with st.container(border=True, height="stretch", gap="small", key=f"{looks}_card_{name}"):
        st.metric(
            label,
            value,
            # A sign in ASCII: Streamlit takes the arrow's direction from it.
            delta="±0 %" if still else f.change(delta).replace("−", "-") if delta is not None else None,
            delta_color=("normal" if better == "higher" else "inverse") if grave else "off",
            delta_arrow="off" if still else "auto",
            delta_description=against or None,
            help=about,
            chart_data=list(trend) if len(trend) > 1 else None,
            chart_type=chart,  # type: ignore[arg-type]
        )
        with st.container(key=f"note_{name}"):
            st.caption((stale.note if stale else note) or "&nbsp;")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"foot_{name}"):
            if stale:
                st.badge(stale.label, icon=":material/schedule:", color="gray", help=stale.help)
            else:
                st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            if metric and view is not None:
                st.space("stretch")
                why_button(metric, view)
                info_button(metric, view)


def verdict(
    fact: Fact, settled: Fact | None, complete: float, count: float | None, goal: float | None
) -> tuple[Status, str]:
    """The state of a figure, and its word: against its target, else against what is usual.

    settled: what it will come to, where conversions are late in it, by which it is then judged. complete: the
    share of conversions that is known; count: how many there will be.
    """
    judged = settled or fact
    if settled is not None and (complete < TOO_EARLY or (count is not None and count < TOO_FEW)):
        return Status.none, "Too early"
    if settled is not None and complete < PROVISIONAL and judged.periods < 3 and goal is None:
        return Status.none, "Provisional"
    if goal is not None and judged.now is not None:
        status = by_target(judged.now, goal, better=fact.metric.better)
        return status, status.value.word
    return judged.status


def fact_card(
    told: Facts,
    name: str,
    view: View,
    steps: Trend | None,
    *,
    label: str = "",
    goal: float | None = None,
    chart: str = "line",
    stale: Stale | None = None,
) -> None:
    """The card of a metric: the figure as it is known, judged by what it will come to.

    goal: the target that holds for the whole view.
    """
    fact, settled = told[name], told.settled(name)
    metric, currency, complete = fact.metric, view.currency, told.complete
    provisional = settled is not None and complete < PROVISIONAL

    def shown(value: float | None) -> str:
        return f.plain(f.figure(value, metric.unit, currency))

    count = told.settled("conversions")
    status, word = verdict(fact, settled, complete, count.now if count else None, goal)
    judged = settled or fact
    note = []
    if provisional and settled is not None and word != "Too early":
        note.append(_once_settled(told, name, settled.now, shown))
    if goal is not None:
        note.append(f"target {shown(goal)}")
    elif not note and judged.periods >= 3 and judged.low is not None and judged.high is not None:
        note.append(f"usually {shown(judged.low)} to {shown(judged.high)}")
    about = [metric.limits]
    if provisional:
        about.append(
            f"{f.percent(complete, digits=0)} of this window's conversions are known by now: the comparison "
            "and the state are of what it will come to. In brackets: where that lies in four cases of five."
        )
    series = steps.now.get(judged.metric.name, steps.now.get(name, ())) if steps else ()
    card(
        label or metric.title,
        f.figure(fact.now, metric.unit, currency),
        status,
        word=word,
        note=" · ".join(note),
        delta=judged.change,
        against=told.against,
        better=metric.better,
        trend=[v for v in series if v is not None],
        chart=chart,
        about=" ".join(about),
        metric=name,
        view=view,
        stale=stale,
        provisional=provisional,
    )


def _once_settled(told: Facts, name: str, value: float | None, shown: Callable[[float | None], str]) -> str:
    """What a figure will come to, with its interval where one is known."""
    said = told.coming.get(name)
    if said is None or said.low is None:
        return f"\\~{shown(value)} once settled"
    high = "more" if said.high is None else shown(said.high)
    return f"\\~{shown(value)} ({shown(said.low)} to {high}) once settled"


def pace_card(
    pace: Pace | None, day: Course | None, view: View, *, reached: str, stale: Stale | None = None
) -> None:
    """Today's spend to the hour that the sources vouch for, against what is planned until then.

    reached: up to when that is, for people.
    """
    planned = pace is not None and pace.index is not None

    def cash(value: float) -> str:
        return f.plain(f.money(value, view.currency))

    status, word = PACE[pace.state if pace is not None else "unplanned"]
    card(
        "Spend pacing" if view.span == "today" else "Spend pacing · today",
        f.money(pace.spent if pace is not None else None, view.currency),
        status,
        word=word,
        note=f"day ends near {cash(pace.mid)} of {cash(pace.plan)}"
        if pace is not None and planned
        else "no budget is set for today",
        delta=pace.index - 1 if pace is not None and pace.index is not None else None,
        against=f"of plan {reached}" if planned else "",
        better="neutral",
        trend=[float(value) for value in day.spent] if day is not None else [],
        chart="area",
        about="Today's spend to the hour that the source vouches for, over what the budgets and the usual "
        "hours plan until then.",
        metric="spend",
        view=view,
        stale=stale,
    )
