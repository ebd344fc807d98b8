"""kill -9 at random moments of a poll: nothing acknowledged is lost, nothing stands twice, the next completes.

A slice is acknowledged by its line in the log, which follows its commit. PACELINE_KILLS=50 for the full count.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.rows import ROWS
from service.commands.demo import write_workspace
from service.workspace import Workspace
from tests.contract.sandbox import running
from warehouse.duck import DuckWarehouse

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
KILLS = int(os.environ.get("PACELINE_KILLS", "2"))
STORED = re.compile(r"service\.fetching: (\w+)/(\w*) (\w+): \d+ rows")


class Poll:
    """`paceline poll --once` as a process, and what it has acknowledged so far."""

    def __init__(self, workspace, now):
        words = [sys.executable, "-m", "service.cli", "poll", "--once", "-v", "--now", now.isoformat()]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PACELINE_WORKSPACE": str(workspace.folder)}
        self.process = subprocess.Popen(
            words, env=env, cwd=workspace.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.acknowledged = Counter()
        self.said = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line)
            if found := STORED.search(line):
                self.acknowledged[found.groups()] += 1

    def kill_after(self, slices, seconds):
        """Once so many slices are stored and a little time has passed; False if it ended before."""
        end = time.monotonic() + 120
        while self.acknowledged.total() < slices and self.process.poll() is None:
            assert time.monotonic() < end, "".join(self.said)
            time.sleep(0.005)
        time.sleep(seconds)
        killed = self.process.poll() is None
        self.process.kill()
        self.wait()
        return killed

    def wait(self):
        code = self.process.wait(150)
        self._reader.join(30)
        self.process.stdout.close()
        return code


def journal(warehouse):
    rows = warehouse.query(
        "SELECT source, account, stream, count(*) AS n FROM journal WHERE outcome = 'ok' GROUP BY ALL"
    )
    return Counter({(r["source"], r["account"], r["stream"]): r["n"] for r in rows.to_pylist()})


def doubles(warehouse):
    found = {}
    for row in ROWS:
        keys = ", ".join(f'"{name}"' for name in ("source", "account", *row.key))
        sql = f"SELECT count(*) - count(DISTINCT ({keys})) AS n FROM {row.table}"
        found[row.table] = warehouse.query(sql)["n"][0].as_py()
    return {table: n for table, n in found.items() if n}


def unbalanced(warehouse):
    """Campaign hours whose differences do not add up to what is stored."""
    return warehouse.query(
        """SELECT source, account, campaign, hour FROM (
             SELECT source, account, campaign, hour, cost, impressions FROM delivery
             UNION ALL
             SELECT source, account, campaign, hour, -cost, -impressions FROM delivery_ledger)
           GROUP BY ALL HAVING sum(cost) <> 0 OR sum(impressions) <> 0"""
    ).to_pylist()


@pytest.mark.slow
@pytest.mark.timeout(60 + 60 * KILLS + 300)
def test_kill_at_random_moments(tmp_path):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    acknowledged = Counter()
    killed = 0
    with running(tmp_path, now=NOW, days=6, campaigns=2, accounts=2) as sandbox:
        workspace = Workspace(tmp_path / "team")
        workspace.folder.mkdir()
        # The visitors of the sites have tests of their own, and a history that is long to fetch.
        write_workspace(workspace, {**sandbox.at, "properties": []})
        now = NOW
        for _ in range(KILLS):
            now += timedelta(minutes=70)  # so that recent days are restated too
            sandbox.now = now
            poll = Poll(workspace, now)
            killed += poll.kill_after(dice.randrange(30), dice.uniform(0, 0.2))
            acknowledged += poll.acknowledged
            with DuckWarehouse.open(workspace.database) as warehouse:
                lost = acknowledged - journal(warehouse)
                assert not lost, (seed, lost)
                assert doubles(warehouse) == {}, seed
                assert unbalanced(warehouse) == [], seed
        assert killed, "no poll was under way when it was killed"

        now += timedelta(hours=25)
        sandbox.now = now
        last = Poll(workspace, now)
        assert last.wait() == 0, "".join(last.said)
        with DuckWarehouse.open(workspace.database) as warehouse:
            assert not acknowledged + last.acknowledged - journal(warehouse)
            assert doubles(warehouse) == {}
            assert unbalanced(warehouse) == []
            for account in sandbox.accounts("google_ads"):
                rows = sandbox.truth(account, NOW - timedelta(days=5), now, now)
                sql = "SELECT sum(cost)::BIGINT AS c, sum(impressions)::BIGINT AS i FROM delivery WHERE account = ? AND hour >= ?"
                [stored] = warehouse.query(sql, [account, NOW - timedelta(days=5)]).to_pylist()
                assert stored["c"] == sum(r["cost_micros"] for r in rows)
                assert stored["i"] == sum(r["impressions"] for r in rows)
