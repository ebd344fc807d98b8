"""Charts as Vega-Lite specifications: plain data, drawn by the browser; colours come from the theme."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from metrics.pacing import Pace
from panels._overview import CampaignLine

__all__ = ["axis", "spend_against_plan", "spend_by_campaign"]

Spec = dict[str, Any]

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def axis(currency: str) -> Spec:
    """Money on an axis: the unit stands once, in the axis' title."""
    return {"title": _SIGNS.get(currency, currency), "titleAngle": 0, "titleAlign": "left", "format": "~s"}


def _cone(pace: Pace, hour: int) -> list[Spec]:
    """From what is spent to where the day will end, along the day's usual shape."""
    now, plan = pace.actual[hour], pace.planned
    left = max(plan[24] - plan[hour], 1e-9)
    out = []
    for at in range(hour, 25):
        part = (plan[at] - plan[hour]) / left
        ends = {"low": pace.low, "mid": pace.mid, "high": pace.high}
        out.append({"hour": at, **{name: now + (end - now) * part for name, end in ends.items()}})
    return out


def spend_against_plan(pace: Pace, currency: str) -> Spec:
    """Cumulative spend of the day against its plan, with where the day will end; x: hours 0 to 24."""
    plan = [{"hour": h, "plan": v} for h, v in enumerate(pace.planned)]
    spent = [{"hour": h, "spent": v} for h, v in enumerate(pace.actual) if not math.isnan(v)]
    cone = _cone(pace, spent[-1]["hour"])
    x = {
        "field": "hour",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 24], "nice": False},
        "axis": {
            "grid": False,
            "values": list(range(0, 25, 3)),
            "labelExpr": "(datum.value < 10 ? '0' : '') + datum.value + ':00'",
        },
    }
    y = {"type": "quantitative", "axis": {**axis(currency), "titleY": -6, "titleX": -28, "tickCount": 5}}
    money = ",.0f"

    def tip(field: str, title: str) -> Spec:
        return {"field": field, "type": "quantitative", "title": title, "format": money}

    hour = {"field": "hour", "type": "quantitative", "title": "Hour"}
    named = {
        "type": "nominal",
        "title": None,
        "legend": {"orient": "top", "symbolType": "stroke", "labelLimit": 300},
    }
    scale = {
        "domain": ["Spent", "Plan", "Projected, 80 % interval"],
        "range": ["#2563EB", "#64748B", "#2563EB"],
    }

    def color(name: str) -> Spec:
        return {"datum": name, **named, "scale": scale}

    return {
        "height": 240,
        "encoding": {"x": x},
        "layer": [
            {
                "data": {"values": cone},
                "mark": {"type": "area", "opacity": 0.16, "color": "#2563EB"},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": cone},
                "mark": {"type": "line", "strokeDash": [2, 3], "strokeWidth": 1.5},
                "encoding": {
                    "y": {**y, "field": "mid"},
                    "color": color("Projected, 80 % interval"),
                    "tooltip": [hour, tip("low", "Low"), tip("mid", "Projected"), tip("high", "High")],
                },
            },
            {
                "data": {"values": plan},
                "mark": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.5},
                "encoding": {
                    "y": {**y, "field": "plan"},
                    "color": color("Plan"),
                    "tooltip": [hour, tip("plan", "Plan")],
                },
            },
            {
                "data": {"values": spent},
                "mark": {"type": "line", "strokeWidth": 2.5, "point": {"size": 18}},
                "encoding": {
                    "y": {**y, "field": "spent"},
                    "color": color("Spent"),
                    "tooltip": [hour, tip("spent", "Spent")],
                },
            },
        ],
    }


_KEY = ("source", "account", "id")


def spend_by_campaign(lines: Sequence[CampaignLine], currency: str) -> Spec:
    """The campaigns that spent most, one bar each; a click on one is the selection `pick` of its ids."""
    seen = Counter(line.name for line in lines)
    values = [
        {
            # Two accounts may have campaigns of one name.
            "campaign": line.name if seen[line.name] == 1 else f"{line.name} ({line.campaign})",
            "spend": line.spend,
            **dict(zip(_KEY, (line.source, line.account, line.campaign), strict=True)),
        }
        for line in lines
    ]
    return {
        "height": max(28 * len(values), 60),
        "data": {"values": values},
        "params": [{"name": "pick", "select": {"type": "point", "fields": list(_KEY)}}],
        "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.7}, "cursor": "pointer"},
        "encoding": {
            "y": {
                "field": "campaign",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"labelLimit": 190, "ticks": False, "domain": False},
            },
            "x": {
                "field": "spend",
                "type": "quantitative",
                "title": _SIGNS.get(currency, currency),
                "axis": {"format": "~s", "tickCount": 4},
            },
            "tooltip": [
                {"field": "campaign", "type": "nominal", "title": "Campaign"},
                {"field": "spend", "type": "quantitative", "title": f"Spend, {currency}", "format": ",.2f"},
            ],
        },
    }
