"""What stands behind a movement: the parts of the change, what people did, and what the auction did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.contract import Window
from metrics import changes
from metrics.changes import Suspect
from metrics.compare import compare
from metrics.compute import evaluate
from metrics.explain import explain
from metrics.explanation import Explanation
from metrics.model import Metric
from metrics.same_age import arrived
from metrics.windows import AccountKey
from panels._facts import PROVISIONAL, SETTLED
from panels._maturity import learned
from panels._slot import Process
from panels._view import View

__all__ = ["BY", "Context", "Reasons", "dimensions", "reasons"]

BY: Final = {
    "campaign": "Campaign",
    "account": "Account",
    "source": "Source",
    "channel": "Campaign kind",
    "device": "Device",
    "network": "Network",
}
"""What a change can be divided over."""

_BEFORE: Final = timedelta(days=2)
"""Changes this long before a window may have moved it; at least as long as the window itself."""

_BY_THE_DAY: Final = ("device", "network")

_CONTEXT: Final = (
    *("impressions", "clicks", "cpm", "ctr", "cpc"),
    *("impression_share", "lost_to_budget", "lost_to_rank"),
)
"""Shown beside every movement: how much traffic there was, what it cost, and how the auction went."""


@dataclass(frozen=True, slots=True)
class Context:
    """A figure beside the movement. before: None where there is nothing to compare with."""

    metric: Metric
    now: float | None
    before: float | None

    @property
    def relative(self) -> float | None:
        """The relative change."""
        return self.now / self.before - 1 if self.before and self.now is not None else None


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why a figure moved. window: the later one, over all accounts. suspects: the likeliest first.

    so_far: the figure as it is known by now, where `found` is about what both sides come to once settled.
    """

    found: Explanation
    so_far: float | None
    suspects: tuple[Suspect, ...]
    context: tuple[Context, ...]
    window: Window


def dimensions(view: View, known: Mapping[AccountKey, Any]) -> dict[str, str]:
    """Over what the view's changes can be divided: what is known by the day needs whole days."""
    whole = all(
        at.astimezone(known[key].timezone).time() == datetime.min.time()
        for key, window in view.windows.items()
        for at in (window.start, window.end)
    )
    return {name: title for name, title in BY.items() if whole or name not in _BY_THE_DAY}


def reasons(of: Process, metric: Metric, view: View, *, by: str = "campaign") -> Reasons:
    """Why `metric` differs from what the view compares it with. Raises as `explain` does.

    The baseline is the card's: while conversions are still to come, both sides are what they come to once
    settled. A metric of the team's own that rests on conversions has no settled twin: its past is cut to the
    age of its present.
    """
    asked: dict[str, Any] = {"where": view.where, "currency": view.convert, "as_of": view.as_of}
    mature = learned(of.data_version(), view.as_of)
    defined = of.metrics()
    twin = defined.get(SETTLED.get(metric.name, ""))
    so_far, late = _so_far(of, metric, view, mature.relations) if twin else (None, False)
    share = None if twin else arrived(of.warehouse, mature.complete, view.windows, view.against)
    found = explain(
        of.warehouse,
        twin if twin and late else metric,
        view.windows,
        view.against,
        by=by,
        relations=mature.relations,
        arrived=share,
        **asked,
    )
    if by == "source":
        found = _titled(found, of.workspace.sources)
    window = Window(min(w.start for w in view.windows.values()), max(w.end for w in view.windows.values()))
    reach = Window(window.start - max(window.end - window.start, _BEFORE), window.end)
    edits = [
        edit
        for edit in changes.edits(of.warehouse, reach, view.where)
        if (edit.source, edit.account) in view.windows and (view.as_of is None or edit.at <= view.as_of)
    ]
    beside = [defined[name] for name in _CONTEXT if name in defined and name != metric.name]
    table = compare(of.warehouse, beside, view.windows, view.against, **asked).table.to_pylist()[0]
    return Reasons(
        found=found,
        so_far=so_far if late else None,
        suspects=tuple(changes.suspects(found, edits, window)),
        context=tuple(
            Context(m, table[m.name], table[f"{m.name}__before"]) for m in beside if table[m.name] is not None
        ),
        window=window,
    )


def _so_far(
    of: Process, metric: Metric, view: View, relations: Mapping[str, Any]
) -> tuple[float | None, bool]:
    """The figure as it is known by now, and whether enough of its conversions are still to come to matter."""
    defined = of.metrics()
    counts = [defined[name] for name in ("conversions", "settled_conversions")]
    chosen = {m.name: m for m in (metric, *counts)}
    row = evaluate(
        of.warehouse,
        list(chosen.values()),
        view.windows,
        where=view.where,
        as_of=view.as_of,
        currency=view.convert,
        relations=relations,
    ).to_pylist()
    if not row:
        return None, False
    known, coming = (row[0][m.name] or 0.0 for m in counts)
    return row[0][metric.name], bool(coming) and known / coming < PROVISIONAL


def _titled(found: Explanation, titles: Mapping[str, str]) -> Explanation:
    """The sources by their names for people."""
    return replace(
        found,
        movers=tuple(replace(m, name=titles.get(m.name, m.name)) for m in found.movers),
        effects=tuple(replace(e, lead=titles.get(e.lead, e.lead)) for e in found.effects),
    )
