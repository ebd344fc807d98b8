"""kill -9 at any moment: what was acknowledged is there, nothing is there twice, the next write goes on."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.rows import Delivery
from tests.warehouse.crash_writer import CAMPAIGNS, impressions
from tests.warehouse.store_kit import at, rows
from warehouse.duck import DuckWarehouse
from warehouse.reader import read

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "8"))


def run_and_kill(path: Path, first: int, after: float) -> int:
    """The last acknowledged write of a writer that is killed `after` seconds past its first one."""
    command = [sys.executable, "-m", "tests.warehouse.crash_writer", str(path), str(first)]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        lines = [writer.stdout.readline()]
        time.sleep(after)
    finally:
        writer.kill()
        rest, _ = writer.communicate(timeout=30)
    complete = [line for line in (lines[0] + rest).split("\n")[:-1] if line]
    return int(complete[-1])


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * KILLS)
def test_kill_at_random_moments(tmp_path):
    path, chance, first = tmp_path / "paceline.duckdb", random.Random(7), 0
    for _ in range(KILLS):
        acknowledged = run_and_kill(path, first, chance.uniform(0, 0.6))
        with DuckWarehouse.open(path, rows=(Delivery,), min_free=0) as warehouse:
            assert warehouse.quarantined is None
            last = check(warehouse, acknowledged)
        if (tmp_path / "published.duckdb").exists():
            answer = read(tmp_path / "published.duckdb", "SELECT count(*) AS n FROM delivery")
            assert answer["n"][0].as_py() % len(CAMPAIGNS) == 0
        first = last + 1


def check(warehouse: DuckWarehouse, acknowledged: int) -> int:
    """Everything up to the last write that is stored, which may be one more than was acknowledged."""
    writes = rows(warehouse, "SELECT count(*)::BIGINT FROM journal")[0][0]
    assert writes - 1 in (acknowledged, acknowledged + 1)
    last = writes - 1
    found = rows(warehouse, "SELECT hour, campaign, impressions FROM delivery ORDER BY hour, campaign")
    assert found == [
        (at(number), campaign, impressions(number, n) + (number < last))
        for number in range(writes)
        for n, campaign in enumerate(CAMPAIGNS)
    ]
    summed = "SELECT hour, campaign, sum(impressions)::BIGINT FROM delivery_ledger GROUP BY ALL ORDER BY ALL"
    assert rows(warehouse, summed) == found
    assert warehouse.watermarks()[0].polled_at == at(last + 1)
    return last
