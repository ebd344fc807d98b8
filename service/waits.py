"""How long to leave an account, or one of its streams, alone after something went wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from connectors.errors import RateLimited, SourceError, Unauthorized, Unavailable

__all__ = ["Wait", "Waits"]

Key: TypeAlias = tuple[str, ...]
"""(source, account) for the account as a whole, (source, account, stream) for a stream."""

FIRST = timedelta(seconds=30)
LONGEST = timedelta(minutes=10)
"""An outage ends unannounced: what was down for an hour is fresh again within this."""

HOURLY = timedelta(hours=1)
"""Between attempts where only a person can mend it: a token may be renewed without a restart."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when not to ask, and why, in the source's words and with the mend."""

    until: datetime
    error: str
    cause: str
    mend: str


class Waits:
    """Waits by account and by stream. Safe from any thread; the moment is always passed in.

    | error        | the stream waits               | the account waits                     |
    |--------------|--------------------------------|---------------------------------------|
    | RateLimited  |                                | as long as the source says, doubling  |
    | Unavailable  | 30 s, doubling to 10 min       | the same, from the account's failures |
    | Unauthorized |                                | an hour                               |
    | other Stop   | 30 s, doubling to an hour      |                                       |

    Any success of an account ends the account's row of failures; a stream's ends with its own success.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[Key, Wait] = {}
        self._failures: dict[Key, int] = {}

    def failed(self, source: str, account: str, stream: str, error: SourceError, now: datetime) -> datetime:
        """Note a failure; the moment from which the stream may be asked again."""
        whole, own = (source, account), (source, account, stream)
        with self._lock:
            if isinstance(error, RateLimited):
                doubled = FIRST * (1 << min(self._count(whole) - 1, 6))
                # The source's own word counts; it grows only where that word was not enough before.
                first = self._failures[whole] == 1
                self._set(
                    whole, now + (error.retry_after if first else max(error.retry_after, doubled)), error
                )
            elif isinstance(error, Unauthorized):
                self._count(whole)
                self._set(whole, now + HOURLY, error)
            elif isinstance(error, Unavailable):
                self._set(own, now + _doubling(self._count(own), LONGEST), error)
                self._set(whole, now + _doubling(self._count(whole), LONGEST), error)
            else:
                self._set(own, now + _doubling(self._count(own), HOURLY), error)
            return max(w.until for key in (whole, own) if (w := self._waits.get(key)))

    def succeeded(self, source: str, account: str, stream: str) -> None:
        """Note a success: the account answers, and so does the stream."""
        with self._lock:
            for key in ((source, account), (source, account, stream)):
                self._failures.pop(key, None)
                self._waits.pop(key, None)

    def pause(self, source: str, account: str, until: datetime, cause: str) -> None:
        """Leave an account alone that has done nothing wrong: its source said that its wall is near."""
        with self._lock:
            self._waits[source, account] = Wait(until, "RateLimited", cause, "")

    def current(self, source: str, account: str, stream: str, now: datetime) -> Wait | None:
        """What a stream waits for, if it waits."""
        with self._lock:
            held = [self._waits.get((source, account, stream)), self._waits.get((source, account))]
            open_waits = [wait for wait in held if wait is not None and wait.until > now]
            return max(open_waits, key=lambda wait: wait.until, default=None)

    def forget(self) -> None:
        """Ask everything again at the next opportunity: somebody says that it is mended."""
        with self._lock:
            self._waits.clear()
            self._failures.clear()

    def _count(self, key: Key) -> int:
        self._failures[key] = self._failures.get(key, 0) + 1
        return self._failures[key]

    def _set(self, key: Key, until: datetime, error: SourceError) -> None:
        self._waits[key] = Wait(until, type(error).__name__, error.cause, error.mend)


def _doubling(failures: int, longest: timedelta) -> timedelta:
    return min(longest, FIRST * (1 << min(failures - 1, 20)))
