"""A hundred rules over three thousand campaigns: CPU seconds of one pass, judged and taken in.

The world has seven weeks of calm hours in 20 accounts of two sources, budgets, targets and a plan of the
month over all campaigns, and nine days of polls; the rules are the shipped ones in several scopes. Before
each kind of pass all accounts are polled, and their newest hours have changed in every campaign. As the
service does, a pass that leaves work to the next one is followed by it at once, without a poll; all of these
are counted.

    cold       the first of a process, of a workspace that was never evaluated
    follow-up  the dearest of those that learn what another left, at any time
    warm       within the hour
    new hour   the first in which every watermark has moved
    new day    the first with an hour of the next day, in all accounts at once
    day        the dearest of all passes of a simulated day of 24 hours, midnight among them, and their sum
    restart    the first of a new memory over the same workspace, as after a restart of the process

`wall` is what the same passes took, on a machine as busy as it was. Run: python -m benchmarks.alerts
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from alerts.conditions.flight import flying
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
from metrics.flights import Amount, SpendPlan
from service import rules
from warehouse.book import Book
from warehouse.duck import DuckWarehouse

SOURCES = ("google_ads", "meta_ads")
HOURS = 24 * 51
END = START + timedelta(hours=HOURS - 2)
"""Up to where everything is known at first, two hours before midnight: the third hour is of a new day."""
PASSES = ("cold", "warm", "warm", "new hour", "warm", "new hour", "warm", "new day", "warm", "new hour")
TARGET_SECONDS = 1.0
TARGETS = (Target("cpa", 40), Target("cpl", 25), Target("roas", 3.5))


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


class Team:
    """An installation with its engine: polls, and passes over what they brought."""

    def __init__(self, folder: Path, warehouse: DuckWarehouse, campaigns: int) -> None:
        self.warehouse, self.metrics = warehouse, model.load()
        month = SpendPlan("Month", "EUR", (Amount(campaigns * 30_000.0),))
        self.rules = flying(hundred(folder, self.metrics), [month], ZoneInfo("UTC"))
        self.book = Book.open(folder / "book.sqlite", [CHAPTER])
        self.until = self.now = END
        self.figures: dict[str, float] = {}
        self.spent: list[float] = []
        self.restarted()

    def restarted(self) -> None:
        """Nothing is left but what is stored."""
        self.memory = Memory()
        self.engine = Engine(self.book, self.rules, Routing(), {}, _describe)

    def polled(self, *, hours: int = 0) -> int:
        """A poll of all accounts, so many hours later; how many rows that changed."""
        self.now += timedelta(minutes=5)
        if hours:
            self.until += timedelta(hours=hours)
            self.now = self.until + timedelta(minutes=1)
        return poll(self.warehouse, self.now, self.until)

    def passes(self, name: str, *, quiet: bool = False) -> None:
        """One, and those that it leaves work to."""
        self.one(name, quiet=quiet)
        while self.memory.behind:
            self.now += timedelta(seconds=10)
            self.one("follow-up", quiet=True)

    def one(self, name: str, *, quiet: bool) -> None:
        began, wall = time.process_time(), time.perf_counter()
        scene = Scene(
            self.warehouse,
            self.now,
            every=dict.fromkeys(SOURCES, timedelta(minutes=5)),
            started=self.now - timedelta(days=1),
            targets=TARGETS,
            metrics=self.metrics,
            memory=self.memory,
        )
        found = judge(scene, self.rules, self.engine.watched())
        judged = time.process_time() - began
        self.engine.take(found, self.now)
        cpu, took = time.process_time() - began, time.perf_counter() - wall
        self.figures[name] = max(cpu, self.figures.get(name, 0.0))
        self.spent.append(cpu)
        if not quiet:
            told = sum(len(one.told) for one in found.values())
            print(
                f"{name:9} {cpu:5.2f} s CPU ({judged:.2f} judging), {took:5.2f} s wall, {told:,} series told",
                flush=True,
            )


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=3000)
    campaigns = options.parse_args().campaigns
    folder = Path(tempfile.mkdtemp(prefix="paceline-alerts-"))
    path = folder / "paceline.duckdb"
    build(path, campaigns, HOURS, silent=True)
    furnish(path, END)
    watched(path, END)
    with DuckWarehouse.open(path, min_free=0) as warehouse:
        team = Team(folder, warehouse, campaigns)
        for name in PASSES:
            team.polled(hours=int(name.startswith("new")))
            team.passes(name)
        team.spent.clear()
        for _ in range(24):
            team.polled(hours=1)
            team.passes("new hour", quiet=True)
        dearest, total, count = max(team.spent), sum(team.spent), len(team.spent)
        team.figures["day"] = dearest
        print(f"day       {dearest:5.2f} s CPU the dearest of {count} passes, {total:.1f} s all", flush=True)
        team.restarted()
        team.passes("restart")
        team.book.close()
    figures = {name: round(cpu, 3) for name, cpu in team.figures.items()}
    for name, cpu in figures.items():
        print(f"{name:9} {cpu:5.2f} s CPU at most")
    load = round(os.getloadavg()[1], 1)
    print(
        json.dumps({"rules": len(team.rules), "campaigns": campaigns, "load": load, "cpu_seconds": figures})
    )
    return int(max(figures.values()) > TARGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
