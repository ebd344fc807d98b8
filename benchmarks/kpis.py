"""Twelve metrics of every campaign: the last hour beside its 7-day average, over ten million rows.

Beside it the same answer by SQL written by hand for this one question. Run: python -m benchmarks.kpis

Wall milliseconds are what a reader waits, and say little on a busy machine; the ratio is of CPU milliseconds.
The two are asked in turns. `with_order_value` also spreads the days' purchases over their hours;
`half_by_the_day` has half of the accounts at a source that gives conversions by the day only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.contract import Window
from metrics.compare import Comparison, compare
from metrics.model import Metric, load, read_metric, views
from warehouse.duck import DuckWarehouse

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [
    *("spend", "impressions", "clicks", "ctr", "cpc", "cpm", "conversions", "conversion_rate"),
    *("cpa", "revenue", "roas", "revenue_per_click"),
]
PER_CLICK = """\
-- title:    Revenue per click
-- owner:    bench
-- version:  1
-- reviewed: 2026-01-01
-- approved: reader
-- from:     delivery
-- unit:     money
-- better:   higher
-- limits:   Only here.
-- changes:  1 2026-01-01 first version
sum(conversion_value) / 1e6 / nullif(sum(clicks), 0)
"""


def build(path: Path, campaigns: int, hours: int, *, silent: bool, start: datetime = START) -> None:
    """A warehouse of that many campaigns and hours in 20 accounts, in time order as polling leaves it.

    start: the first hour, a midnight. silent: the even accounts are of a source that gives conversions by the
    day only.
    """
    DuckWarehouse.open(path, min_free=0).close()
    source = "CASE WHEN (c % 20) % 2 = 0 THEN 'meta_ads' ELSE 'google_ads' END" if silent else "'google_ads'"
    known = "(c % 20) % 2 = 1" if silent else "true"
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            f"""INSERT INTO account
                SELECT DISTINCT {source}, 'a' || (c % 20), 'Account', 'EUR', 'UTC', '', ''
                FROM range({campaigns}) t(c)"""
        )
        con.execute(
            f"""INSERT INTO delivery
                SELECT {source}, 'a' || (c % 20), 'c' || c, moment, CAST(moment AS DATE), hour(moment),
                    r % 900, r // 1000 % 40, r // 7 % 90000000,
                    CASE WHEN {known} THEN r // 11 % 5 END, CASE WHEN {known} THEN r // 13 % 400000000 END
                FROM (SELECT c, h,
                        TIMESTAMPTZ '{start:%Y-%m-%d} 00:00:00+00' + to_hours(h) AS moment,
                        CAST(hash(c * 1000003 + h * 7919) % 1000000007 AS BIGINT) AS r
                    FROM range({hours}) s(h), range({campaigns}) t(c) ORDER BY h, c)"""
        )
        con.execute(
            f"""INSERT INTO day_totals SELECT {source}, 'a' || (c % 20), 'c' || c, 'buy',
                    DATE '{start:%Y-%m-%d}' + CAST(d AS INTEGER), 'purchase', true, hash(c + d * 31) % 60,
                    CAST(hash(c + d * 37) % 5000000000 AS BIGINT)
                FROM range({hours // 24}) s(d), range({campaigns}) t(c) ORDER BY d, c"""
        )
        con.execute("CHECKPOINT")


def by_hand(warehouse: DuckWarehouse, end: datetime) -> pa.Table:
    """The same answer, written for it alone: conversions as the rows have them."""
    sums = ", ".join(
        f"sum({column}) FILTER (WHERE {when}) AS {name}{suffix}"
        for when, suffix in (("hour >= $last", ""), ("hour < $last", "_b"))
        for name, column in (
            ("k", "clicks"),
            ("i", "impressions"),
            ("s", "cost"),
            ("c", "conversions"),
            ("v", "conversion_value"),
        )
    )
    figures = [
        [
            *(f"s{x} / 1e6 / {n}", f"i{x} / {n}", f"k{x} / {n}", f"k{x} / nullif(i{x}, 0)"),
            *(f"s{x} / 1e6 / nullif(k{x}, 0)", f"s{x} / 1e6 / nullif(i{x}, 0) * 1000", f"c{x} / {n}"),
            *(f"c{x} / nullif(k{x}, 0)", f"s{x} / 1e6 / nullif(c{x}, 0)", f"v{x} / 1e6 / {n}"),
            *(f"v{x} / nullif(s{x}, 0)", f"v{x} / 1e6 / nullif(k{x}, 0)"),
        ]
        for x, n in (("", 1), ("_b", 7.0))
    ]
    listed = ", ".join(
        f"CAST({sql} AS DOUBLE) AS {name}{suffix}"
        for group, suffix in zip(figures, ("", "__before"), strict=True)
        for name, sql in zip(NAMES, group, strict=True)
    )
    return warehouse.query(
        f"""SELECT source, account, campaign, {listed} FROM (
            SELECT source, account, campaign, {sums} FROM delivery
            WHERE hour >= $from AND hour < $end AND hour_of_day = $hour GROUP BY source, account, campaign)
        ORDER BY source, account, campaign""",
        {
            "last": end - timedelta(hours=1),
            "from": end - timedelta(days=7, hours=1),
            "end": end,
            "hour": (end - timedelta(hours=1)).hour,
        },
    )


def asked(warehouse: DuckWarehouse, metrics: list[Metric], end: datetime) -> pa.Table:
    window = Window(end - timedelta(hours=1), end)
    return compare(warehouse, metrics, window, Comparison.WEEK_AVERAGE, ("campaign",)).table


def timed(repeat: int, **calls) -> dict[str, float]:
    """Least wall and CPU milliseconds of `repeat` warm calls of each, taken in turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(repeat + 1):
        for name, call in calls.items():
            start, busy = time.perf_counter(), time.process_time()
            call()
            if turn:
                found[name].append((time.perf_counter() - start, time.process_time() - busy))
    return {
        f"{name}_{kind}": round(1e3 * min(spent[at] for spent in each), 2)
        for name, each in found.items()
        for at, kind in enumerate(("ms", "cpu_ms"))
    }


def differences(ours: pa.Table, theirs: pa.Table) -> list[str]:
    """Names of the columns in which any campaign differs by more than 1e-9 of itself."""
    wrong = []
    for name in [n for n in theirs.column_names if n not in {"source", "account", "campaign"}]:
        pairs = zip(ours[name].to_pylist(), theirs[name].to_pylist(), strict=True)
        if any(a != b and (a is None or b is None or abs(a - b) > 1e-9 * abs(b)) for a, b in pairs):
            wrong.append(name)
    return wrong


def measure(folder: Path, campaigns: int, hours: int, repeat: int) -> dict[str, Any]:
    metric = folder / "revenue_per_click.sql"
    metric.write_text(PER_CLICK, encoding="utf-8")
    mine = read_metric(metric, views())
    assert isinstance(mine, Metric), mine
    book = {**load(), mine.name: mine}
    metrics = [book[name] for name in NAMES]
    end = START + timedelta(hours=hours - 9)
    found: dict[str, Any] = {"rows": campaigns * hours}
    path = folder / "hourly.duckdb"
    build(path, campaigns, hours, silent=False)
    with DuckWarehouse.open(path, min_free=0) as warehouse:
        ours, theirs = asked(warehouse, metrics, end), by_hand(warehouse, end)
        found["groups"] = ours.num_rows
        found["different"] = differences(ours, theirs)
        found |= timed(
            repeat,
            ours=lambda: asked(warehouse, metrics, end),
            by_hand=lambda: by_hand(warehouse, end),
            with_order_value=lambda: asked(warehouse, [*metrics, book["average_order_value"]], end),
        )
    path.unlink()
    build(path, campaigns, hours, silent=True)
    with DuckWarehouse.open(path, min_free=0) as warehouse:
        found |= timed(repeat, half_by_the_day=lambda: asked(warehouse, metrics, end))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.campaigns, chosen.hours, chosen.repeat)
    found["ratio"] = round(found["ours_cpu_ms"] / found["by_hand_cpu_ms"], 2)
    print(json.dumps(found, indent=2))
    met = not found["different"] and found["ours_ms"] < 60 and found["ratio"] <= 2
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
