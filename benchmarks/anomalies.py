"""Three thousand campaigns judged after a poll: CPU seconds, and those of learning a day's reference.

The world has fifty days of calm hours in 20 accounts of two sources, half of which give conversions by the
day only, polled every five minutes for nine days. `first` is the first pass of a process, which learns what
every account's day is expected to be; `new day` is the first one after the accounts' midnight, `poll` one of
the others. Run: python -m benchmarks.anomalies
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.alerts import furnish
from benchmarks.kpis import START, build
from metrics import anomalies, windows
from warehouse.duck import DuckWarehouse

HOURS = 24 * 51
TARGET_SECONDS = 1.0


def watched(path: Path) -> None:
    """The journal of the polls, and what they saw arrive."""
    end = START + timedelta(hours=HOURS)
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        for stream, table, hour in (
            ("delivery", "delivery", "hour"),
            ("day_totals", "day_totals", '"day"::TIMESTAMPTZ'),
        ):
            con.execute(
                f"""INSERT INTO journal BY NAME SELECT source, account, '{stream}' AS stream,
                    date_trunc('day', moment - INTERVAL 1 SECOND) AS window_start,
                    moment AS window_end, moment AS started, moment AS seen_at, 10 AS took_ms,
                    'ok' AS outcome, 1 AS "rows", 1 AS changed, 1 AS operations,
                    0.0 AS utilisation, '' AS api_version, [] AS request_ids, '' AS error, '' AS cause,
                    '' AS mend
                FROM account, range(9 * 288) AS t(n),
                    (SELECT TIMESTAMPTZ '{end:%Y-%m-%d %H:%M}:00+00' AS last) AS e,
                    LATERAL (SELECT last - n * INTERVAL 5 MINUTE AS moment) AS m"""
            )
            measures = "impressions, clicks, cost, " if table == "delivery" else ""
            zeros = "0 AS impressions, 0 AS clicks, 0 AS cost, " if measures else ""
            known = "1 AS conversions_known, 1 AS conversion_value_known," if table == "delivery" else ""
            con.execute(
                f"""INSERT INTO {table}_ledger BY NAME
                SELECT * EXCLUDE ({measures} conversions, conversion_value, n), {zeros} {known}
                    CAST(1 AS DECIMAL(18,6)) AS conversions, 0 AS conversion_value,
                    {hour} + to_hours(CAST(n * n AS INTEGER)) + INTERVAL 55 MINUTE AS seen_from,
                    {hour} + to_hours(CAST(n * n AS INTEGER)) + INTERVAL 60 MINUTE AS seen_to
                FROM {table}, range(4) AS t(n) WHERE conversions > n"""
            )


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=3000)
    campaigns = options.parse_args().campaigns
    path = Path(tempfile.mkdtemp(prefix="paceline-anomalies-")) / "paceline.duckdb"
    build(path, campaigns, HOURS, silent=True)
    furnish(path)
    watched(path)
    memory = anomalies.Memory()
    figures: dict[str, float] = {}
    with DuckWarehouse.open(path, min_free=0) as warehouse:
        known = windows.accounts(warehouse)
        midnight = START + timedelta(hours=HOURS - 24)
        moments = [("first", -1), ("new day", 1), ("poll", 2), ("poll", 3), ("poll", 4)]
        for name, hours in moments:
            until = midnight + timedelta(hours=hours)
            began, wall = time.process_time(), time.perf_counter()
            found = anomalies.judge(warehouse, known, dict.fromkeys(known, until), memory, now=until)
            cpu, took = time.process_time() - began, time.perf_counter() - wall
            figures[name] = cpu
            series = sum(test.p.size for one in found.values() for test in one.tests)
            hits = sum(int(hit.sum()) for one in found.values() for hit in one.hits)
            print(f"{name:8} {cpu:5.2f} s CPU, {took:5.2f} s wall, {series:,} tests, {hits:,} signals")
    print(json.dumps({"campaigns": campaigns, "cpu_seconds": figures}))
    return int(figures["poll"] > TARGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
