"""The body of a metric: one aggregate expression, taken apart into the aggregates it is made of.

A body is parsed, never trusted: only the node types below may stand in it, so that a metric can neither
read a file, nor ask a question of its own, nor give another answer the second time. What an expression is
made of (`Aggregate`) is what the rest computes: once per group, once per bucket, once per compared window.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from metrics.aggregate import Aggregate
from metrics.header import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DIALECT", "Parts", "Quotient", "faults", "normal", "parts", "quotient"]

DIALECT: Final = "duckdb"

_AGGREGATES: Final = (exp.Sum, exp.Count, exp.Min, exp.Max, exp.Avg, exp.PercentileCont)
_CONDITIONS: Final = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.And, exp.Or, exp.Not, exp.Is, exp.In),
    *(exp.Between, exp.Boolean),
)
_PLAIN: Final = (
    *_CONDITIONS,
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Paren, exp.Literal, exp.Null),
    *(exp.Column, exp.Identifier, exp.Nullif, exp.Coalesce, exp.Case, exp.If, exp.Filter, exp.Where),
    *(exp.Greatest, exp.Least, exp.Abs, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow),
    *(exp.Cast, exp.DataType, exp.Star),
)
_ARITHMETIC: Final = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow),
)
_DEEPEST: Final = 24
"""Levels of an expression: more than anybody reads, and far fewer than its readers can follow."""
_PASSING: Final = (
    *(exp.Sum, exp.Min, exp.Max, exp.Avg, exp.PercentileCont, exp.Filter, exp.Paren),
    *(exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, *_ARITHMETIC),
)
"""Whose value is of the type of what they are given."""
_WHY: Final[Mapping[type[exp.Expr], str]] = {
    exp.Query: "a metric is one expression, no query: window and grouping come from the caller",
    exp.Subquery: "a subquery cannot follow the caller's window; join it in a view",
    exp.Window: "a window function: rolling windows come from the caller",
    exp.Alias: "no alias: a metric is named after its file",
    exp.Placeholder: "no parameters: a metric is the same for every caller",
    exp.Parameter: "no parameters: a metric is the same for every caller",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """An expression taken apart.

    aggregates: in order of appearance. outer: the expression over `{0}`, `{1}`, … in their places.
    columns: every column it reads. additive: whether results of disjoint windows may be summed.
    """

    aggregates: tuple[Aggregate, ...]
    outer: str
    columns: frozenset[str]
    additive: bool


@dataclass(frozen=True, slots=True)
class Quotient:
    """`scale` x over / under; under is None for a plain sum."""

    over: Aggregate
    under: Aggregate | None
    scale: float


def _start(node: exp.Expr) -> int:
    """Offset of a node in the body: its own token's, else the first of its children."""
    starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    return min(starts, default=0)


def _parse(body: str) -> exp.Expr:
    (tree,) = sqlglot.parse(body, dialect=DIALECT)
    if tree is None:
        raise ValueError("the body is empty")
    return tree


def faults(body: str, columns: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """What keeps `body` from being a metric over `columns` (name -> kind), as (offset, message)."""
    if not body.strip():
        yield 0, "there is no expression below the header"
        return
    try:
        tokens = sqlglot.tokenize(body, dialect=DIALECT)
    except TokenError as error:
        yield 0, f"cannot be read as SQL: {error}"
        return
    stopped = False
    for token in tokens:
        if token.token_type == sqlglot.TokenType.SEMICOLON:
            stopped = True
            yield token.start, "no `;`: a metric is one expression"
        if token.comments:
            stopped = True
            yield body.find(token.comments[0]), "no comment in the body: say it in `limits` or `changes`"
    if stopped:
        return
    tree: exp.Expr | None
    try:
        tree = _parse(body)
    except ParseError as error:
        first = error.errors[0]
        lines = body.split("\n")
        at = sum(len(line) + 1 for line in lines[: first["line"] - 1])
        at += max(first["col"] - len(first["highlight"] or ""), 0)
        text = "one expression only" if first["highlight"] == "," else first["description"]
        yield at, f"not one aggregate expression: {text} at `{first['highlight']}`"
        return
    except RecursionError:
        tree = None
    if tree is None or _deep(tree):
        yield 0, f"is nested over {_DEEPEST} levels deep: prepare its parts as columns of a view"
        return
    yield from _structure(tree)
    yield from _columns(tree, columns)


def _deep(tree: exp.Expr) -> bool:
    level = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in node.iter_expressions()]
    return bool(level)


def _structure(tree: exp.Expr) -> Iterator[tuple[int, str]]:
    for kind, why in _WHY.items():
        found = tree.find(kind)
        if found is not None:
            yield _start(found), why
            return
    for node in tree.walk():
        if isinstance(node, _AGGREGATES):
            inside = node.find_ancestor(*_AGGREGATES)
            if inside:
                yield _start(node), "an aggregate inside an aggregate"
                return
            if isinstance(node, exp.PercentileCont) and not _quantile(node):
                yield _start(node), "write quantile_cont(column, 0.95): a quantile is a number from 0 to 1"
                return
        elif isinstance(node, exp.Distinct):
            if not (isinstance(node.parent, exp.Count) and len(node.expressions) == 1):
                yield _start(node), "distinct has a meaning in a count of one column alone"
                return
        elif not isinstance(node, _PLAIN):
            name = node.name if isinstance(node, exp.Anonymous) else node.key
            allowed = (
                "sum, count, min, max, avg, quantile_cont, "
                "nullif, coalesce, case, greatest, least, abs, sqrt, ln, exp, pow"
            )
            yield _start(node), f"`{name}` is not allowed in a metric; allowed: {allowed}"
            return
    if not tree.find(*_AGGREGATES):
        yield 0, "nothing is aggregated: write sum(…) or count(…) of a column"
        return
    for column in tree.find_all(exp.Column):
        if not column.find_ancestor(*_AGGREGATES, exp.Filter):
            yield _start(column), f"`{column.name}` stands outside an aggregate"
            return


def _columns(tree: exp.Expr, columns: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    for column in tree.find_all(exp.Column):
        if column.table:
            yield _start(column), f"write `{column.name}` without its table: a metric has one view"
        elif column.name not in columns:
            yield _start(column), f"unknown column `{column.name}`{nearest(column.name, columns)}"
    sums = tree.find_all(exp.Avg, exp.Sum, exp.PercentileCont, *_ARITHMETIC)
    casts = (node for node in tree.find_all(exp.Cast) if _to_number(node))
    leaves = {id(leaf): leaf for node in (tree, *sums, *casts) for leaf in _leaves(node)}
    for leaf in leaves.values():
        if why := _no_number(leaf, columns):
            yield _start(leaf), why
    for node in tree.find_all(exp.Avg, exp.Sum):
        inner = node.this.unnest()
        share = isinstance(inner, exp.Column) and columns.get(inner.name) == "share"
        if isinstance(node, exp.Avg) and (share or node.find(exp.Div)):
            message = "avg of a ratio weighs a quiet hour like a busy one: write sum(…) / nullif(sum(…), 0)"
            yield _start(node), message
        elif share:
            yield _start(node), f"`{inner.name}` is a share: weigh it by what it is a share of, never sum it"


def _leaves(node: exp.Expr) -> Iterator[exp.Expr]:
    """What the value of `node` comes from: columns, literals, casts and conditions."""
    if isinstance(node, (exp.Column, exp.Literal, *_CONDITIONS)):
        yield node
    elif isinstance(node, exp.Cast):
        yield node
        if not isinstance(node.this.unnest(), _CONDITIONS):
            yield from _leaves(node.this)
    else:
        given: list[Any] = []
        if isinstance(node, exp.Case):
            given = [*(one.args["true"] for one in node.args["ifs"]), node.args.get("default")]
        elif isinstance(node, exp.If):
            given = [node.args["true"], node.args.get("false")]
        elif isinstance(node, _PASSING):
            given = [node.this, node.expression, *node.expressions]
        for inner in given:
            if isinstance(inner, exp.Expr) and not isinstance(inner, exp.Where):
                yield from _leaves(inner)


def _quantile(node: exp.PercentileCont) -> bool:
    """Whether a quantile says which: a number from 0 to 1."""
    at = node.expression
    return isinstance(at, exp.Literal) and not at.is_string and 0 <= float(at.this) <= 1


def _to_number(cast: exp.Cast) -> bool:
    return cast.to.is_type(*exp.DataType.NUMERIC_TYPES)


def _no_number(leaf: exp.Expr, columns: Mapping[str, str]) -> str:
    """Why it is no number; "" where it is one."""
    if isinstance(leaf, exp.Column):
        kind = columns.get(leaf.name)
        if kind in ("dimension", "time"):
            return f"`{leaf.name}` is a {kind}, no number: group or filter by it"
        condition = kind == "flag"
    elif isinstance(leaf, exp.Literal):
        return f"`{leaf.sql(DIALECT)}` is a text, and a metric is a number" if leaf.is_string else ""
    elif isinstance(leaf, exp.Cast):
        return "" if _to_number(leaf) else f"`{leaf.sql(DIALECT)}` is no number, and a metric is one"
    else:
        condition = True
    said = leaf.sql(DIALECT)
    return f"`{said}` is true or false, no number: write `case when {said} then 1 end`" if condition else ""


@lru_cache(maxsize=1024)
def parts(body: str) -> Parts:
    """`body` (without faults) taken apart; avg(x) becomes sum(x) / count(x) on the way."""
    tree = _parse(body).transform(_split_average)
    found: list[Aggregate] = []

    def lift(node: exp.Expr) -> exp.Expr:
        condition = ""
        call: Any = node
        if isinstance(node, exp.Filter):
            call, condition = node.this, node.expression.this.sql(DIALECT)
        if not isinstance(call, _AGGREGATES):
            return node
        aggregate = _aggregate(call, condition)
        if aggregate not in found:
            found.append(aggregate)
        return exp.Column(this=exp.Identifier(this=f"__{found.index(aggregate)}__", quoted=False))

    columns = frozenset(c.name for c in tree.find_all(exp.Column))
    additive = _additive(tree)
    outer = tree.transform(lift).sql(DIALECT)
    for index in range(len(found)):
        outer = outer.replace(f"__{index}__", f"{{{index}}}")
    return Parts(tuple(found), outer, columns, additive)


@lru_cache(maxsize=1024)
def quotient(body: str) -> Quotient | None:
    """`body` (without faults) as one sum, or one sum over another; None where it is neither."""
    taken = parts(body)
    tree = _parse(re.sub(r"{(\d+)}", r"__\1__", taken.outer))
    found = _powers(tree)
    if found is None:
        return None
    scale, powers = found
    over = [n for n, power in powers.items() if power == 1]
    under = [n for n, power in powers.items() if power == -1]
    if len(over) != 1 or len(under) > 1 or len(powers) != len(over) + len(under):
        return None
    named = [taken.aggregates[n] for n in (*over, *under)]
    if any(a.rolls != "sum" for a in named):
        return None
    return Quotient(named[0], named[1] if under else None, scale)


def _powers(tree: exp.Expr) -> tuple[float, dict[int, int]] | None:
    """A product as its constant and the power of each aggregate in it; None where it is no product."""
    if isinstance(tree, (exp.Paren, exp.Cast, exp.Nullif)):
        return _powers(tree.this)
    if isinstance(tree, exp.Neg):
        inner = _powers(tree.this)
        return inner and (-inner[0], inner[1])
    if isinstance(tree, exp.Literal) and not tree.is_string:
        return float(tree.this), {}
    if isinstance(tree, exp.Column):
        return 1.0, {int(tree.name.strip("_")): 1}
    if isinstance(tree, (exp.Mul, exp.Div)):
        left, right = _powers(tree.this), _powers(tree.expression)
        sign = 1 if isinstance(tree, exp.Mul) else -1
        if left is None or right is None or (sign < 0 and right[0] == 0):
            return None
        powers = {n: left[1].get(n, 0) + sign * right[1].get(n, 0) for n in left[1] | right[1]}
        return left[0] * right[0] ** sign, {n: power for n, power in powers.items() if power}
    return None


def normal(body: str) -> str:
    """`body` with its spelling evened out: what counts as the same text."""
    return _parse(body).sql(DIALECT, comments=False, normalize=True)


def _aggregate(call: Any, condition: str) -> Aggregate:
    if isinstance(call, exp.PercentileCont):
        return Aggregate("quantile_cont", call.this.sql(DIALECT), condition, call.expression.sql(DIALECT))
    if isinstance(call.this, exp.Distinct):
        return Aggregate("distinct", call.this.expressions[0].sql(DIALECT), condition)
    return Aggregate(call.key, call.this.sql(DIALECT), condition)


def _split_average(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Avg):
        return node
    total, number = exp.Sum(this=node.this.copy()), exp.Count(this=node.this.copy(), big_int=True)
    return exp.Paren(
        this=exp.Div(this=total, expression=exp.Nullif(this=number, expression=exp.Literal.number(0)))
    )


def _additive(tree: exp.Expr) -> bool:
    """Sums and counts, scaled by constants and added: nothing else keeps f(A + B) = f(A) + f(B)."""
    if isinstance(tree, exp.Filter):
        return _additive(tree.this)
    if isinstance(tree, (exp.Sum, exp.Count)):
        return not isinstance(tree.this, exp.Distinct)
    if isinstance(tree, (exp.Paren, exp.Neg)):
        return _additive(tree.this)
    if isinstance(tree, (exp.Add, exp.Sub)):
        return _additive(tree.this) and _additive(tree.expression)
    if isinstance(tree, exp.Mul):
        pair = (tree.this.unnest(), tree.expression.unnest())
        return any(isinstance(p, exp.Literal) and _additive(q) for p, q in (pair, pair[::-1]))
    if isinstance(tree, exp.Div):
        return isinstance(tree.expression.unnest(), exp.Literal) and _additive(tree.this)
    if isinstance(tree, exp.Cast):
        return _additive(tree.this)
    return False
