"""Google Analytics' quotas: what a property and a Cloud project may ask for, and what happens past them.

Tokens of a day are counted over a calendar day of Pacific time, those of an hour over the sliding hour; core
and realtime reports have quotas of their own. Ten server errors of the service close a property to a project
until the first of them is an hour old.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STANDARD", "Category", "Limits", "Quota", "Refused"]

Category = Literal["core", "realtime"]

_HOUR = timedelta(hours=1)
_PACIFIC = ZoneInfo("America/Los_Angeles")
_MORE = " To learn more, see https://developers.google.com/analytics/devguides/reporting/data/v1/quotas"
_GONE = {
    "tokens_per_day": "Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
    "tokens_per_hour": "Exhausted property tokens per hour. These quota tokens will return in under an hour.",
    "tokens_per_project_per_hour": (
        "Exhausted property tokens for a project per hour. These quota tokens will return in under an hour."
    ),
    "concurrent_requests": "Exhausted concurrent requests quota. Please send fewer requests concurrently.",
    "server_errors_per_project_per_hour": (
        "Exhausted server errors quota for a project per hour. This quota will return in under an hour."
    ),
}


@dataclass(eq=False)
class Refused(Exception):
    """A request that is turned away: the canonical status by name, and the service's words."""

    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each property, by category. thresholded: requests an hour for dimensions that tell people apart."""

    tokens_per_day: int = 200_000
    tokens_per_hour: int = 40_000
    tokens_per_project_per_hour: int = 14_000
    concurrent_requests: int = 10
    server_errors_per_project_per_hour: int = 10
    thresholded: int = 120
    most_events: int = 10_000_000


STANDARD = Limits()
"""A standard property's."""


class Quota:
    """Counts tokens, requests under way and server errors by property and category. Thread-safe.

    enforced: whether those beyond the limits are refused, or only counted.
    """

    def __init__(self, limits: Limits, *, enforced: bool, now: Callable[[], datetime]) -> None:
        self.limits = limits
        self._enforced = enforced
        self._now = now
        self._lock = threading.Lock()
        self._spent: defaultdict[tuple[int, str], deque[tuple[datetime, int]]] = defaultdict(deque)
        self._errors: defaultdict[tuple[int, str], deque[datetime]] = defaultdict(deque)
        self._under_way: defaultdict[tuple[int, str], int] = defaultdict(int)

    def enter(self, of: int, category: Category) -> None:
        """A request begins; `leave` ends it. Raises Refused where a quota is gone."""
        with self._lock:
            left = self._left(of, category)
            gone = next((name for name, remaining in left.items() if remaining <= 0), "")
            if gone and self._enforced:
                raise Refused("RESOURCE_EXHAUSTED", _GONE[gone] + _MORE)
            self._under_way[of, category] += 1

    def leave(self, of: int, category: Category) -> None:
        """A request has ended."""
        with self._lock:
            self._under_way[of, category] -= 1

    def failed(self, of: int, category: Category) -> None:
        """The service answered with an error of its own."""
        with self._lock:
            self._errors[of, category].append(self._now())

    def spend(self, of: int, category: Category, tokens: int, told: Any | None) -> None:
        """Count a request's tokens, and write how the quotas then stand into `told` (a PropertyQuota)."""
        with self._lock:
            self._spent[of, category].append((self._now(), tokens))
            if told is None:
                return
            cost = {"concurrent_requests": 0, "server_errors_per_project_per_hour": 0}
            for name, remaining in self._left(of, category).items():
                status = getattr(told, name)
                status.consumed, status.remaining = cost.get(name, tokens), max(remaining, 0)
            told.potentially_thresholded_requests_per_hour.remaining = self.limits.thresholded

    def _left(self, of: int, category: Category) -> dict[str, int]:
        now = self._now()
        midnight = now.astimezone(_PACIFIC).replace(hour=0, minute=0, second=0, microsecond=0)
        spent, errors = self._spent[of, category], self._errors[of, category]
        while spent and spent[0][0] < now - timedelta(days=1, hours=1):
            spent.popleft()
        while errors and errors[0] <= now - _HOUR:
            errors.popleft()
        hour = sum(tokens for at, tokens in spent if now - _HOUR < at <= now)
        day = sum(tokens for at, tokens in spent if midnight <= at <= now)
        limits = self.limits
        return {
            "tokens_per_day": limits.tokens_per_day - day,
            "tokens_per_hour": limits.tokens_per_hour - hour,
            "tokens_per_project_per_hour": limits.tokens_per_project_per_hour - hour,
            "concurrent_requests": limits.concurrent_requests - self._under_way[of, category],
            "server_errors_per_project_per_hour": limits.server_errors_per_project_per_hour - len(errors),
        }
