"""A copy of a warehouse that goes through a stretch of its past: at each moment it holds what was known then.

Beside `ledger.as_of`, which answers one question about one moment: whoever wants to see hundreds of moments
one after the other (a backtest), or to see what would be if something were different (a drill), works on a
copy. The ledger is read once; going on by an hour touches the rows that changed within it.

    with Shadow.of(warehouse, folder, since=…, start=…) as shadow:
        for moment in moments:
            shadow.advance(moment)
            shadow.query(…)

Of what a first look brought (a backfill), nobody saw how it came: an hour is taken as known when it was over
and its source vouched for it, a day from its beginning, an attribute from ever.
"""

# ruff: noqa: S608  # the parts put into SQL are names of row types and columns, quoted; values are bound

from __future__ import annotations

import shutil
import tempfile
import time
from bisect import bisect_right
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from connectors.rows import ROWS
from warehouse import ledger
from warehouse.duck import DuckWarehouse
from warehouse.store import Watermark
from warehouse.tables import OWNER, columns, describe, layout, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from warehouse.store import Warehouse
    from warehouse.tables import Table

__all__ = ["Shadow", "scratch"]

_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
_ASLEEP: Final = timedelta(hours=2)
"""So long without any fetch means that nobody was polling."""
_PREFIX: Final = "paceline-shadow-"
_LEFT: Final = timedelta(days=1)
"""A folder for copies that was not touched for so long is nobody's any more: none is worked on for hours."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for copies, gone at the end. What killed processes left behind goes first."""
    left = time.time() - _LEFT.total_seconds()
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or somebody else was faster
            if folder.stat().st_mtime < left:
                shutil.rmtree(folder)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as made:
        yield Path(made)


class Shadow(DuckWarehouse):
    """A warehouse of its own in a file of its own; writing to it touches no other.

    now: the moment that it holds. polled_since: when the first fetch was made, None without any.
    """

    now: datetime = _EVER
    polled_since: datetime | None = None

    _marks: tuple[Watermark, ...] = ()
    _moments: dict[str, list[datetime]]

    @classmethod
    def of(cls, warehouse: Warehouse, folder: Path, *, since: datetime, start: datetime) -> Self:
        """A copy in `folder`, as of `start`. since: older facts and events are left out."""
        made = cls.open(folder / "shadow.duckdb", min_free=0)
        made.take(warehouse, since)
        made.advance(start)
        return made

    def advance(self, to: datetime) -> None:
        """Go on to a later moment. Raises ValueError for an earlier one."""
        if to < self.now:
            raise ValueError(f"this shadow is at {self.now}: it cannot go back to {to}")
        with self._transaction() as cursor:
            for row in ROWS:
                table = describe(row)
                move = {"fact": _facts, "attribute": _attributes, "event": _events}[row.kind]
                if self._moves(_stored(table), to):
                    move(cursor, table, self.now, to)
            if self._moves("journal", to) or self.now == _EVER:
                _insert(cursor, "journal", "journal", self.now, to)
            self._mark(cursor, to)
        self.now = to
        self.data_version += 1

    def change(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Make something different from what it was: an INSERT, UPDATE or DELETE on the tables' names."""
        with self._transaction() as cursor:
            cursor.execute(sql, params or {}).fetchall()
        self.data_version += 1

    def reset(self) -> None:
        """As if nothing had been changed."""
        at = self.now
        with self._transaction() as cursor:
            for name in [name for row in ROWS for name in layout(row)] + ["journal", "watermark"]:
                cursor.execute(f"DELETE FROM {quoted(name)}").fetchall()
        self.now = _EVER
        self.advance(at)

    def _moves(self, stored: str, to: datetime) -> bool:
        """Whether anything of a table changes by then."""
        known = self._moments[stored]
        return bisect_right(known, self.now) < bisect_right(known, to)

    def awake(self) -> bool:
        """Whether anybody was polling at this moment; before the first fetch, as if."""
        if self.polled_since is None or self.now < self.polled_since:
            return True
        sql = "SELECT 1 AS one FROM journal WHERE started > $since AND started <= $now LIMIT 1"
        return bool(self.query(sql, {"since": self.now - _ASLEEP, "now": self.now}).num_rows)

    # -- taking the copy

    def take(self, warehouse: Warehouse, since: datetime) -> None:
        """Read what there was, to go through it: called by `of`, once."""
        self._moments = {}
        self._marks = tuple(one for one in warehouse.watermarks() if one.data_as_of is not None)
        lags = {(m.source, m.account, m.stream): _lag(m) for m in self._marks}
        for row in ROWS:
            table = describe(row)
            stored = _stored(table)
            listed = columns(layout(row)[stored])
            sql = f"SELECT {listed}, {_moment(table)} AS moment FROM {quoted(stored)}"
            params: dict[str, object] = {}
            if table.time:
                sql += f" WHERE {quoted(table.time)} >= $since"
                params = {"since": since.date() if table.daily else since}
            self._stage(stored, warehouse, sql, params)
            if row.kind == "fact" and not table.daily:
                for (source, account, stream), lag in lags.items():
                    if stream == table.name and lag:
                        self._delay(stored, source, account, lag)
            ends = (
                " UNION SELECT valid_to FROM {0} WHERE valid_to IS NOT NULL"
                if row.kind == "attribute"
                else ""
            )
            self._note(stored, ends)
        # Replies to backfills tell when something was asked, and nothing that anybody saw then.
        sql = "SELECT *, coalesce(seen_at, started) AS moment FROM journal"
        self._stage("journal", warehouse, sql, {})
        self._note("journal")
        found = self.query("SELECT min(started) AS first FROM staged_journal")
        self.polled_since = found["first"][0].as_py()

    def _stage(self, stored: str, warehouse: Warehouse, sql: str, params: dict[str, object]) -> None:
        reply = warehouse.query(sql, params)
        with self._transaction() as cursor:
            cursor.register("reply", reply)
            cursor.execute(
                f"CREATE TABLE {quoted('staged_' + stored)} AS SELECT * FROM reply ORDER BY moment"
            ).fetchall()
            cursor.unregister("reply")

    def _note(self, stored: str, more: str = "") -> None:
        """Remember when anything of a table changes: most do not, from one hour to the next."""
        staged = quoted("staged_" + stored)
        found = self.query(f"SELECT DISTINCT moment FROM {staged}{more.format(staged)} ORDER BY moment")
        self._moments[stored] = found["moment"].to_pylist()

    def _delay(self, stored: str, source: str, account: str, lag: timedelta) -> None:
        """First looks at an account's hours: known when its source would have vouched for them."""
        with self._transaction() as cursor:
            cursor.execute(
                f"UPDATE {quoted('staged_' + stored)} SET moment = least(seen_to, moment + $lag) "
                "WHERE seen_from IS NULL AND source = $source AND account = $account",
                {"lag": lag, "source": source, "account": account},
            ).fetchall()

    def _mark(self, cursor: duckdb.DuckDBPyConnection, to: datetime) -> None:
        """Each stream's watermark: as far behind the last poll as it is today."""
        polled = {
            (source, account, stream): (_instant(last), _instant(first))
            for source, account, stream, last, first in cursor.execute(
                """SELECT source, account, stream, epoch_us(max(seen_at) FILTER (seen_at <= $to)),
                  epoch_us(min(seen_at)) FROM staged_journal WHERE outcome = 'ok' GROUP BY ALL""",
                {"to": to},
            ).fetchall()
        }
        cursor.execute("DELETE FROM watermark").fetchall()
        for mark in self._marks:
            last, first = polled.get((mark.source, mark.account, mark.stream), (None, None))
            at = last if last is not None and first is not None and to >= first else to
            assert mark.data_as_of is not None
            known = replace(
                mark,
                data_as_of=at - _lag(mark),
                polled_at=at,
                tried_at=at,
                outcome="ok",
                error="",
                cause="",
                mend="",
                retry_at=None,
            )
            marks = ", ".join("?" for _ in fields(Watermark))
            names = ", ".join(f.name for f in fields(Watermark))
            cursor.execute(
                f"INSERT INTO watermark ({names}) VALUES ({marks})", list(astuple(known))
            ).fetchall()


def _stored(table: Table) -> str:
    """The table that tells how a row type came to be what it is."""
    return {"fact": table.ledger, "attribute": table.history, "event": table.name}[table.row.kind]


def _lag(mark: Watermark) -> timedelta:
    """How far a stream's watermark lies behind its last poll."""
    assert mark.data_as_of is not None
    return max((mark.polled_at or mark.tried_at) - mark.data_as_of, timedelta(0))


def _instant(microseconds: int | None) -> datetime | None:
    return (
        None
        if microseconds is None
        else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
    )


def _moment(table: Table) -> str:
    """When a stored row became known."""
    time = f"CAST({quoted(table.time)} AS TIMESTAMPTZ)"
    if table.row.kind == "fact":
        known = time if table.daily else f"{time} + INTERVAL 1 HOUR"
        return f"CASE WHEN seen_from IS NULL THEN least(seen_to, {known}) ELSE seen_to END"
    if table.row.kind == "event":
        return f"least(seen_at, {time})"
    key = columns((*OWNER, *table.key))
    first = f"row_number() OVER (PARTITION BY {key} ORDER BY valid_from) = 1"
    return f"CASE WHEN {first} THEN TIMESTAMPTZ '{_EVER:%Y-%m-%d} 00:00:01+00' ELSE valid_from END"


def _insert(cursor: duckdb.DuckDBPyConnection, stored: str, into: str, after: datetime, to: datetime) -> None:
    cursor.execute(
        f"INSERT INTO {quoted(into)} BY NAME SELECT * EXCLUDE (moment) FROM {quoted('staged_' + stored)} "
        "WHERE moment > $after AND moment <= $to",
        {"after": after, "to": to},
    ).fetchall()


def _facts(cursor: duckdb.DuckDBPyConnection, table: Table, after: datetime, to: datetime) -> None:
    staged, key = quoted("staged_" + table.ledger), (*OWNER, *table.key)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE moved AS SELECT DISTINCT {columns(key)} FROM {staged} "
        "WHERE moment > $after AND moment <= $to",
        {"after": after, "to": to},
    ).fetchall()
    _insert(cursor, table.ledger, table.ledger, after, to)
    same = " AND ".join(f"t.{quoted(c)} = m.{quoted(c)}" for c in key)
    cursor.execute(f"DELETE FROM {quoted(table.name)} AS t USING moved AS m WHERE {same}").fetchall()
    changed = f"SELECT l.* FROM {quoted(table.ledger)} AS l SEMI JOIN moved USING ({columns(key)})"
    cursor.execute(
        f"INSERT INTO {quoted(table.name)} BY NAME SELECT {ledger.summed(table)} FROM ({changed}) "
        f"GROUP BY {columns(key)} ORDER BY {quoted(table.time)}"
    ).fetchall()


def _attributes(cursor: duckdb.DuckDBPyConnection, table: Table, after: datetime, to: datetime) -> None:
    staged = quoted("staged_" + table.history)
    moved = cursor.execute(
        f"SELECT count(*) FROM {staged} WHERE (moment > $after AND moment <= $to) "
        "OR (valid_to > $after AND valid_to <= $to)",
        {"after": after, "to": to},
    ).fetchall()[0][0]
    if not moved:
        return
    cursor.execute(f"DELETE FROM {quoted(table.history)}").fetchall()
    cursor.execute(
        f"INSERT INTO {quoted(table.history)} BY NAME SELECT * EXCLUDE (moment) "
        "REPLACE (moment AS valid_from, CASE WHEN valid_to <= $to THEN valid_to END AS valid_to) "
        f"FROM {staged} WHERE moment <= $to",
        {"to": to},
    ).fetchall()
    names, key = columns((*OWNER, *table.types)), columns((*OWNER, *table.key))
    cursor.execute(f"DELETE FROM {quoted(table.name)}").fetchall()
    cursor.execute(
        f"INSERT INTO {quoted(table.name)} BY NAME SELECT {names} FROM {quoted(table.history)} "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY valid_from DESC) = 1"
    ).fetchall()


def _events(cursor: duckdb.DuckDBPyConnection, table: Table, after: datetime, to: datetime) -> None:
    _insert(cursor, table.name, table.name, after, to)
