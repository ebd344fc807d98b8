"""A reply becomes rows: what differs from what is stored is replaced, and the difference is kept.

Everything here runs inside the transaction of its caller. Rows are compared NULL-safely and only changed
ones are touched (DELETE + INSERT), so that writing a reply again changes nothing and costs little.

- A fact's changes go to its ledger as differences. A stored row of the window that a non-empty reply no
  longer holds is restated to zero there and in the table (an unknown measure stays unknown).
- An attribute's changes go to its history. A row that a non-empty reply no longer holds ends its history
  but stays in the table, as it was last known.
- An event is written once.
- An empty reply changes nothing, but for a row type of which there may be none: it ends them all.
- A reply that was asked for before one that is already stored changes nothing where the two overlap: the
  past is not rewritten by an older look at it.
"""

# ruff: noqa: S608  # the parts put into SQL are names of row types and columns, quoted; values are bound

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Window
from connectors.schema import schema, to_batch
from warehouse.errors import ReplyRefused
from warehouse.store import Written
from warehouse.tables import Table, columns, describe, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

    from warehouse.store import Slice

__all__ = ["gather", "store"]

_Instant: TypeAlias = datetime | date
_ZERO = pa.scalar(0, pa.int8())
_NAMED = re.compile(r"\$(\w+)")


class _Span(NamedTuple):
    """Half-open range of a time column's own values."""

    low: _Instant
    high: _Instant


def gather(piece: Slice, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """The whole reply in the row's schema. Raises ReplyRefused for rows outside the slice's window."""
    row = piece.row
    reply = pa.Table.from_batches([to_batch(row, batch) for batch in batches], schema=schema(row))
    table = describe(row)
    if table.time and reply.num_rows:
        asked = _span(piece.window, piece, table)
        found = pc.min_max(reply[table.time]).as_py()
        if found["min"] < asked.low or found["max"] >= asked.high:
            raise ReplyRefused(
                f"{piece.source}/{piece.account}/{piece.stream}: asked for {table.time} in "
                f"[{asked.low}, {asked.high}), the reply holds {found['min']} to {found['max']}.",
                mend="The connector must leave out what it was not asked for; report it to its author.",
            )
    return reply


def store(cursor: DuckDBPyConnection, piece: Slice, reply: pa.Table, *, seen_at: datetime) -> Written:
    """Bring the slice's table, ledger or history to what `reply` says. Raises ReplyRefused."""
    if not reply.num_rows and not piece.row.may_be_none:
        return Written(rows=0, changed=0, newest=None)
    cursor.register("reply", reply)
    writing = _Writing(cursor, piece, describe(piece.row), seen_at, said=reply.num_rows)
    writing.narrow()
    kinds = {"fact": writing.facts, "attribute": writing.attributes, "event": writing.events}
    return Written(reply.num_rows, kinds[piece.row.kind](), _newest(piece, writing.table, reply))


class _Writing:
    """One reply on its way into the tables of its row type.

    said: the rows of the reply. where: the condition on the rows of the table that this reply speaks for.
    """

    def __init__(
        self, cursor: DuckDBPyConnection, piece: Slice, table: Table, seen_at: datetime, *, said: int
    ) -> None:
        self.cursor = cursor
        self.piece = piece
        self.table = table
        self.said = said
        self.where = "true"
        self.params: dict[str, Any] = {
            "source": piece.source,
            "account": piece.account,
            "stream": piece.stream,
            "seen_at": seen_at,
            "start": piece.window.start,
            "may_be_none": piece.row.may_be_none,
            "zone": str(piece.timezone),
        }

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement with the parameters that it names, and drain its result."""
        named = {name: self.params[name] for name in _NAMED.findall(sql)}
        return self.cursor.execute(sql, named).fetchall()

    def refuse_doubles(self) -> None:
        piece, key = self.piece, columns(self.table.key) or "1"
        total, distinct = self.run(f"SELECT count(*), count(DISTINCT ({key})) FROM reply")[0]
        if total == distinct:
            return
        twice = f"SELECT CAST(({key}) AS VARCHAR) FROM reply GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
        example = self.run(twice)[0][0] if self.table.key else "the account's own row"
        raise ReplyRefused(
            f"{piece.source}/{piece.account}/{piece.stream}: {total - distinct} of {total} rows name a key "
            f"({', '.join(self.table.key)}) again, for example {example}.",
            mend="The connector must add such rows up or choose one; report it to its author.",
        )

    def narrow(self) -> None:
        """Set `where`: the window, less what a reply that was asked for later has said already.

        What that leaves out of the reply is taken from it.
        """
        newer = self.run(
            """SELECT epoch_us(window_start), epoch_us(window_end) FROM journal
            WHERE source = $source AND account = $account AND stream = $stream
              AND outcome = 'ok' AND ("rows" > 0 OR $may_be_none) AND seen_at > $seen_at ORDER BY ALL"""
        )
        if self.table.time:
            column, asked = quoted(self.table.time), _span(self.piece.window, self.piece, self.table)
            self.params |= {"low": asked.low, "high": asked.high}
            parts = [f"{column} >= $low AND {column} < $high"]
            for n, (start, end) in enumerate(_joined(newer)):
                said = _span(Window(_instant(start), _instant(end)), self.piece, self.table)
                self.params |= {f"low{n}": said.low, f"high{n}": said.high}
                parts.append(f"NOT ({column} >= $low{n} AND {column} < $high{n})")
            self.where = " AND ".join(parts)
        elif newer:
            self.where = "false"
        if newer:
            spoken = f"CREATE OR REPLACE TEMP TABLE spoken AS SELECT * FROM reply WHERE {self.where}"
            [(self.said,)] = self.run(spoken)
            self.cursor.unregister("reply")
            self.run("CREATE TEMP VIEW reply AS FROM spoken")

    def facts(self) -> int:
        """How many rows changed; so do the other kinds say."""
        table, values, known = self.table, self.table.values, self.table.known()
        labels, at = (*table.key, *table.derived), quoted(table.time)
        # A row that the reply lacks is restated to zero; what was unknown stays so.
        new = {
            m: f"CASE WHEN r.{at} IS NOT NULL THEN r.{quoted(m)} WHEN s.{quoted(m)} IS NOT NULL THEN 0 END"
            for m in values
        }
        chosen = [
            *(f"coalesce(r.{quoted(c)}, s.{quoted(c)}) AS {quoted(c)}" for c in labels),
            *(f"{new[m]} AS {quoted(m)}" for m in values),
            *(f"coalesce({new[m]}, 0) - coalesce(s.{quoted(m)}, 0) AS {quoted('+' + m)}" for m in values),
            *(
                f"CAST(({new[m]}) IS NOT NULL AS TINYINT) - CAST(s.{quoted(m)} IS NOT NULL AS TINYINT) "
                f"AS {quoted(m + '_known')}"
                for m in known
            ),
        ]
        unlike = {True: "IS DISTINCT FROM", False: "<>"}  # where there are no nulls, the faster one
        differs = " OR ".join(
            f"r.{quoted(c)} {unlike[c in table.nullable]} s.{quoted(c)}" for c in (*values, *table.derived)
        )
        stored = f"FROM {quoted(table.name)} WHERE source = $source AND account = $account AND {self.where}"
        self.run(
            f"""CREATE OR REPLACE TEMP TABLE changed AS
            WITH s AS (SELECT rowid AS place, * {stored})
            SELECT r.{at} IS NULL AS gone, place IS NULL AS fresh, place, {", ".join(chosen)}
            FROM reply r FULL JOIN s ON {_same("r", "s", table.key)}
            WHERE gone OR fresh OR {differs}"""
        )
        # Stored keys are unique. So if as many rows of the reply as of the table found their counterpart,
        # none of them came twice: four counts instead of a second look at every key.
        [(found, fresh, keys, gone, kept)] = self.run(
            f"""SELECT count(*), count(*) FILTER (fresh),
                count(DISTINCT ({columns(table.key)})) FILTER (fresh), count(*) FILTER (gone),
                (SELECT count(*) {stored}) FROM changed"""
        )
        if fresh != keys or self.said - fresh != kept - gone:
            self.refuse_doubles()
        if gone:
            same = " AND ".join(f"{quoted('+' + m)} = 0" for m in values)
            [(nothing,)] = self.run(f"DELETE FROM changed WHERE gone AND {same}")
            found -= nothing
        if not found:
            return 0
        self.run(f"DELETE FROM {quoted(table.name)} WHERE rowid IN (SELECT place FROM changed)")
        self.insert("changed")
        noted = (*labels, *values, *(f"{m}_known" for m in known))
        taken = ", ".join(f"c.{quoted('+' + c if c in values else c)}" for c in noted)
        bounds = "window_start AS low, window_end AS high"
        if table.daily:
            bounds = """CAST(timezone($zone, window_start) AS DATE) AS low,
                CAST(timezone($zone, window_end - INTERVAL 1 MICROSECOND) AS DATE) + 1 AS high"""
        # seen_from: the last reply before this one that spoke for the row's time.
        self.run(
            f"""INSERT INTO {quoted(table.ledger)} (source, account, {columns(noted)}, seen_from, seen_to)
            WITH polls AS (
                SELECT {bounds}, seen_at FROM journal
                WHERE source = $source AND account = $account AND stream = $stream AND outcome = 'ok'
                  AND "rows" > 0 AND seen_at < $seen_at AND seen_at >= $start AND window_end > $start
            ), times AS (
                SELECT DISTINCT {at} AS t FROM changed
            ), looks AS (
                SELECT t, max(seen_at) AS seen_from FROM times JOIN polls ON low <= t AND high > t GROUP BY t
            )
            SELECT $source, $account, {taken}, looks.seen_from, $seen_at
            FROM changed c LEFT JOIN looks ON looks.t = c.{at} ORDER BY c.{at}"""
        )
        return int(found)

    def attributes(self) -> int:
        table, match, names = self.table, self.table.match, (*self.table.types,)
        self.refuse_doubles()
        history = quoted(table.history)
        others = [c for c in names if c not in match]
        chosen = [f"coalesce(r.{quoted(c)}, s.{quoted(c)}) AS {quoted(c)}" for c in match]
        chosen += [f"r.{quoted(c)}" for c in others]
        differs = " OR ".join(f"r.{quoted(c)} IS DISTINCT FROM s.{quoted(c)}" for c in others)
        [(found,)] = self.run(
            f"""CREATE OR REPLACE TEMP TABLE changed AS
            WITH r AS (SELECT true AS here, $account AS account, * FROM reply),
                 s AS (SELECT true AS here, * FROM {history}
                       WHERE source = $source AND account = $account AND valid_to IS NULL AND {self.where})
            SELECT r.here AS here, {", ".join(chosen)} FROM r FULL JOIN s ON {_same("r", "s", match)}
            WHERE r.here IS NULL OR s.here IS NULL OR {differs or "false"}"""
        )
        if not found:
            return 0
        self.run("CREATE OR REPLACE TEMP TABLE present AS SELECT * FROM changed WHERE here")
        same = _same("h", "c", match)
        mine = "h.source = $source AND h.account = $account"
        self.run(f"DELETE FROM {quoted(table.name)} h USING present c WHERE {mine} AND {same}")
        self.insert("present")
        # Closed by DELETE + INSERT: after an UPDATE an open reader holds up the next checkpoint.
        open_ = f"{mine} AND h.valid_to IS NULL"
        self.run(
            f"""CREATE OR REPLACE TEMP TABLE ended AS
            SELECT h.* REPLACE ($seen_at AS valid_to) FROM {history} h JOIN changed c ON {same}
            WHERE {open_}"""
        )
        self.run(f"DELETE FROM {history} h USING changed c WHERE {open_} AND {same}")
        self.run(f"INSERT INTO {history} BY NAME SELECT * FROM ended WHERE valid_from < valid_to")
        self.run(
            f"""INSERT INTO {history} (source, account, {columns(names)}, valid_from)
            SELECT $source, $account, {columns(names)}, $seen_at FROM present"""
        )
        return int(found)

    def events(self) -> int:
        self.refuse_doubles()
        names, name = columns(self.table.types), quoted(self.table.name)
        self.run(
            f"""CREATE OR REPLACE TEMP TABLE changed AS
            WITH r AS (SELECT * FROM reply),
                 s AS (SELECT * FROM {name} WHERE source = $source AND account = $account AND {self.where})
            SELECT r.* FROM r ANTI JOIN s ON {_same("r", "s", self.table.key)}"""
        )
        [(found,)] = self.run(
            f"""INSERT INTO {name} (source, account, {names}, seen_at)
            SELECT $source, $account, {names}, $seen_at FROM changed ORDER BY {quoted(self.table.time)}"""
        )
        return int(found)

    def insert(self, rows: str) -> None:
        """Add the rows of a temporary table to the current state, in the order of time."""
        names = columns(self.table.types)
        order = f" ORDER BY {quoted(self.table.time)}" if self.table.time else ""
        self.run(
            f"INSERT INTO {quoted(self.table.name)} (source, account, {names}) "
            f"SELECT $source, $account, {names} FROM {rows}{order}"
        )


def _newest(piece: Slice, table: Table, reply: pa.Table) -> datetime | None:
    """Start of the newest hour or day of which the reply holds anything but zeros."""
    if not table.time:
        return None
    measures = table.values if piece.row.kind == "fact" else ()
    holds = [pc.not_equal(reply[m], _ZERO.cast(reply[m].type)) for m in measures]
    times = reply[table.time]
    at = pc.max(times.filter(reduce(pc.or_kleene, holds)) if holds else times).as_py()
    if at is None:
        return None
    return datetime.combine(at, time(), piece.timezone).astimezone(UTC) if table.daily else at.astimezone(UTC)


def _span(window: Window, piece: Slice, table: Table) -> _Span:
    if not table.daily:
        return _Span(window.start, window.end)
    if piece.timezone is None:
        raise ValueError(f"{table.row.__name__} is stored by the day: Slice.timezone is needed")
    days = window.days(piece.timezone)
    return _Span(days[0], days[-1] + timedelta(days=1))


def _instant(us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans with those that touch joined."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _same(left: str, right: str, names: Iterable[str]) -> str:
    return " AND ".join(f"{left}.{quoted(c)} = {right}.{quoted(c)}" for c in names)
