"""From an incident to the message in Slack: the whole service against the sandbox, nothing replaced.

    python -m benchmarks.heard [--kind landing_page_down] [--every 5m] [--soon]

A sandbox and the app on a workspace of its own, polled every five minutes. Once the pages were looked at, the
incident is started right after that look: the worst moment there is, for a whole interval has to pass.
With --soon it is started at a random moment of the interval instead. The end is Slack's own timestamp of the
message. By stage: until the look that shows it began; the look itself; until it was stored, judged and
written down as firing; the rest of the wait for company (`group_wait`); until Slack had it.

Ends with 1 where it took longer than the interval and 30 seconds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
import requests
import yaml

from connectors.units import duration
from service import settings
from service.commands import demo, serve
from service.workspace import Workspace

GRACE = timedelta(seconds=30)
_UP = 180.0
_T = TypeVar("_T")


class Stages(NamedTuple):
    """Moments of one incident, in their order."""

    begun: datetime
    asked: datetime
    answered: datetime
    fired: datetime
    told: datetime
    slack: datetime


def main() -> None:
    """Print seconds by stage; end with 1 where the bar is missed."""
    words = argparse.ArgumentParser()
    words.add_argument(
        "--kind", default="landing_page_down", choices=("landing_page_down", "tracking_outage")
    )
    words.add_argument("--every", default="5m")
    words.add_argument("--soon", action="store_true")
    words.add_argument("--port", type=int, default=18791)
    asked = words.parse_args()
    every = duration(asked.every)
    with tempfile.TemporaryDirectory() as place, _sandbox(Path(place)) as said:
        workspace = Workspace(Path(place) / "workspace")
        workspace.folder.mkdir()
        demo.write_workspace(workspace, said, port=asked.port)
        _polled_every(workspace, asked.every)
        with _app(workspace, asked.port):
            _until(
                _UP, lambda: _looks(workspace, datetime.min.replace(tzinfo=UTC)), "the first look at a page"
            )
            # A round that lists accounts and streams anew is over; the second look is one by the clock.
            now = datetime.now(UTC)
            _until(every.total_seconds() + 60, lambda: _looks(workspace, now), "a look by the clock")
            if asked.soon:
                time.sleep(random.uniform(0, every.total_seconds() - 20))
            stages = _heard(workspace, Path(place), said, asked.kind, every)
    _report(stages, asked.kind, every)


def _heard(workspace: Workspace, place: Path, said: dict[str, Any], kind: str, every: timedelta) -> Stages:
    """Start the incident, and wait until it is in Slack."""
    command = [sys.executable, "-m", "sandbox", "incident", "start", kind]
    done = subprocess.run(command, env=_environment(place), check=True, capture_output=True, text=True)
    begun = datetime.fromisoformat(json.loads(done.stdout)["at"])
    print(f"{kind} begun at {begun:%H:%M:%S} UTC; waiting …", flush=True)

    def message() -> dict[str, Any] | None:
        channels = requests.get(f"{said['truth']}/channels/arrived", timeout=30).json()["slack"]
        return next((m for c in channels for m in c["messages"] if _of(m, begun)), None)

    posted = _until((every + 4 * GRACE).total_seconds(), message, "a message in Slack", pause=0.2)
    slack = datetime.fromtimestamp(float(posted["ts"]), UTC)
    print(f"Slack: {posted['text']}")
    number = posted["metadata"]["event_payload"]["incident"].rpartition("-")[2]
    with sqlite3.connect(f"file:{workspace.book}?mode=ro", uri=True) as book:
        sql = (
            "SELECT what, min(at) FROM happened WHERE incident = ? AND what IN ('firing', 'told') GROUP BY 1"
        )
        lines = dict(book.execute(sql, [number]).fetchall())
    asked, answered = _look_between(workspace, begun, datetime.fromisoformat(lines["firing"]))
    fired, told = (datetime.fromisoformat(lines[what]) for what in ("firing", "told"))
    return Stages(begun, asked, answered, fired, told, slack)


def _of(message: dict[str, Any], begun: datetime) -> bool:
    """Whether it is the first message of an incident that came since."""
    about = message.get("metadata", {}).get("event_payload", {})
    late = float(message["ts"]) > begun.timestamp()
    return late and "-first/" in about.get("dedup_key", "") and "page" in message["text"].lower()


def _looks(workspace: Workspace, since: datetime) -> list[tuple[datetime, float]]:
    """Looks at the pages that have begun since, the oldest first: when, and how many seconds they took."""
    path = workspace.database.with_name("published.duckdb")
    if not path.exists():
        return []
    sql = """SELECT epoch(started), took_ms FROM journal
        WHERE stream = 'checks' AND outcome = 'ok' AND "rows" > 0 ORDER BY started"""
    with duckdb.connect(str(path), read_only=True) as con:
        found = [(datetime.fromtimestamp(at, UTC), took / 1000) for at, took in con.execute(sql).fetchall()]
    return [one for one in found if one[0] > since]


def _look_between(workspace: Workspace, begun: datetime, fired: datetime) -> tuple[datetime, datetime]:
    """When the look began, and ended, that showed it: the copy is published some time after it was judged."""

    def ended() -> tuple[datetime, datetime] | None:
        known = [(at, at + timedelta(seconds=took)) for at, took in _looks(workspace, begun)]
        return next((one for one in reversed(known) if one[1] <= fired + timedelta(seconds=1)), None)

    return _until(60, ended, "the look in the journal")


def _report(stages: Stages, kind: str, every: timedelta) -> None:
    limit = every + GRACE
    took = stages.slack - stages.begun
    words = ("until the look began", "the look", "stored and judged", "rest of group_wait", "sent")
    print(f"\n{kind}, polled every {every.total_seconds() / 60:.0f} min, on {os.cpu_count()} cores")
    seconds = [(b - a).total_seconds() for a, b in itertools.pairwise(stages)]
    for word, one in zip(words, seconds, strict=True):
        print(f"  {word:22} {one:7.1f} s")
    most = limit.total_seconds()
    print(f"  {'from incident to Slack':22} {took.total_seconds():7.1f} s, at most {most:.0f} s")
    after = (stages.slack - stages.asked).total_seconds()
    print(f"  {'from the look to Slack':22} {after:7.1f} s, at most {GRACE.total_seconds():.0f} s")
    print(json.dumps({"heard": dict(zip(words, seconds, strict=True)), "total": took.total_seconds()}))
    if took > limit:
        sys.exit(f"later than the interval and {GRACE.total_seconds():.0f} s")


def _polled_every(workspace: Workspace, every: str) -> None:
    written = yaml.safe_load(workspace.settings_file.read_text(encoding="utf-8"))
    written.setdefault("polling", {})["every"] = every
    workspace.settings_file.write_text(yaml.safe_dump(written, sort_keys=False), encoding="utf-8")


def _environment(place: Path) -> dict[str, str]:
    return {**serve.environment(), demo.SANDBOX_STATE: str(place / "sandbox.json")}


@contextmanager
def _sandbox(place: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "sandbox", "up", "--json", "--accounts", "4", "--days", "35"]
    with (
        (place / "sandbox.log").open("wb") as log,
        subprocess.Popen(
            command, env=_environment(place), stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def _app(workspace: Workspace, port: int) -> Iterator[None]:
    words = serve.command(settings.load(workspace.folder), port=port, address="127.0.0.1")
    workspace.state.mkdir(exist_ok=True)
    with (
        (workspace.state / "app.log").open("wb") as log,
        subprocess.Popen(
            words, cwd=workspace.folder, env=serve.environment(workspace), stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield
        except TimeoutError:
            print((workspace.state / "app.log").read_text(encoding="utf-8")[-3000:], file=sys.stderr)
            raise
        finally:
            process.send_signal(signal.SIGTERM)


def _until(seconds: float, what: Callable[[], _T | None], name: str, *, pause: float = 0.5) -> _T:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(requests.RequestException, duckdb.IOException):  # busy, or being replaced
            if found := what():
                return found
        time.sleep(pause)
    raise TimeoutError(f"no {name.removeprefix('a ')} within {seconds:.0f} s")


if __name__ == "__main__":
    main()
