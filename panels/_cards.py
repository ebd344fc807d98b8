"""The cards at the top of a page: each a number, its baseline, its hours, and its state in icon and word."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from metrics.compare import Comparison
from panels import _format as f
from panels import _wall
from panels._overview import Figures, Interval
from panels._status import Status, by_target
from panels._trace import info_button
from panels._view import View
from panels._why import why_button

__all__ = ["PACE", "cards"]

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
"""Conversions, seen or usual by now, below which chance alone moves a ratio past any target."""


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
    trend: tuple[float, ...],
    chart: str,
    about: str,
    below: Callable[[], None] | None = None,
) -> None:
    """One card: name, value, change against a named baseline, its hours, and the state in icon and word.

    below: draws what can be asked of the number.
    """
    grave = status in (Status.watch, Status.act)
    colour = {"higher": "normal", "lower": "inverse"}.get(better, "off") if grave else "off"
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(
            label,
            value,
            # A sign in ASCII: Streamlit takes the arrow's direction from it.
            delta=f.change(delta).replace("−", "-") if delta is not None and abs(delta) >= 0.005 else None,
            delta_color=colour,  # type: ignore[arg-type]
            delta_description=against,
            help=about,
            chart_data=list(trend) if len(trend) > 1 else None,
            chart_type=chart,  # type: ignore[arg-type]
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            if note:
                st.caption(note, width="content")
        if below is not None:
            below()


def asked(metric: str, view: View) -> Callable[[], None]:
    """The two questions of a number: why it moved, and where it comes from."""

    def draw() -> None:
        with st.container(horizontal=True, gap="small", key=f"card_{metric}"):
            why_button(metric, view)
            info_button(metric, view)

    return draw


def _reached(shown: Figures) -> str:
    """Up to when the pace is judged: an hour of the clock, where all accounts' clocks agree."""
    hours = {int(line.pace.hour) for line in shown.campaigns if line.pace is not None}
    return f"to {hours.pop():02d}:00" if len(hours) == 1 else "by now, by each account's clock"


def cards(shown: Figures, roas_target: float | None, cpa_target: float | None) -> None:
    """The four numbers that a morning begins with."""
    currency, now, usual, hours = shown.view.currency, shown.now, shown.usual, shown.hours
    baseline = shown.view.against.label
    if shown.view.against is Comparison.WEEK_AVERAGE and 0 < shown.periods < 7:
        baseline = f"vs same hours, {shown.periods}-day average"
    if not shown.periods:
        baseline = "nothing to compare with yet"
    expected = max(now["conversions"], usual["conversions"] * shown.known)
    early = shown.known < TOO_EARLY or expected < TOO_FEW
    provisional = shown.known < 0.985
    arrived = shown.known if shown.known >= TOO_EARLY else None
    late = (
        f" About {f.percent(1 - shown.known, digits=0)} of the conversions of this window usually "
        "arrive later, by what the accounts' own past shows; the comparison and the state allow for it. In "
        "brackets: where the settled figure lies in four cases of five."
        if provisional
        else ""
    )
    if early:
        late = " Too few of this window's conversions can have arrived yet to judge by them."

    def once_settled(said: Interval, shape: Callable[[float | None], str]) -> str:
        """The settled estimate with its interval, or nothing where the figure is settled already."""
        if not provisional or not arrived or said.mid is None:
            return ""
        high = "more" if said.high is None else shape(said.high)
        return f"~{shape(said.mid)} once settled ({shape(said.low)} to {high})"

    def against_target(said: Interval, goal: float | None, shape: Callable[[float | None], str]) -> str:
        parts = [once_settled(said, shape), f"target {shape(goal)}" if goal is not None else ""]
        return " · ".join(filter(None, parts))

    def judged(status: Status, goal: float | None) -> str:
        return "No target" if goal is None else "Too early" if early else status.value.word

    def by_now(value: float) -> float | None:
        """What of a usual figure has usually arrived by now."""
        return value * arrived if arrived else None

    def cash(value: float | None) -> str:
        return f.plain(f.money(value, currency))

    grid = _wall.cards()
    pace = shown.pace
    planned = pace is not None and pace.index is not None
    status, word = PACE[pace.state if pace is not None else "unplanned"]
    with grid.cell():
        card(
            "Spend pacing",
            f.money(pace.spent if pace is not None else now["spend"], currency),
            status,
            word=word,
            note=f"day ends near {cash(pace.mid)} of {cash(pace.plan)}"
            if pace is not None and planned
            else "no budget is set for today",
            delta=pace.index - 1 if pace is not None and pace.index is not None else None,
            against=f"of plan {_reached(shown)}" if pace is not None and planned else "",
            better="neutral",
            trend=hours["spend"],
            chart="area",
            about="Today's spend to the hour that the source vouches for, over what the budgets and the "
            "usual hours plan until then.",
            below=asked("spend", shown.view),
        )
    roas = ratio(now["revenue"], now["spend"])
    settled = shown.settled
    status = Status.none if early else by_target(settled["roas"].mid, roas_target, better="higher")
    with grid.cell():
        card(
            "ROAS",
            f.multiple(roas),
            status,
            word=judged(status, roas_target),
            note=against_target(settled["roas"], roas_target, f.multiple),
            delta=relative(roas, ratio(by_now(usual["revenue"]), usual["spend"])),
            against=baseline,
            better="higher",
            trend=tuple(ratio(r, s) or 0.0 for r, s in zip(hours["revenue"], hours["spend"], strict=True)),
            chart="line",
            about=f"Conversion value over spend.{late}",
            below=asked("roas", shown.view),
        )
    cpa = ratio(now["spend"], now["conversions"])
    status = Status.none if early else by_target(settled["cpa"].mid, cpa_target, better="lower")
    with grid.cell():
        card(
            "Cost per result",
            f.money(cpa, currency),
            status,
            word=judged(status, cpa_target),
            note=against_target(settled["cpa"], cpa_target, cash),
            delta=relative(cpa, ratio(usual["spend"], by_now(usual["conversions"]))),
            against=baseline,
            better="lower",
            trend=tuple(
                ratio(s, c) or 0.0 for s, c in zip(hours["spend"], hours["conversions"], strict=True)
            ),
            chart="line",
            about=f"Spend over primary conversions.{late}",
            below=asked("cpa", shown.view),
        )
    with grid.cell():
        card(
            "Conversions",
            f.count(now["conversions"]),
            Status.none,
            word="Provisional" if provisional else "Settled",
            note=once_settled(settled["conversions"], lambda n: f.count(round(n or 0))),
            delta=relative(now["conversions"], by_now(usual["conversions"])),
            against=baseline,
            better="higher",
            trend=hours["conversions"],
            chart="bar",
            about=f"Primary conversions, by the hour of the click.{late}",
            below=asked("conversions", shown.view),
        )
