"""The digest's one picture: spend against plan, and where the flight will end; as PNG, without a network.

The picture is made by Vega's renderer in this process from data that stand in the drawing itself.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from metrics.words import money

if TYPE_CHECKING:
    from alerts.digest.figures import Figures
    from metrics.flight import FlightPace

__all__ = ["chart", "furthest", "png", "warm"]

_SCALE: Final = 2
_FONT: Final = "sans-serif"
"""The renderer leaves out text in a font that it does not find, and this one it always does."""
_INK, _SOFT, _BLUE, _GRID = "#0F172A", "#64748B", "#2563EB", "#E2E8F0"
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"


def furthest(paces: tuple[FlightPace, ...]) -> FlightPace | None:
    """The plan that is furthest off, of those that can be drawn."""
    drawn = [p for p in paces if p.amount > 0 and p.actual.size and not p.refused]
    return max(drawn, key=lambda p: abs(p.mid / p.amount - 1), default=None)


def chart(figures: Figures) -> tuple[dict[str, Any], str]:
    """The drawing, and what it shows in words."""
    pace = furthest(figures.paces)
    return _against_plan(pace) if pace is not None else _by_step(figures)


def png(drawing: dict[str, Any]) -> bytes:
    """The drawing as a picture."""
    import vl_convert  # noqa: PLC0415  # a renderer of some 60 MB, for those who draw

    made: bytes = vl_convert.vegalite_to_png(drawing, vl_version="5.20", scale=_SCALE)
    return made


def warm() -> None:
    """Draw something small: the renderer's first picture takes seconds, each later one a fraction."""
    png({"$schema": _SCHEMA, "data": {"values": [{}]}, "mark": "point"})


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
            "mark": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.5, "color": _SOFT},
            "encoding": {"y": value},
        },
        {
            "data": {"values": done},
            "mark": {"type": "line", "strokeWidth": 2.5, "color": _BLUE},
            "encoding": {"y": value},
        },
        _said(plan[-1], f"Plan {money(pace.amount, currency)}", _SOFT, up=pace.mid <= pace.amount),
    ]
    if fan:
        layers.insert(
            0,
            {
                "data": {"values": fan},
                "mark": {"type": "area", "opacity": 0.18, "color": _BLUE},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                },
            },
        )
        layers.append(
            {
                "data": {"values": fan},
                "mark": {"type": "line", "strokeWidth": 1.5, "color": _BLUE, "strokeDash": [2, 3]},
                "encoding": {"y": {"field": "mid", "type": "quantitative"}},
            }
        )
        end = {"at": fan[-1]["at"], "value": fan[-1]["mid"]}
        layers.append(_said(end, f"Likely {money(pace.mid, currency)}", _BLUE, up=pace.mid > pace.amount))
    words = (
        f"{pace.plan.name}: {money(pace.spent, currency)} spent, {money(pace.expected, currency)} planned by "
        f"now; likely end {money(pace.mid, currency)} ({money(pace.low, currency)} to "
        f"{money(pace.high, currency)}) of {money(pace.amount, currency)}"
    )
    title = f"{pace.plan.name}: spend against plan, {_span(first, pace.over.last)}"
    return _framed(title, {"layer": layers, "encoding": {"x": _time()}}), words


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
            "color": {"condition": {"test": "datum.own", "value": _BLUE}, "value": "#BFD0EE"},
        },
    }  # fmt: skip
    each = "day" if figures.kind == "daily" else "week"
    title = f"Spend by {each}, in {figures.currency}"
    own = money(figures.days[max(figures.days)], figures.currency)
    return _framed(title, drawing), f"{title}; the last: {own}"


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


def _framed(title: str, drawing: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": _SCHEMA,
        "width": 592,
        "height": 230,
        "background": "#FFFFFF",
        "padding": {"left": 12, "right": 16, "top": 12, "bottom": 8},
        "title": {
            "text": title, "anchor": "start", "fontSize": 15, "fontWeight": 600, "color": _INK, "offset": 12,
        },
        **drawing,
        "config": {
            "font": _FONT,
            "view": {"stroke": None},
            "axis": {
                "labelColor": _SOFT, "labelFontSize": 12, "domain": False, "ticks": False, "gridColor": _GRID,
                "tickCount": 4, "labelPadding": 8, "format": "~s",
            },
        },
    }  # fmt: skip


def _day(day: date) -> str:
    """As Vega reads it in the picture's own zone, whatever the machine's."""
    return f"{day:%Y-%m-%d}T00:00:00"


def _span(first: date, last: date) -> str:
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%B}"
    return f"{first.day} {first:%b} to {last.day} {last:%b}"
