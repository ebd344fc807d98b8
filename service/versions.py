"""The data version: a number that grows with every change worth showing, and who waits for the next one."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["APART", "IN_ROW", "LEAST", "MOST", "MOST_OPEN", "Versions"]

APART: Final = 0.03
"""Seconds between two visitors that are told of a change: what drawing one page takes, and some air."""

IN_ROW: Final = 50
"""Visitors that are told one after the other; the next as many are told beside them, from the first on."""

MOST_OPEN: Final = 400
"""Visitors at once. Whoever comes needs no token, and each holds a connection open."""

LEAST: Final = 1.5
MOST: Final = 6.0
"""Seconds between two numbers: as few after a single change, more and more in a burst of them."""


class Versions:
    """Bumped from any thread; awaited on the event loop that `attach` was called on.

    A change after a quiet time counts at once. Those of a burst (the accounts of one poll, a backfill) are
    counted together: the first at once, then after 1.5 s, 3 s, 6 s, and 6 s again until it is over; the last
    change always gets its number. Pages read nothing in between, and every visitor reads the same number.

    clock: seconds that only go forward.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 1
        self._gap = LEAST
        self._told = float("-inf")
        self._pending = False
        self._places: set[int] = set()
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
            if self._pending:
                return
            wait = self._told + self._gap - self._clock()
            if wait > 0 and self._loop is not None:
                with suppress(RuntimeError):  # the loop is closed already: nobody waits there
                    self._loop.call_soon_threadsafe(self._loop.call_later, wait, self._late)
                    self._pending = True
                return
            self._count()
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

    @property
    def full(self) -> bool:
        """Whether nobody more is taken in."""
        return len(self._places) >= MOST_OPEN

    @contextmanager
    def place(self) -> Iterator[float]:
        """A visitor's place among those who are told: seconds after the first; on the event loop alone.

        Fifty pages that are drawn at once all take as long as the last one; one after the other the first
        is there at once, and each is quick. Beyond fifty, several are told together: what others hold open
        makes nobody wait for longer.
        """
        place = next(n for n in count() if n not in self._places)
        self._places.add(place)
        try:
            yield place % IN_ROW * APART
        finally:
            self._places.discard(place)

    def _late(self) -> None:
        """Count what came while it was too early to count."""
        with self._lock:
            self._pending = False
            self._count()
        self._swap()

    def _count(self) -> None:
        """Count a change; the lock is held."""
        now = self._clock()
        quiet = now - self._told >= 2 * self._gap
        self._gap = LEAST if quiet else min(2 * self._gap, MOST)
        self._told = now
        self._number += 1

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed already: nobody waits there
                self._loop.call_soon_threadsafe(self._swap)

    def _swap(self) -> None:
        assert self._next is not None
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()
