"""A view's SQL cut down to what a question needs of it.

A view that adds up several relations (UNION ALL) gives zeros for the measures that a relation does not know.
A branch that knows none of the asked measures changes no sum, and is left out before the database plans it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from metrics.expression import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metrics.model import View

__all__ = ["pruned", "relation", "summed", "tables"]

_SUMMED: Final = ("count", "money")


@lru_cache(maxsize=256)
def pruned(view: View, used: frozenset[str] | None, idle: str = "") -> str:
    """The view's SQL without needless branches, and without what only they read.

    used: the columns that the question sums; None where it does more than sum, and needs every row.
    idle: a relation of the view that is known to be empty, or "": branches that select from it go too.
    """
    tree = sqlglot.parse_one(view.sql, dialect=DIALECT)
    found = _branches(tree)
    kept = [b for b in found if not idle or b.args["from_"].this.name != idle]
    if used is not None:
        at = [n for n, c in enumerate(view.columns.values()) if c.name in used and c.kind in _SUMMED]
        kept = [b for b in kept if any(not _zero(b.expressions[n]) for n in at)] or kept[:1]
    if len(kept) == len(found):
        return view.sql
    whole: exp.Query = kept[0].copy()
    for column, name in zip(whole.expressions, view.columns, strict=True):
        if column.alias_or_name != name:  # only the first branch of a union names its columns
            column.replace(exp.alias_(column.copy(), name))
    for branch in kept[1:]:
        whole = exp.union(whole, branch.copy(), distinct=False, copy=False)
    relations = _relations(tree)
    while unread := [
        r for r in relations if not _reads(r.alias, [whole, *(o for o in relations if o is not r)])
    ]:
        relations = [r for r in relations if r not in unread]
    for each in relations:
        whole = whole.with_(each.alias, each.this, copy=False)
    return whole.sql(DIALECT, pretty=True, comments=False)


@lru_cache(maxsize=256)
def summed(view: View, used: frozenset[str], base: View) -> frozenset[str] | None:
    """The measures of `base` from which `view`, whose rows are those of `base`, makes the columns `used`.

    None unless a row of `base` that has 0 in all of them adds nothing to a sum of any: then each of these
    columns is made of terms of which each is one of the measures, or a product with one.
    """
    tree = sqlglot.parse_one(view.sql, dialect=DIALECT)
    if not isinstance(tree, exp.Select) or any(tree.args.get(k) for k in ("group", "distinct", "with_")):
        return None
    source = tree.args["from_"].this
    if source.name != f"{base.name}_rows":
        return None
    found = set()
    for name, column in zip(view.columns, tree.expressions, strict=True):
        if name not in used:
            continue
        for term in _parts(column.unalias(), exp.Add, exp.Sub):
            factors = [part for part in _parts(term, exp.Mul) if isinstance(part, exp.Column)]
            measures = {
                part.name
                for part in factors
                if part.table == source.alias and base.columns[part.name].kind in _SUMMED
            }
            if not measures:
                return None
            found |= measures
    return frozenset(found)


@lru_cache(maxsize=64)
def relation(view: View, name: str) -> str:
    """The SQL of one relation that the view's WITH names."""
    tree = sqlglot.parse_one(view.sql, dialect=DIALECT)
    found: str = next(r.this.sql(DIALECT) for r in _relations(tree) if r.alias == name)
    return found


def tables(sql: str) -> set[str]:
    """Names of what a statement reads, apart from the relations of its own WITH."""
    tree = sqlglot.parse_one(sql, dialect=DIALECT)
    return {t.name for t in tree.find_all(exp.Table)} - {c.alias for c in tree.find_all(exp.CTE)}


def _relations(tree: exp.Expr) -> list[exp.CTE]:
    clause = tree.args.get("with_")
    return list(clause.expressions) if clause else []


def _branches(tree: exp.Expr) -> list[exp.Select]:
    if isinstance(tree, exp.Union):
        return [*_branches(tree.this), *_branches(tree.expression)]
    return [tree] if isinstance(tree, exp.Select) else []


def _parts(tree: exp.Expr, *kinds: type[exp.Expr]) -> Iterator[exp.Expr]:
    """What is joined by operators of these kinds: the terms of a sum, the factors of a product."""
    tree = tree.unnest()
    if isinstance(tree, kinds):
        yield from _parts(tree.this, *kinds)
        yield from _parts(tree.expression, *kinds)
    else:
        yield tree


def _zero(column: exp.Expr) -> bool:
    value = column.unalias()
    return isinstance(value, exp.Literal) and value.this == "0"


def _reads(name: str, trees: Iterable[exp.Expr]) -> bool:
    return any(table.name == name for tree in trees for table in tree.find_all(exp.Table))
