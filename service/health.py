"""Whether the service does its work: the watchdog behind /healthz.

It is asked, and has no thread of its own that could die unnoticed.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Watchdog"]

OVERDUE = 3
"""Intervals without any outcome after which a stream counts as stuck."""

DEAD_AFTER = timedelta(seconds=60)
"""Without a sign of life from the scheduler."""


class Watchdog:
    """Signs of life of the scheduler, the threads and every stream. Safe from any thread.

    An outcome is a sign of life whatever it was: a source that fails is a state of its accounts, shown by
    their watermarks, not a fault of the service.
    """

    def __init__(self, *, grace: timedelta) -> None:
        self._grace = grace.total_seconds()
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._faults: dict[str, str] = {}
        self._beat = monotonic()
        self._threads: tuple[threading.Thread, ...] = ()

    def beat(self) -> None:
        """The scheduler runs its jobs."""
        self._beat = monotonic()

    def threads(self, threads: Iterable[threading.Thread]) -> None:
        """These must be alive."""
        self._threads = tuple(threads)

    def expect(self, stream: str) -> None:
        """From now on the stream is due every so often."""
        with self._lock:
            self._seen.setdefault(stream, monotonic())

    def seen(self, stream: str) -> None:
        """The stream had its turn."""
        with self._lock:
            self._seen[stream] = monotonic()
            self._faults.pop(stream, None)

    def fault(self, stream: str) -> None:
        """An error of ours befell the stream; it is told until the stream has had a turn without one."""
        with self._lock:
            self._faults[stream] = f"{stream}: an error in the service itself, see the log"

    def lag(self, due: Mapping[str, timedelta]) -> float:
        """Seconds by which the most overdue of the streams is late; 0 while all are on time."""
        now = monotonic()
        with self._lock:
            late = [
                now - self._seen[name] - every.total_seconds()
                for name, every in due.items()
                if name in self._seen
            ]
        return max([0.0, *late])

    def problems(self, due: Mapping[str, timedelta]) -> list[str]:
        """What is stuck or dead. due: time between turns of each stream."""
        now = monotonic()
        found = []
        if now - self._beat > DEAD_AFTER.total_seconds():
            found.append(f"scheduler: no sign of life for {now - self._beat:.0f} s; restart the service")
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        if dead:
            found.append(f"threads: {', '.join(dead)} ended; restart the service")
        with self._lock:
            found += self._faults.values()
            for name, every in due.items():
                silent = now - self._seen.get(name, now)
                if silent > OVERDUE * every.total_seconds() + self._grace:
                    minutes = f"{silent / 60:.0f} minutes, due every {every.total_seconds() / 60:.0f}"
                    found.append(f"{name}: no outcome for {minutes}")
        return found
