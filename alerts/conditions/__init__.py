"""The kinds of condition, one file each. A new kind is a file here and its line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from alerts.conditions.anomaly import Anomaly
from alerts.conditions.budget import Budget
from alerts.conditions.contract import Condition
from alerts.conditions.conversion_rate import ConversionRate
from alerts.conditions.cost_over_target import CostOverTarget
from alerts.conditions.flight import Flight
from alerts.conditions.freshness import Freshness
from alerts.conditions.landing_page import LandingPage
from alerts.conditions.lost_to_budget import LostToBudget
from alerts.conditions.new_spender import NewSpender
from alerts.conditions.not_serving import NotServing
from alerts.conditions.pace import Pace
from alerts.conditions.spend_without_conversions import SpendWithoutConversions
from alerts.conditions.threshold import Threshold
from alerts.conditions.tracking import Tracking

__all__ = ["KINDS", "UnknownKind", "read"]

KINDS: Final[dict[str, type[Condition]]] = {
    "anomaly": Anomaly,
    "budget": Budget,
    "conversion_rate": ConversionRate,
    "cost_over_target": CostOverTarget,
    "flight": Flight,
    "freshness": Freshness,
    "landing_page": LandingPage,
    "lost_to_budget": LostToBudget,
    "new_spender": NewSpender,
    "not_serving": NotServing,
    "pace": Pace,
    "spend_without_conversions": SpendWithoutConversions,
    "threshold": Threshold,
    "tracking": Tracking,
}


class UnknownKind(ValueError):
    """No condition is of that kind; the text names the nearest."""


def read(written: Mapping[str, Any]) -> Condition:
    """A condition as it is written. Raises UnknownKind, pydantic.ValidationError."""
    kind = str(written.get("kind", ""))
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1, 0.5)
        hint = f", did you mean {near[0]!r}?" if near else f" (known: {', '.join(KINDS)})"
        raise UnknownKind(f"{kind!r} is no kind of condition{hint}")
    return KINDS[kind].model_validate(dict(written))
