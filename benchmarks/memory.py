"""Peak memory of a backfill: a million rows, and half as many days, which should take as much.

Each size is backfilled by a service of its own in a fresh process, from the sandbox into a new file: all
streams of one Google account. Figures are the kernel's (Linux): the resident high-water marks of the process
that owns the warehouse and of its largest worker, and the highest sum over all of them, in which a page that
several share counts once. Run: python -m benchmarks.memory
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from service.commands import serve
from service.commands.demo import write_workspace
from service.running import Service
from service.workspace import Workspace
from tests.contract.sandbox import running

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TARGET_MB = 600
LOOK_EVERY = 0.25  # seconds


class Watch(threading.Thread):
    """Looks at this process and its children until stopped. Figures in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.owner = self.worker = self.together = 0.0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            children = {
                pid for task in Path("/proc/self/task").iterdir() for pid in self._lines(task / "children")
            }
            self.owner = self._figure("self/status", "VmHWM:")
            self.worker = max([self.worker, *(self._figure(f"{pid}/status", "VmHWM:") for pid in children)])
            everybody = sum(self._figure(f"{pid}/smaps_rollup", "Pss:") for pid in ("self", *children))
            self.together = max(self.together, everybody)

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _figure(self, file: str, name: str) -> float:
        """A figure in MB; 0 of a process that has just ended."""
        return int(dict(pairwise(self._lines(Path("/proc", file)))).get(name, 0)) / 1024

    @staticmethod
    def _lines(file: Path) -> list[str]:
        try:
            return file.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return []


def backfill(folder: Path, days: int) -> dict[str, float]:
    """Backfill the workspace in this process."""
    watch = Watch()
    watch.start()
    service = Service(Workspace(folder), clock=lambda: NOW)
    try:
        service.poller.run_once()
        running_ = service.backfill(days)
        assert running_.join(1800), running_.progress()
        progress = running_.progress()
        assert (progress.state, progress.given_up) == ("done", ()), progress
        counted = service.warehouse.query(
            "SELECT sum(rows)::BIGINT AS n FROM journal WHERE window_end <= ?", [NOW]
        )
        rows = counted.to_pylist()[0]["n"]
    finally:
        service.stop()
        watch.stop()
    return {"rows": rows, "owner": watch.owner, "worker": watch.worker, "together": watch.together}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=260)
    options.add_argument("--days", type=int, default=90, help="of the larger size; the smaller has half")
    options.add_argument("--quick", action="store_true", help="a tenth of the rows")
    options.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(backfill(chosen.one, chosen.days)))
        return 0
    campaigns = chosen.campaigns // 10 if chosen.quick else chosen.campaigns
    said = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for days in (chosen.days // 2, chosen.days):
            # As much history as is asked for: the first poll would bring the rest of the month by itself.
            with running(folder, now=NOW, days=days, campaigns=campaigns, accounts=1) as sandbox:
                workspace = Workspace(folder / str(days))
                workspace.state.mkdir(parents=True)
                write_workspace(workspace, sandbox.at)
                command = [sys.executable, "-m", "benchmarks.memory", "--days", str(days), "--one"]
                done = subprocess.run(
                    [*command, str(workspace.folder)],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=serve.environment(),
                )
            said[days] = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{days:4} days, {said[days]['rows']:10,} rows: owner {said[days]['owner']:.0f} MB, largest "
                f"worker {said[days]['worker']:.0f} MB, all together {said[days]['together']:.0f} MB",
                flush=True,
            )
    small, large = said.values()
    growth = large["together"] / small["together"]
    print(f"twice the days take {growth:.2f} of the memory; at most {TARGET_MB} MB may be taken together")
    return int(large["together"] > TARGET_MB)


if __name__ == "__main__":
    sys.exit(main())
