"""A hundred rules over three thousand campaigns: CPU seconds of one pass, judged and taken in.

The world has a month of calm hours in 20 accounts of two sources, budgets, and targets; the rules are the
shipped ones in several scopes. `cold` is the first pass of a process, `new hour` the first after which every
watermark has moved, `warm` one after a poll within the hour. Run: python -m benchmarks.alerts
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from alerts.engine import Engine
from alerts.incident import Alert, Notice
from alerts.judge import judge
from alerts.records import CHAPTER
from alerts.routes import Routing
from alerts.scene import Memory, Scene, Target
from alerts.telling import Described
from benchmarks.kpis import START, build
from metrics import model
from service import rules
from warehouse.book import Book
from warehouse.duck import DuckWarehouse

SOURCES = ("google_ads", "meta_ads")
HOURS = 24 * 30
TARGET_SECONDS = 1.0


def furnish(path: Path) -> None:
    """Names, budgets and watermarks for what the other benchmark has built."""
    end = f"TIMESTAMPTZ '{START + timedelta(hours=HOURS - 10):%Y-%m-%d %H:%M}:00+00'"
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            """UPDATE delivery SET clicks = 20 + clicks % 5, cost = 40000000 + cost % 5000000,
                conversions = CASE WHEN conversions IS NOT NULL THEN conversions % 3 END"""
        )
        con.execute(
            """INSERT INTO campaign BY NAME SELECT DISTINCT source, account, campaign,
                'Campaign ' || campaign AS name, 'enabled' AS status, '' AS serving, 'search' AS channel,
                '' AS objective, '' AS bidding, '' AS labels FROM delivery"""
        )
        con.execute(
            """INSERT INTO budget_history BY NAME SELECT source, account, 'b' || campaign AS budget, campaign,
                '' AS ad_group, 'b' AS name, 1100000000 AS amount, 'daily' AS period, 'campaign' AS level,
                false AS shared, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS valid_from FROM campaign"""
        )
        for stream in ("delivery", "campaigns", "auction"):
            con.execute(
                f"""INSERT INTO watermark BY NAME SELECT DISTINCT source, account, '{stream}' AS stream,
                    {end} AS data_as_of, {end} + INTERVAL 30 MINUTE AS polled_at,
                    {end} + INTERVAL 30 MINUTE AS tried_at, 'ok' AS outcome, '' AS error, '' AS cause,
                    '' AS mend FROM account"""
            )


def move(path: Path) -> None:
    """An hour later: every watermark with it."""
    with duckdb.connect(str(path)) as con:
        con.execute(
            """UPDATE watermark SET data_as_of = data_as_of + INTERVAL 1 HOUR,
                polled_at = polled_at + INTERVAL 1 HOUR, tried_at = tried_at + INTERVAL 1 HOUR"""
        )


def hundred(folder: Path, metrics: dict[str, model.Metric]) -> tuple[rules.Rule, ...]:
    """The shipped rules, each in scopes of its own until there are a hundred."""
    shipped = rules.load(folder, Routing(), metrics)
    found = []
    for number in range(100):
        rule = shipped[number % len(shipped)]
        scope = rule.scope.model_copy(update={"campaign": ("*", "Campaign c1*", "*7", "c*")[number // 25]})
        found.append(rule.model_copy(update={"id": f"{rule.id}-{number}", "scope": scope}))
    return tuple(found)


def _describe(_alert: Alert, notice: Notice, _now: datetime) -> Described:
    return Described(str(notice.reason))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=3000)
    campaigns = options.parse_args().campaigns
    folder = Path(tempfile.mkdtemp(prefix="paceline-alerts-"))
    path = folder / "paceline.duckdb"
    build(path, campaigns, HOURS, silent=True)
    furnish(path)
    metrics = model.load()
    chosen = hundred(folder, metrics)
    memory = Memory()
    targets = [Target("cpa", 40), Target("cpl", 25), Target("roas", 3.5)]
    now = START + timedelta(hours=HOURS - 10, minutes=31)
    figures: dict[str, float] = {}
    book = Book.open(folder / "book.sqlite", [CHAPTER])
    engine = Engine(book, chosen, Routing(), {}, _describe)
    for name in ("cold", "warm", "warm", "new hour", "warm", "new hour"):
        if name == "new hour":
            now += timedelta(hours=1)
            move(path)
        with DuckWarehouse.open(path, min_free=0) as warehouse:
            began, wall = time.process_time(), time.perf_counter()
            every = dict.fromkeys(SOURCES, timedelta(minutes=5))
            scene = Scene(
                warehouse,
                now,
                every=every,
                started=now - timedelta(days=1),
                targets=targets,
                metrics=metrics,
                memory=memory,
            )
            found = judge(scene, chosen, engine.watched())
            judged = time.process_time() - began
            engine.take(found, now)
            cpu = time.process_time() - began
        told = sum(len(one.told) for one in found.values())
        figures[name], took = max(cpu, figures.get(name, 0.0)), time.perf_counter() - wall
        print(f"{name:9} {cpu:5.2f} s CPU ({judged:.2f} judging), {took:5.2f} s wall, {told:,} series told")
        now += timedelta(minutes=1)
    book.close()
    print(json.dumps({"rules": len(chosen), "campaigns": campaigns, "cpu_seconds": figures}))
    return int(max(figures["warm"], figures["new hour"]) > TARGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
