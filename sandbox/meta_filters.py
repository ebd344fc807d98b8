"""The `filtering` parameter: conditions that all must hold, on objects or on insights rows.

[{"field": "ad.effective_status", "operator": "IN", "value": ["ACTIVE"]},
 {"field": "ad.updated_time", "operator": "GREATER_THAN", "value": 1761955200}]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sandbox.meta_errors import GraphError, bad_parameter
from sandbox.meta_params import moment, read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Condition", "conditions", "unsupported"]

_PREFIXES = {
    "account": "account",
    "campaign": "campaign",
    "campaign_group": "campaign",
    "adset": "adset",
    "adgroup": "ad",
    "ad": "ad",
    "adcreative": "creative",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """kind: the kind of node that `field` belongs to, "" for the listed one's own."""

    kind: str
    field: str
    operator: str
    value: Any

    def holds(self, actual: Any) -> bool:
        """Whether `actual` satisfies the condition. A value that is absent satisfies only negations.

        actual: a moment, a number, a text, or a list of texts, any of which will do.
        """
        if isinstance(actual, (list, tuple, set, frozenset)):
            hits = [self._one(item) for item in actual]
            return all(hits) if self.operator.startswith("NOT_") else any(hits)
        return self._one(actual)

    def _one(self, actual: Any) -> bool:
        operator = self.operator
        if operator.startswith("NOT_"):
            return not _compare(operator.removeprefix("NOT_"), actual, self.value, self)
        return _compare(operator, actual, self.value, self)


def _number(text: Any) -> Decimal | None:
    """Exact: ids have more digits than a float holds."""
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return None


def _like(actual: Any, value: Any) -> tuple[Any, Any]:
    """Both sides in the type of the left one; numbers as numbers wherever both are."""
    if isinstance(actual, datetime):
        return actual, moment(str(value), "filtering")
    left, right = _number(actual), _number(value)
    if left is not None and right is not None:
        return left, right
    return str(actual), str(value)


def _compare(operator: str, actual: Any, value: Any, condition: Condition) -> bool:
    if actual is None:
        return operator == "NONE"
    many = list(value) if isinstance(value, (list, tuple)) else [value]
    match operator:
        case "IN" | "ANY" | "EQUAL":
            return any(left == right for left, right in (_like(actual, item) for item in many))
        case "ALL":
            return all(left == right for left, right in (_like(actual, item) for item in many))
        case "NONE":
            return not any(left == right for left, right in (_like(actual, item) for item in many))
        case "CONTAIN":
            return any(str(item).lower() in str(actual).lower() for item in many)
        case "STARTS_WITH":
            return any(str(actual).lower().startswith(str(item).lower()) for item in many)
        case "IN_RANGE":
            if len(many) != 2:
                raise bad_parameter("filtering: IN_RANGE needs two values.")
            (left, low), (_, high) = _like(actual, many[0]), _like(actual, many[1])
            return bool(low <= left <= high)
        case "GREATER_THAN" | "AFTER":
            left, right = _like(actual, value)
            return bool(left > right)
        case "GREATER_THAN_OR_EQUAL":
            left, right = _like(actual, value)
            return bool(left >= right)
        case "LESS_THAN" | "BEFORE":
            left, right = _like(actual, value)
            return bool(left < right)
        case "LESS_THAN_OR_EQUAL":
            left, right = _like(actual, value)
            return bool(left <= right)
        case _:
            raise unsupported(condition)


def unsupported(condition: Condition) -> GraphError:
    """The refusal of a field or an operator that cannot be filtered by."""
    field = ".".join(part for part in (condition.kind, condition.field) if part)
    return bad_parameter(f"Filtering field '{field}' with operation '{condition.operator}' is not supported")


def conditions(params: Mapping[str, str], key: str = "filtering") -> list[Condition]:
    """The conditions of a request. Raises GraphError 100 for what is no list of conditions."""
    text = params.get(key, "").strip()
    if not text:
        return []
    try:
        listed = read(text)
    except ValueError:
        raise bad_parameter(f"param {key} must be an array.") from None
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list):
        raise bad_parameter(f"param {key} must be an array.")
    found = []
    for index, item in enumerate(listed):
        if not isinstance(item, dict) or not {"field", "operator"} <= item.keys():
            raise bad_parameter(f"Must specify field and operator in {key}[{index}].")
        prefix, _, name = str(item["field"]).rpartition(".")
        if prefix and prefix not in _PREFIXES:
            raise bad_parameter(
                f"Filtering field '{item['field']}' with operation '{item['operator']}' is not supported"
            )
        found.append(
            Condition(_PREFIXES.get(prefix, ""), name, str(item["operator"]).upper(), item.get("value"))
        )
    return found
