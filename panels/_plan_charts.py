"""A flight's charts as Vega-Lite specifications."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np

from metrics.flight import FlightPace
from panels._charts import axis

__all__ = ["by_hour", "cumulative"]

Spec = dict[str, Any]

_SPENT, _PLAN = "#2563EB", "#64748B"


def _money(field: str, title: str) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "format": ",.0f"}


def _named(names: dict[str, str]) -> Spec:
    return {
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(names), "range": list(names.values())},
        "legend": {"orient": "top", "symbolType": "stroke", "labelLimit": 300},
    }


def cumulative(pace: FlightPace) -> Spec:
    """Plan, spend so far, and where it will end with its 80 % interval; x: the days of the flight."""
    currency, over = pace.plan.currency, pace.over
    begin = datetime.combine(over.first, time())
    ends = [begin + timedelta(days=n) for n in range(over.days + 1)]
    planned = [0.0, *np.cumsum(pace.planned)]
    done = min(max(over.place(pace.today), 0), over.days)
    passed = [0.0, *np.cumsum(pace.actual)[:done]]
    last = over.first + timedelta(days=over.days - 1)

    def of_day(at: datetime) -> str:
        return f"end of {at - timedelta(days=1):%-d %b}" if at > begin else f"start of {at:%-d %b}"

    plan = [
        {"at": at.isoformat(), "when": of_day(at), "plan": v} for at, v in zip(ends, planned, strict=True)
    ]
    spent = [
        {"at": at.isoformat(), "when": of_day(at), "spent": v} for at, v in zip(ends, passed, strict=False)
    ]
    fan: list[Spec] = []
    if over.first <= pace.today <= last:
        now = datetime.combine(pace.today, time()) + timedelta(hours=pace.hour)
        clock = f"{now:%-d %b %H:%M}"
        spent.append({"at": now.isoformat(), "when": clock, "spent": pace.spent})
        fan.append(
            {"at": now.isoformat(), "when": clock, **dict.fromkeys(("low", "mid", "high"), pace.spent)}
        )
    low, mid, high = pace.fan
    fan += [
        {
            "at": ends[n + 1].isoformat(),
            "when": of_day(ends[n + 1]),
            "low": low[n],
            "mid": mid[n],
            "high": high[n],
        }
        for n in range(done, over.days)
        if not math.isnan(mid[n])
    ]
    y = {"type": "quantitative", "axis": {**axis(currency), "titleY": -6, "titleX": -28, "tickCount": 5}}
    projected = "Projected, 80 % interval"
    color = _named({"Spent": _SPENT, "Plan": _PLAN, projected: _SPENT})
    when = {"field": "when", "type": "nominal", "title": "When"}
    layers: list[Spec] = [
        {
            "data": {"values": fan},
            "mark": {"type": "area", "opacity": 0.16, "color": _SPENT},
            "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": fan},
            "mark": {"type": "line", "strokeDash": [2, 3], "strokeWidth": 1.5},
            "encoding": {
                "y": {**y, "field": "mid"},
                "color": {"datum": projected, **color},
                "tooltip": [when, _money("low", "Low"), _money("mid", "Projected"), _money("high", "High")],
            },
        },
        {
            "data": {"values": plan},
            "mark": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.5},
            "encoding": {
                "y": {**y, "field": "plan"},
                "color": {"datum": "Plan", **color},
                "tooltip": [when, _money("plan", "Plan")],
            },
        },
        {
            "data": {"values": spent},
            "mark": {"type": "line", "strokeWidth": 2.5, "point": {"size": 14}},
            "encoding": {
                "y": {**y, "field": "spent"},
                "color": {"datum": "Spent", **color},
                "tooltip": [when, _money("spent", "Spent")],
            },
        },
    ]
    return {
        "height": 270,
        "encoding": {
            "x": {
                "field": "at",
                "type": "temporal",
                "title": None,
                "axis": {"grid": False, "format": "%-d %b", "tickCount": 8, "labelOverlap": True},
            }
        },
        "layer": layers,
    }


def by_hour(pace: FlightPace) -> Spec:
    """Today's spend by hour beside what the plan and the usual day make of it; x: hours 0 to 23."""
    whole = math.ceil(pace.hour)
    hours = [
        {"hour": n, "spent": float(v) if n < whole else None, "plan": float(p)}
        for n, (v, p) in enumerate(zip(pace.hours, pace.hours_planned, strict=True))
    ]
    y = {
        "type": "quantitative",
        "axis": {**axis(pace.plan.currency), "titleY": -6, "titleX": -28, "tickCount": 4},
    }
    color = _named({"Spent": _SPENT, "Plan": _PLAN})
    tooltip = [
        {"field": "hour", "type": "quantitative", "title": "Hour"},
        {**_money("spent", "Spent"), "format": ",.2f"},
        {**_money("plan", "Plan"), "format": ",.2f"},
    ]
    return {
        "height": 270,
        "data": {"values": hours},
        "encoding": {
            "x": {
                "field": "hour",
                "type": "ordinal",
                "title": None,
                "axis": {
                    "values": list(range(0, 24, 3)),
                    "labelAngle": 0,
                    "labelExpr": "(datum.value < 10 ? '0' : '') + datum.value + ':00'",
                },
            },
            "tooltip": tooltip,
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 2},
                "encoding": {"y": {**y, "field": "spent"}, "color": {"datum": "Spent", **color}},
            },
            {
                "mark": {"type": "line", "interpolate": "step", "strokeDash": [5, 4], "strokeWidth": 1.5},
                "encoding": {"y": {**y, "field": "plan"}, "color": {"datum": "Plan", **color}},
            },
        ],
    }
