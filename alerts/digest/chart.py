"""The digest's one picture: spend against plan, and where the flight will end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from alerts.drawing import BLUE, SOFT, framed
from metrics.words import money

if TYPE_CHECKING:
    from alerts.digest.figures import Figures
    from metrics.flight import FlightPace

__all__ = ["chart", "furthest"]


def furthest(paces: tuple[FlightPace, ...]) -> FlightPace | None:
    """The plan that is furthest off, of those that can be drawn."""
    drawn = [p for p in paces if p.amount > 0 and p.actual.size and not p.refused]
    return max(drawn, key=lambda p: abs(p.mid / p.amount - 1), default=None)


def chart(figures: Figures) -> tuple[dict[str, Any], str]:
    """The drawing, and what it shows in words."""
    pace = furthest(figures.paces)
    return _against_plan(pace) if pace is not None else _by_step(figures)


def _against_plan(pace: FlightPace) -> tuple[dict[str, Any], str]:
    first, currency = pace.over.first, pace.plan.currency
    ends = [first + timedelta(days=n + 1) for n in range(pace.over.days)]
    today = max(pace.over.place(pace.today), 0)
    planned, actual = pace.planned.cumsum(), pace.actual.cumsum()
    start = {"at": _day(first), "value": 0.0}
    plan = [start] + [{"at": _day(d), "value": float(v)} for d, v in zip(ends, planned, strict=True)]
    done = [start] + [
        {"at": _day(d), "value": float(v)} for d, v in list(zip(ends, actual, strict=True))[:today]
    ]
    fan = [
        {"at": _day(d), "low": float(low), "mid": float(mid), "high": float(high)}
        for d, low, mid, high in zip(ends, *pace.fan, strict=True)
        if mid == mid  # noqa: PLR0124  # NaN on complete days
    ]
    if fan:
        fan.insert(0, {"at": done[-1]["at"], **dict.fromkeys(("low", "mid", "high"), done[-1]["value"])})
    value = {"field": "value", "type": "quantitative", "title": None}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": plan},
            "mark": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.5, "color": SOFT},
            "encoding": {"y": value},
        },
        {
            "data": {"values": done},
            "mark": {"type": "line", "strokeWidth": 2.5, "color": BLUE},
            "encoding": {"y": value},
        },
        _said(plan[-1], f"Plan {money(pace.amount, currency)}", SOFT, up=pace.mid <= pace.amount),
    ]
    if fan:
        layers.insert(
            0,
            {
                "data": {"values": fan},
                "mark": {"type": "area", "opacity": 0.18, "color": BLUE},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                },
            },
        )
        layers.append(
            {
                "data": {"values": fan},
                "mark": {"type": "line", "strokeWidth": 1.5, "color": BLUE, "strokeDash": [2, 3]},
                "encoding": {"y": {"field": "mid", "type": "quantitative"}},
            }
        )
        end = {"at": fan[-1]["at"], "value": fan[-1]["mid"]}
        layers.append(_said(end, f"Likely {money(pace.mid, currency)}", BLUE, up=pace.mid > pace.amount))
    words = (
        f"{pace.plan.name}: {money(pace.spent, currency)} spent, {money(pace.expected, currency)} planned by "
        f"now; likely end {money(pace.mid, currency)} ({money(pace.low, currency)} to "
        f"{money(pace.high, currency)}) of {money(pace.amount, currency)}"
    )
    title = f"{pace.plan.name}: spend against plan, {_span(first, pace.over.last)}"
    return framed(title, {"layer": layers, "encoding": {"x": _time()}}), words


def _by_step(figures: Figures) -> tuple[dict[str, Any], str]:
    """Without a plan: what was spent by day (or week), the digest's own in front."""
    values = [
        {"at": _day(at), "value": spend, "own": at == max(figures.days)} for at, spend in figures.days.items()
    ]
    drawing = {
        "data": {"values": values},
        "mark": {"type": "bar", "cornerRadiusEnd": 2, "width": {"band": 0.75}},
        "encoding": {
            "x": {"field": "at", "type": "ordinal", "timeUnit": "yearmonthdate", "title": None,
                  "axis": {"format": "%-d %b", "labelOverlap": True, "labelAngle": 0, "grid": False}},
            "y": {"field": "value", "type": "quantitative", "title": None},
            "color": {"condition": {"test": "datum.own", "value": BLUE}, "value": "#BFD0EE"},
        },
    }  # fmt: skip
    each = "day" if figures.kind == "daily" else "week"
    title = f"Spend by {each}, in {figures.currency}"
    own = money(figures.days[max(figures.days)], figures.currency)
    return framed(title, drawing), f"{title}; the last: {own}"


def _said(at: dict[str, Any], text: str, colour: str, *, up: bool) -> dict[str, Any]:
    """Words at a line's end, above it or below it, so that two ends that meet can be read."""
    return {
        "data": {"values": [at]},
        "mark": {
            "type": "text",
            "align": "right",
            "dx": -4,
            "dy": -12 if up else 14,
            "color": colour,
            "fontSize": 13,
            "fontWeight": 600,
            "text": text,
        },
        "encoding": {"y": {"field": "value", "type": "quantitative"}},
    }


def _time() -> dict[str, Any]:
    axis = {"format": "%-d %b", "grid": False, "tickCount": 6, "labelOverlap": True}
    return {"field": "at", "type": "temporal", "title": None, "axis": axis}


def _day(day: date) -> str:
    """As Vega reads it in the picture's own zone, whatever the machine's."""
    return f"{day:%Y-%m-%d}T00:00:00"


def _span(first: date, last: date) -> str:
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%B}"
    return f"{first.day} {first:%b} to {last.day} {last:%b}"
