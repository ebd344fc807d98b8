"""Who looks at the app, and what they may; each act asks again below the page (warehouse.access.allow)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

from panels import _format as f
from panels import _pages
from panels._slot import Process, process
from warehouse.access import LOCAL, Actor, Denied, Permission, local
from warehouse.audit import Audit

__all__ = ["actor", "enter", "logged_in", "may", "open_still", "refused", "tried", "visible", "who"]

STYLE = (
    "<style>.st-key-account { position: fixed; top: 0.6rem; right: 7.2rem; width: auto; z-index: 999991; }"
    "@media (max-width: 640px) { .st-key-account { display: none } }</style>"
)
"""In the bar of the navigation, beside the saved views."""

_ROLES = {
    None: "no role",
    "viewer": "viewer: you may look at everything that is open to you",
    "editor": "editor: you may act on alerts, write notes, save views and propose changes",
    "admin": "admin: you may also decide on proposals and operate the service",
}


def logged_in() -> bool:
    """Whether a login says who looks; else whoever is at the machine says it where it matters."""
    of = process()
    return of is not None and bool(of.providers)


def actor(said: str = LOCAL) -> Actor:
    """Who looks. said: the name that they gave, where nobody logs in."""
    of = process()
    assert of is not None
    if not of.providers:
        return local(said)
    if not st.user.get("is_logged_in"):
        return Actor("somebody who has not logged in", None)
    return of.access.actor(st.user.to_dict())


def may(permission: Permission) -> bool:
    """Whether a page should offer what needs this permission."""
    return actor().may(permission)


def tried(act: Callable[[], object]) -> str:
    """Act, and say what was wrong: "" where nothing was."""
    try:
        act()
    except (Denied, ValueError) as fault:
        text = str(fault)
        first = text.partition(" ")[0]
        # A fault that begins with its file's name keeps it as it is.
        return text if "." in first else f"{text[:1].upper()}{text[1:]}."
    return ""


def enter(of: Process) -> bool:
    """Whether the visitor may come in at all; else a page that says how, or whom to ask."""
    if not of.providers:
        return True
    if not st.user.get("is_logged_in"):
        _log_in(of)
        return False
    if not may(Permission.LOOK):
        _stopped(
            of,
            "You have no part in this yet",
            f"You are logged in as {f.plain(actor().name)}, who has no role here.",
        )
        return False
    return True


def visible(of: Process, path: str) -> bool:
    """Whether a page is open to the visitor."""
    return _pages.shown(of, path).open_to.admits(actor())


def open_still(of: Process) -> bool:
    """Whether the page that the frame let the visitor into is open yet; for what is drawn without it."""
    path = st.session_state.get("page_entered")
    return path is None or visible(of, path)


def refused(of: Process, page: Page) -> None:
    """The page that stands where one is not open to the visitor; the log hears of it once a session."""
    key = f"refused_{page.url_path}"
    if key not in st.session_state:
        st.session_state[key] = True
        by, now = actor(), datetime.now(UTC)
        Audit(of.book).record(by.name, "was refused", f"dashboard {page.url_path}", now=now)
    _stopped(of, f"{page.title} is not open to you", "It is shared with some people only.")


def who(of: Process) -> None:
    """In the bar: who looks, as what, and the way out."""
    st.html(STYLE)
    by = actor()
    label = by.name.partition("@")[0] if of.providers else "Local"
    with (
        st.container(key="account"),
        st.popover(
            f.bare(label), icon=":material/account_circle:", type="tertiary", help="Who you are to Paceline"
        ),
    ):
        if not of.providers:
            st.markdown("**Nobody has to log in**")
            st.caption(
                "Whoever reaches this address is an admin, and proposals cannot be approved here: nobody can "
                "be told from anybody else. docs/access.md says how to set up a login."
            )
            return
        st.markdown(f"**{f.plain(by.name)}**")
        st.caption(_ROLES[by.role])
        st.button("Log out", icon=":material/logout:", on_click=st.logout, width="stretch")


def _middle() -> DeltaGenerator:
    """The page's middle, a little down."""
    st.space("large")
    return st.container(horizontal_alignment="center")


def _log_in(of: Process) -> None:
    with _middle(), st.container(border=True, width=420, key="log_in"):
        st.subheader(f.plain(of.workspace.name), anchor=False)
        st.caption("Log in to see the numbers.")
        for name in of.providers:
            st.button(
                f"Log in with {f.bare(name.replace('_', ' ').title())}" if name else "Log in",
                key=f"log_in_{name}",
                type="primary",
                icon=":material/login:",
                width="stretch",
                on_click=partial(st.login, name) if name else st.login,
            )


def _stopped(of: Process, title: str, text: str) -> None:
    with _middle(), st.container(border=True, width=560, key="refused"):
        st.subheader(f":material/lock: {title}", anchor=False)
        st.markdown(f"{text} Ask {f.plain(of.access.whom_to_ask())} to open it to you.")
        st.button("Log out", icon=":material/logout:", on_click=st.logout)
