"""What a proposal does, before somebody approves it: the figures by the old definition and by the new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from alerts.backtest import Replay
from alerts.effect import DAYS as RULE_DAYS
from alerts.effect import MOST, RuleEffect
from metrics.effect import DAYS, MetricEffect
from metrics.proposals import Proposal
from panels import _format as f
from panels._access import actor, may
from panels._look import BEFORE, NOW
from panels._slot import Process, process
from warehouse.access import Permission

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
    if found.path == "rules.yaml":
        _rules(of, found)
        return
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


def _rules(of: Process, found: Proposal) -> None:
    """What the rules that differ would have fired: asked for, since it goes through weeks hour by hour."""
    assert of.changes is not None
    held = of.changes.replay(found.id)
    if (
        held is None
        and may(Permission.PROPOSE)
        and st.button(
            f"What would it have fired in {RULE_DAYS} days?",
            key=f"replay_{found.id}",
            icon=":material/replay:",
            help="Goes through the past hour by hour, as it was known then; seconds to minutes.",
        )
    ):
        held = of.changes.replay(found.id, begin=actor())
    if held is None:
        return
    if not held.over:
        _waiting(found.id)
    elif held.fault:
        st.warning(f.plain(held.fault), icon=":material/warning:")
    else:
        st.markdown(f"**What it would have fired** · {RULE_DAYS} days")
        _fired(held.found or [])


@st.fragment(run_every=1)
def _waiting(number: int) -> None:
    of = process()
    assert of is not None
    assert of.changes is not None
    held = of.changes.replay(number)
    if held is None or held.over:
        st.rerun()
    st.progress(min(held.share, 1.0), "Going through the past hour by hour …")


def _fired(told: Sequence[RuleEffect]) -> None:
    if not told:
        st.caption("No rule differs in what it watches.")
    for one in told:
        st.markdown(f"{f.plain(one.title)} (`{one.name}`): {_replay(one.old)} → **{_replay(one.new)}**")
    if len(told) == MOST:
        st.caption(f"At most {MOST} rules of a proposal are gone through.")


def _replay(one: Replay | None) -> str:
    if one is None:
        return "not watched"
    times, hours = one.reviewed.fires, round(one.reviewed.hours)
    return f"fires {times} time{'' if times == 1 else 's'}, {hours} h, {one.messages} messages"


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
