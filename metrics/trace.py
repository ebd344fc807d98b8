"""From a number back to where it came from: definition, SQL, rows, the fetches that brought them."""

# ruff: noqa: S608  # names come from row types and checked files, values are bound

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from connectors import registry
from connectors.rows import ROWS
from connectors.schema import schema
from metrics import branches
from metrics.compute import statement
from metrics.model import views
from metrics.plan import Plan, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.schema import Row
    from metrics.dimensions import Convention
    from metrics.model import Metric, View
    from metrics.plan import Relation
    from metrics.windows import AccountKey, Windows
    from warehouse.store import Warehouse, Watermark

__all__ = ["Trace", "trace"]

_FETCHES: Final = 200


@dataclass(frozen=True, slots=True)
class Trace:
    """What stands behind a number.

    value: the number, NULL as None; currency of it, or "". definition: the metric's file, word for word.
    sql: the statement that gives the number, complete: `paceline query` runs it as it is.
    rows: of the metric's view, newest first, the first `limit` of `row_count`.
    fetches: rows of the journal whose replies brought or last changed these rows, newest first (at most 200),
        with `stream`, `seen_at`, `outcome`, `rows`, `changed`, `api_version`, `request_ids`.
    watermarks: of the streams the rows came by, for the accounts among the rows.
    """

    metric: Metric
    value: float | None
    currency: str
    definition: str
    sql: str
    row_count: int
    rows: pa.Table
    fetches: pa.Table
    watermarks: tuple[Watermark, ...]

    @property
    def version(self) -> int:
        """The definition's version."""
        return self.metric.version


def trace(
    warehouse: Warehouse,
    metric: Metric,
    window: Windows,
    where: Mapping[str, Any] | None = None,
    *,
    limit: int = 50,
    as_of: datetime | None = None,
    currency: str | None = None,
    convention: Convention | None = None,
    relations: Mapping[str, Relation] | None = None,
) -> Trace:
    """All that stands behind the number that `evaluate` gives for the same question.

    limit: how many of the rows to bring along. Raises as `evaluate` does.
    """
    question = Question((metric,), (), where or {}, as_of, currency, convention, relations or {})
    plan = Plan(warehouse, question, [[window]])
    sql, params = statement(plan)
    row = warehouse.query(sql, params).to_pylist()[0]
    counted, rows, owners = _rows(plan, metric, limit)
    tables = _tables(plan, metric)
    return Trace(
        metric=metric,
        value=row[metric.name],
        currency=row.get("currency") or plan.currency or "",
        definition=metric.text,
        sql=_spelled(sql, params),
        row_count=counted,
        rows=rows,
        fetches=_fetches(plan, metric, tables, owners),
        watermarks=tuple(
            mark
            for mark in warehouse.watermarks()
            if (mark.source, mark.account) in owners and mark.stream in _streams(mark.source, tables)
        ),
    )


def _rows(plan: Plan, metric: Metric, limit: int) -> tuple[int, pa.Table, set[AccountKey]]:
    """How many rows of the view the number is made of, the newest of them, and whose they are."""
    view = metric.view
    own = {f"row_{name}": f"v.{name}" for name in view.columns}
    fresh = Plan(plan.warehouse, plan.question, plan.slots, plan.known)
    sums = fresh.sums(view, own)
    sql, params = fresh.text(
        "SELECT row_source AS source, row_account AS account, count(*) AS number "
        f"FROM {sums.asked} GROUP BY row_source, row_account"
    )
    found = plan.warehouse.query(sql, params).to_pylist()
    listed = ", ".join(f"row_{name} AS {name}" for name in view.columns)
    sql, params = fresh.text(
        f"SELECT {listed} FROM {sums.asked} "
        f"ORDER BY row_{view.time} DESC, {', '.join(own)} LIMIT {fresh.bind(limit)}"
    )
    owners = {(row["source"], row["account"]) for row in found}
    return sum(row["number"] for row in found), plan.warehouse.query(sql, params), owners


def _tables(plan: Plan, metric: Metric) -> dict[str, type[Row]]:
    """The stored tables that the number is read from, and their row types."""
    named = {row.table: row for row in ROWS}
    found = {name.removesuffix("_ledger") for name in _reads(plan, metric.view)}
    return {name: named[name] for name in sorted(found & set(named))}


def _reads(plan: Plan, view: View) -> set[str]:
    """What a view reads, and the views that it stands on."""
    read = branches.tables(plan.relations[f"{view.name}_rows"]) & set(view.reads)
    below = [views()[name.removesuffix("_rows")] for name in read if name.endswith("_rows")]
    return read.union(*(_reads(plan, other) for other in below))


def _fetches(
    plan: Plan, metric: Metric, tables: Mapping[str, type[Row]], owners: set[AccountKey]
) -> pa.Table:
    """The journal's rows of the replies by which the window's rows came to be what they are."""
    params: dict[str, Any] = dict(plan.params)
    campaigns = plan.question.where.get("campaign")
    kept = [campaigns] if isinstance(campaigns, str) else list(campaigns or ())
    params |= {f"campaign_{n}": value for n, value in enumerate(kept)}
    among = f" AND campaign IN ({', '.join(f'$campaign_{n}' for n in range(len(kept)))})" if kept else ""
    if plan.question.as_of:
        params["moment"] = plan.question.as_of
        among += " AND seen <= $moment"
    brought = " UNION ALL ".join(
        f"SELECT DISTINCT source, account, '{stream}' AS stream, seen "
        f"FROM ({_changes(row, metric)}) WHERE source = '{source}'{among}"
        for name, row in tables.items()
        for source in sorted({source for source, _ in owners})
        for stream in sorted(_streams(source, [name]))
    )
    if not brought:
        brought = "SELECT '' AS source, '' AS account, '' AS stream, NULL::TIMESTAMPTZ AS seen LIMIT 0"
    sql = (
        f"WITH brought AS ({brought}) "
        'SELECT j.source, j.account, j.stream, j.seen_at, j.took_ms, j.outcome, j."rows", j.changed, '
        "j.api_version, j.request_ids, j.window_start, j.window_end FROM journal AS j JOIN brought AS b "
        "ON b.source = j.source AND b.account = j.account AND b.stream = j.stream AND b.seen = j.seen_at "
        f"ORDER BY j.seen_at DESC, j.source, j.account, j.stream LIMIT {_FETCHES}"
    )
    used = set(re.findall(r"\$(\w+)", sql))
    found = plan.warehouse.query(sql, {name: value for name, value in params.items() if name in used})
    keys = zip(found["source"].to_pylist(), found["account"].to_pylist(), strict=True)
    return found.filter(pa.array([key in owners for key in keys], pa.bool_()))


def _changes(row: type[Row], metric: Metric) -> str:
    """When each of a table's rows of the window changed: by a fact's ledger or an attribute's history."""
    table, seen = {
        "fact": (f"{row.table}_ledger", "seen_to"),
        "attribute": (f"{row.table}_history", "valid_from"),
        "event": (row.table, "seen_at"),
    }[row.kind]
    if metric.view.grain == "moment" and row.kind != "event":
        inside = f"{seen} >= $start AND {seen} < $stop"
    elif pa.types.is_date(schema(row).field(row.time).type):
        inside = f"{row.time} BETWEEN $first_day AND $last_day"
    else:
        inside = f"{row.time} >= $start AND {row.time} < $stop"
    campaign = "campaign" if "campaign" in schema(row).names else "'' AS campaign"
    return f"SELECT source, account, {campaign}, {seen} AS seen FROM {table} WHERE {inside}"


@lru_cache(maxsize=64)
def _stream_names(source: str) -> Mapping[str, str]:
    """The streams of a source by name: into which table each is stored."""
    try:
        return {stream.name: stream.row.table for stream in registry.load(source).streams()}
    except (registry.UnknownSource, registry.BrokenSource):
        return {}  # what it brought is still there


def _streams(source: str, tables: Iterable[str]) -> set[str]:
    """By which streams a source brings the tables; one of a table's name where it no longer says."""
    named, wanted = _stream_names(source), set(tables)
    return {name for name, table in named.items() if table in wanted} | (wanted - set(named.values()))


def _spelled(sql: str, params: Mapping[str, Any]) -> str:
    """The statement with its parameters written out."""
    return re.sub(r"\$(\w+)", lambda match: _literal(params[match[1]]), sql)


def _literal(value: Any) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return str(value)
