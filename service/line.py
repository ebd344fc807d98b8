"""The line in which slices wait to be fetched: urgent ones first, one at a time for each account.

One account's hang or outage takes at most one worker; everybody else's slices pass it.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.contract import Account, Stream, Window

__all__ = ["Line", "Task", "Tier"]


class Tier(IntEnum):
    """How urgent a slice is; the same order decides who goes without when operations are short."""

    TODAY = 0
    """The newest window of a stream that follows today's delivery."""
    SLOWER = 1
    """The newest window of any other stream."""
    PAST = 2
    """A restatement of what is stored."""
    BACKFILL = 3
    """History that somebody asked for."""


@dataclass(frozen=True, slots=True)
class Task:
    """A slice to fetch. window: None for the newest one, which is known only when its turn comes."""

    account: Account
    stream: Stream
    tier: Tier
    window: Window | None = None

    @property
    def owner(self) -> tuple[str, str]:
        """The account's key: (source, id)."""
        return self.account.source, self.account.id

    @property
    def slice(self) -> tuple[str, str, str, Window | None]:
        """What is fetched: the same slice stands in line once."""
        return *self.owner, self.stream.name, self.window


class Line:
    """Tasks in order of tier, then of arrival. Safe from any thread."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._tasks: dict[tuple[object, ...], tuple[Tier, int, Task]] = {}
        self._busy: dict[tuple[str, str], Task] = {}
        self._arrivals = itertools.count()
        self._open = True

    def offer(self, task: Task) -> bool:
        """Put a task in line; False if the same slice waits there already, or is being fetched."""
        with self._ready:
            current = self._busy.get(task.owner)
            if not self._open or task.slice in self._tasks or (current and current.slice == task.slice):
                return False
            self._tasks[task.slice] = (task.tier, next(self._arrivals), task)
            self._ready.notify()
            return True

    def take(self, timeout: float | None = None) -> Task | None:
        """The first task whose account is idle; None if there is none in time, or the line is closed."""
        with self._ready:
            found = self._ready.wait_for(lambda: not self._open or self._first() is not None, timeout)
            first = self._first() if found and self._open else None
            if first is None:
                return None
            del self._tasks[first.slice]
            self._busy[first.owner] = first
            return first

    def done(self, task: Task) -> None:
        """The account is idle again."""
        with self._ready:
            self._busy.pop(task.owner, None)
            self._ready.notify_all()

    def withdraw(self, tier: Tier) -> int:
        """Take every waiting task of a tier out of the line; how many there were."""
        with self._ready:
            gone = [key for key, (kind, _, _) in self._tasks.items() if kind == tier]
            for key in gone:
                del self._tasks[key]
            self._ready.notify_all()
            return len(gone)

    def close(self) -> None:
        """Let nobody in and send everybody home."""
        with self._ready:
            self._open = False
            self._tasks.clear()
            self._ready.notify_all()

    def waiting(self, tier: Tier | None = None) -> int:
        """How many tasks wait or are being fetched, of one tier or of all."""
        with self._ready:
            tiers = [t for t, _, _ in self._tasks.values()] + [t.tier for t in self._busy.values()]
            return len(tiers) if tier is None else tiers.count(tier)

    def holds(self, owner: tuple[str, str], stream: str, tier: Tier) -> bool:
        """Whether a slice of the stream waits in this tier."""
        with self._ready:
            tasks = [task for _, _, task in self._tasks.values()]
            return any(t.owner == owner and t.stream.name == stream and t.tier == tier for t in tasks)

    def idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing waits and nothing is being fetched."""
        with self._ready:
            return self._ready.wait_for(lambda: not self._tasks and not self._busy, timeout)

    def _first(self) -> Task | None:
        open_tasks = [entry for entry in self._tasks.values() if entry[2].owner not in self._busy]
        return min(open_tasks, key=lambda entry: entry[:2])[2] if open_tasks else None
