"""An incident to find in the sandbox: begun at random, looked for on the pages, answered, explained."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Final

import streamlit as st

from metrics import windows
from metrics.practice import KINDS, Practised
from panels import _format as f
from panels._access import actor, may, tried
from panels._slot import Practice, Process
from panels._status import Status
from warehouse.access import Permission

__all__ = ["practice"]

HINTS: Final = (
    (
        "Begin at the Overview, and choose one account after the other at the top: which figures turned "
        "amber or red, money, clicks or conversions?"
    ),
    "In the account, look at its campaigns: is it one, or all? **Why?** on a card divides what moved.",
    (
        "What did not move tells as much. Spend up: more clicks, or dearer ones? Conversions gone: do the "
        "pages that the ads lead to answer? Website knows."
    ),
)
PAGES: Final = (
    ("overview.py", "Overview", "space_dashboard"),
    ("campaign.py", "Campaigns", "campaign"),
    ("website.py", "Website", "language"),
)


def practice(of: Process, now: datetime) -> None:
    """The walk on live numbers."""
    desk = of.practice
    assert desk is not None
    held = desk.current()
    if held is None:
        _offer(desk)
    else:
        _search(of, desk, held, now)
    if fault := st.session_state.pop("practice_fault", ""):
        st.error(f.plain(fault))


def _offer(desk: Practice) -> None:
    """Before one is begun: what the last one was, and the next."""
    if told := st.session_state.get("practice_over"):
        st.success(told, title="It was this", icon=Status.good.value.icon)
    st.markdown(
        "**An incident of your own.** Something goes wrong in one account of the sandbox, at random, where "
        "nothing else is wrong; it began up to four hours ago. The sources are asked at once, so its figures "
        "are here within a minute. Nothing but the numbers knows what it is: find the account and the cause "
        "before the alert tells you."
    )
    if may(Permission.ALERTS):
        st.button(
            "Start an incident",
            type="primary",
            icon=":material/play_arrow:",
            key="practice_begin",
            on_click=_act,
            args=(partial(desk.begin, by=actor()), ""),
        )
    else:
        st.caption("An editor or an admin starts one.")


def _search(of: Process, desk: Practice, held: Practised, now: datetime) -> None:
    """While one is under way."""
    zone = of.workspace.timezone
    begun = f.clock(held.begun.astimezone(zone), now)
    polled = [
        mark.polled_at
        for mark in of.warehouse.watermarks()
        if (mark.source, mark.account, mark.stream) == (held.source, held.account, "delivery")
    ]
    arrived = any(at is not None and at >= held.begun for at in polled)
    state = (
        "its figures are on the pages"
        if arrived
        else "the sources are being asked: a minute until its figures are here"
    )
    st.markdown(
        f"**Something has gone wrong in one account within the last few hours. In which, and what?**  \n"
        f":gray[Started {begun}; {state}.]"
    )
    with st.container(horizontal=True):
        for page, title, icon in PAGES:
            st.page_link(page, label=title, icon=f":material/{icon}:", width="content")
    shown = st.session_state.setdefault("practice_hints", 0)
    for number, hint in enumerate(HINTS[:shown], 1):
        st.info(hint, title=f"Hint {number}", icon=":material/lightbulb:")
    accounts = windows.accounts(of.warehouse)
    with st.form("practice_answer", border=False):
        where = st.selectbox(
            "In which account?",
            list(accounts),
            format_func=lambda key: (
                f"{f.bare(accounts[key].name)} ({of.workspace.sources.get(key[0], key[0])})"
            ),
            index=None,
            placeholder="Choose one",
            key="practice_where",
        )
        what = st.radio(
            "What is it?",
            list(KINDS),
            format_func=lambda kind: KINDS[kind].title,
            index=None,
            key="practice_what",
        )
        asked = st.form_submit_button("Check", icon=":material/check:", type="primary")
    if asked and (where is None or what is None):
        st.info("Say both: in which account, and what it is.", icon=":material/info:")
    elif asked and where and what:
        st.session_state["practice_said"] = (held.id, *held.judge(where, what))
    number, right, said = st.session_state.get("practice_said", (None, False, ""))
    if number != held.id:
        right, said = False, ""
    if right:
        minutes = max(round((datetime.now(UTC) - held.begun).total_seconds() / 60), 1)
        st.success(said, title=f"Found, after {minutes} min", icon=Status.good.value.icon)
    elif said:
        st.warning(said, title="Not this", icon=Status.watch.value.icon)
    with st.container(horizontal=True, vertical_alignment="center"):
        if shown < len(HINTS) and not right:
            st.button("A hint", icon=":material/lightbulb:", key="practice_hint", on_click=_hint)
        if may(Permission.ALERTS):
            name = f.plain(accounts[held.source, held.account].name)
            told = f"{KINDS[held.kind].title}: {name}. {held.explanation}"
            st.button(
                "End the incident" if right else "Give up, and end it",
                icon=":material/stop:" if right else ":material/flag:",
                type="primary" if right else "tertiary",
                key="practice_end",
                help="The numbers go on as if it were mended.",
                on_click=_act,
                args=(partial(desk.end, by=actor()), told),
            )
        if right:
            st.page_link("alerts.py", label="Where it is told", icon=":material/notifications:")


def _hint() -> None:
    st.session_state["practice_hints"] += 1


def _act(act: partial[None], told: str) -> None:
    """Begin or end; a new start has no hints and no answer."""
    said = st.session_state
    said["practice_fault"] = tried(act)
    if said["practice_fault"]:
        return
    said["practice_over"], said["practice_hints"] = told, 0
    for key in ("practice_said", "practice_where", "practice_what"):
        said.pop(key, None)
