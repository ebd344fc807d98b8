"""History on request: every day of the last N that was never answered, newest first, resumable.

What is missing follows from the journal, so an interrupted backfill goes on where it was; what is already
there costs nothing. It has the lowest tier: today's delivery always passes it.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.contract import Window
from connectors.errors import Unauthorized, redact
from service import plan
from service.line import Task, Tier
from warehouse.errors import StorageError

if TYPE_CHECKING:
    from connectors.contract import Account, Stream
    from service.budget import Budget
    from service.fetching import Result
    from service.jobs import Poller

__all__ = ["Backfill", "Progress"]

_LOG = logging.getLogger(__name__)

TRIES = 4
"""Failures in a row after which a stream of an account is given up, and told."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. days: account-local days of one stream of one account."""

    days: int
    done: int
    rows: int
    state: str
    """running, waiting (for operations, or after a failure), compacting, done, stopped"""
    waits_for: str = ""
    given_up: tuple[str, ...] = ()
    cause: str = ""
    """Why it stopped, where nobody asked it to."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class _Lane:
    """One stream of one account."""

    account: Account
    stream: Stream
    missing: list[Window]
    failures: int = 0
    given_up: str = ""
    waits_for: str = ""

    @property
    def name(self) -> str:
        return f"{self.account.source}/{self.account.id}/{self.stream.name}"

    def days(self) -> int:
        return sum(len(window.days(self.account.timezone)) for window in self.missing)


class Backfill:
    """One backfill over all accounts. The poller fetches; this offers one piece a lane at a time."""

    def __init__(self, poller: Poller, days: int) -> None:
        self._poller = poller
        self._days = days
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._rows = 0
        self._state = "running"
        self._cause = ""
        self._lanes = {lane.name: lane for lane in self._plan()}
        self._total = sum(lane.days() for lane in self._lanes.values())
        self._thread = threading.Thread(target=self._run, name="backfill", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._poller.listen(self._heard)
        self._thread.start()

    def stop(self) -> None:
        """End after the pieces under way; the next backfill goes on from there."""
        self._stop.set()
        self._woken.set()
        self._poller.line.withdraw(Tier.BACKFILL)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            lanes = list(self._lanes.values())
            left = sum(lane.days() for lane in lanes)
            waits = next((lane.waits_for for lane in lanes if lane.missing and lane.waits_for), "")
            given_up = tuple(f"{lane.name}: {lane.given_up}" for lane in lanes if lane.given_up)
            busy = self._poller.line.waiting(Tier.BACKFILL)
            state = "waiting" if self._state == "running" and waits and not busy else self._state
            return Progress(self._total, self._total - left, self._rows, state, waits, given_up, self._cause)

    def _plan(self) -> list[_Lane]:
        now = self._poller.clock()
        lanes = []
        for account in self._poller.accounts.known():
            for stream in self._poller.setup.sources[account.source].connector.streams():
                if not (stream.row.time and stream.past):
                    continue  # what is set up now, or looked at now, has no past at its source
                zone = account.timezone
                end = plan.newest(stream, zone, now).start
                first = (now - timedelta(days=self._days)).astimezone(zone).date()
                start = plan.midnight(first, zone)
                covered = self._poller.covered(account, stream)
                missing = plan.missing(Window(start, end), covered, zone) if start < end else []
                lanes.append(_Lane(account, stream, missing))
        return lanes

    def _run(self) -> None:
        """Whatever happens has an end that can be seen; the next backfill goes on from there."""
        try:
            self._work()
            if self._stop.is_set():
                self._state = "stopped"
            else:
                self._finish()
        except Exception as error:  # noqa: BLE001  # told in the log and in the progress
            if isinstance(error, StorageError):
                self._poller.guard.failed(error)
            self._cause = redact(f"{type(error).__name__}: {error}")
            self._state = "stopped"
            self._poller.line.withdraw(Tier.BACKFILL)
            _LOG.exception("backfill of %d days has stopped", self._days)
        finally:
            self._poller.unlisten(self._heard)

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                open_lanes = [lane for lane in self._lanes.values() if lane.missing and not lane.given_up]
            if not open_lanes:
                break
            budgets = {budget.source: budget for budget in self._poller.budgets()}
            for lane in open_lanes:
                self._offer(lane, budgets[lane.account.source])
            self._woken.wait(2)
            self._woken.clear()

    def _finish(self) -> None:
        self._state = "compacting"
        for row in {lane.stream.row for lane in self._lanes.values() if self._rows}:
            self._poller.warehouse.compact(row)
        self._poller.warehouse.publish()
        self._state = "done"
        _LOG.info("backfill of %d days is done: %d rows", self._days, self._rows)

    def _offer(self, lane: _Lane, budget: Budget) -> None:
        owner = (lane.account.source, lane.account.id)
        poller = self._poller
        if poller.line.holds(owner, lane.stream.name, Tier.BACKFILL):
            return
        wait = poller.waits.current(*owner, lane.stream.name, poller.clock())
        if wait is not None and wait.error == Unauthorized.__name__:
            self._give_up(lane, f"{wait.error}: {wait.cause}")
            return
        lane.waits_for = wait.cause if wait else budget.refusal(Tier.BACKFILL, lane.stream.cost)
        with self._lock:
            missing = list(lane.missing)  # a fetch may have brought the last of it since the lane was listed
        if missing and not lane.waits_for:
            piece = poller.fetcher.cut(lane.account, lane.stream, missing)[0]
            poller.line.offer(Task(lane.account, lane.stream, Tier.BACKFILL, piece))

    def _give_up(self, lane: _Lane, why: str) -> None:
        lane.given_up = why
        _LOG.error("backfill gives up %s: %s", lane.name, why)

    def _heard(self, result: Result) -> None:
        task, fetch = result.task, result.fetch
        lane = self._lanes.get(f"{fetch.source}/{fetch.account}/{fetch.stream}")
        if lane is None or task.window is None:
            return
        with self._lock:
            if fetch.outcome == "ok":
                lane.failures = 0
                zone = lane.account.timezone
                lane.missing = [
                    left for window in lane.missing for left in plan.missing(window, [fetch.window], zone)
                ]
                self._rows += fetch.rows
            elif task.tier is Tier.BACKFILL and fetch.outcome != "held" and not result.follow:
                lane.failures += 1
                if lane.failures >= TRIES or fetch.outcome == "stop":
                    self._give_up(lane, f"{fetch.error}: {fetch.cause}")
        self._woken.set()
