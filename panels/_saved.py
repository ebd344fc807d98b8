"""The team's saved views, on every page: open one, name the present one, pass on its link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page

from metrics import saved_views
from metrics.saved_views import SavedView
from panels import _format as f
from panels._access import actor, logged_in, may, tried
from panels._drill import KEYS
from panels._slot import Process, process
from warehouse.access import Permission

__all__ = ["popover"]

STYLE = (
    "<style>.st-key-saved_views { position: fixed; top: 0.6rem; right: 1rem; width: auto; z-index: 999991; }"
    "@media (max-width: 640px) { .st-key-saved_views { display: none } }</style>"
)
"""In the bar of the navigation, which is Streamlit's own and takes nothing in."""


@st.fragment(key="saved_views_fragment")
def popover(pages: Mapping[str, Page], here: str) -> None:
    """The popover in the bar. pages: every page by its path in the address. here: the present one's."""
    of = process()
    assert of is not None
    st.html(STYLE)
    with (
        st.container(key="saved_views"),
        st.popover("Views", icon=":material/bookmarks:", type="tertiary", help="The team's saved views"),
    ):
        views = saved_views.read(of.book)
        st.markdown("**Saved views**")
        if not views:
            st.caption("None yet. Choose what you look at every day, and give it a name below.")
        for view in views:
            page = pages.get(view.page)
            when = f"{view.created.astimezone(of.workspace.timezone):%-d %b %Y}"
            if page is None:
                st.caption(f"{f.plain(view.name)}: its page is gone")
                continue
            # Not a page link: to the page that is open already, that would leave the address as it is.
            if st.button(
                f.plain(view.name),
                key=f"view_{view.id}",
                type="tertiary",
                icon=":material/bookmark:",
                help=f"Saved by {f.plain(view.owner)} on {when}.",
            ):
                st.switch_page(page, query_params=view.query)
        st.divider()
        save(of, here)
        if views and may(Permission.VIEWS):
            change(of, views)


def present(here: str) -> list[tuple[str, str]]:
    """The query of the page's address, in a fixed order; without what Back left there of the page before."""
    strange = () if here == "campaign" else (*KEYS, "only", "by", "q")
    return [
        (key, value)
        for key in sorted(st.query_params)
        if not key.startswith("embed") and key not in strange
        for value in st.query_params.get_all(key)
    ]


def save(of: Process, here: str) -> None:
    """Name what the page shows now; and its link, to be copied."""
    query = present(here)
    if may(Permission.VIEWS):
        naming(of, here, query)
    if fault := st.session_state.pop("view_fault", ""):
        st.error(f.plain(fault))
    st.caption("Or pass on its link:" if may(Permission.VIEWS) else "The link of what you look at:")
    base = (st.context.url or "").split("?", maxsplit=1)[0]
    st.code(base + (f"?{urlencode(query)}" if query else ""), language=None, wrap_lines=True)


def naming(of: Process, here: str, query: list[tuple[str, str]]) -> None:
    """The form that gives what the page shows a name."""
    with st.form("save_view", border=False):
        st.text_input(
            "Save this view as",
            placeholder="Brand DE, last 7 days",
            max_chars=saved_views.LONGEST,
            key="view_name",
            help="All that is chosen on this page: accounts, window, columns, the campaign you look at.",
        )
        if not logged_in():
            st.text_input(
                "Your name", key="view_owner", max_chars=80, help="So that others know whom to ask."
            )
        st.form_submit_button(
            "Save",
            icon=":material/bookmark_add:",
            help="For the whole team.",
            on_click=_save,
            args=(of, here, query),
        )


def _save(of: Process, here: str, query: list[tuple[str, str]]) -> None:
    state = st.session_state
    by = actor(state.get("view_owner", ""))
    state["view_fault"] = tried(
        partial(
            saved_views.save,
            of.book,
            state["view_name"],
            page=here,
            query=query,
            by=by,
            now=datetime.now(UTC),
        )
    )
    if not state["view_fault"]:
        state["view_name"] = ""


def change(of: Process, views: list[SavedView]) -> None:
    """Rename a view, or delete it."""
    with st.expander("Rename or delete"):
        by_id = {view.id: view for view in views}
        chosen = st.selectbox(
            "View",
            list(by_id),
            format_func=lambda id_: f.bare(by_id[id_].name),
            key="view_changed",
            help="The team's views, whoever saved them.",
        )
        view = by_id[chosen]
        key = f"view_renamed_{view.id}"
        name = st.text_input(
            "New name", view.name, max_chars=saved_views.LONGEST, key=key, help="Its link stays what it is."
        )
        left, right = st.columns(2)
        left.button(
            "Rename",
            key="view_rename",
            disabled=name == view.name,
            width="stretch",
            on_click=_rename,
            args=(of, view, key),
        )
        right.button(
            "Delete",
            key="view_delete",
            icon=":material/delete:",
            width="stretch",
            on_click=_delete,
            args=(of, view),
        )


def _delete(of: Process, view: SavedView) -> None:
    state, now = st.session_state, datetime.now(UTC)
    state["view_fault"] = tried(partial(saved_views.delete, of.book, view, by=actor(), now=now))


def _rename(of: Process, view: SavedView, key: str) -> None:
    state, now = st.session_state, datetime.now(UTC)
    try:
        state["view_fault"] = tried(
            partial(saved_views.rename, of.book, view, state[key], by=actor(), now=now)
        )
    except KeyError:
        state["view_fault"] = "Somebody has deleted this view meanwhile."
