"""An incident as a card: what it is, and what somebody can do about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from alerts.engine import Engine, Refused
from alerts.incident import Incident
from alerts.notify.contract import LONGEST_NOTE, SNOOZES
from alerts.state import Instance
from connectors.contract import Account
from panels import _access, _incident
from panels import _format as f
from panels._slot import Process
from warehouse.access import Denied, Permission

__all__ = ["act", "card"]


def card(
    engine: Engine,
    of: Process,
    incident: Incident,
    members: list[Instance],
    *,
    money: str,
    account: Account | None,
    now: datetime,
    open_: bool,
) -> None:
    """One incident: what, how much, since when, whose; and what can be done about it."""
    status, word = _incident.FACES[incident.group.severity]
    with st.container(border=True, key=f"incident_{incident.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            st.markdown(f"**{f.plain(_incident.headline(engine, incident))}**", width="stretch")
            if money:
                st.markdown(f"**{f.plain(money)}** an hour", width="content")
        parts = [
            _incident.since(incident, members, now),
            f.plain(account.name if account else incident.group.site),
            of.workspace.sources.get(incident.group.source, ""),
            f"owner {f.plain(incident.group.owner)}",
        ]
        rows = engine.records.timeline(incident.id)
        to = next((str(row["detail"]["text"]) for row in reversed(rows) if row["what"] == "assigned"), "")
        parts += [f"assigned to **{f.plain(to)}**"] if to else []
        held = incident.acknowledged
        if incident.closed is None:
            parts.append(f"in hand: **{f.plain(held.by)}**" if held else "in nobody's hand")
        st.caption(" · ".join(part for part in parts if part))
        _incident.members(of, members)
        if _access.may(Permission.ALERTS):
            with st.container(horizontal=True, vertical_alignment="center"):
                acts(engine, incident)
        with st.expander("Explanation and timeline", icon=":material/timeline:", expanded=open_):
            _incident.explanation(engine, incident)
            _incident.timeline(rows, of, now)


def acts(engine: Engine, incident: Incident) -> None:
    """Take it, snooze it, give it to somebody; say whether it was worth it, and what came of it."""
    number = incident.id
    if incident.closed is None:
        _take(engine, incident)
    for what, label, icon in (
        ("useful", "Useful", ":material/thumb_up:"),
        ("noise", "Noise", ":material/thumb_down:"),
    ):
        if st.button(
            label,
            key=f"{what}_{number}",
            icon=icon,
            type="tertiary",
            help="Votes are what a rule's review goes by.",
        ):
            act(partial(engine.note, number, what, text=""), "Thank you: the rule's review will count it.")
    with st.popover(
        "Note", icon=":material/edit_note:", help="What you found or did; the timeline keeps it."
    ):
        text = st.text_area(
            "Note", key=f"text_{number}", max_chars=LONGEST_NOTE, label_visibility="collapsed"
        )
        if st.button("Add", key=f"note_{number}", disabled=not text.strip()):
            act(partial(engine.note, number, "note", text=text), "Noted.")


def _take(engine: Engine, incident: Incident) -> None:
    """Acknowledge, snooze, assign."""
    number = incident.id
    if incident.acknowledged is None and st.button(
        "Acknowledge",
        key=f"ack_{number}",
        icon=":material/front_hand:",
        type="primary",
        help="You have it in hand: no repeats and no escalation for 24 hours, or until there is news.",
    ):
        act(partial(engine.acknowledge, number), "It is in your hand.")
    with st.popover("Snooze", icon=":material/snooze:", help="Hear nothing of these alerts for a while."):
        reason = st.text_input(
            "Why?", key=f"why_{number}", placeholder="Planned sale", help="Others will read it."
        )
        length = st.selectbox("How long?", list(SNOOZES), key=f"long_{number}", help="At most seven days.")
        if st.button("Snooze", key=f"snooze_{number}", type="primary"):
            until = datetime.now(UTC) + SNOOZES[length]
            act(partial(engine.snooze, number, reason=reason, until=until), "Snoozed.")
    people = [one.name for one in engine.routing.people]
    if not people:
        return
    with st.popover(
        "Assign", icon=":material/person_add:", help="Say who sees to it; the timeline keeps it."
    ):
        to = st.selectbox("To whom?", people, key=f"to_{number}", help="The people of `alerts.people`.")
        if st.button("Assign", key=f"assign_{number}", type="primary"):
            act(partial(engine.assign, number, to), f"{to} sees to it now.")


def act(done_by: Callable[..., object], done: str) -> None:
    """Act in the reader's name (`by`) and now, and say what came of it."""
    by = _access.actor(str(st.session_state.get("who", "")))
    if not by.name:
        st.toast(
            "Say who you are first: the name is asked at the top of this page.", icon=":material/person:"
        )
        return
    try:
        done_by(by=by, now=datetime.now(UTC))
    except (Refused, Denied) as refused:
        st.toast(f.plain(str(refused)), icon=":material/error:")
        return
    st.toast(done, icon=":material/check:")
    st.rerun()
