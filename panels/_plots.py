"""Charts of a metric over time, by group, by the hour of the week: Vega-Lite specifications, plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from metrics.compare import Comparison
from metrics.model import Metric
from panels._facts import Fact, Group, Trend
from panels._look import BEFORE, NOW, SHORT
from panels._view import View

__all__ = ["bars", "closing", "heat", "line", "past", "steps"]

Spec = dict[str, Any]

_FORMATS = {"percent": ".1%", "money": ",.2f", "multiple": ".2f", "count": ",.0f"}
_WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def _format(metric: Metric) -> str:
    return _FORMATS.get(metric.unit, ",.2f")


def _axis(metric: Metric) -> Spec:
    return SHORT if metric.unit in ("money", "count") else {"format": _format(metric)}


def _label(at: datetime | date, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M}" if isinstance(at, datetime) else f"{at:%-d %b}"


def past(view: View) -> str:
    """What a series over the view is laid over, for its legend: of an average of days, the day before."""
    text = view.against.label.removeprefix("vs ")
    return "the day before" if view.against is Comparison.WEEK_AVERAGE else text


def line(
    trend: Trend,
    metric: Metric,
    zone: ZoneInfo,
    *,
    before: str,
    now: str = "This window",
    settled: Fact | None = None,
) -> Spec:
    """A metric's steps, over those of the period that it is compared with, drawn thin and grey.

    settled: what the metric will come to, which is drawn dotted, and compared.
    """
    coming = "Once settled"
    judged = settled.metric.name if settled else metric.name
    parts = [(now, trend.now[metric.name]), (before, trend.before[judged])]
    if settled:
        parts.insert(1, (coming, trend.now[judged]))
    values = [
        {"n": n, "at": _label(at, zone), "value": value, "which": which}
        for which, found in parts
        for n, (at, value) in enumerate(zip(trend.at, found, strict=False))
    ]
    names = [which for which, _ in parts]
    looks = {now: (NOW, [1, 0]), coming: (NOW, [2, 3]), before: (BEFORE, [4, 3])}
    labels = [_label(at, zone) for at in trend.at]
    every = max(len(labels) // 8, 1)
    colour = {
        "field": "which",
        "type": "nominal",
        "title": None,
        "scale": {"domain": names, "range": [looks[name][0] for name in names]},
        "legend": {"orient": "top", "symbolType": "stroke", "labelLimit": 300},
    }
    return {
        "height": 230,
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "monotone", "point": len(labels) < 40},
        "encoding": {
            "x": {
                "field": "at",
                "type": "ordinal",
                "sort": None,
                "title": None,
                "axis": {"values": labels[::every], "labelAngle": 0, "grid": False},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "scale": {"zero": metric.additive},
                "axis": {**_axis(metric), "tickCount": 5},
            },
            "color": colour,
            "strokeDash": {
                "field": "which",
                "type": "nominal",
                "title": None,
                "scale": {"domain": names, "range": [looks[name][1] for name in names]},
            },
            "tooltip": [
                {"field": "which", "type": "nominal", "title": "Period"},
                {"field": "at", "type": "ordinal", "title": "At"},
                {"field": "value", "type": "quantitative", "title": metric.title, "format": _format(metric)},
            ],
        },
    }


def bars(groups: Sequence[Group], metric: Metric, *, most: int = 10, past: bool = True) -> Spec:
    """A metric by group; `past`: with a tick where the period compared with was."""
    values = [
        {"name": g.name or "(none)", "value": g.now[metric.name], "before": g.before[metric.name]}
        for g in groups[:most]
    ]
    y = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 170, "ticks": False, "domain": False},
    }
    tooltip = [
        {"field": "name", "type": "nominal", "title": "Group"},
        {"field": "value", "type": "quantitative", "title": metric.title, "format": _format(metric)},
    ]
    if past:
        tooltip += [{"field": "before", "type": "quantitative", "title": "Before", "format": _format(metric)}]
    x = {
        "type": "quantitative",
        "title": None,
        "axis": {**_axis(metric), "tickCount": 4},
    }
    tick = {
        "mark": {"type": "tick", "thickness": 3, "size": 20, "color": BEFORE},
        "encoding": {"x": {**x, "field": "before"}},
    }
    return {
        "height": 34 * len(values) + 46,
        "data": {"values": values},
        "encoding": {"y": y, "tooltip": tooltip},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.62}, "color": NOW},
                "encoding": {"x": {**x, "field": "value"}},
            },
            *([tick] if past else []),
        ],
    }


def heat(cells: Mapping[tuple[int, int], float | None], metric: Metric) -> Spec:
    """A metric by weekday (0 is Monday) and hour of the day."""
    values = [
        {"day": _WEEK[day], "hour": hour, "value": value}
        for (day, hour), value in cells.items()
        if value is not None
    ]
    return {
        "height": 190,
        "data": {"values": values},
        "mark": {"type": "rect", "cornerRadius": 2},
        "encoding": {
            "x": {
                "field": "hour",
                "type": "ordinal",
                "title": None,
                "axis": {
                    "labelAngle": 0,
                    "values": list(range(0, 24, 3)),
                    "labelExpr": "datum.value + ':00'",
                },
            },
            "y": {"field": "day", "type": "ordinal", "sort": _WEEK, "title": None},
            "color": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "scale": {"scheme": "blues"},
                "legend": {"format": _format(metric), "gradientLength": 150},
            },
            "tooltip": [
                {"field": "day", "type": "ordinal", "title": "Weekday"},
                {"field": "hour", "type": "ordinal", "title": "Hour"},
                {"field": "value", "type": "quantitative", "title": metric.title, "format": _format(metric)},
            ],
        },
    }


def steps(parts: Sequence[tuple[str, float, str]]) -> Spec:
    """A funnel: (step, count, share of the step before) from top to bottom, on a logarithmic scale."""
    values = [{"step": step, "count": max(count, 0.0), "share": share} for step, count, share in parts]
    y = {
        "field": "step",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"ticks": False, "domain": False},
    }
    x = {
        "field": "count",
        "type": "quantitative",
        "title": None,
        "scale": {"type": "symlog"},
        "axis": None,
    }
    return {
        "height": 56 * len(values) + 30,
        "data": {"values": values},
        "encoding": {"y": y, "x": x},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.6}, "color": NOW},
                "encoding": {
                    "tooltip": [
                        {"field": "step", "type": "nominal", "title": "Step"},
                        {"field": "count", "type": "quantitative", "title": "Count", "format": ",.0f"},
                        {"field": "share", "type": "nominal", "title": "Of the step before"},
                    ]
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 12},
                "encoding": {"text": {"field": "share", "type": "nominal"}},
            },
        ],
    }


def closing(points: Sequence[Mapping[str, float]], least: float) -> Spec:
    """A test's interval as it closed, day by day, beside the smallest effect that would matter."""
    x = {
        "field": "day",
        "type": "quantitative",
        "title": "Day of the test",
        "axis": {"tickMinStep": 1, "grid": False},
        "scale": {"nice": False, "zero": False},
    }
    percent = {
        "format": "+.0%",
        "tickCount": 5,
        "labelExpr": "datum.value ? replace(datum.label, '%', ' %') : '0 %'",
    }
    tooltip = [
        {"field": "day", "type": "quantitative", "title": "Day", "format": ".0f"},
        {"field": "effect", "type": "quantitative", "title": "Effect", "format": "+.1%"},
        {"field": "low", "type": "quantitative", "title": "At least", "format": "+.1%"},
        {"field": "high", "type": "quantitative", "title": "At most", "format": "+.1%"},
    ]
    y = {"type": "quantitative", "title": None, "axis": percent}
    return {
        "height": 210,
        "layer": [
            {
                "data": {"values": [{"low": -least, "high": least}]},
                "mark": {"type": "rect", "color": BEFORE, "opacity": 0.14},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": [{"none": 0}]},
                "mark": {"type": "rule", "color": BEFORE, "strokeDash": [4, 3]},
                "encoding": {"y": {**y, "field": "none"}},
            },
            {
                "data": {"values": list(points)},
                "mark": {"type": "area", "color": NOW, "opacity": 0.18},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "tooltip": tooltip},
            },
            {
                "data": {"values": list(points)},
                "mark": {"type": "line", "color": NOW, "strokeWidth": 2, "point": {"size": 16}},
                "encoding": {"x": x, "y": {**y, "field": "effect"}, "tooltip": tooltip},
            },
        ],
    }
