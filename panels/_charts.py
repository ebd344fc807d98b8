"""Charts as Vega-Lite specifications: plain data, drawn by the browser; colours come from the theme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from panels._course import Course
from panels._look import BEFORE, NOW
from panels._overview import CampaignLine

__all__ = ["axis", "spend_against_plan", "spend_by_campaign"]

Spec = dict[str, Any]

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def axis(currency: str) -> Spec:
    """Money on an axis: the unit stands once, in the axis' title."""
    return {"title": _SIGNS.get(currency, currency), "titleAngle": 0, "titleAlign": "left", "format": "~s"}


def spend_against_plan(of: Course, currency: str, zone: ZoneInfo) -> Spec:
    """Cumulative spend of the day against its plan, with where the day will end, on the clock of `zone`."""
    # Without an offset the browser shows a moment as it stands here, whatever its own time zone.
    at = [moment.astimezone(zone).replace(tzinfo=None).isoformat() for moment in of.at]
    plan = [{"at": moment, "plan": value} for moment, value in zip(at, of.planned, strict=True)]
    spent = [{"at": moment, "spent": value} for moment, value in zip(at, of.spent, strict=False)]
    cone = [
        {"at": moment, "low": low, "mid": mid, "high": high}
        for moment, low, mid, high in zip(at[of.now :], of.low, of.mid, of.high, strict=True)
    ]
    x = {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"nice": False},
        "axis": {"grid": False, "format": "%H:%M", "tickCount": 12},
    }
    y = {"type": "quantitative", "axis": {**axis(currency), "titleY": -6, "titleX": -28, "tickCount": 5}}

    def tip(field: str, title: str) -> Spec:
        return {"field": field, "type": "quantitative", "title": title, "format": ",.0f"}

    hour = {"field": "at", "type": "temporal", "title": "Until", "format": "%a %H:%M"}
    names = ["Spent", "Plan", "Projected, 80 % interval"]
    scale = {"domain": names, "range": [NOW, BEFORE, NOW]}
    dashes = {"domain": names, "range": [[1, 0], [5, 4], [2, 3]]}

    def named(name: str) -> Spec:
        legend = {"orient": "top", "symbolType": "stroke", "labelLimit": 300}
        return {
            "color": {"datum": name, "type": "nominal", "title": None, "legend": legend, "scale": scale},
            "strokeDash": {
                "datum": name,
                "type": "nominal",
                "title": None,
                "legend": legend,
                "scale": dashes,
            },
        }

    return {
        "height": 240,
        "encoding": {"x": x},
        "layer": [
            {
                "data": {"values": cone},
                "mark": {"type": "area", "opacity": 0.18, "color": NOW},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": cone},
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {
                    "y": {**y, "field": "mid"},
                    **named(names[2]),
                    "tooltip": [hour, tip("low", "Low"), tip("mid", "Projected"), tip("high", "High")],
                },
            },
            {
                "data": {"values": plan},
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {
                    "y": {**y, "field": "plan"},
                    **named(names[1]),
                    "tooltip": [hour, tip("plan", "Plan")],
                },
            },
            {
                "data": {"values": spent},
                "mark": {"type": "line", "strokeWidth": 2.5, "point": {"size": 18}},
                "encoding": {
                    "y": {**y, "field": "spent"},
                    **named(names[0]),
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
