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
from metrics.explain import explain
from metrics.explanation import Explanation
from metrics.model import Metric
from metrics.same_age import arrived
from metrics.windows import AccountKey
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
    """Why a figure moved. window: the later one, over all accounts. suspects: the likeliest first."""

    found: Explanation
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
    """Why `metric` differs from what the view compares it with. Raises as `explain` does."""
    asked: dict[str, Any] = {"where": view.where, "currency": view.convert, "as_of": view.as_of}
    mature = learned(of.data_version(), view.as_of)
    share = arrived(of.warehouse, mature.complete, view.windows, view.against)
    found = explain(
        of.warehouse,
        metric,
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
    defined = of.metrics()
    beside = [defined[name] for name in _CONTEXT if name in defined and name != metric.name]
    table = compare(of.warehouse, beside, view.windows, view.against, **asked).table.to_pylist()[0]
    return Reasons(
        found=found,
        suspects=tuple(changes.suspects(found, edits, window)),
        context=tuple(
            Context(m, table[m.name], table[f"{m.name}__before"]) for m in beside if table[m.name] is not None
        ),
        window=window,
    )


def _titled(found: Explanation, titles: Mapping[str, str]) -> Explanation:
    """The sources by their names for people."""
    return replace(
        found,
        movers=tuple(replace(m, name=titles.get(m.name, m.name)) for m in found.movers),
        effects=tuple(replace(e, lead=titles.get(e.lead, e.lead)) for e in found.effects),
    )
