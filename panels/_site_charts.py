"""Charts of the website: Vega-Lite specifications, plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from metrics.site import Hour, Minute
from metrics.site_funnel import Step
from panels._look import BEFORE, NOW, SHORT

__all__ = ["active", "availability", "funnel"]

Spec = dict[str, Any]

_BARS, _RED = "#93B4F5", "#DC2626"


def availability(hours: Sequence[Hour], zone: ZoneInfo) -> Spec:
    """The share of looks that found a working page, and the 95th percentile of the time, by the hour."""
    values = [
        {
            "at": f"{h.at.astimezone(zone):%H:%M}",
            "works": h.availability,
            "p95": h.p95,
        }
        for h in hours
    ]
    labels = [v["at"] for v in values]
    every = max(len(labels) // 8, 1)
    x = {
        "field": "at",
        "type": "ordinal",
        "sort": None,
        "title": None,
        "axis": {"values": labels[::every], "labelAngle": 0, "grid": False},
    }
    tooltip = [
        {"field": "at", "type": "ordinal", "title": "Hour"},
        {"field": "works", "type": "quantitative", "title": "Worked", "format": ".1%"},
        {"field": "p95", "type": "quantitative", "title": "95 % came within, s", "format": ".2f"},
    ]
    return {
        "height": 220,
        "data": {"values": values},
        "encoding": {"x": x, "tooltip": tooltip},
        "layer": [
            {
                "mark": {"type": "bar", "color": _BARS, "cornerRadiusEnd": 2},
                "encoding": {
                    "y": {
                        "field": "works",
                        "type": "quantitative",
                        "title": "Worked",
                        "scale": {"domain": [0, 1]},
                        "axis": {"format": ".0%", "tickCount": 4},
                    }
                },
            },
            {
                "mark": {"type": "line", "color": NOW, "strokeWidth": 2, "point": len(values) < 40},
                "encoding": {
                    "y": {
                        "field": "p95",
                        "type": "quantitative",
                        "title": "95th percentile, s",
                        "scale": {"zero": True},
                        "axis": {"tickCount": 4, "grid": False},
                    }
                },
            },
        ],
        "resolve": {"scale": {"y": "independent"}},
    }


def active(minutes: Sequence[Minute], zone: ZoneInfo) -> Spec:
    """Users by minute, as bars: each is a count of its own."""
    values = [{"at": f"{m.at.astimezone(zone):%H:%M}", "users": m.users} for m in minutes]
    labels = [v["at"] for v in values]
    return {
        "height": 220,
        "data": {"values": values},
        "mark": {"type": "bar", "color": NOW},
        "encoding": {
            "x": {
                "field": "at",
                "type": "ordinal",
                "sort": None,
                "title": None,
                "axis": {"values": labels[:: max(len(labels) // 6, 1)], "labelAngle": 0, "grid": False},
            },
            "y": {"field": "users", "type": "quantitative", "title": None, "axis": {"tickCount": 4}},
            "tooltip": [
                {"field": "at", "type": "ordinal", "title": "Minute"},
                {"field": "users", "type": "quantitative", "title": "Active users"},
            ],
        },
    }


def funnel(steps: Sequence[tuple[str, Step]]) -> Spec:
    """How often each step was reached, with the share that went on; a tick where the usual would be."""
    values = []
    for title, step in steps:
        said = f"{step.reached:,.0f}"
        if step.kept is not None:
            said += f" · {step.kept:.0%} go on"
        values.append(
            {
                "step": title,
                "reached": step.reached,
                "broken": step.breaks,
                "said": said,
                "usual": step.expected,
                "words_at": max(step.reached, step.expected or 0),
            }
        )
    y = {
        "field": "step",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 150, "ticks": False, "domain": False},
    }
    longest = max((max(s.reached, s.expected or 0) for _, s in steps), default=0)
    x = {
        "type": "quantitative",
        "title": None,
        "axis": {**SHORT, "tickCount": 4},
        "scale": {"domain": [0, 1.4 * max(longest, 1)]},  # room for the words behind the longest bar
    }
    tooltip = [
        {"field": "step", "type": "nominal", "title": "Step"},
        {"field": "said", "type": "nominal", "title": "Reached"},
        {"field": "usual", "type": "quantitative", "title": "Usual", "format": ",.0f"},
    ]
    return {
        "height": 40 * len(values) + 30,
        "data": {"values": values},
        "encoding": {"y": y, "tooltip": tooltip},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.62}},
                "encoding": {
                    "x": {**x, "field": "reached"},
                    "color": {"condition": {"test": "datum.broken", "value": _RED}, "value": _BARS},
                },
            },
            {
                "mark": {"type": "tick", "thickness": 3, "size": 20, "color": BEFORE},
                "encoding": {"x": {**x, "field": "usual"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "color": BEFORE},
                "encoding": {
                    "x": {**x, "field": "words_at"},
                    "text": {"field": "said", "type": "nominal"},
                },
            },
        ],
    }
