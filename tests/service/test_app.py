"""app.py as a process: up before any visitor, gone within seconds, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from service.commands import serve
from service.commands.ask import running_app
from service.settings import load
from tests.service.conftest import HERE
from warehouse.duck import DuckWarehouse

UP_WITHIN = 90
STOPPED_WITHIN = 15
"""Seconds: eight for the service, the rest for the server around it on a busy machine."""


def children(pid):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids):
    """Within a moment: a worker that is still starting notices when it has started."""
    end = time.monotonic() + 30
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def app(workspace, example_package, tmp_path):
    env = serve.environment(workspace)
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], sys.path[0], str(HERE / "example")])
    with (tmp_path / "app.log").open("w+") as log:
        process = subprocess.Popen(
            serve.command(load(workspace.folder), port=0),
            cwd=workspace.folder,
            env=env,
            stdout=log,
            stderr=log,
        )
        end = time.monotonic() + UP_WITHIN
        asked = None
        while asked is None and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
            asked = running_app(workspace)
        log.seek(0)
        assert asked is not None, log.read()
        yield process, asked
        if process.poll() is None:
            process.kill()
        process.wait()


def test_it_polls_before_any_visitor_and_stops_with_a_stream_open(app, workspace):
    process, asked = app
    end = time.monotonic() + UP_WITHIN
    while asked.get("/api/status")["live_accounts"] < 2:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert requests.get(f"{asked.url}/_stcore/health", timeout=5).text == "ok"
    workers = children(process.pid)
    assert workers

    with requests.get(f"{asked.url}/api/events", stream=True, timeout=30) as events:
        lines = events.iter_lines()
        assert next(lines).startswith(b"data: ")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for _ in lines:
            pass
        process.wait(STOPPED_WITHIN)
    assert time.monotonic() - began < STOPPED_WITHIN
    assert workspace.running() is None
    gone(workers)
    with DuckWarehouse.open(workspace.database) as warehouse:
        assert warehouse.query("SELECT count(*) AS n FROM delivery")["n"][0].as_py() > 0


def test_workers_die_with_a_process_that_was_killed(app):
    process, asked = app
    assert asked
    end = time.monotonic() + UP_WITHIN
    while not (workers := children(process.pid)):
        assert time.monotonic() < end
        time.sleep(0.1)
    process.kill()
    process.wait()
    gone(workers)
