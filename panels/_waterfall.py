"""From what a figure was to what it is, effect by effect, as a Vega-Lite specification."""

from __future__ import annotations

from typing import Any

from metrics.explanation import Explanation
from panels import _format as f

__all__ = ["waterfall"]

Spec = dict[str, Any]

_TONES = {
    "light": {"better": "#00938A", "worse": "#BE123C", "whole": "#64748B", "text": "#0F172A"},
    "dark": {"better": "#2DD4BF", "worse": "#FB6F84", "whole": "#9FB0C6", "text": "#E6EDF7"},
}
"""The colours of the states good and act, which is what an effect is; where neither is better, blue."""

_NEUTRAL = {"light": "#2563EB", "dark": "#3B82F6"}


def waterfall(found: Explanation, *, theme: str = "light") -> Spec:
    """Before, each factor's effect, now; the bars hang together, and what they add is written beside them.

    theme: light or dark. For an explanation whose two values are defined and which has effects.
    """
    assert found.before is not None
    assert found.now is not None
    rows: list[Spec] = [_row("Before", 0.0, found.before, "whole", found.shown(found.before))]
    at = found.before
    for effect in found.effects:
        better = {"higher": effect.amount > 0, "lower": effect.amount < 0}.get(found.metric.better)
        kind = "neutral" if better is None else "better" if better else "worse"
        told = ("+" if effect.amount > 0 else "") + found.shown(effect.amount)
        name = effect.name[:1].upper() + effect.name[1:]
        much = f"{name} {f.change(effect.relative)}" if effect.relative is not None else name
        rows.append(_row(much, at, at + effect.amount, kind, told))
        at += effect.amount
    rows.append(_row("Now", 0.0, found.now, "whole", found.shown(found.now)))
    tones = {**_TONES[theme], "neutral": _NEUTRAL[theme]}
    y = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 230, "ticks": False, "domain": False},
    }
    low = min(0.0, *(min(r["from"], r["to"]) for r in rows))
    high = max(max(r["from"], r["to"]) for r in rows)
    x = {
        "type": "quantitative",
        "title": None,
        "axis": None,
        # Room for the last label.
        "scale": {"domain": [low, low + (high - low) * 1.16 or 1.0], "nice": False},
    }
    color = {
        "field": "kind",
        "type": "nominal",
        "legend": None,
        "scale": {
            "domain": ["whole", "better", "worse", "neutral"],
            "range": [tones[kind] for kind in ("whole", "better", "worse", "neutral")],
        },
    }
    return {
        "height": 34 * len(rows),
        "data": {"values": rows},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.62}, "cornerRadius": 2},
                "encoding": {
                    "x": {**x, "field": "from"},
                    "x2": {"field": "to"},
                    "color": color,
                    "tooltip": [
                        {"field": "name", "type": "nominal", "title": "Factor"},
                        {"field": "told", "type": "nominal", "title": "Adds"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "fontWeight": 600, "color": tones["text"]},
                "encoding": {
                    "x": {**x, "field": "right"},
                    "text": {"field": "told", "type": "nominal"},
                },
            },
        ],
    }


def _row(name: str, start: float, end: float, kind: str, told: str) -> Spec:
    return {"name": name, "from": start, "to": end, "right": max(start, end), "kind": kind, "told": told}
