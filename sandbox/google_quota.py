"""Google Ads' two limits: a Cloud project's operations in a sliding day, an account's requests a second."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.google_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["BASIC", "Limits", "Quota", "daily", "momentary"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """operations: in any 24 hours. per_second, burst: the token bucket of each account."""

    operations: int = 15_000
    per_second: float = 10.0
    burst: int = 40
    access: str = "basic"


BASIC = Limits()
"""What a project with Basic access may do."""


class Quota:
    """Counts every operation; refuses those beyond `limits`, if there are any. Thread-safe.

    The day is the sandbox's, so that a simulated day passes in no time. Seconds are the machine's, which
    the caller waits for. ticks: a monotonic clock.
    """

    def __init__(self, limits: Limits | None, ticks: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._ticks = ticks
        self._lock = threading.Lock()
        self._done: deque[datetime] = deque()
        self._buckets: dict[str, tuple[float, float]] = {}

    def used(self, now: datetime) -> int:
        """Operations of the 24 hours before `now`."""
        with self._lock:
            return sum(now - _DAY < at <= now for at in self._done)

    def take(self, customer: str, now: datetime) -> None:
        """Count one operation on an account; raises Refused with the wait when a limit is reached."""
        with self._lock:
            if self.limits is not None:
                self._refuse(self.limits, customer, now)
            self._done.append(now)
            while self._done[0] <= now - _DAY:
                self._done.popleft()

    def _refuse(self, limits: Limits, customer: str, now: datetime) -> None:
        recent: list[datetime] = []
        if len(self._done) >= limits.operations:
            recent = sorted(at for at in self._done if now - _DAY < at <= now)
        if len(recent) >= limits.operations:
            wait = recent[-limits.operations] + _DAY - now
            raise daily(math.ceil(wait.total_seconds()), limits.access)
        tick = self._ticks()
        tokens, since = self._buckets.get(customer, (float(limits.burst), tick))
        tokens = min(tokens + (tick - since) * limits.per_second, float(limits.burst))
        if tokens < 1.0:
            self._buckets[customer] = tokens, tick
            raise momentary(math.ceil((1.0 - tokens) / limits.per_second))
        self._buckets[customer] = tokens - 1.0, tick


def daily(seconds: int, access: str) -> Refused:
    """The day's operations are used up."""
    return Refused(
        "quota_error",
        "RESOURCE_EXHAUSTED",
        f"Too many requests. Retry in {seconds} seconds.",
        retry_after=seconds,
        rate=f"Number of operations for {access} access",
    )


def momentary(seconds: int) -> Refused:
    """Too many requests at once."""
    return Refused(
        "quota_error",
        "RESOURCE_TEMPORARILY_EXHAUSTED",
        f"Too many requests in a short amount of time. Retry in {seconds} seconds.",
        retry_after=seconds,
        scope="ACCOUNT",
        rate="Requests per service per method",
    )
