"""The demo as a process: what it starts ends with it, what it tells to type can be typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from service import experiments
from service.commands import demo, demo_tests, serve

WITHIN = 60
"""Seconds for a step on a busy machine."""


def sandboxes(pid):
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "-m sandbox up" in line]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_leaves_no_sandbox_behind(tmp_path, number):
    log = (tmp_path / "log").open("w+")
    env = serve.environment() | {"PACELINE_SANDBOX_STATE": str(tmp_path / "sandbox.json")}
    command = [sys.executable, "-m", "service.cli", "demo", "--headless", "--port", "0", "--days", "1"]
    # Whoever runs the tests may ignore hang-ups (nohup); a terminal does not.
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=env,
        stdout=log,
        stderr=log,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509  # no threads here yet
    )
    try:
        end = time.monotonic() + WITHIN
        while not (started := sandboxes(process.pid)):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(WITHIN) == 0
    finally:
        process.kill()
        process.wait()
        log.close()
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert "Stopping" in (tmp_path / "log").read_text()


def test_a_hint_can_be_typed_where_one_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(serve.HOME)
    assert demo.hint("sandbox", "incident", "list") == "./paceline sandbox incident list"
    monkeypatch.chdir(tmp_path)
    name, *_ = demo.hint("status").split()
    assert os.access(name, os.X_OK)
    monkeypatch.setattr(serve, "HOME", tmp_path)
    assert demo.hint("status", "-w", "my team") == "paceline status -w 'my team'"


def test_its_experiments_can_be_read(tmp_path):
    demo_tests.write(tmp_path, date(2026, 11, 24))
    found = experiments.load(tmp_path)
    assert [(t.id, t.starts, t.planned_days) for t in found] == [
        ("broad-match", date(2026, 11, 12), 29),
        ("retargeting", date(2026, 11, 4), 29),
        ("landing-page", date(2026, 11, 15), 22),
    ]
    assert found[1].minimum_effect == 0.5
    assert [arm.share for arm in found[2].arms] == [0.7, 0.3]
