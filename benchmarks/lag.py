"""How long it takes to learn an account's lag from a year of its ledger.

Twenty campaigns polled every five minutes, the last three days every hour, the month once a day: the ledger
holds ten differences an hour and campaign, half of them of conversions. Run: python -m benchmarks.lag
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from metrics import cohorts, maturity, windows
from warehouse.duck import DuckWarehouse

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LIMIT_MS = 200


def build(path: Path, *, days: int, campaigns: int) -> None:
    DuckWarehouse.open(path, min_free=0).close()
    start = NOW - timedelta(days=days)
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            "INSERT INTO account (source, account, name, currency, timezone, via, status) "
            "VALUES ('google_ads', 'a', 'A', 'EUR', 'Europe/Berlin', '', '')"
        )
        con.execute(
            """CREATE TEMP TABLE hours AS SELECT h AS hour, CAST(c AS VARCHAR) AS campaign
            FROM unnest(generate_series($start, $now - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS t(h),
              range($campaigns) AS r(c)""",
            {"start": start, "now": NOW, "campaigns": campaigns},
        )
        con.execute(
            """INSERT INTO delivery (source, account, campaign, hour, day, hour_of_day, impressions, clicks,
              cost, conversions, conversion_value)
            SELECT 'google_ads', 'a', campaign, hour, CAST(timezone('Europe/Berlin', hour) AS DATE),
              CAST(extract(hour FROM timezone('Europe/Berlin', hour)) AS BIGINT), 1000,
              40, 40000000, 2, 60000000
            FROM hours ORDER BY hour"""
        )
        con.execute(
            """INSERT INTO delivery_ledger (source, account, campaign, hour, day, hour_of_day, impressions,
              clicks, cost, conversions, conversion_value, conversions_known, conversion_value_known,
              seen_from, seen_to)
            SELECT 'google_ads', 'a', campaign, hour, CAST(hour AS DATE), 0, 100, 4, 4000000,
              CASE WHEN n % 2 = 0 THEN 0.4 ELSE 0 END, 0, 0, 0,
              hour + to_minutes(CAST(30 * pow(2, n) AS INTEGER)),
              hour + to_minutes(CAST(30 * pow(2, n) + 5 AS INTEGER))
            FROM hours, range(10) AS r(n) ORDER BY hour"""
        )
        con.execute("DELETE FROM delivery_ledger WHERE seen_to > $now", {"now": NOW})
        for step, back in (("5 MINUTE", 0), ("1 HOUR", 3), ("1 DAY", 30)):
            con.execute(
                f"""INSERT INTO journal (source, account, stream, window_start, window_end, started, seen_at,
                  took_ms, outcome, rows, changed, operations, utilisation)
                SELECT 'google_ads', 'a', 'delivery', date_trunc('day', t) - INTERVAL {back} DAY,
                  CASE WHEN {back} = 0 THEN t ELSE date_trunc('day', t) END, t, t, 100, 'ok', 100, 10, 1, 0
                FROM unnest(generate_series($start, $now, INTERVAL {step})) AS u(t)
                WHERE {back} > 0 OR t > date_trunc('day', t)""",
                {"start": start, "now": NOW},
            )


def best(what, times: int = 5) -> tuple[float, float]:
    """The least CPU and wall milliseconds."""
    found = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        what()
        found.append((1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)))
    return min(c for c, _ in found), min(w for _, w in found)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=365)
    options.add_argument("--campaigns", type=int, default=20)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        build(path, days=chosen.days, campaigns=chosen.campaigns)
        with DuckWarehouse.open(path, min_free=0) as warehouse:
            rows = warehouse.query("SELECT count(*) AS n FROM delivery_ledger")["n"][0].as_py()
            fetches = warehouse.query("SELECT count(*) AS n FROM journal")["n"][0].as_py()
            known = windows.accounts(warehouse)
            curve = cohorts.curves(warehouse, known, NOW)["google_ads", "a"]
            print(f"{rows:,} differences, {fetches:,} fetches; learned from {curve.seen:,.0f} conversions")
            for name, what in (
                ("curves", lambda: cohorts.curves(warehouse, known, NOW)),
                ("learned", lambda: maturity.learned(warehouse, known, NOW)),
            ):
                cpu, wall = best(what)
                print(f"{name}: {wall:.0f} ms (CPU {cpu:.0f} ms), at most {LIMIT_MS} ms is the aim")


if __name__ == "__main__":
    main()
