"""Charts as Vega-Lite specifications: plain data, drawn by the browser; colours come from the theme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from panels._course import Course
from panels._look import BEFORE, NOW, SHORT
from panels._overview import CampaignLine

__all__ = ["axis", "sign", "spend_against_plan", "spend_by_campaign"]

Spec = dict[str, Any]

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def sign(currency: str) -> str:
    """The currency as a chart names it."""
    return _SIGNS.get(currency, currency)


def axis(currency: str) -> Spec:
    """Money on an axis: the unit stands once, in the axis' title."""
    return {"title": sign(currency), "titleAngle": 0, "titleAlign": "left", **SHORT}


def spend_against_plan(of: Course, currency: str, zone: ZoneInfo) -> Spec:
    """Cumulative spend of the day against its plan, with where the day will end, on the clock of `zone`."""
    # Without an offset the browser shows a moment as it stands here, whatever its own time zone.
    at = [moment.astimezone(zone).replace(tzinfo=None).isoformat() for moment in of.at]
    names = ["Spent", "Plan", "Projected, 80 % interval"]
    parts = ((at, of.spent), (at, of.planned), (at[of.now :], of.mid))
    values = [
        {"at": moment, "which": name, "value": value}
        for name, (moments, found) in zip(names, parts, strict=True)
        for moment, value in zip(moments, found, strict=False)
    ]
    cone = [
        {"at": moment, "low": low, "high": high}
        for moment, low, high in zip(at[of.now :], of.low, of.high, strict=True)
    ]
    x = {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"nice": False},
        "axis": {"grid": False, "format": "%H:%M", "tickCount": 12},
    }
    y = {"type": "quantitative", "axis": {**axis(currency), "titleY": -6, "titleX": -28, "tickCount": 5}}
    hour = {"field": "at", "type": "temporal", "title": "Until", "format": "%a %H:%M"}

    def tip(field: str, title: str) -> Spec:
        return {"field": field, "type": "quantitative", "title": title, "format": ",.0f"}

    def looks(shown: list[Any]) -> Spec:
        return {
            "field": "which",
            "type": "nominal",
            "title": None,
            "scale": {"domain": names, "range": shown},
            "legend": {"orient": "top", "symbolType": "stroke", "labelLimit": 300},
        }

    return {
        "height": 240,
        "encoding": {"x": x},
        "layer": [
            {
                "data": {"values": cone},
                "mark": {"type": "area", "opacity": 0.18, "color": NOW},
                "encoding": {
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "tooltip": [hour, tip("low", "Low"), tip("high", "High")],
                },
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": {**y, "field": "value"},
                    "color": looks([NOW, BEFORE, NOW]),
                    "strokeDash": looks([[1, 0], [5, 4], [2, 3]]),
                    "tooltip": [
                        {"field": "which", "type": "nominal", "title": "Which"},
                        hour,
                        tip("value", f"Spend, {currency}"),
                    ],
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
                "title": sign(currency),
                "axis": {**SHORT, "tickCount": 4},
            },
            "tooltip": [
                {"field": "campaign", "type": "nominal", "title": "Campaign"},
                {"field": "spend", "type": "quantitative", "title": f"Spend, {currency}", "format": ",.2f"},
            ],
        },
    }
