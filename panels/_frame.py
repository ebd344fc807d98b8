"""The app's frame: theme, navigation, and what every page needs before it can show a number."""

from __future__ import annotations

import streamlit as st
from streamlit.material_icon_names import ALL_MATERIAL_ICONS
from streamlit.navigation.page import Page

from metrics.dashboards import Dashboard, shipped
from panels import _access, _live, _look, _pages, _saved, _seen, _wall
from panels._slot import process

__all__ = ["show"]


def show() -> None:
    """The page that the address names, in its frame; whom it is not open to is told whom to ask."""
    st.set_page_config(page_title="Paceline", page_icon="📈", layout="wide")
    wall = _wall.on()
    _look.apply()
    if wall:
        _wall.frame()
    of = process()
    pages: dict[str, list[Page]] = {}
    there = [one for one in (shipped() if of is None else of.dashboards()) if _pages.there(of, one)]
    for number, dashboard in enumerate(there):
        pages.setdefault(dashboard.section, []).append(_page(dashboard, first=number == 0))
    inside = of is not None and _access.enter(of)
    page = st.navigation(pages, position="hidden" if wall or not inside else "top")
    if of is None:
        starting = "Paceline is starting. This page opens by itself in a moment."
        st.info(starting, icon=":material/hourglass_top:")
        _live.wait()
        return
    if not inside:
        return
    if not wall:
        _access.who(of)
        _saved.popover({p.url_path: p for listed in pages.values() for p in listed}, page.url_path)
    if _access.visible(of, page.url_path):
        st.session_state["page_entered"] = page.url_path
        if not wall:
            _seen.page(of, page.url_path)
        page.run()
    else:
        _access.refused(of, page)
    if wall:
        _wall.turn(page.url_path)


def _page(one: Dashboard, *, first: bool) -> Page:
    """A page, listed only for whom it is open; who comes by its address is told whom to ask."""
    of = process()
    icon = one.icon if one.icon in ALL_MATERIAL_ICONS else "dashboard"
    return st.Page(
        _pages.file(of, one),
        title=one.title,
        icon=f":material/{icon}:",
        url_path=None if first else one.id,
        default=first,
        visibility="visible" if of is None or _access.visible(of, one.id) else "hidden",
        help=one.purpose,
    )
