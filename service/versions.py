"""The data version: a number that grows with every change worth showing, and who waits for the next one."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

__all__ = ["Versions"]


class Versions:
    """Bumped from any thread; awaited on the event loop that `attach` was called on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Event | None = None
        self.closed = False

    @property
    def current(self) -> int:
        """The number as it is."""
        return self._number

    def attach(self) -> None:
        """Serve the running event loop."""
        self._loop, self._next = asyncio.get_running_loop(), asyncio.Event()

    def bump(self) -> None:
        """Something worth showing has changed."""
        with self._lock:
            self._number += 1
        self._wake()

    def close(self) -> None:
        """Send home whoever waits: a stream that stays open would hold up the server's end."""
        self.closed = True
        self._wake()

    async def after(self, number: int, seconds: float) -> int | None:
        """The version as soon as it is not `number`; None if that takes longer, or at the end."""
        assert self._next is not None
        waiting = self._next
        if self._number == number and not self.closed:
            try:
                await asyncio.wait_for(waiting.wait(), seconds)
            except TimeoutError:
                return None
        return None if self.closed or self._number == number else self._number

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed already: nobody waits there
                self._loop.call_soon_threadsafe(self._swap)

    def _swap(self) -> None:
        assert self._next is not None
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()
