"""What happened, on any chart of time: a dashed line a mark, and its story when it is pointed at.

found = seen(view)                                             # of the page's accounts and window
spec = on(spec, found, by_step(spec, trend.at, zone), zone)    # over any specification with an x encoding
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TypeAlias

from connectors.contract import Window
from metrics.annotations import Annotation
from metrics.annotations import marks as listed
from panels._once import once
from panels._slot import process
from panels._view import View

__all__ = ["by_hour", "by_moment", "by_step", "marks", "noted", "on", "on_steps", "seen"]

Spec = dict[str, Any]

Place: TypeAlias = Callable[[datetime], Any]
"""Where on a chart's x axis a moment stands; None where it is not on the chart."""

_LOOKS = {
    "change": ("Change", "diamond", "#7C3AED"),
    "note": ("Note", "circle", "#0891B2"),
    "restatement": ("Restatement", "triangle-down", "#64748B"),
    "definition": ("Definition", "square", "#6366F1"),
    "incident": ("Incident", "triangle-up", "#B45309"),
}
"""Name, shape and colour of each kind: none of them green, yellow or red, which are states."""


def marks(found: Sequence[Annotation], place: Callable[[datetime], Any], zone: tzinfo, x: Spec) -> list[Spec]:
    """The layers that draw `found` over a chart; [] where there is nothing to mark.

    place: where on the chart's x axis a moment stands. zone: where clocks in the tooltips are told. x: the
    chart's own x encoding: layers share one axis, and what one says of it must not be undone by another.
    """
    found = [a for a in found if place(a.at) is not None]
    if not found:
        return []
    tooltip = [
        {"field": "when", "type": "nominal", "title": "When"},
        {"field": "kind", "type": "nominal", "title": "Kind"},
        {"field": "what", "type": "nominal", "title": "What"},
        {"field": "who", "type": "nominal", "title": "Who"},
    ]
    layers: list[Spec] = []
    for kind, (name, shape, colour) in _LOOKS.items():
        values = [
            {
                x["field"]: place(a.at),
                "kind": name,
                "what": a.label,
                "who": a.who or "—",
                "when": f"{a.at.astimezone(zone):%a %-d %b %H:%M}",
            }
            for a in found
            if a.kind == kind
        ]
        if values:
            # Looks are said by value, not by scale: a scale would mix with the chart's own, and its legend.
            rule = {"type": "rule", "strokeDash": [3, 3], "strokeWidth": 1, "opacity": 0.7, "color": colour}
            point = {
                "type": "point",
                "filled": True,
                "size": 110,
                "opacity": 1,
                "shape": shape,
                "color": colour,
            }
            layers += [
                {"data": {"values": values}, "mark": rule, "encoding": {"x": x, "tooltip": tooltip}},
                {
                    "data": {"values": values},
                    "mark": point,
                    "encoding": {"x": x, "y": {"value": 6}, "tooltip": tooltip},
                },
            ]
    return layers


def on(spec: Spec, found: Sequence[Annotation], place: Place, zone: tzinfo) -> Spec:
    """A chart with its marks: one view, or layers that share the x encoding at the top."""
    layers = marks(found, place, zone, spec["encoding"]["x"])
    if not layers:
        return spec
    inner = {key: value for key, value in spec.items() if key not in ("height", "width")}
    outer = {key: value for key, value in spec.items() if key in ("height", "width")}
    return {**outer, "layer": [inner, *layers]}


def by_step(spec: Spec, at: Sequence[datetime | date], zone: tzinfo) -> Place:
    """Places for a chart whose x axis has one name a step; its data say which, in `n` and x's own field."""
    field = spec["encoding"]["x"]["field"]
    names = {row["n"]: row[field] for row in spec["data"]["values"]}

    def place(moment: datetime) -> Any:
        local = moment.astimezone(zone).date()
        begun = [n for n, start in enumerate(at) if _begun(start, moment, local)]
        if not begun or (len(at) > 1 and begun[-1] == len(at) - 1 and _past(at, moment, local)):
            return None
        return names.get(begun[-1])

    return place


def _begun(start: datetime | date, moment: datetime, local: date) -> bool:
    return start <= moment if isinstance(start, datetime) else start <= local


def _past(at: Sequence[datetime | date], moment: datetime, local: date) -> bool:
    """Whether a moment lies past the last step."""
    last, before = at[-1], at[-2]
    if isinstance(last, datetime) and isinstance(before, datetime):
        return moment >= last + (last - before)
    return not isinstance(last, datetime) and local > last


def on_steps(spec: Spec, view: View, at: Sequence[datetime | date]) -> Spec:
    """A chart of a view, one name a step, with everything that happened marked on it."""
    of = process()
    assert of is not None
    zone = of.workspace.timezone
    return on(spec, seen(view), by_step(spec, at, zone), zone)


def by_hour(day: date, zone: tzinfo) -> Place:
    """Places for a chart of one day's hours, 0 to 24."""

    def place(moment: datetime) -> Any:
        local = moment.astimezone(zone)
        return local.hour + local.minute / 60 if local.date() == day else None

    return place


def by_moment(zone: tzinfo, span: tuple[datetime, datetime] | None = None) -> Place:
    """Places for a chart of time that is told on one clock. span: its first and last moment, or all time."""

    def place(moment: datetime) -> Any:
        if span and not span[0] <= moment <= span[1]:
            return None
        return moment.astimezone(zone).replace(tzinfo=None).isoformat()

    return place


def noted() -> int:
    """How many notes were ever written or taken back: the version of the notes."""
    of = process()
    assert of is not None
    (row,) = of.book.read("SELECT count(*) + count(taken_back) AS number FROM note")
    return int(row["number"])


def seen(view: View, where: Mapping[str, Any] | None = None) -> list[Annotation]:
    """The marks of a view's accounts and window, up to now where the window reaches to now.

    where: narrower filters than the view's, by source, account and campaign.
    """
    of = process()
    assert of is not None
    return _seen(of.data_version(), noted(), view, dict(where or view.where))


@once
def _seen(version: int, notes_version: int, view: View, where: Mapping[str, Any]) -> list[Annotation]:
    del version, notes_version
    of = process()
    assert of is not None
    soon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    end = max(w.end for w in view.windows.values())
    if soon - end < timedelta(hours=12):  # a source lags by hours, people do not
        end = max(end, soon)
    if view.as_of is not None:
        end = min(end, view.as_of.astimezone(UTC))
    window = Window(min(w.start for w in view.windows.values()), end)
    return listed(of.warehouse, of.book, window, where)
