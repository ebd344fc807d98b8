"""What went wrong at the warehouse, told by what to do next.

    StorageError
    ├── StorageFull        the disk has no room: free some; nothing stored is lost
    ├── StorageBroken      the file cannot be used as it is
    │   ├── StorageHeld        another process has it open
    │   └── StorageTooNew      a newer Paceline wrote it
    └── ReplyRefused       a reply that contradicts itself is not stored; asking again may bring a sound one

Every error carries its cause and, for people, how to mend it.
"""

from __future__ import annotations

__all__ = [
    "ReplyRefused",
    "StorageBroken",
    "StorageError",
    "StorageFull",
    "StorageHeld",
    "StorageTooNew",
]


class StorageError(Exception):
    """The warehouse did not do what it was asked, and stored nothing of it.

    cause: what happened. mend: one sentence that says what a person can do.
    """

    def __init__(self, cause: str, *, mend: str) -> None:
        self.cause = cause
        self.mend = mend
        super().__init__(f"{cause} {mend}")


class StorageFull(StorageError):
    """The disk has no room for the write."""


class StorageBroken(StorageError):
    """The database file cannot be read or written."""


class StorageHeld(StorageBroken):
    """Another process has the database file open.

    pid: its process id, or None where the system does not tell.
    """

    def __init__(self, cause: str, *, mend: str, pid: int | None = None) -> None:
        self.pid = pid
        super().__init__(cause, mend=mend)


class StorageTooNew(StorageBroken):
    """The database file was written by a newer version of Paceline."""


class ReplyRefused(StorageError, ValueError):
    """A reply that names a row twice, or rows outside the window that was asked for."""
