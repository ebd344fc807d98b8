"""`rules.yaml`: what is watched. A workspace without one has the rules that Paceline ships.

As with the settings, every fault is told at once, with its line, its column, its path and the nearest right
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from alerts.conditions import KINDS
from alerts.rules import Rule
from alerts.unjudged import FAILS
from service.faults import explain, nearest
from service.marks import Marked, Problem, read
from service.settings import SettingsError

if TYPE_CHECKING:
    from alerts.conditions.contract import Condition
    from alerts.routes import Routing
    from metrics.model import Metric

__all__ = ["FILE", "SHIPPED", "load"]

FILE = "rules.yaml"

SHIPPED = Path(__file__).resolve().parents[1] / "workspace" / FILE


def load(folder: Path, routing: Routing, metrics: Mapping[str, Metric]) -> tuple[Rule, ...]:
    """The workspace's rules. Raises SettingsError with every fault at once."""
    own = folder / FILE
    marked = read(own if own.exists() else SHIPPED)
    listed = marked.data.get("rules") if isinstance(marked.data, dict) else None
    problems = list(marked.problems)
    if not isinstance(listed, list):
        if not problems:
            problems.append(marked.problem((), "begins with `rules:` and a list of rules"))
        raise SettingsError(problems)
    if isinstance(marked.data, dict):
        problems += [
            marked.problem((str(key),), f"is no known setting{nearest(str(key), ['rules'])}", at_key=True)
            for key in marked.data
            if key != "rules"
        ]
    found: list[tuple[int, Rule]] = []
    for index, written in enumerate(listed):
        rule, faults = _rule(marked, index, written)
        problems += faults
        if rule is not None:
            found.append((index, rule))
    problems += _cross_checks(marked, found, routing, metrics, strict=own.exists())
    if problems:
        raise SettingsError(problems)
    return tuple(rule for _, rule in found)


def _rule(marked: Marked, index: int, written: Any) -> tuple[Rule | None, list[Problem]]:
    place = ("rules", index)
    if not isinstance(written, dict):
        return None, [marked.problem(place, "is no rule: write its id and what follows")]
    condition, problems = _condition(marked, index, written.get("condition"))
    try:
        # A condition that is wrong is told once, by itself: the rest is checked with any that is right.
        held = condition or KINDS["freshness"].model_validate({"kind": "freshness"})
        given = {**written, "condition": held} if "condition" in written else written
        rule = Rule.model_validate(given)
    except ValidationError as error:
        return None, problems + explain(marked, error, Rule, place)
    return (rule if condition is not None else None), problems


def _condition(marked: Marked, index: int, written: Any) -> tuple[Condition | None, list[Problem]]:
    place = ("rules", index, "condition")
    if written is None:
        return None, []  # told with the rule
    if not isinstance(written, dict):
        return None, [marked.problem(place, "is no section: write its kind and its figures")]
    kind = str(written.get("kind", ""))
    if kind not in KINDS:
        said = f"{kind!r} is no kind of condition" if kind else "is missing"
        return None, [marked.problem((*place, "kind"), said + nearest(kind, KINDS), at_key=not kind)]
    model = KINDS[kind]
    try:
        return model.model_validate(written), []
    except ValidationError as error:
        return None, explain(marked, error, model, place)


def _cross_checks(
    marked: Marked,
    found: Iterable[tuple[int, Rule]],
    routing: Routing,
    metrics: Mapping[str, Metric],
    *,
    strict: bool,
) -> list[Problem]:
    """What no model can know alone: names that must be known elsewhere."""
    problems, seen = [], dict[str, int]()
    people = [person.name for person in routing.people]
    for index, rule in found:
        if rule.name in seen:
            problems.append(
                marked.problem(
                    ("rules", index, "id"),
                    f"{rule.id!r} is there already with severity {rule.severity}: rule {seen[rule.name] + 1}",
                )
            )
        seen.setdefault(rule.name, index)
        if rule.id == FAILS.id:
            problems.append(
                marked.problem(
                    ("rules", index, "id"),
                    f"{rule.id!r} is Paceline's own, of rules that fail: choose another",
                )
            )
        if strict and people and rule.owner not in people:
            hint = nearest(rule.owner, people)
            problems.append(
                marked.problem(("rules", index, "owner"), f"{rule.owner!r} is none of alerts.people{hint}")
            )
        metric = getattr(rule.condition, "metric", None)
        if metric is not None and metric not in metrics:
            problems.append(
                marked.problem(
                    ("rules", index, "condition", "metric"),
                    f"{metric!r} is no metric{nearest(metric, metrics)}",
                )
            )
    return problems
