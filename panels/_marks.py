"""What happened, on any chart of time: a dashed line a mark, and its story when it is pointed at.

layers = [*own_layers, *marks(found, place)]       # place: where on the chart's x a moment stands
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from metrics.annotations import Annotation

__all__ = ["marks"]

Spec = dict[str, Any]

_LOOKS = {
    "change": ("Change", "diamond", "#7C3AED"),
    "note": ("Note", "circle", "#0891B2"),
    "restatement": ("Restatement", "triangle-down", "#64748B"),
    "incident": ("Incident", "triangle-up", "#B45309"),
}
"""Name, shape and colour of each kind: none of them green, yellow or red, which are states."""


def marks(found: Sequence[Annotation], place: Callable[[datetime], Any], zone: tzinfo, x: Spec) -> list[Spec]:
    """The layers that draw `found` over a chart; [] where there is nothing to mark.

    place: where on the chart's x axis a moment stands. zone: where clocks in the tooltips are told. x: the
    chart's own x encoding: layers share one axis, and what one says of it must not be undone by another.
    """
    if not found:
        return []
    kinds = [kind for kind in _LOOKS if any(a.kind == kind for a in found)]
    values = [
        {
            x["field"]: place(a.at),
            "kind": _LOOKS[a.kind][0],
            "what": a.label,
            "who": a.who or "—",
            "when": f"{a.at.astimezone(zone):%a %-d %b %H:%M}",
        }
        for a in found
    ]
    looks = [_LOOKS[kind] for kind in kinds]
    named = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "top", "symbolStrokeWidth": 0, "symbolSize": 80},
    }
    tooltip = [
        {"field": "when", "type": "nominal", "title": "When"},
        {"field": "what", "type": "nominal", "title": "What"},
        {"field": "who", "type": "nominal", "title": "Who"},
    ]
    domain = [name for name, *_ in looks]
    color = {**named, "scale": {"domain": domain, "range": [colour for *_, colour in looks]}}
    shape = {**named, "scale": {"domain": domain, "range": [shape for _, shape, _ in looks]}}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeDash": [3, 3], "strokeWidth": 1, "opacity": 0.7},
            "encoding": {"x": x, "color": {**color, "legend": None}, "tooltip": tooltip},
        },
        {
            "data": {"values": values},
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
            "encoding": {"x": x, "y": {"value": 6}, "color": color, "shape": shape, "tooltip": tooltip},
        },
    ]
