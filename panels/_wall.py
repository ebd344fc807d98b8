"""The wall: large, without navigation or tables, turning from page to page by itself.

`/?mode=wall&embed=true&embed_options=dark_theme` opens it in the dark theme; docs/get-started.md says so too.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Literal

import streamlit as st

if TYPE_CHECKING:
    from streamlit.elements.lib.grid_container import GridContainer

__all__ = ["ADDRESS", "cards", "frame", "on", "turn"]

ADDRESS = "/?mode=wall&embed=true&embed_options=dark_theme"
EVERY = 20
"""Seconds that a page stays."""

CARD_HEIGHT = 470
"""Pixels: cards stand side by side, and none is shorter for want of a second line."""

PAGES = {"": "overview.py", "acquisition": "acquisition.py", "revenue": "revenue.py", "pacing": "pacing.py"}
"""By path."""

_STYLE = """<style>
html { font-size: 22px }
[data-testid=stMetricValue] { font-size: 3.2rem }
[class*="st-key-note_"] p { white-space: normal }
.st-key-desk, .st-key-bars, .st-key-controls, [class*=st-key-why_], [class*=st-key-info_] { display: none }
</style>"""


def on() -> bool:
    """Whether this visitor is a wall."""
    return st.query_params.get("mode") == "wall"


def cards() -> GridContainer:
    """Room for a row of cards."""
    height: int | Literal["content"] = CARD_HEIGHT if on() else "content"
    return st.grid(4, min_column_width=220, gap="small", row_height=height)


def frame() -> None:
    """What makes a page a wall's."""
    st.html(_STYLE)


@st.fragment(run_every=EVERY)
def turn(path: str) -> None:
    """Go on to the next page once this one has had its time. path: this page's."""
    since = st.session_state.setdefault("wall_since", monotonic())
    if monotonic() - since < EVERY - 1:
        return
    st.session_state.wall_since = monotonic()
    paths = list(PAGES)
    following = paths[(paths.index(path) + 1) % len(paths)] if path in PAGES else paths[0]
    kept = {name: value for name, value in st.query_params.items() if name in ("scope", "mode")}
    st.switch_page(PAGES[following], query_params=kept)
