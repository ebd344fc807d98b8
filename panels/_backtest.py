"""What a rule would have fired, the present form beside one that is being tried."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
import yaml

from alerts.backtest import Backtest, backtest, edited, figures
from alerts.engine import Engine
from alerts.rules import Rule
from alerts.scene import Target
from panels import _format as f
from panels._slot import Process
from panels._table import About, Column, table

__all__ = ["panel"]

DAYS = (7, 14, 28)
PRESENT, TRIED = "As it is", "As tried"


def panel(engine: Engine, of: Process, now: datetime) -> None:
    """Choose a rule, change its figures, and see what both would have done."""
    st.markdown("#### Backtest")
    st.caption(
        "Goes through the past hour by hour, by what was known then, with the states and the grouping of the "
        "present. Nothing is sent, nothing is changed."
    )
    rules = {
        rule.name: rule for rule in sorted(engine.rules.values(), key=lambda r: (-r.severity.rank, r.id))
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Rule",
            list(rules),
            format_func=lambda key: f"{rules[key].title} ({rules[key].severity})",
            key="backtest_rule",
            help="Which rule to look at.",
        )
        days = st.selectbox(
            "Days",
            DAYS,
            key="backtest_days",
            width=120,
            help="How far back. A week takes half a minute.",
        )
    rule = rules[name]
    text = st.text_area(
        "Its figures",
        yaml.safe_dump(figures(rule), sort_keys=False, allow_unicode=True),
        key=f"backtest_figures_{name}",
        height="content",
        help="Change some to see the edited form beside the present one; rules.yaml stays as it is.",
    )
    try:
        tried = _tried(rule, text)
    except (ValueError, yaml.YAMLError) as error:
        st.error(f.plain(str(error)), icon=":material/error:")
        return
    if st.button("Run the backtest", key="backtest_run", icon=":material/history:", type="primary"):
        forms = {PRESENT: rule} | ({TRIED: tried} if tried is not None else {})
        try:
            found, took = _run(of, engine, forms, now - timedelta(days=days), now)
        except ValueError as error:
            st.error(f.plain(str(error)), icon=":material/error:")
            return
        st.session_state["backtest"] = (name, days, tried, found, took)
    kept = st.session_state.get("backtest", ())
    if kept[:3] == (name, days, tried):
        _shown(kept[3], kept[4], now)


def _tried(rule: Rule, text: str) -> Rule | None:
    """The edited form; None where nothing was changed. Raises ValueError, YAMLError."""
    written: Any = yaml.safe_load(text)
    if not isinstance(written, dict):
        raise ValueError("write one figure a line, as `name: value`")  # noqa: TRY004  # told as any other fault
    form = edited(rule, written)
    return None if form == rule else form


def _run(
    of: Process, engine: Engine, forms: Mapping[str, Rule], start: datetime, end: datetime
) -> tuple[Backtest, float]:
    began = time.monotonic()
    bar = st.progress(0.0, text="Reading the ledger …")

    def show(done: float) -> None:
        bar.progress(done, text=f"{done:.0%} of {(end - start).days} days")

    found = backtest(
        of.warehouse,
        forms,
        start=start.astimezone(UTC),
        end=end.astimezone(UTC),
        routing=engine.routing,
        targets=[Target(t.metric, t.value, t.source, t.account, t.campaign) for t in of.workspace.targets],
        metrics=of.metrics(),
        progress=show,
    )
    bar.empty()
    return found, time.monotonic() - began


def _shown(found: Backtest, took: float, now: datetime) -> None:
    replays = list(found.replays.items())
    said = [replay.reviewed for _, replay in replays]
    about = About("Backtest", f"{(found.end - found.start).days} days", now, {})
    table(
        {
            "form": [form for form, _ in replays],
            "fires": [one.fires for one in said],
            "days": [one.days for one in said],
            "hours": [round(one.hours) for one in said],
            "usually": [
                f"{usual:.0f} h" if (usual := replay.median_hours) is not None else ""
                for _, replay in replays
            ],
            "flaps": [one.flaps for one in said],
            "incidents": [one.incidents for one in said],
            "messages": [replay.messages for _, replay in replays],
        },
        [
            Column("form", "Form"),
            Column("fires", "Fires", "count", "How often it would have begun to fire, over all series."),
            Column("days", "Days", "count", "Days on which it would have."),
            Column("hours", "Hours", "count", "How long it would have fired, over all series."),
            Column("usually", "Usually", help="How long it would have fired, in the median."),
            Column("flaps", "Flaps", "count", "Times a series would have come and gone too often."),
            Column("incidents", "Incidents", "count", "After grouping."),
            Column("messages", "Messages", "count", "To whom its severity's route leads."),
        ],
        key="backtest_forms",
        title="What it would have fired",
        alt="The present form of the rule and the tried one: fires, days, hours, flaps, incidents, messages",
        about=about,
        empty="Nothing was replayed.",
    )
    days = sorted({day for _, replay in replays for day in replay.by_day})
    table(
        {
            "day": days,
            **{form: [replay.by_day.get(day, 0) for day in days] for form, replay in replays},
        },
        [Column("day", "Day", "day"), *(Column(form, form, "count") for form, _ in replays)],
        key="backtest_days_table",
        title="On which days",
        alt="How often each form would have begun to fire, by day",
        about=about,
        empty="It would not have fired at all.",
    )
    notes = [f"{found.steps} hours in {took:.0f} s."]
    if found.polled_since is not None and found.polled_since > found.start:
        notes.append(
            f"Polled since {f.clock(found.polled_since, now)}: earlier hours are taken as known when they "
            "were over, with all that came to them since."
        )
    if found.asleep:
        notes.append(f"{found.asleep} hours are left out: nobody was polling then.")
    st.caption(" ".join(notes))


def _hours(hours: float | None) -> str:
    return "" if hours is None else f"{hours:.0f} h"
