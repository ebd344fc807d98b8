"""The journal of fetches and the watermarks that follow from it.

Writing happens inside the caller's transaction; reading goes through any `Warehouse.query`.
"""

# ruff: noqa: S608  # the parts put into SQL are names of row types and columns, quoted; values are bound

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.contract import Window
from warehouse.store import Fetch, Watermark

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.store import Warehouse

__all__ = ["Budget", "append", "budgets", "covered", "fetches", "mark", "operations", "watermarks"]

_FETCH = ", ".join(f'"{f.name}"' for f in fields(Fetch) if f.name != "window")
_WATERMARK = ", ".join(f.name for f in fields(Watermark))


@dataclass(frozen=True, slots=True)
class Budget:
    """What a source was asked for over the sliding day: operations, and the nearest to any limit (0..1)."""

    source: str
    operations: int
    utilisation: float


def append(cursor: DuckDBPyConnection, fetch: Fetch, *, seen_at: datetime | None) -> None:
    """Add a fetch; `seen_at` is when a stored reply was asked for, None where there was none."""
    row = {f.name: getattr(fetch, f.name) for f in fields(Fetch) if f.name != "window"}
    row |= {
        "request_ids": list(fetch.request_ids),
        "window_start": fetch.window.start,
        "window_end": fetch.window.end,
        "seen_at": seen_at,
    }
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
    cursor.execute(f"INSERT INTO journal ({names}) VALUES ({marks})", list(row.values())).fetchall()


def mark(
    cursor: DuckDBPyConnection,
    fetch: Fetch,
    *,
    data_as_of: datetime | None = None,
    polled_at: datetime | None = None,
) -> None:
    """Bring the watermark of the fetch's stream up to date.

    `data_as_of` and `polled_at` only ever rise. A fetch that was held was not asked: it leaves
    `tried_at` as it was.
    """
    owner = [fetch.source, fetch.account, fetch.stream]
    where = "source = ? AND account = ? AND stream = ?"
    old = cursor.execute(
        f"""SELECT epoch_us(data_as_of), epoch_us(polled_at), epoch_us(tried_at)
        FROM watermark WHERE {where}""",
        owner,
    ).fetchall()
    was_as_of, was_polled, was_tried = (_instant(us) for us in (old[0] if old else (None, None, None)))
    tried = was_tried if fetch.outcome == "held" and was_tried else _later(was_tried, fetch.started)
    assert tried is not None  # fetch.started is never None
    new = Watermark(
        *(fetch.source, fetch.account, fetch.stream),
        data_as_of=_later(was_as_of, data_as_of),
        polled_at=_later(was_polled, polled_at),
        tried_at=tried,
        outcome=fetch.outcome,
        error=fetch.error,
        cause=fetch.cause,
        mend=fetch.mend,
        retry_at=fetch.retry_at,
    )
    cursor.execute(f"DELETE FROM watermark WHERE {where}", owner).fetchall()
    marks = ", ".join("?" for _ in fields(Watermark))
    cursor.execute(f"INSERT INTO watermark ({_WATERMARK}) VALUES ({marks})", list(astuple(new))).fetchall()


def watermarks(warehouse: Warehouse) -> list[Watermark]:
    """The freshness of every (source, account, stream) ever asked for, in that order."""
    found = warehouse.query(f"SELECT {_WATERMARK} FROM watermark ORDER BY source, account, stream")
    return [Watermark(**_utc(row)) for row in found.to_pylist()]


def operations(warehouse: Warehouse, source: str, *, since: datetime) -> int:
    """Operations spent at a source by fetches that started at `since` or later."""
    sql = (
        "SELECT coalesce(sum(operations), 0)::BIGINT AS spent FROM journal WHERE source = ? AND started >= ?"
    )
    spent: int = warehouse.query(sql, [source, since])["spent"][0].as_py()
    return spent


def budgets(warehouse: Warehouse, *, now: datetime) -> list[Budget]:
    """What each source was asked for over the 24 hours up to `now`."""
    sql = """SELECT source, sum(operations)::BIGINT AS operations, max(utilisation) AS utilisation
        FROM journal WHERE started > ? AND started <= ? GROUP BY source ORDER BY source"""
    rows = warehouse.query(sql, [now - timedelta(days=1), now]).to_pylist()
    return [Budget(**row) for row in rows]


def fetches(
    warehouse: Warehouse,
    *,
    source: str | None = None,
    account: str | None = None,
    stream: str | None = None,
    failed: bool = False,
    limit: int = 100,
) -> list[Fetch]:
    """The latest fetches, newest first; `failed` leaves out those that went well."""
    sql = f"""SELECT {_FETCH}, window_start, window_end FROM journal
        WHERE ($source IS NULL OR source = $source) AND ($account IS NULL OR account = $account)
          AND ($stream IS NULL OR stream = $stream) AND (NOT $failed OR outcome <> 'ok')
        ORDER BY started DESC LIMIT $limit"""
    chosen = {"source": source, "account": account, "stream": stream, "failed": failed, "limit": limit}
    rows = [_utc(row) for row in warehouse.query(sql, chosen).to_pylist()]
    return [
        Fetch(
            window=Window(row.pop("window_start"), row.pop("window_end")),
            request_ids=tuple(row.pop("request_ids")),
            **row,
        )
        for row in rows
    ]


def covered(warehouse: Warehouse, source: str, account: str, stream: str) -> list[Window]:
    """The spans of time for which a stream of an account was ever answered, oldest first, joined up.

    An interrupted backfill goes on with what is missing here.
    """
    sql = """SELECT window_start, window_end FROM journal
        WHERE source = ? AND account = ? AND stream = ? AND outcome = 'ok' ORDER BY ALL"""
    spans: list[Window] = []
    for row in warehouse.query(sql, [source, account, stream]).to_pylist():
        start, end = _utc(row).values()
        if spans and start <= spans[-1].end:
            spans[-1] = Window(spans[-1].start, max(spans[-1].end, end))
        else:
            spans.append(Window(start, end))
    return spans


def _instant(us: int | None) -> datetime | None:
    return None if us is None else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((at for at in (first, second) if at is not None), default=None)


def _utc(row: dict[str, Any]) -> dict[str, Any]:
    # Arrow gives ZoneInfo("UTC"); everything of ours says datetime.UTC.
    return {k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in row.items()}
