"""Keeps what was computed, newest use last, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Store"]


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


_T = TypeVar("_T", bound=_Sized)


class Store:
    """A cache of pure results by key. Thread-safe; two threads may compute the same result at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, _Sized] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable, kind: type[_T], make: Callable[[], _T]) -> _T:
        """The result kept under `key`, or a new one from `make`."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
        if isinstance(found, kind):
            return found
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self._size += made.nbytes
            while self._size > self._limit and len(self._held) > 1:
                self._size -= self._held.popitem(last=False)[1].nbytes
        return made
