"""The command line as somebody types it: in a process of its own."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from warehouse.audit import Audit
from warehouse.book import Book

ROOT = Path(__file__).resolve().parents[2]
METRIC = ROOT / "metrics" / "definitions" / "cpa.sql"


def paceline(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("PACELINE_WORKSPACE", None)
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_usage_names_the_command(tmp_path):
    assert "Usage: paceline [OPTIONS] COMMAND" in paceline("--help", cwd=tmp_path).stdout


def test_metrics_are_locked_and_a_changed_meaning_is_refused(tmp_path):
    folder = tmp_path / "workspace" / "metrics"
    folder.mkdir(parents=True)
    mine = folder / "mine.sql"
    shutil.copy(METRIC, mine)
    assert paceline("metrics", "lock", cwd=tmp_path).stdout == "locked: mine\n"
    assert paceline("metrics", "lock", cwd=tmp_path).stdout == "all definitions are locked as they are\n"
    mine.write_text(mine.read_text().replace("sum(cost) / 1e6", "sum(cost) / 1e3"))
    refused = paceline("metrics", "lock", cwd=tmp_path)
    assert refused.returncode == 1
    assert "mine.sql:3:1" in refused.stderr
    assert "the meaning changed and the version is still 1" in refused.stderr
    listed = paceline("metrics", "list", cwd=tmp_path).stdout.splitlines()
    assert any(line.split()[0] == "mine" and "Cost per acquisition" in line for line in listed)


def test_a_workspace_without_metrics_says_where_they_would_lie(tmp_path):
    said = paceline("metrics", "lock", cwd=tmp_path)
    assert said.returncode == 1
    assert str(tmp_path / "workspace" / "metrics") in said.stderr


@pytest.mark.parametrize("words", [["status"], ["query", "SELECT 1"], ["check"], ["poll", "--once"]])
def test_a_running_demo_is_pointed_at(tmp_path, words):
    state = tmp_path / ".paceline" / "demo" / ".paceline"
    state.mkdir(parents=True)
    (state / "running.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getpid()}))
    said = paceline(*words, cwd=tmp_path)
    assert "add `-w .paceline/demo` to ask it" in said.stdout + said.stderr
    assert said.returncode
    (state / "running.json").unlink()
    said = paceline(*words, cwd=tmp_path)
    assert "-w .paceline/demo" not in said.stdout + said.stderr


def test_the_audit_log_is_shown_and_verified(tmp_path):
    state = tmp_path / "workspace" / ".paceline"
    state.mkdir(parents=True)
    none = paceline("audit", "verify", cwd=tmp_path)
    assert (none.returncode, "has no book yet" in none.stderr) == (1, True)
    book = Book.open(state / "book.sqlite")
    for name in ("ana", "ben"):
        Audit(book).record(
            name, "noted", "campaign 7", now=datetime(2026, 11, 24, 9, tzinfo=UTC), detail={"text": "sale"}
        )
    book.close()
    assert paceline("audit", "verify", cwd=tmp_path).stdout == "✓ 2 acts, none edited, removed or reordered\n"
    listed = paceline("audit", "list", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[2:4] for line in listed[1:]] == [["ben", "noted"], ["ana", "noted"]]
    with sqlite3.connect(state / "book.sqlite") as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor = 'eve' WHERE seq = 1")
    connection.close()
    broken = paceline("audit", "verify", cwd=tmp_path)
    assert broken.returncode == 1
    assert "row 1 was changed after it was written" in broken.stdout
