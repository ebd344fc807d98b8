"""Proposals: what somebody wants to change, what it would do to the numbers, and who approved what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import streamlit as st

from metrics import proposals
from metrics.proposals import Proposal
from panels import _effect, _live
from panels import _format as f
from panels._access import actor, logged_in, may, tried
from panels._address import kept
from panels._blocks import head
from panels._slot import Changes, Process, process
from panels._status import Status
from warehouse.access import Permission

PARTS = {"open": "Open", "decided": "Decided", "propose": "Propose a change"}

OTHERS = {
    "rules.yaml": "Rules (rules.yaml)",
    "dashboards.yaml": "Dashboards (dashboards.yaml)",
    "paceline.yaml": "Sources, targets, plans, access (paceline.yaml)",
    "experiments.yaml": "Experiments (experiments.yaml)",
}
"""What can be changed beside metrics; the last two take force when the service starts next."""

_FACES = {
    "open": (Status.none, "Open"),
    "applying": (Status.none, "Being written"),
    "applied": (Status.good, "In force"),
    "rejected": (Status.none, "Rejected"),
    "withdrawn": (Status.none, "Withdrawn"),
}
_SHOWN = 20
"""Decided proposals that a visit lists."""


def _do(act: Callable[[], object], done: str) -> None:
    """Act, and say what came of it."""
    fault = tried(act)
    if fault:
        st.session_state["proposal_fault"] = fault
    else:
        st.toast(done, icon=":material/check:")
    st.rerun()


def card(of: Process, changes: Changes, found: Proposal, now: datetime) -> None:
    """One proposal: what, why, by whom; what it does; and what can be done about it."""
    status, word = _FACES[found.state]
    zone = of.workspace.timezone
    with st.container(border=True, key=f"proposal_{found.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            st.markdown(f"**{f.plain(found.why)}**", width="stretch")
            st.caption(f"Proposal {found.id}", width="content")
        parts = [
            f"`{found.path}`",
            f"by {f.plain(found.author)}",
            f.clock(found.created.astimezone(zone), now),
        ]
        if found.decided is not None:
            decided = f.clock(found.decided.astimezone(zone), now)
            word = "approved" if found.state in ("applied", "applying") else found.state
            parts.append(f"{word} by {f.plain(found.decided_by)} {decided}")
        if found.revision:
            parts.append(f"commit `{found.revision[:10]}`")
        st.caption(" · ".join(parts))
        if found.comment:
            st.markdown(f"> {f.plain(found.comment)}")
        if found.state == "open":
            _effect.show(of, found)
        with st.expander("What changes in the file", expanded=found.state == "open"):
            st.code(found.diff or "Nothing.", language="diff", wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            steps(changes, found)


def steps(changes: Changes, found: Proposal) -> None:
    """What the visitor can do with a proposal."""
    by, number = actor(), found.id
    own = by.name.casefold() == found.author.casefold()
    if found.state == "applied" and may(Permission.PROPOSE):
        if st.button(
            "Propose to revert",
            key=f"revert_{number}",
            icon=":material/undo:",
            help="A proposal of its own, which somebody else approves.",
        ):
            _do(partial(changes.revert, number, by=by), "Proposed: see Open.")
        return
    if found.state != "open":
        return
    if not logged_in():
        st.caption(
            ":material/info: Nobody logs in here, so nobody else can approve: have this change reviewed in "
            "git instead, see docs/change-management.md."
        )
    elif own:
        st.caption(":material/info: You proposed this: somebody else must approve it.")
        if st.button("Withdraw", key=f"withdraw_{number}", icon=":material/undo:", help="Take it back."):
            _do(partial(changes.withdraw, number, by=by), "Withdrawn.")
        return
    elif not may(Permission.DECIDE):
        st.caption(":material/info: An admin decides on this.")
        return
    elif st.button(
        "Approve",
        key=f"approve_{number}",
        icon=":material/check:",
        type="primary",
        help="It is written, committed and in force at once, for everybody.",
    ):
        _do(partial(changes.approve, number, by=by), "Approved: it is in force.")
    with st.popover("Reject", icon=":material/close:", help="It is kept, with your reason."):
        why = st.text_input("Why?", key=f"why_{number}", help="Its author will read it.")
        if st.button("Reject", key=f"reject_{number}", disabled=not why.strip()):
            _do(partial(changes.reject, number, by=by, comment=why), "Rejected.")


def listed(of: Process, changes: Changes, found: list[Proposal], now: datetime, *, decided: bool) -> None:
    """Open proposals, or the newest decided ones."""
    chosen = [one for one in found if (one.state not in ("open", "applying")) is decided]
    if not chosen:
        said = "Nothing was decided yet." if decided else "Nothing waits for a decision."
        st.markdown(f":material/inbox: {said}")
        return
    for one in chosen[:_SHOWN]:
        card(of, changes, one, now)
    if len(chosen) > _SHOWN:
        st.caption(f"and {len(chosen) - _SHOWN} older ones, in `GET /api/proposals`")


def editor(of: Process, changes: Changes) -> None:
    """The form that proposes a change of a file: outside the live part, so that no poll disturbs it."""
    metrics = {
        f"metrics/{name}.sql": f"{metric.title} (metric)"
        for name, metric in sorted(of.metrics().items(), key=lambda one: one[1].title)
    }
    titles = metrics | OTHERS | {"": "A new metric"}
    path = st.selectbox(
        "What shall change?",
        list(titles),
        format_func=lambda one: f.bare(titles[one]),
        help="Metrics by their title, then the workspace's files.",
        **kept("file", list(titles), next(iter(titles))),
    )
    if path == "":
        name = st.text_input(
            "Name of the metric", key="new_metric", placeholder="value_of_a_click", help="Its file's name."
        )
        path, text = f"metrics/{name.strip()}.sql", _TEMPLATE
    else:
        text = changes.text(path) or ""
    if path in metrics:
        st.caption("Version, dates, approval and the line of changes are written for you.")
    elif path in ("paceline.yaml", "experiments.yaml"):
        st.caption(":material/info: This file takes force when the service starts next.")
    with st.form("propose", border=False):
        after = st.text_area(
            "The file as it should be", text, height=340, key=f"text_{path}", help="Whole, header included."
        )
        why = st.text_input(
            "Why?",
            key="propose_why",
            max_chars=proposals.LONGEST_WHY,
            placeholder="Purchases by phone count once",
            help="Whoever approves it reads this; it stands in the metric's history and on the charts.",
        )
        said = "" if logged_in() else st.text_input("Your name", key="propose_name")
        if st.form_submit_button("Propose", icon=":material/rate_review:", type="primary"):
            by = actor(said) if said else actor("")
            fault = tried(partial(changes.propose, path, after, why=why, by=by))
            if fault:
                st.error(f.plain(fault))
            else:
                st.success("Proposed: it is under Open, with what it would do.", icon=":material/check:")


_TEMPLATE = """-- title:    What people call it
-- owner:    who answers for it
-- from:     delivery
-- unit:     count
-- better:   higher
-- limits:   What a reader must know before acting on it.
sum(conversions)
"""


@_live.follow
def panels(part: str) -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    if of.changes is None or part == "propose":
        return
    if fault := st.session_state.pop("proposal_fault", ""):
        st.error(f.plain(fault))
    now = datetime.now(of.workspace.timezone)
    listed(of, of.changes, proposals.read(of.book), now, decided=part == "decided")


running = process()
if running is not None:
    head(running, "Proposals", "What somebody wants to change, and what it would do to the numbers.")
    offered = [part for part in PARTS if part != "propose" or may(Permission.PROPOSE)]
    shown = st.segmented_control(
        "Show",
        offered,
        format_func=PARTS.__getitem__,
        required=True,
        label_visibility="collapsed",
        **kept("part", offered, "open"),
    )
    if running.changes is None:
        st.info("Here, files are changed by hand alone.", icon=":material/info:")
    elif shown == "propose":
        editor(running, running.changes)
    panels(str(shown))
