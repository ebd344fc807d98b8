"""Whether the warehouse takes writes: a full disk stops the writing, not the process."""

from __future__ import annotations

import logging
import shutil
import threading
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from warehouse.errors import StorageBroken, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Guard"]

_LOG = logging.getLogger(__name__)

TRY_AGAIN = timedelta(seconds=15)

FATAL_AFTER = 3
"""Failures in a row, reopening between them, after which only a new process can help."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing is written at the moment."""

    cause: str
    mend: str


class Guard:
    """Holds back writes, and the fetches before them, while the warehouse cannot take any.

    folder: where the database file is. min_free: bytes that must be free there before it is tried again.
    fatal: called once, when reopening the file has not helped. Safe from any thread.
    """

    def __init__(self, folder: Path, *, min_free: int, fatal: Callable[[], None]) -> None:
        self.trouble: Trouble | None = None
        self._folder = folder
        self._min_free = min_free
        self._fatal = fatal
        self._lock = threading.Lock()
        self._since = 0.0
        self._broken = 0

    def closed(self) -> bool:
        """Whether to leave everything be for now: just after a failure, and while the disk has no room."""
        with self._lock:
            if self.trouble is None:
                return False
            if monotonic() - self._since < TRY_AGAIN.total_seconds():
                return True
            return shutil.disk_usage(self._folder).free < self._min_free

    def failed(self, error: StorageError) -> None:
        """A write failed."""
        with self._lock:
            first = self.trouble is None
            self.trouble = Trouble(error.cause, error.mend)
            self._since = monotonic()
            self._broken = self._broken + 1 if isinstance(error, StorageBroken) else 0
            give_up = self._broken == FATAL_AFTER
        if first:
            _LOG.error("storage: %s %s", error.cause, error.mend)
        if give_up:
            _LOG.critical(
                "storage: reopening the file did not help %d times, a new process must", FATAL_AFTER
            )
            self._fatal()

    def succeeded(self) -> None:
        """A write was taken."""
        with self._lock:
            healed, self.trouble, self._broken = self.trouble is not None, None, 0
        if healed:
            _LOG.info("storage: writes are taken again")
