"""What the theme cannot say: states that are drawn, and what a small screen leaves out.

Selectors are keys of containers (`st-key-…`) and test ids, which Streamlit keeps from version to version.
"""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

__all__ = ["BEFORE", "NOW", "SHORT", "apply", "chart"]

NOW, BEFORE = "#2563EB", "#64748B"
"""What is, and what it is compared with, in every series."""

SHORT: Final[dict[str, Any]] = {"format": "~s", "labelExpr": "datum.value ? datum.label : '0'"}
"""Large numbers on an axis: 5k, 10k. All share a unit there, so that nothing would be 0k."""

_DARK: Final = {NOW: "#7AB2FF", BEFORE: "#9FB0C6"}
"""The same on the dark theme: [theme.dark] in .streamlit/config.toml has the same colours."""

_STYLE = """<style>
/* Too old to judge: the number is there, and says nothing. */
[class*="st-key-stale_card_"] :is([data-testid=stMetricValue], [data-testid=stMetricChart]) { opacity: .55 }
/* Provisional: hatched. */
[class*="st-key-provisional_card_"] [data-testid=stMetricValue] > div {
  width: fit-content; padding-right: .35em; border-radius: 4px;
  background-image: repeating-linear-gradient(135deg,
    color-mix(in srgb, currentColor 13%, transparent) 0 2px, transparent 2px 7px)
}
/* A card's foot: a line of words, its state, its two questions. The second is an icon, its word for ears; so
it is beside a title and a small figure. Cards are of one height, with and without their questions. */
[class*="st-key-note_"] p { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
[class*="st-key-foot_"] { flex-wrap: nowrap; min-height: 2.4rem }
:is([class*="st-key-foot_"], [class*="st-key-title_"], [class*="st-key-small_"]) [class*="st-key-info_"] p {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)
}
/* A sparkline's marks for the pointer are pictures without a name as long as nothing is in them. */
[data-testid=stMetricChart] g[role=graphics-symbol]:empty { display: none }
/* A headline is read to its end. */
.st-key-attention [data-testid=stPageLink] * { white-space: normal; line-height: 1.35 }
.st-key-attention [data-testid=stPageLink] a { padding-left: 0 }
/* A replay cannot be taken for the present. */
.st-key-replay_banner {
  padding: .6rem 1rem; border-radius: 8px; border: 2px solid #7C3AED;
  background: repeating-linear-gradient(135deg, #7C3AED22 0 12px, #7C3AED11 12px 24px)
}
/* The listener for new data takes no room; a redraw fades what it replaces only where it is slow. */
.st-key-live { position: absolute }
[data-testid=stElementContainer][data-stale=true] { transition-delay: 3s }
/* What is being read for the first time holds its place. */
[data-testid=stSpinner] {
  min-height: 240px; padding: 1rem; border-radius: 8px;
  background: color-mix(in srgb, currentColor 4%, transparent)
}
/* A phone shows the top line: what is dense is for a desk. */
@media (max-width: 640px) {
  .st-key-desk, .st-key-bars, .st-key-plan, .st-key-pick_vs, .st-key-pick_replay { display: none }
  .st-key-controls [role=radiogroup] { flex-wrap: wrap; row-gap: .25rem }
}
</style>"""


def chart(spec: dict[str, Any], **options: Any) -> Any:
    """Draw a Vega-Lite specification in the reader's theme; options as `st.vega_lite_chart`'s."""
    return st.vega_lite_chart(_dyed(spec) if st.context.theme.type == "dark" else spec, **options)


def _dyed(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: value if name == "values" else _dyed(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_dyed(value) for value in part]
    return _DARK.get(part, part) if isinstance(part, str) else part


def apply() -> None:
    """Put it into the page."""
    st.html(_STYLE)
