"""The rules that watch: what each looks at, whose it is, how often it fired and what people thought of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from alerts.catalog import next_reviews
from alerts.engine import Engine
from alerts.review import review
from metrics import reviews
from panels import _format as f
from panels._access import may
from panels._drill import open_proposal
from panels._status import Status
from panels._table import About, Column, Pill, table
from warehouse.access import Permission

__all__ = ["table_of"]

_DAYS = 28
_FACES = {"critical": Status.act, "warning": Status.watch, "info": Status.none}


def table_of(engine: Engine, now: datetime) -> None:
    """Every rule with what came of it in the last four weeks; the ones due for review first said."""
    rules = sorted(engine.rules.values(), key=lambda r: (-r.severity.rank, r.id))
    found = review(engine.records, rules, now - timedelta(days=_DAYS), now)
    dates = next_reviews(rules, reviews.latest(engine.records.book))
    due = [rule for rule in rules if dates[rule.id] <= now.date()]
    if due:
        listed = ", ".join(f.plain(rule.title) for rule in due[:3])
        st.markdown(f":material/event_busy: **Due for review:** {listed}{' …' if len(due) > 3 else ''}")
    failing = engine.failing
    for rule in rules:
        if rule.name in failing:
            st.error(
                f"**{f.plain(rule.title)}** ({rule.severity}) cannot be judged, and tells nothing: "
                f"{f.plain(failing[rule.name])}",
                icon=Status.act.value.icon,
            )
    table(
        {
            "title": [rule.title for rule in rules],
            "severity": [Pill(_FACES[str(rule.severity)], str(rule.severity)) for rule in rules],
            "state": [
                Pill(Status.act, "Fails") if rule.name in failing else Pill(Status.good, "Watches")
                for rule in rules
            ],
            "kind": [rule.condition.kind.replace("_", " ") for rule in rules],
            "owner": [rule.owner for rule in rules],
            "fired": [one.fires for one in found],
            "useful": [one.useful for one in found],
            "noise": [one.noise for one in found],
            "review": [dates[rule.id] for rule in rules],
            "runbook": [rule.runbook for rule in rules],
            "id": [rule.id for rule in rules],
        },
        [
            Column("title", "Rule", "text", width="large"),
            Column("severity", "Severity", "state"),
            Column("state", "State", "state", shown=bool(failing), help="Whether it can be judged."),
            Column("kind", "Looks at"),
            Column("owner", "Owner"),
            Column("fired", f"Fired, {_DAYS} d", "count", "How often it began to fire."),
            Column("useful", "Useful", "count", "Votes of those who were told."),
            Column("noise", "Noise", "count", "Votes of those who were told."),
            Column("review", "Review", "day", "When its use is questioned."),
            Column("runbook", "What to do", width="large"),
            Column("id", "Id", shown=False),
        ],
        key="rules",
        title="Rules",
        alt="Rules with severity, owner, how often they fired, votes and review",
        about=About("Rules", f"{_DAYS} days", now, {}),
        empty="No rule is written: see docs/write-a-rule.md.",
        rows=16,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Rules are written in `rules.yaml` of the workspace; docs/write-a-rule.md says how.")
        if may(Permission.PROPOSE) and st.button(
            "Propose a change",
            key="propose_rule",
            type="tertiary",
            icon=":material/rate_review:",
            help="Somebody else approves it; then it watches at once.",
        ):
            open_proposal("rules.yaml")
