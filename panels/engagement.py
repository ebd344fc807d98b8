"""Engagement: how far the traffic goes, from being shown to converting, and when in the week it does."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from metrics import windows
from metrics.compute import evaluate
from metrics.model import views
from panels import _format as f
from panels import _known, _live, _marks, _plots, _wall
from panels._blocks import head, page, staleness
from panels._cards import fact_card
from panels._controls import controls
from panels._facts import Facts, Group, Trend, facts, groups, trend
from panels._look import chart
from panels._maturity import learned
from panels._once import once
from panels._slot import Process, process
from panels._view import View

METRICS = (
    *("impressions", "clicks", "conversions", "ctr", "conversion_rate"),
    *("settled_conversions", "settled_conversion_rate"),
)
WEEKS = timedelta(days=28)
FEW_CLICKS = 20
"""Clicks of an hour of the week below which its rate is chance."""

Cells = dict[tuple[int, int], float | None]

Shown = tuple[Facts, Facts, Trend, list[Group], Cells]


@once
def load(version: int, view: View) -> Shown:
    """The page's figures, once for each version of the data and each view."""
    of = process()
    assert of is not None
    defined, known = of.metrics(), _known.now(of).accounts
    chosen = [defined[name] for name in METRICS]
    late = learned(version, view.as_of).relations
    by_device = [defined["clicks"], defined["conversion_rate"]]
    back = {key: windows.earlier(w, 27, known[key].timezone) for key, w in view.windows.items()}
    table = evaluate(
        of.warehouse,
        [defined["clicks"], defined["conversion_rate"]],
        back,
        by=("day", "hour_of_day"),
        as_of=view.as_of,
    )
    clicks: dict[tuple[int, int], float] = {}
    found: dict[tuple[int, int], float] = {}
    for row in table.to_pylist():
        cell = (row["day"].weekday(), row["hour_of_day"])
        clicks[cell] = clicks.get(cell, 0) + (row["clicks"] or 0)
        found[cell] = found.get(cell, 0) + (row["clicks"] or 0) * (row["conversion_rate"] or 0)
    cells: Cells = {cell: found[cell] / many if many >= FEW_CLICKS else None for cell, many in clicks.items()}
    return (
        facts(of.warehouse, known, chosen, view, relations=late),
        facts(of.warehouse, known, [defined["frequency"]], view),
        trend(of.warehouse, known, chosen, view, relations=late),
        groups(of.warehouse, known, [m.over(views()["segments"]) for m in by_device], view, ["device"]),
        cells,
    )


def draw(of: Process, view: View, shown: Shown) -> None:
    """The page below its head."""
    told, reach, steps, devices, cells = shown
    old = staleness(of, view)
    grid = _wall.cards()
    for name in ("conversion_rate", "ctr", "conversions"):
        with grid.cell():
            fact_card(told, name, view, steps, chart="bar" if name == "conversions" else "line", stale=old)
    with grid.cell():
        fact_card(reach, "frequency", view, None, stale=old)
    left, right = st.columns([1, 2])
    with left.container(border=True, height="stretch"):
        funnel(told)
    with right.container(border=True, height="stretch"):
        st.markdown("**Conversion rate over time**")
        metric = told["conversion_rate"].metric
        chart(
            _marks.on_steps(
                _plots.line(
                    steps,
                    metric,
                    of.workspace.timezone,
                    before=_plots.past(view),
                    settled=told.settled("conversion_rate"),
                ),
                view,
                steps.at,
            ),
            alt=f"Conversion rate over time, beside {_plots.past(view)}",
            height="stretch",
        )
    first, second = st.columns([2, 1])
    with first.container(border=True, height="stretch"):
        st.markdown(
            "**When visitors convert** · last 28 days",
            help="Conversion rate by the hour of the click, on each account's clock; an hour with fewer than "
            f"{FEW_CLICKS} clicks is left out.",
        )
        if any(value is not None for value in cells.values()):
            chart(
                _plots.heat(cells, told["conversion_rate"].metric),
                alt="Conversion rate by weekday and hour of the day",
                height="stretch",
            )
        else:
            st.markdown(":material/inbox: Too few clicks yet to tell the hours apart.")
    with second.container(border=True, height="stretch"):
        st.markdown(
            "**Conversion rate by device** · so far",
            help="What is still to come is missing from every device alike: compare them with each other, "
            "and not with an earlier window.",
        )
        if devices:
            rate = told["conversion_rate"].metric
            named = [Group(g.key, g.name.replace("_", " ").lower(), g.now, g.before) for g in devices]
            chart(_plots.bars(named, rate, most=6, past=False), alt="Conversion rate by device")
        else:
            st.markdown(":material/inbox: No source has told devices apart in this window.")


def funnel(told: Facts) -> None:
    """Shown, clicked, converted: each with its share of the step before."""
    st.markdown("**From shown to converted**")
    shown, clicked, done = (told[name].now or 0.0 for name in ("impressions", "clicks", "conversions"))
    if not shown:
        st.markdown(":material/inbox: Nothing was shown in this window.")
        return
    parts = [
        ("Shown", shown, f.count(shown)),
        ("Clicked", clicked, f"{f.count(clicked)} · {f.percent(clicked / shown)}"),
        ("Converted", done, f"{f.count(done)} · {f.percent(done / clicked) if clicked else f.NOTHING}"),
    ]
    chart(_plots.steps(parts), alt="; ".join(f"{step}: {share}" for step, _, share in parts))
    st.caption("What visitors do on the site between the click and the conversion is on the page Website.")


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    head(of, "Engagement", "How far the traffic goes, from being shown to converting, and where it is lost.")
    page(load, draw, controls())


panels()
