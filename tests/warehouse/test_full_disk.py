"""A full disk: the write is refused with its mend, nothing stored is lost, the next success heals it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.rows import Delivery
from tests.warehouse.store_kit import delivery, put, rows
from warehouse.duck import DuckWarehouse
from warehouse.errors import StorageFull

ROOT = Path(__file__).parents[2]


def test_writes_that_the_system_refuses(tmp_path):
    command = [sys.executable, "-m", "tests.warehouse.full_disk", str(tmp_path / "paceline.duckdb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    log, file = said["causes"]
    assert all("could not grow" in cause and ".wal" in cause for cause in log), log
    assert all("could not grow" in cause for cause in file), file
    assert any("FATAL Error" in cause for cause in file), file
    assert said["unanswered"] == []


def test_nothing_is_written_below_the_free_space_that_was_asked_for(tmp_path):
    path = tmp_path / "paceline.duckdb"
    with DuckWarehouse.open(path, rows=(Delivery,), min_free=2**60) as warehouse:
        with pytest.raises(StorageFull, match="MB are free in"):
            put(warehouse, [delivery("a", 1, 1)], seen=2)
        assert rows(warehouse, "FROM delivery") == []
    with DuckWarehouse.open(path, rows=(Delivery,), min_free=0) as warehouse:
        assert put(warehouse, [delivery("a", 1, 1)], seen=2).changed == 1
