"""One metric over time beside what it is held against, as a Vega-Lite specification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

from metrics.model import Metric
from panels._charts import sign
from panels._entity import Points
from panels._look import SHORT

__all__ = ["trend"]

Spec = dict[str, Any]

_FORMATS = {
    "money": ",.2f",
    "count": ",.1f",
    "percent": ".2%",
    "multiple": ".2f",
    "ratio": ".2f",
    "seconds": ".2f",
    "days": ".1f",
}
_AXIS: dict[str, Spec] = {
    "money": SHORT,
    "count": SHORT,
    "percent": {"format": ".1~%"},
    "multiple": {"format": ".1~f"},
    "ratio": {"format": ".1~f"},
    "seconds": {"format": ".1~f"},
    "days": {"format": "~f"},
}


def _values(points: Points, values: Sequence[float | None], name: str) -> list[Spec]:
    """The points that are known; a day as its midnight on any clock: the same to each reader."""
    return [
        {"at": f"{at.isoformat()}T00:00:00" if isinstance(at, date) else at, name: value}
        for at, value in zip(points.at, values, strict=True)
        if value is not None and math.isfinite(value)
    ]


def trend(points: Points, metric: Metric, currency: str) -> Spec:
    """`metric` by the hour of the account's day or by its days, with the comparison dashed."""
    hourly = points.step == "hour"
    x: Spec = {
        "field": "at",
        "type": "quantitative" if hourly else "temporal",
        "title": None,
        "axis": {
            "grid": False,
            "values": list(range(0, 24, 3)),
            "labelExpr": "(datum.value < 10 ? '0' : '') + datum.value + ':00'",
        }
        if hourly
        else {
            "grid": False,
            "format": "%d %b",
            "tickCount": {"interval": "day", "step": 1},
            "labelOverlap": True,
        },
    }
    if hourly:
        x["scale"] = {"domain": [0, 23], "nice": False}
    y = {
        "type": "quantitative",
        "title": sign(currency) if metric.unit == "money" else None,
        "titleAngle": 0,
        "axis": {**_AXIS[metric.unit], "tickCount": 5, "titleAngle": 0, "titleY": -8, "titleX": -26},
    }
    y.pop("titleAngle")
    lines: list[tuple[str, Sequence[float | None], list[int]]] = [
        ("Now" if hourly else "This period", points.now[metric.name], [])
    ]
    if points.before:
        lines.append((points.label[:1].upper() + points.label[1:], points.before[metric.name], [5, 4]))
    when = {"field": "at", "type": x["type"], "title": "Hour" if hourly else "Day"}
    if not hourly:
        when["format"] = "%a %d %b"
    names = [name for name, *_ in lines]
    # The theme's first colour for what is shown, its fifth, a grey, for what that is held against.
    colors = {"domain": [names[0], *(f"unused {n}" for n in range(3)), *names[1:]]}
    layers = []
    for name, values, dash in lines:
        layers.append(
            {
                "data": {"values": _values(points, values, "value")},
                "mark": {
                    "type": "line",
                    "strokeWidth": 1.5 if dash else 2.5,
                    "strokeDash": dash or [1, 0],
                    "point": False if dash else {"size": 22},
                },
                "encoding": {
                    "y": {**y, "field": "value"},
                    "color": {
                        "datum": name,
                        "type": "nominal",
                        "title": None,
                        "scale": colors,
                        "legend": {
                            "orient": "top",
                            "symbolType": "stroke",
                            "labelLimit": 320,
                            "values": names,
                        },
                    },
                    "tooltip": [
                        when,
                        {
                            "field": "value",
                            "type": "quantitative",
                            "title": name,
                            "format": _FORMATS[metric.unit],
                        },
                    ],
                },
            }
        )
    return {"height": 250, "encoding": {"x": x}, "layer": layers[::-1]}
