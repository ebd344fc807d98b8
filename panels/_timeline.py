"""A metric over time with everything that happened marked on it, as a Vega-Lite specification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from typing import Any

from metrics.annotations import Annotation
from metrics.model import Metric
from panels._changes import Line
from panels._charts import sign
from panels._look import SHORT
from panels._marks import marks

__all__ = ["timeline"]

_BLUE = "#2563EB"

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


def timeline(line: Line, metric: Metric, currency: str, found: Sequence[Annotation], zone: tzinfo) -> Spec:
    """Bars for sums, a line for ratios. zone: the clock that the axis tells, not the reader's."""

    def place(at: datetime | date) -> str:
        if isinstance(at, datetime):
            return at.astimezone(zone).replace(tzinfo=None).isoformat()
        return f"{at.isoformat()}T12:00:00"

    values = [
        {"at": place(at), "value": value}
        for at, value in zip(line.at, line.values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    hourly = bool(line.at) and isinstance(line.at[0], datetime)
    unit = currency if metric.unit == "money" else None
    money = f"{metric.title}, {currency}" if unit else metric.title
    mark: Spec = {"type": "line", "color": _BLUE, "strokeWidth": 2, "point": {"size": 16, "color": _BLUE}}
    if metric.additive:
        mark = {"type": "bar", "color": _BLUE, "opacity": 0.75, "size": max(2, 560 // max(len(values), 1))}
    axis: Spec = {"grid": False, "format": "%H:%M" if hourly else "%-d %b", "labelOverlap": True}
    if not hourly:  # named under its bar, not at the midnight before
        axis["values"] = [{"year": at.year, "month": at.month, "date": at.day, "hours": 12} for at in line.at]
    x = {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"padding": 8 if hourly else 40},
        "axis": axis,
    }
    return {
        "height": 230,
        "layer": [
            {
                "data": {"values": values},
                "mark": mark,
                "encoding": {
                    "x": x,
                    "y": {
                        "field": "value",
                        "type": "quantitative",
                        "title": sign(unit) if unit else None,
                        "axis": {
                            "tickCount": 4,
                            **SHORT,
                            "titleAngle": 0,
                            "titleY": -8,
                            "titleX": -26,
                        },
                    },
                    "tooltip": [
                        {
                            "field": "at",
                            "type": "temporal",
                            "title": "From" if hourly else "Day",
                            "format": "%a %-d %b %H:%M" if hourly else "%a %-d %b",
                        },
                        {
                            "field": "value",
                            "type": "quantitative",
                            "title": money,
                            "format": _FORMATS[metric.unit],
                        },
                    ],
                },
            },
            *marks(found, place, zone, x),
        ],
    }
