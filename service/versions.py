"""The data version: a number that grows with every change worth showing, and who waits for the next one."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["APART", "IN_ROW", "LEAST", "MOST", "MOST_OPEN", "PATIENCE", "Versions"]

_LOG = logging.getLogger(__name__)

APART: Final = 0.02
"""Seconds between two visitors that are told of a change: what drawing one page takes."""

IN_ROW: Final = 50
"""Visitors that are told one after the other; the next as many are told beside them, from the first on."""

MOST_OPEN: Final = 400
"""Visitors at once. Whoever comes needs no token, and each holds a connection open."""

LEAST: Final = 1.5
MOST: Final = 6.0
"""Seconds between two numbers: as few after a single change, more and more in a burst of them."""

PATIENCE: Final = 2.0
"""Seconds that visitors wait to be told while what they look at is worked out; then they are told anyway."""


class Versions:
    """Bumped from any thread; awaited on the event loop that `attach` was called on.

    A change after a quiet time counts at once. Those of a burst (the accounts of one poll, a backfill) are
    counted together: the first at once, then after 1.5 s, 3 s, 6 s, and 6 s again until it is over; the last
    change always gets its number. Pages read nothing in between, and every visitor reads the same number.

    A number holds as soon as it is counted: whoever draws a page reads what is stored by then. Visitors are
    told of it once `prepare` has worked out what they look at, so that they do not all wait for it at once.

    clock: seconds that only go forward. prepare: called in a thread with each number that somebody is there
    to hear of, before they hear; may be set until the first change.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.prepare: Callable[[int], None] | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._number = self._told = 1
        self._gap = LEAST
        self._since = float("-inf")
        self._pending = False
        self._preparing: asyncio.Task[None] | None = None
        self._busy = False
        self._places: set[int] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Event | None = None
        self.closed = False

    @property
    def current(self) -> int:
        """The number as it is: what pages read."""
        return self._number

    @property
    def told(self) -> int:
        """The number that visitors were told of last."""
        return self._told

    def attach(self) -> None:
        """Serve the running event loop."""
        self._loop, self._next = asyncio.get_running_loop(), asyncio.Event()

    def bump(self) -> None:
        """Something worth showing has changed."""
        with self._lock:
            if self._pending:
                return
            if self._busy:  # counted when those before it have been told
                self._pending = True
                return
            wait = self._since + self._gap - self._clock()
            if wait > 0 and self._loop is not None:
                self._pending = self._soon(self._loop.call_later, wait, self._late)
                return
            self._count()
        self._tell()

    def close(self) -> None:
        """Send home whoever waits: a stream that stays open would hold up the server's end."""
        self.closed = True
        self._soon(self._wake)

    async def after(self, number: int, seconds: float) -> int | None:
        """The version as soon as it is told and not `number`; None if that takes longer, or at the end."""
        assert self._next is not None
        waiting = self._next
        if self._told <= number and not self.closed:
            try:
                await asyncio.wait_for(waiting.wait(), seconds)
            except TimeoutError:
                return None
        return None if self.closed or self._told <= number else self._told

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
        self._tell()

    def _count(self) -> None:
        """Count a change; the lock is held."""
        now = self._clock()
        quiet = now - self._since >= 2 * self._gap
        self._gap = LEAST if quiet else min(2 * self._gap, MOST)
        self._since = now
        self._number += 1
        self._busy = True

    def _tell(self) -> None:
        """Tell the number that was counted, from any thread."""
        if not self._soon(self._begin):  # nobody waits
            self._busy, self._told = False, self._number

    def _begin(self) -> None:
        """Tell it at once where nobody is there, or there is nothing to work out for them."""
        if self.prepare is None or not self._places or self.closed:
            self._done()
        else:
            self._preparing = asyncio.create_task(self._prepared(self.prepare, self._number))

    async def _prepared(self, prepare: Callable[[int], None], number: int) -> None:
        with anyio.move_on_after(PATIENCE):
            try:
                await anyio.to_thread.run_sync(prepare, number, abandon_on_cancel=True)
            except Exception:  # noqa: BLE001  # whoever waits is told all the same
                _LOG.exception("what visitors look at could not be worked out ahead")
        self._done()

    def _done(self) -> None:
        """Whoever waits hears of the number; what came meanwhile gets the next one in its time."""
        with self._lock:
            self._busy = False
            self._since = self._clock()
            self._told = self._number
            if self._pending and self._loop is not None:
                self._loop.call_later(self._gap, self._late)
        self._wake()

    def _soon(self, call: Callable[..., object], *args: object) -> bool:
        """Have the event loop call something; False where there is none, or it is closed already."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return False
        return True

    def _wake(self) -> None:
        assert self._next is not None
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()
