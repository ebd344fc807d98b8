"""Google Ads Query Language: from text to a Query. What its fields mean is not known here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError

from sandbox.google_errors import Refused, query_error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Condition", "Operator", "Ordering", "Query", "Value", "parse"]

Operator = Literal[
    "=", "!=", ">", ">=", "<", "<=", "IN", "NOT IN", "LIKE", "NOT LIKE", "CONTAINS ANY", "CONTAINS ALL",
    "CONTAINS NONE", "IS NULL", "IS NOT NULL", "DURING", "BETWEEN", "REGEXP_MATCH", "NOT REGEXP_MATCH",
]  # fmt: skip

_LISTS = {"IN", "NOT IN", "CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE"}
_PARAMETERS = {"include_drafts", "omit_unselected_resource_names"}
_MAX_VALUES = 20_000


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written; text is unescaped."""

    kind: Literal["string", "number", "literal"]
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. values: one; two with BETWEEN; any number with lists; none with IS [NOT] NULL."""

    field: str
    operator: Operator
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordering:
    """One sort key."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. resource: empty when FROM is missing, which GoogleAdsFieldService demands."""

    select: tuple[str, ...]
    resource: str = ""
    where: tuple[Condition, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None
    include_drafts: bool = False
    omit_unselected_resource_names: bool = False


def parse(text: str) -> Query:
    """Read a query; raises Refused with the QueryError that the service answers."""
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise _refusal(error, text) from None
    try:
        query: Query = _Build().transform(tree)
    except VisitError as error:
        raise error.orig_exc from None
    return query


_PARSER = Lark(
    (Path(__file__).with_name("gaql.lark")).read_text(), parser="lalr", maybe_placeholders=False, cache=False
)


def _refusal(error: UnexpectedInput, text: str) -> Refused:
    expected: set[str] = set()
    if isinstance(error, UnexpectedCharacters):
        expected, found = set(error.allowed or ()), error.char
        if found in "'\"":
            return query_error("STRING_NOT_TERMINATED", "Error in query: string is not terminated.")
        if not found.isascii():
            return query_error("BAD_SYMBOL", f"Error in query: invalid symbol {found}.")
    elif isinstance(error, UnexpectedToken):
        expected, found = set(error.accepts or error.expected), str(error.token)
        if "_SELECT" in expected:
            return query_error("EXPECTED_SELECT", "Error in query: expected SELECT.")
        if error.token.type == "$END":
            return query_error("UNEXPECTED_END_OF_QUERY", "Error in query: unexpected end of query.")
    else:
        found = text
    if "_SELECT" in expected:
        return query_error("EXPECTED_SELECT", "Error in query: expected SELECT.")
    if "_BY" in expected:
        return query_error("EXPECTED_BY", f"Error in query: expected BY before {found}.")
    if "OPERATOR" in expected:
        return query_error("BAD_OPERATOR", f"Error in query: invalid operator {found}.")
    if expected == {"_AND"}:
        return query_error("EXPECTED_AND", f"Error in query: expected AND before {found}.")
    return query_error("UNEXPECTED_INPUT", f"Error in query: unexpected input {found}.")


class _Build(Transformer[Token, Any]):
    """Turns lark's tree into a Query, clause by clause."""

    def start(self, clauses: Sequence[dict[str, Any]]) -> Query:
        merged: dict[str, Any] = {}
        for clause in clauses:
            merged |= clause
        return Query(**merged)

    def select(self, names: Sequence[Token]) -> dict[str, Any]:
        return {"select": tuple(dict.fromkeys(map(str, names)))}

    def resource(self, names: Sequence[Token]) -> dict[str, Any]:
        return {"resource": str(names[0])}

    def where(self, conditions: Sequence[Condition]) -> dict[str, Any]:
        return {"where": tuple(conditions)}

    def order(self, orderings: Sequence[Ordering]) -> dict[str, Any]:
        return {"order_by": tuple(orderings)}

    def limit(self, tokens: Sequence[Token]) -> dict[str, Any]:
        text = str(tokens[0])
        if not re.fullmatch(r"-?\d+", text):
            raise query_error("BAD_LIMIT_VALUE", f"Error in query: invalid limit {text}.")
        if int(text) < 1:
            raise query_error("LIMIT_VALUE_TOO_LOW", "Error in query: the limit must be at least 1.")
        return {"limit": int(text)}

    def parameters(self, pairs: Sequence[tuple[str, Value]]) -> dict[str, Any]:
        flags: dict[str, Any] = {}
        for name, value in pairs:
            if name not in _PARAMETERS:
                raise query_error("BAD_PARAMETER_NAME", f"Error in query: unknown parameter {name}.")
            if value.text.lower() not in {"true", "false"}:
                raise query_error("BAD_PARAMETER_VALUE", f"Error in query: {name} must be true or false.")
            flags[name] = value.text.lower() == "true"
        return flags

    def parameter(self, parts: tuple[Token, Value]) -> tuple[str, Value]:
        return str(parts[0]).lower(), parts[1]

    def ordering(self, parts: Sequence[Token]) -> Ordering:
        return Ordering(str(parts[0]), len(parts) > 1 and parts[1].lower() == "desc")

    def nullness(self, parts: Sequence[Token]) -> Condition:
        return Condition(str(parts[0]), _operator(parts[1]))

    def between(self, parts: tuple[Token, Value, Value]) -> Condition:
        field, low, high = parts
        if (low.kind == "number") != (high.kind == "number"):
            raise query_error(
                "PROHIBITED_VALUE_COMBINATION_WITH_BETWEEN_OPERATOR",
                f"The values passed to BETWEEN are not of the same type: {low.text}, {high.text}.",
            )
        return Condition(str(field), "BETWEEN", (low, high))

    def compare(self, parts: tuple[Token, Token, Value | tuple[Value, ...]]) -> Condition:
        field, token, value = parts
        operator = _operator(token)
        if operator not in _LISTS:
            if isinstance(value, tuple):
                raise query_error("EXPECTED_SINGLE_VALUE", f"Operator {operator} expects a single value.")
            return Condition(str(field), operator, (value,))
        if not isinstance(value, tuple):
            raise query_error("EXPECTED_LIST", f"Operator {operator} expects a list of values.")
        if not value:
            raise query_error("PROHIBITED_EMPTY_LIST_IN_CONDITION", f"The list for {field} is empty.")
        if len(value) > _MAX_VALUES:
            raise query_error(
                "FILTER_HAS_TOO_MANY_VALUES", f"The filter on {field} has more than {_MAX_VALUES} values."
            )
        if len({item.kind == "number" for item in value}) > 1:
            raise query_error(
                "PROHIBITED_VALUE_COMBINATION_IN_LIST", f"The list for {field} has values of different types."
            )
        return Condition(str(field), operator, value)

    def list(self, values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(values)

    def scalar(self, tokens: Sequence[Token]) -> Value:
        token = tokens[0]
        if token.type == "STRING":
            return Value("string", _unescape(str(token)[1:-1]))
        return Value("number" if token.type == "NUMBER" else "literal", str(token))


def _operator(token: Token) -> Operator:
    operator: Any = re.sub(r"\s+", " ", str(token)).upper()
    return operator  # type: ignore[no-any-return]  # the grammar admits nothing else


def _unescape(text: str) -> str:
    if "\n" in text:
        raise query_error("PROHIBITED_NEWLINE_IN_STRING", "Error in query: a string contains a newline.")

    def one(match: re.Match[str]) -> str:
        if match[1] not in "'\"\\":
            raise query_error("BAD_ESCAPE_SEQUENCE", f"Error in query: invalid escape sequence {match[0]}.")
        return match[1]

    return re.sub(r"\\(.)", one, text, flags=re.DOTALL)
