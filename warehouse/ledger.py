"""What was known when: a table's state at a past moment, and what changed since.

These give SQL text to query, or to stand in for a table: `FROM (…) AS delivery`.
"""

# ruff: noqa: S608  # the parts put into SQL are names of row types and columns, quoted; values are bound

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from warehouse.tables import OWNER, Table, columns, describe, quoted

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.schema import Row

__all__ = ["arrivals", "as_of", "as_of_days", "restatements", "summed"]


def as_of(row: type[Row], at: datetime) -> str:
    """SELECT of a row type's table as it stood at `at`: the same columns, the same types.

    Facts are the sum of all differences seen up to then; attributes are the values last known then;
    events are those seen until then.
    """
    table, moment = describe(row), _literal(at)
    names = (*OWNER, *table.types)
    if row.kind == "event":
        return f"SELECT {columns(names)} FROM {quoted(table.name)} WHERE seen_at <= {moment}"
    key = columns((*OWNER, *table.key))
    if row.kind == "attribute":
        return (
            f"SELECT {columns(names)} FROM {quoted(table.history)} WHERE valid_from <= {moment} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY valid_from DESC) = 1"
        )
    return f"SELECT {summed(table)} FROM {quoted(table.ledger)} WHERE seen_to <= {moment} GROUP BY {key}"


def as_of_days(row: type[Row], days: str) -> str:
    """SELECT of a fact's rows of some account-local days, each day as it stood at a moment of its own.

    days: a relation of source, account, day and moment.
    """
    table = describe(row)
    return (
        f"SELECT {summed(table)} FROM (SELECT l.* FROM {quoted(table.ledger)} l JOIN {days} w "
        'ON w.source = l.source AND w.account = l.account AND w."day" = l."day" WHERE l.seen_to <= w.moment) '
        f"GROUP BY {columns((*OWNER, *table.key))}"
    )


def summed(table: Table) -> str:
    """A fact's columns as sums of its ledger's differences, to be grouped by owner and key."""
    chosen = {c: quoted(c) for c in (*OWNER, *table.key)}
    chosen |= {c: f"arg_max({quoted(c)}, seen_to) AS {quoted(c)}" for c in table.derived}
    chosen |= {m: f"{_sum(table, m)} AS {quoted(m)}" for m in table.values}
    return ", ".join(chosen[c] for c in (*OWNER, *table.types))


def _sum(table: Table, measure: str) -> str:
    kind, column = table.types[measure], quoted(measure)
    total = f"CAST(coalesce(sum({column}), 0) AS {kind})"
    if measure not in table.nullable:
        return total
    return f"CASE WHEN sum({quoted(measure + '_known')}) > 0 THEN {total} END"


def arrivals(row: type[Row], start: datetime, end: datetime) -> str:
    """SELECT of a fact's differences that were seen in `[start, end)`, in the order they came.

    Columns: the row's own, measures as differences (0 where a measure did not change), `seen_from` and
    `seen_to`: the change happened in (seen_from, seen_to]. `seen_from` is NULL where no earlier reply had
    covered the row's time: then it is the first look at it, not news.
    """
    table = describe(row)
    names = columns((*OWNER, *table.types, "seen_from", "seen_to"))
    return (
        f"SELECT {names} FROM {quoted(table.ledger)} "
        f"WHERE seen_to >= {_literal(start)} AND seen_to < {_literal(end)} ORDER BY seen_to"
    )


def restatements(row: type[Row], since: datetime, only: str = "true") -> str:
    """SELECT of what the sources changed, since then, about days that were already over when last seen.

    One row an account-local day, first key column (the campaign) and reply: source, account, it, day,
    seen_from, seen_to, and each measure's change. Days are over by the account's own clock (UTC where
    the account is unknown). Newest first; what came to nothing is left out. only: a condition on the
    ledger's rows `l`.
    """
    table = describe(row)
    entity = next(c for c in table.key if c != table.time)
    zone = "coalesce(a.timezone, 'UTC')"
    day = 'l."day"' if "day" in table.types else f"CAST(timezone({zone}, l.{quoted(table.time)}) AS DATE)"
    sums = ", ".join(f"CAST(sum(l.{quoted(m)}) AS {table.types[m]}) AS {quoted(m)}" for m in table.values)
    moved = " OR ".join(f"sum(l.{quoted(m)}) <> 0" for m in table.values)
    return (
        f'SELECT {columns((*OWNER, entity), "l")}, {day} AS "day", '
        f"min(l.seen_from) AS seen_from, l.seen_to, {sums} "
        f"FROM {quoted(table.ledger)} l LEFT JOIN account a USING (source, account) "
        f"WHERE l.seen_to > {_literal(since)} AND ({only}) "
        f"AND CAST(timezone({zone}, l.seen_from) AS DATE) > {day} "
        f"GROUP BY {columns((*OWNER, entity), 'l')}, {day}, l.seen_to "
        f"HAVING {moved} ORDER BY l.seen_to DESC, source, account, {quoted(entity)}, day"
    )


def _literal(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.astimezone(UTC).isoformat(sep=' ')}'"
