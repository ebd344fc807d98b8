"""The sandbox's time: the machine's, unless it was set to another moment, running or frozen."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

__all__ = ["SandboxClock"]


class SandboxClock:
    """A clock that can be set. Thread-safe: servers read it while the control face sets it."""

    def __init__(self, now: datetime | None = None, *, frozen: bool = False) -> None:
        self._lock = threading.Lock()
        self._base: datetime | None = None
        self._since = 0.0
        self._frozen = False
        if now is not None or frozen:
            self.set(now if now is not None else datetime.now(UTC), frozen=frozen)

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen

    def now(self) -> datetime:
        """The sandbox's present moment, aware and in UTC."""
        with self._lock:
            if self._base is None:
                return datetime.now(UTC)
            if self._frozen:
                return self._base
            return self._base + timedelta(seconds=time.monotonic() - self._since)

    def set(self, now: datetime, *, frozen: bool = False) -> None:
        """Make it `now` (aware), from which time runs on unless `frozen`."""
        if now.tzinfo is None:
            raise ValueError(f"the clock needs a moment with its offset from UTC, got {now.isoformat()}")
        with self._lock:
            self._base = now.astimezone(UTC)
            self._since = time.monotonic()
            self._frozen = frozen
