"""Work that is done in steps, so that whoever wants its result need not do all of it at once.

A step says what it cost, in campaigns looked at; the result is what the generator returns.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

__all__ = ["Steps", "finished"]

T = TypeVar("T")

Steps: TypeAlias = Generator[int, None, T]


def finished(steps: Steps[T]) -> T:
    """The result, all steps done."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
