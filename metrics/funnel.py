"""The funnel: from impressions to clicks to conversions to their value, and what each step is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from metrics.decompose import Factor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metrics.aggregate import Aggregate
    from metrics.expression import Quotient
    from metrics.model import Unit, View

__all__ = ["Step", "chain", "spelled", "steps"]


@dataclass(frozen=True, slots=True)
class Step:
    """A column of the funnel: what it is divided by, and what that ratio is called."""

    under: str
    name: str
    unit: Unit
    scale: float = 1.0


_FUNNEL: Final[Mapping[str, tuple[Step, ...]]] = {
    "impressions": (Step("", "impressions", "count"),),
    "cost": (Step("impressions", "CPM", "money", 1e-3), Step("clicks", "cost per click", "money", 1e-6)),
    "clicks": (Step("impressions", "click-through rate", "percent"), Step("", "clicks", "count")),
    "conversions": (Step("clicks", "conversion rate", "percent"),),
    "conversion_value": (Step("conversions", "value per conversion", "money", 1e-6),),
    "leads": (Step("clicks", "lead rate", "percent"),),
    "purchases": (Step("clicks", "purchase rate", "percent"),),
    "purchase_value": (Step("purchases", "average order value", "money", 1e-6),),
    "settled_conversions": (Step("clicks", "settled conversion rate", "percent"),),
    "settled_value": (Step("settled_conversions", "settled value per conversion", "money", 1e-6),),
    "settled_leads": (Step("clicks", "settled lead rate", "percent"),),
}
"""Each column's place, the first that its view has room for. Money is in micros, a CPM of a thousand."""


def steps(view: View) -> dict[str, Step]:
    """The funnel as far as a view knows it, by column."""
    found = {}
    for name, places in _FUNNEL.items():
        fits = [step for step in places if not step.under or step.under in view.columns]
        if name in view.columns and fits:
            found[name] = fits[0]
    return found


def chain(asked: Quotient, known: Mapping[str, Step]) -> list[Factor]:
    """The factors of numerator over denominator, what both share left out; [] off the funnel."""
    paths = []
    for aggregate in (asked.over, asked.under):
        path: list[str] = []
        if aggregate is not None:
            name = spelled(aggregate)
            if name not in known:
                return []
            while name:
                path.insert(0, name)
                name = known[name].under
        paths.append(path)
    own, other = ([name for name in path if name not in rest] for path, rest in (paths, paths[::-1]))
    return [Factor(n, known[n].under, 1) for n in own] + [Factor(n, known[n].under, -1) for n in other]


def spelled(aggregate: Aggregate | None) -> str:
    """The name of an aggregate among the sums: its column's, where it is the plain sum of one."""
    if aggregate is None:
        return ""
    if aggregate.function == "sum" and not aggregate.condition:
        return aggregate.inner
    return f"{aggregate.function}({aggregate.inner}) {aggregate.condition}"
