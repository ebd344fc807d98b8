"""Rules as entries of the catalogue, and the whole catalogue of a workspace."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import yaml

from metrics import catalog
from metrics.catalog import Catalog, Entry, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerts.rules import Rule
    from metrics.dashboards import Dashboard
    from metrics.model import Metric

__all__ = ["entries", "whole"]


def whole(
    metrics: Mapping[str, Metric],
    dashboards: Sequence[Dashboard],
    sources: Iterable[str],
    rules: Sequence[Rule],
) -> Catalog:
    """Everything that a workspace has, as its files say it."""
    return Catalog([*catalog.entries(metrics, dashboards, sources), *entries(rules)])


def entries(rules: Sequence[Rule]) -> list[Entry]:
    """One entry an id: two rules that share it are one matter in two degrees."""
    by_id: dict[str, list[Rule]] = {}
    for rule in rules:
        by_id.setdefault(rule.id, []).append(rule)
    return [_rule(degrees) for degrees in by_id.values()]


def _rule(degrees: Sequence[Rule]) -> Entry:
    first = degrees[0]
    kinds = {type(rule.condition): rule.condition for rule in degrees}
    modules = [inspect.getmodule(kind) for kind in kinds]
    told = [catalog.base(module.__doc__ if module else "") for module in modules]
    # As it is written, figures and all; what was left out of the file is said with its usual value.
    written = [rule.model_dump(mode="json", by_alias=True, exclude_none=True) for rule in degrees]
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True)
    metric = {str(rule.condition.metric) for rule in degrees if hasattr(rule.condition, "metric")}
    reads = [Ref("metric", name) for name in sorted(metric)] or [
        Ref.of(name) for kind in kinds for name in kind.reads
    ]
    return Entry(
        Ref("rule", first.id),
        first.title,
        first.owner,
        " ".join(dict.fromkeys(means for means, _ in told)),
        text,
        formula=text,
        language="yaml",
        how="\n\n".join(dict.fromkeys(how for _, how in told if how)),
        review=min(rule.review for rule in degrees),
        reads=tuple(reads),
        parts={f"{rule.severity}": rule.title for rule in degrees},
        facts={
            "Severity": ", ".join(str(rule.severity) for rule in degrees),
            "What to do": " ".join(dict.fromkeys(rule.runbook for rule in degrees if rule.runbook)),
            "Kind": ", ".join(sorted({rule.condition.kind for rule in degrees})),
        },
    )
