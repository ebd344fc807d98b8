"""What Google Ads judges an experiment by: its goals, each a metric and a direction."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from connectors._google_queries import GOALS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read"]


def read(told: Iterable[bytes], version: str) -> str:
    """The goals of an experiment as `Experiment.goals` has them. told: MetricGoal messages."""
    types = importlib.import_module(f"google.ads.googleads.{version}.common.types.metric_goal")
    message = types.MetricGoal.pb()
    found = []
    for goal in map(message.FromString, told):
        metric = _name(message, goal, "metric")
        found.append(f"{GOALS.get(metric, metric.lower())}:{_name(message, goal, 'direction').lower()}")
    return ",".join(found)


def _name(message: Any, goal: Any, field: str) -> str:
    """An enum's name; a number newer than the installed package is UNKNOWN, as in the API."""
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    number = getattr(goal, field)
    return str(known[number].name) if number in known else "UNKNOWN"
