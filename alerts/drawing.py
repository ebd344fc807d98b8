"""Pictures for messages: drawn by Vega's renderer in this process, as PNG, without a network.

A drawing is a Vega-Lite specification that holds its own data.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["BLUE", "SOFT", "framed", "png", "warm"]

_SCALE: Final = 2
_FONT: Final = "sans-serif"
"""The renderer leaves out text in a font that it does not find, and this one it always does."""
_INK, SOFT, BLUE, _GRID = "#0F172A", "#64748B", "#2563EB", "#E2E8F0"
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"


def png(drawing: dict[str, Any]) -> bytes:
    """The drawing as a picture."""
    import vl_convert  # noqa: PLC0415  # a renderer of some 60 MB, for those who draw

    made: bytes = vl_convert.vegalite_to_png(drawing, vl_version="5.20", scale=_SCALE)
    return made


def warm() -> None:
    """Draw something small: the renderer's first picture takes seconds, each later one a fraction."""
    png({"$schema": _SCHEMA, "data": {"values": [{}]}, "mark": "point"})


def framed(title: str, drawing: dict[str, Any]) -> dict[str, Any]:
    """A drawing with its title, in the size and look of all of them."""
    return {
        "$schema": _SCHEMA,
        "width": 592,
        "height": 230,
        "background": "#FFFFFF",
        "padding": {"left": 12, "right": 16, "top": 12, "bottom": 8},
        "title": {
            "text": title, "anchor": "start", "fontSize": 15, "fontWeight": 600, "color": _INK, "offset": 12,
        },
        **drawing,
        "config": {
            "font": _FONT,
            "view": {"stroke": None},
            "axis": {
                "labelColor": SOFT, "labelFontSize": 12, "domain": False, "ticks": False, "gridColor": _GRID,
                "tickCount": 4, "labelPadding": 8, "format": "~s",
            },
        },
    }  # fmt: skip
