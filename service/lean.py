"""What keeps a process of ours small. Measured: benchmarks/memory.py."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Final

import pyarrow as pa

__all__ = ["give_back", "spare_pandas"]

_M_TRIM_THRESHOLD: Final = -1
_M_ARENA_MAX: Final = -8
"""Of glibc's mallopt(3)."""


def give_back() -> None:
    """Hand memory back after a fetch: Arrow's own pool keeps what a large reply once took, and so does glibc,
    an arena a thread, each trimmed late. Elsewhere than on glibc only Arrow's is changed.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_TRIM_THRESHOLD, 65_536)


class _NoPandas:
    """An importer that knows one thing: there is no pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def spare_pandas() -> None:
    """Let pyarrow find no pandas when it looks, once and for all, whether a list is one of its Series.

    That look would take a second and 60 MB, for nothing: below the panels, Arrow is made of plain values. Who
    needs pandas may still import it, but pyarrow's own `to_pandas` no longer works in this process.
    """
    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_NoPandas)
