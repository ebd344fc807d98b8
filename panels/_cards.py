"""The cards at the top of a page: each a number, its baseline, its hours, and its state in icon and word."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from panels import _format as f
from panels._overview import Figures
from panels._status import Status, by_target

__all__ = ["PACE", "cards"]

PACE = {
    "on": (Status.good, "On plan"),
    "over": (Status.act, "Over plan"),
    "under": (Status.watch, "Under plan"),
    "unplanned": (Status.none, "No plan"),
}
"""What each state of a pace looks like, and its word."""


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
    word: str,
    note: str,
    delta: float | None,
    against: str,
    better: str,
    trend: tuple[float, ...],
    chart: str,
    about: str,
) -> None:
    """One card: name, value, change against a named baseline, its hours, and the state in icon and word."""
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


def cards(shown: Figures, roas_target: float | None, cpa_target: float | None, span: str) -> None:
    """The four numbers that a morning begins with."""
    currency, now, usual, hours = shown.scope.currency, shown.now, shown.usual, shown.hours
    baseline = "vs prior 7 days" if span == "7d" else "vs same hours, 7-day avg"
    if not shown.history:
        baseline = "nothing to compare with yet"
    provisional = shown.known < 0.985
    late = (
        f" About {f.percent(1 - shown.known, digits=0)} of the conversions of this window usually "
        "arrive later; the comparison and the state allow for it."
        if provisional
        else ""
    )

    def against_target(
        settled: float | None, goal: float | None, shape: Callable[[float | None], str]
    ) -> str:
        parts = [f"settles near {shape(settled)}"] if provisional and settled is not None else []
        return " · ".join([*parts, *([f"target {shape(goal)}"] if goal is not None else [])])

    def cash(value: float | None) -> str:
        return f.plain(f.money(value, currency))

    grid = st.grid(4, min_column_width=230, gap="small")
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
            against=f"of plan to {int(pace.hour):02d}:00" if pace is not None and planned else "",
            better="neutral",
            trend=hours["spend"],
            chart="area",
            about="Today's spend to the hour that the source vouches for, over what the budgets and the "
            "usual hours plan until then.",
        )
    roas = ratio(now["revenue"], now["spend"])
    settled_roas = roas / shown.known if roas is not None else None
    status = by_target(settled_roas, roas_target, better="higher")
    with grid.cell():
        card(
            "ROAS",
            f.multiple(roas),
            status,
            word=status.value.word if roas_target is not None else "No target",
            note=against_target(settled_roas, roas_target, f.multiple),
            delta=relative(roas, ratio(usual["revenue"] * shown.known, usual["spend"])),
            against=baseline,
            better="higher",
            trend=tuple(ratio(r, s) or 0.0 for r, s in zip(hours["revenue"], hours["spend"], strict=True)),
            chart="line",
            about=f"Conversion value over spend.{late}",
        )
    cpa = ratio(now["spend"], now["conversions"])
    settled_cpa = cpa * shown.known if cpa is not None else None
    status = by_target(settled_cpa, cpa_target, better="lower")
    with grid.cell():
        card(
            "Cost per result",
            f.money(cpa, currency),
            status,
            word=status.value.word if cpa_target is not None else "No target",
            note=against_target(settled_cpa, cpa_target, cash),
            delta=relative(cpa, ratio(usual["spend"], usual["conversions"] * shown.known)),
            against=baseline,
            better="lower",
            trend=tuple(
                ratio(s, c) or 0.0 for s, c in zip(hours["spend"], hours["conversions"], strict=True)
            ),
            chart="line",
            about=f"Spend over primary conversions.{late}",
        )
    with grid.cell():
        card(
            "Conversions",
            f.count(now["conversions"]),
            Status.none,
            word="Provisional" if provisional else "Settled",
            note=f"settles near {f.count(round(now['conversions'] / shown.known))}" if provisional else "",
            delta=relative(now["conversions"], usual["conversions"] * shown.known),
            against=baseline,
            better="higher",
            trend=hours["conversions"],
            chart="bar",
            about=f"Primary conversions, by the hour of the click.{late}",
        )
