"""A metric's formula as a person would say it: "spend ÷ primary conversions", by the words of its columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from metrics import expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metrics.model import Column, Metric

__all__ = ["in_words"]

_MICROS: Final = 1e6

_BINARY: Final[Mapping[type[exp.Expr], str]] = {exp.Div: "÷", exp.Mul: "×", exp.Add: "+", exp.Sub: "−"}
_EXPLAINED: Final = re.compile(r"; |: |, as ")
_COMPARED: Final[Mapping[type[exp.Expr], str]] = {
    exp.EQ: "is",
    exp.NEQ: "is not",
    exp.GT: "is over",
    exp.GTE: "is at least",
    exp.LT: "is under",
    exp.LTE: "is at most",
}


def in_words(metric: Metric) -> str:
    """The expression with its columns' own words; what has no words stands as it is written.

    Millionths of a currency are its storage's business: a division by a million is left out of money.
    """
    tree = sqlglot.parse_one(metric.sql, dialect=expression.DIALECT)
    text = _said(tree, metric.view.columns)
    return text[:1].upper() + text[1:]


def _said(node: exp.Expr, columns: Mapping[str, Column]) -> str:
    def said(inner: exp.Expr) -> str:
        return _said(inner, columns)

    match node:
        case exp.Paren():
            return f"({said(node.this)})"
        case exp.Nullif() | exp.Coalesce() | exp.Cast():
            return said(node.this)
        case exp.Div() if node.expression.is_number and float(node.expression.this) == _MICROS:
            return said(node.this)
        case exp.Filter():
            return f"{said(node.this)} (where {_condition(node.expression.this, said)})"
        case exp.Sum():
            inner = said(node.this)
            return inner if isinstance(node.this, exp.Column) else f"the sum of ({inner})"
        case exp.PercentileCont():
            return f"the {float(node.expression.this) * 100:g}th percentile of {said(node.this)}"
        case exp.Count() if isinstance(node.this, exp.Distinct):
            return f"how many different {said(node.this.expressions[0])}"
        case exp.Count():
            return "the number of rows" if isinstance(node.this, exp.Star) else f"how many {said(node.this)}"
        case exp.Min() | exp.Max():
            return f"the {'least' if isinstance(node, exp.Min) else 'most'} {said(node.this)}"
        case exp.Column():
            found = columns.get(node.name)
            return _short(found.text) if found else node.name
        case exp.Literal():
            return f"{float(node.this):,g}" if node.is_number else f"“{node.this}”"
    for table in (_BINARY, _COMPARED):
        sign = table.get(type(node))
        if sign is not None:
            return f"{said(node.this)} {sign} {said(node.expression)}"
    return node.sql(dialect=expression.DIALECT)


def _condition(node: exp.Expr, said: Callable[[exp.Expr], str]) -> str:
    """A comparison with nothing asks whether there is a value at all."""
    other = node.args.get("expression")
    known = isinstance(node, exp.GT | exp.GTE) and isinstance(other, exp.Literal) and other.this == "0"
    return "that is known" if known else said(node)


def _short(text: str) -> str:
    """A column's words without their explanation; a column of ones counts cases."""
    return re.sub(r"^1 where ", "cases where ", _EXPLAINED.split(text, maxsplit=1)[0])
