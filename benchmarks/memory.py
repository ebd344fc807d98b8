"""Peak memory of a backfill: a million rows, and half as many days, which should take as much.

Each size is backfilled by `paceline backfill` in a process of its own, from the sandbox into a new file: all
streams of one Google account; with --app the running app does it, the pages' libraries in its memory. Figures
are the kernel's (Linux), read four times a second: the resident high-water marks of the process that owns the
warehouse and of its largest worker, and the highest sum over all of them, in which a page that several share
counts once. The sandbox is not counted. Run: python -m benchmarks.memory [--app]
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from service.commands import serve
from service.commands.ask import running_app
from service.commands.demo import write_workspace
from service.workspace import Workspace
from tests.contract.sandbox import running
from warehouse.duck import DuckWarehouse

TARGET_MB = 600
LOOK_EVERY = 0.25  # seconds
START_WITHIN = 180  # seconds


class Watch(threading.Thread):
    """Looks at a process and its children until stopped. Figures in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.owner = self.worker = self.together = 0.0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            with contextlib.suppress(FileNotFoundError):
                self._look()

    def _look(self) -> None:
        tasks = Path(f"/proc/{self._pid}/task").iterdir()
        children = {pid for task in tasks for pid in self._words(task / "children")}
        self.owner = max(self.owner, self._figure(f"{self._pid}/status", "VmHWM:"))
        self.worker = max([self.worker, *(self._figure(f"{pid}/status", "VmHWM:") for pid in children)])
        everybody = sum(self._figure(f"{pid}/smaps_rollup", "Pss:") for pid in (self._pid, *children))
        self.together = max(self.together, everybody)

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _figure(self, file: str, name: str) -> float:
        """A figure in MB; 0 of a process that has just ended."""
        return int(dict(pairwise(self._words(Path("/proc", file)))).get(name, 0)) / 1024

    @staticmethod
    def _words(file: Path) -> list[str]:
        try:
            return file.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return []


@contextlib.contextmanager
def app(workspace: Workspace) -> Iterator[int]:
    """The app on the workspace, once it knows the account: its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "up", "--workspace", str(workspace.folder), "--port", "0"],
        env=serve.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START_WITHIN
        while not ((answering := running_app(workspace)) and answering.get("/api/status")["live_accounts"]):
            assert process.poll() is None, "the app has ended"
            assert time.monotonic() < end, "the app has nothing to show"
            time.sleep(0.5)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def backfill(workspace: Workspace, days: int, *, by_app: bool) -> Watch:
    """Run the command to its end, with an eye on the process that does the work."""
    words = [sys.executable, "-m", "service.cli", "backfill", "--workspace", str(workspace.folder)]
    with contextlib.ExitStack() as stack:
        owner = stack.enter_context(app(workspace)) if by_app else 0
        process = subprocess.Popen([*words, "--days", str(days)], env=serve.environment())
        watch = Watch(owner or process.pid)
        watch.start()
        assert process.wait(1800) == 0, "the backfill has failed"
        watch.stop()
    return watch


def fetched(workspace: Workspace) -> int:
    with DuckWarehouse.open(workspace.database, read_only=True) as warehouse:
        found = warehouse.query("SELECT sum(rows)::BIGINT AS n FROM journal")
    return int(found.to_pylist()[0]["n"])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=285)
    options.add_argument("--days", type=int, default=90, help="of the larger size; the smaller has half")
    options.add_argument("--quick", action="store_true", help="a tenth of the rows")
    options.add_argument("--app", action="store_true", help="let the running app do it")
    chosen = options.parse_args()
    campaigns = chosen.campaigns // 10 if chosen.quick else chosen.campaigns
    said = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for days in (chosen.days // 2, chosen.days):
            # As much history as is asked for: the first poll would bring the rest of the month by itself.
            now = datetime.now(UTC)
            with running(folder, now=now, days=days, campaigns=campaigns, accounts=1) as sandbox:
                workspace = Workspace(folder / str(days))
                workspace.state.mkdir(parents=True)
                write_workspace(workspace, sandbox.at)
                seen = backfill(workspace, days, by_app=chosen.app)
            print(
                f"{days:4} days, {fetched(workspace):10,} rows: owner {seen.owner:.0f} MB, largest "
                f"worker {seen.worker:.0f} MB, all together {seen.together:.0f} MB",
                flush=True,
            )
            said.append(seen.together)
    small, large = said
    print(
        f"twice the days take {large / small:.2f} of the memory; at most {TARGET_MB} MB may be taken together"
    )
    return int(large > TARGET_MB)


if __name__ == "__main__":
    sys.exit(main())
