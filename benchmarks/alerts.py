"""A hundred rules over three thousand campaigns: CPU seconds of one pass, judged and taken in.

The world has seven weeks of calm hours in 20 accounts of two sources, budgets and targets, and nine days of
polls; the rules are the shipped ones in several scopes. Before each pass all accounts are polled, and their
newest hours have changed in every campaign: `warm` is a pass within the hour, `new hour` the first in which
every watermark has moved, `new day` the first with an hour of the next day in all accounts, `cold` the first
of a process. Run: python -m benchmarks.alerts
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from alerts.engine import Engine
from alerts.incident import Alert, Notice
from alerts.judge import judge
from alerts.records import CHAPTER
from alerts.routes import Routing
from alerts.scene import Memory, Scene, Target
from alerts.telling import Described
from benchmarks._polled import furnish, poll, watched
from benchmarks.kpis import START, build
from metrics import model
from service import rules
from warehouse.book import Book
from warehouse.duck import DuckWarehouse

SOURCES = ("google_ads", "meta_ads")
HOURS = 24 * 51
END = START + timedelta(hours=HOURS - 2)
"""Up to where everything is known at first, two hours before midnight: the third hour is of a new day."""
PASSES = ("cold", "warm", "warm", "new hour", "warm", "new hour", "warm", "new day", "warm")
TARGET_SECONDS = 1.0


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
    furnish(path, END)
    watched(path, END)
    metrics = model.load()
    chosen = hundred(folder, metrics)
    memory = Memory()
    targets = [Target("cpa", 40), Target("cpl", 25), Target("roas", 3.5)]
    every = dict.fromkeys(SOURCES, timedelta(minutes=5))
    until, now = END, END
    figures: dict[str, float] = {}
    book = Book.open(folder / "book.sqlite", [CHAPTER])
    engine = Engine(book, chosen, Routing(), {}, _describe)
    with DuckWarehouse.open(path, min_free=0) as warehouse:
        for name in PASSES:
            now += timedelta(minutes=5)
            if name.startswith("new"):
                until += timedelta(hours=1)
                now = until + timedelta(minutes=1)
            changed = poll(warehouse, now, until)
            began, wall = time.process_time(), time.perf_counter()
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
            cpu, took = time.process_time() - began, time.perf_counter() - wall
            told = sum(len(one.told) for one in found.values())
            figures[name] = max(cpu, figures.get(name, 0.0))
            print(
                f"{name:9} {cpu:5.2f} s CPU ({judged:.2f} judging), {took:5.2f} s wall, "
                f"{changed:,} rows changed, {told:,} series told",
                flush=True,
            )
    book.close()
    print(json.dumps({"rules": len(chosen), "campaigns": campaigns, "cpu_seconds": figures}))
    return int(max(figures["warm"], figures["new hour"]) > TARGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
