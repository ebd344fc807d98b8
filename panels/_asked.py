"""A click that survives a redraw.

A poll may redraw a page's numbers in the very moment of a click: that run then takes the click's place, and
a button is true in one run only. A callback is called all the same; what it writes down waits for the next
draw.

    st.button("Why?", key=name, on_click=ask, args=(name,))
    if asked(name):
        ...
"""

from __future__ import annotations

import streamlit as st

__all__ = ["ask", "asked"]


def ask(name: str) -> None:
    """Write a click down."""
    st.session_state["asked"] = name


def asked(name: str) -> bool:
    """Whether this was clicked and not answered yet; true once."""
    if st.session_state.get("asked") != name:
        return False
    del st.session_state["asked"]
    return True
