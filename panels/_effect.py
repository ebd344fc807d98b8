"""What a proposal does, before somebody approves it: the figures by the old definition and by the new one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from metrics.effect import DAYS, MetricEffect
from metrics.proposals import Proposal
from panels import _format as f
from panels._look import BEFORE, NOW
from panels._slot import Process, process

__all__ = ["show"]

_NAMES = ("As it is", "As proposed")


@st.cache_data(max_entries=30, show_spinner="Computing the figures both ways …")
def _read(version: int, number: int, _found: Proposal) -> MetricEffect | str | None:  # noqa: ARG001  # cache keys
    of = process()
    assert of is not None
    assert of.changes is not None
    try:
        return of.changes.effect(_found)
    except ValueError as error:
        return str(error)


def show(of: Process, found: Proposal) -> None:
    """The effect of an open proposal, in figures and over time; nothing for files that compute none."""
    told = _read(of.data_version(), found.id, found)
    if told is None:
        return
    st.markdown(f"**What it would do** · all accounts, {DAYS} days")
    if isinstance(told, str):
        st.warning(f.plain(f"The figures cannot be shown: {told}"), icon=":material/warning:")
        return
    if not told.days:
        st.caption("No data yet to compute it over.")
        return
    unit = _unit(found)
    values = [f.figure(v, unit, told.currency) for v in (told.old_total, told.new_total)]  # type: ignore[arg-type]
    change = ""
    if told.old_total and told.new_total is not None:
        change = f" ({told.new_total / told.old_total - 1:+.1%})".replace("%", " %")
    st.markdown(f"{f.plain(values[0])} → **{f.plain(values[1])}**{f.plain(change)}")
    st.vega_lite_chart(
        _spec(told),
        alt=f"The metric by day over {DAYS} days, as it is and as proposed",
        width="stretch",
        key=f"effect_{found.id}",
    )


def _unit(found: Proposal) -> str:
    for text in (found.after, found.before):
        for line in (text or "").splitlines():
            if line.startswith("-- unit:"):
                return line.partition(":")[2].strip()
    return "ratio"


def _spec(told: MetricEffect) -> dict[str, Any]:
    rows = [
        {"day": f"{day}", "value": value, "which": name}
        for name, values in zip(_NAMES, (told.old, told.new), strict=True)
        for day, value in zip(told.days, values, strict=True)
        if value is not None
    ]
    scale = {"domain": list(_NAMES)}
    legend = {"orient": "top", "title": None, "symbolType": "stroke"}
    return {
        "height": 180,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {
                "field": "day",
                "type": "temporal",
                "title": None,
                "axis": {"grid": False, "format": "%-d %b", "tickCount": 8},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": told.currency or None,
                "axis": {"tickCount": 4},
            },
            "color": {
                "field": "which",
                "type": "nominal",
                "scale": {**scale, "range": [BEFORE, NOW]},
                "legend": legend,
            },
            "strokeDash": {
                "field": "which",
                "type": "nominal",
                "scale": {**scale, "range": [[5, 4], [1, 0]]},
                "legend": legend,
            },
            "tooltip": [
                {"field": "day", "type": "temporal", "title": "Day", "format": "%a %-d %b"},
                {"field": "which", "type": "nominal", "title": "Definition"},
                {"field": "value", "type": "quantitative", "title": "Value", "format": ",.4~f"},
            ],
        },
    }
