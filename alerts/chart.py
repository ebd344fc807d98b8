"""An incident's picture: the figure's course over two days beside what is usual at these hours.

Usual is the mean of the same hours of the seven days before; of conversions, which come late, the part of it
that is known by now. Where it began is marked. The hours are those of the team's clock.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.drawing import BLUE, SOFT, framed
from connectors.contract import Window
from metrics.compute import series
from metrics.maturity import completed
from metrics.windows import accounts
from metrics.words import figure

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from alerts.observation import Observation
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["course"]

_HOUR: Final = timedelta(hours=1)
_SHOWN: Final = 48
_DAYS: Final = 7
_RED: Final = "#B91C1C"


def course(
    warehouse: Warehouse,
    metric: Metric,
    told: Observation,
    *,
    name: str,
    currency: str,
    zone: ZoneInfo,
    settles: bool,
) -> tuple[dict[str, Any], str] | None:
    """The drawing, and what it shows in words; None where nothing was there two days long.

    told: what fires, an account's or a campaign's. name: what people call it. settles: whether conversions
    that are still to come change it.
    """
    end = told.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = _SHOWN + 24 * _DAYS
    labels = told.labels
    where = {"source": labels.source, "account": labels.account}
    if labels.campaign:
        where["campaign"] = labels.campaign
    found = series(warehouse, [metric], Window(end - hours * _HOUR, end), where=where)
    values = np.array([np.nan if v is None else v for v in found[metric.name].to_pylist()], dtype=float)
    if len(values) != hours or not np.nan_to_num(values).any():
        return None
    shown = values[-_SHOWN:]
    days = np.stack([values[hours - _SHOWN - 24 * n : hours - 24 * n] for n in range(1, _DAYS + 1)])
    counts = (~np.isnan(days)).sum(0)
    usual = np.where(counts > 0, np.nansum(days, 0) / np.maximum(counts, 1), np.nan)
    at = [(end - (_SHOWN - n) * _HOUR).astimezone(zone) for n in range(_SHOWN)]
    if settles:
        known = completed(warehouse, accounts(warehouse), end).complete((labels.source, labels.account), at)
        usual = usual * known if metric.better == "higher" else usual / np.maximum(known, 0.01)
    unit = metric.unit
    title = f"{name}: {metric.title}, hour by hour" + (f", {currency}" if unit == "money" else "")
    drawing = {
        "layer": [
            _line(at, usual, SOFT, {"strokeDash": [5, 4], "strokeWidth": 1.5}),
            _line(at, shown, BLUE, {"strokeWidth": 2.5, "point": {"size": 18, "color": BLUE}}),
            *_began(told.began, at),
        ],
        "encoding": {"x": _hours(), "y": _value(unit)},
    }
    last = next((n for n in range(_SHOWN - 1, -1, -1) if not math.isnan(shown[n])), 0)
    words = (
        f"{name}: {metric.title} {figure(float(shown[last]), unit, currency)} in the hour from "
        f"{at[last]:%H:%M}, usually {figure(float(usual[last]), unit, currency)}; 48 hours by the hour, "
        "dashed what is usual"
    )
    return framed(title, drawing), words


def _line(at: list[datetime], values: np.ndarray, colour: str, mark: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {"at": _moment(moment), "value": float(value)}
        for moment, value in zip(at, values, strict=True)
        if not math.isnan(value)
    ]
    return {"data": {"values": rows}, "mark": {"type": "line", "color": colour, **mark}}


def _began(began: datetime | None, at: list[datetime]) -> list[dict[str, Any]]:
    """A line where it began, if that is on the picture."""
    if began is None or not at[0] <= began <= at[-1] + _HOUR:
        return []
    row = {"at": _moment(began.astimezone(at[0].tzinfo))}
    rule = {"type": "rule", "color": _RED, "strokeDash": [3, 3], "strokeWidth": 1.5}
    return [{"data": {"values": [row]}, "mark": rule, "encoding": {"y": {"value": 0}, "y2": {"value": 230}}}]


def _hours() -> dict[str, Any]:
    axis = {"format": "%a %H:%M", "grid": False, "tickCount": 6, "labelOverlap": True}
    return {"field": "at", "type": "temporal", "title": None, "axis": axis}


def _value(unit: str) -> dict[str, Any]:
    axis = {"format": ".1%"} if unit == "percent" else {}
    return {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": True}, "axis": axis}


def _moment(moment: datetime) -> str:
    """As Vega reads it in the picture's own zone, whatever the machine's."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
