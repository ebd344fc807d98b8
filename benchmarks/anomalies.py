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

from benchmarks._polled import furnish, watched
from benchmarks.kpis import START, build
from metrics import anomalies, windows
from warehouse.duck import DuckWarehouse

HOURS = 24 * 51
TARGET_SECONDS = 1.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=3000)
    campaigns = options.parse_args().campaigns
    path = Path(tempfile.mkdtemp(prefix="paceline-anomalies-")) / "paceline.duckdb"
    build(path, campaigns, HOURS, silent=True)
    furnish(path, START + timedelta(hours=HOURS - 10))
    watched(path, START + timedelta(hours=HOURS))
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
