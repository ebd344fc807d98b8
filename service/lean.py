"""What makes a process of ours give memory back after a fetch, in words that it reads when it starts."""

from __future__ import annotations

__all__ = ["LEAN"]

LEAN = {
    # Arrow's own pool keeps what a large reply once took.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # So does glibc: an arena a thread, each trimmed late.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
"""Environment variables; what a person has set of them stays. Measured: benchmarks/memory.py."""
