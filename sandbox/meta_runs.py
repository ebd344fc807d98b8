"""Asynchronous reports: a run is started, looked at until it has completed, and then read.

A run gets on by being looked at, not by waiting: a small one completes at the second look, a larger one goes
through every status, and stands at 100 percent for a look before it has completed. Of the large ones some
fail or are skipped at the first try and pass at the second; what is too large fails always, and has to be
split.
Ids expire after 30 days of the world's time.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import prod
from typing import TYPE_CHECKING, Any

from sandbox.meta_errors import GraphError, no_such_object, report_not_ready

if TYPE_CHECKING:
    from sandbox.meta_book import Book
    from sandbox.meta_query import Query

__all__ = ["Run", "Runs", "weight"]

_LIFE = timedelta(days=30)
_FIRST_ID = 6_000_000_000_000
_KEPT = 5_000
_MEDIUM, _LARGE, _TOO_LARGE = 150_000, 600_000, 8_000_000
"""Weights from which a run takes its time, may fail at the first try, and fails always."""

_FAILED = {
    "error_code": -2,
    "error_subcode": 2490547,
    "error_message": "Generating the report failed.",
    "error_user_title": "Report Failed",
    "error_user_msg": "Generating the report failed. Try again later.",
}
_REDUCE = {
    "error_code": 100,
    "error_subcode": 1487534,
    "error_message": "Please reduce the amount of data you're asking for, then retry your request",
    "error_user_title": "Too much data",
    "error_user_msg": "Please reduce the amount of data you're asking for, then retry your request",
}

Ladder = tuple[tuple[str, int], ...]
_QUICK = (("Job Not Started", 0), ("Job Started", 0), ("Job Running", 42))
_WHOLE: Ladder = (
    ("Job Not Started", 0),
    ("Job Started", 0),
    ("Job Running", 38),
    ("Job Running", 100),
)
_DONE = ("Job Completed", 100)


def weight(book: Book, query: Query) -> int:
    """How large a report may become: rows times fields, before it is made."""
    objects = {
        "account": 1,
        "campaign": len(book.campaigns),
        "adset": len(book.adsets),
        "ad": len(book.ads),
    }[query.level]
    splits = prod(len(dimension.labels) for dimension in query.dimensions or ())
    return objects * len(query.spans) * splits * len(query.fields)


@dataclass(slots=True)
class Run:
    """A report run. completed: when it did, as of which its rows are; None before."""

    id: str
    account: int
    query: Query
    created: datetime
    ladder: Ladder
    error: dict[str, Any] | None
    looks: int = 0
    completed: datetime | None = None

    def look(self, now: datetime) -> tuple[str, int]:
        """Its status and percentage, each look one step further than the one before."""
        place = min(self.looks, len(self.ladder) - 1)
        self.looks += 1
        status = self.ladder[place]
        if status == _DONE and self.completed is None:
            self.completed = now
        return status


class Runs:
    """Every run of the sandbox. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Run] = OrderedDict()
        self._started = 0
        self._tries: Counter[tuple[int, str]] = Counter()

    def start(self, book: Book, query: Query, now: datetime) -> Run:
        """A new run of the query."""
        heavy = weight(book, query)
        with self._lock:
            number, self._started = self._started, self._started + 1
            mark = (book.advertiser.id, query.key)
            self._tries[mark] += 1
            ladder: Ladder = (_QUICK[number % len(_QUICK)], _DONE)
            error = None
            if heavy >= _MEDIUM:
                ladder = (*_WHOLE, _DONE)
            draw = int(query.key[:4], 16) % 3
            if heavy >= _TOO_LARGE:
                ladder, error = (*_WHOLE[:3], ("Job Failed", 38)), _REDUCE
            elif heavy >= _LARGE and self._tries[mark] == 1 and draw < 2:
                ladder = (*_WHOLE[:3], (("Job Failed", "Job Skipped")[draw], 38))
                error = _FAILED
            run = Run(str(_FIRST_ID + number), book.advertiser.id, query, now, ladder, error)
            self._held[run.id] = run
            while len(self._held) > _KEPT:
                self._held.popitem(last=False)
        return run

    def find(self, run_id: str, now: datetime) -> Run | None:
        """The run of that id; None where there never was one, or it has expired."""
        with self._lock:
            run = self._held.get(run_id)
        return run if run is not None and now < run.created + _LIFE else None

    def describe(self, run: Run, now: datetime, *, with_errors: bool) -> dict[str, Any]:
        """The run's fields; looking at it moves it on. with_errors: v25.0 and later tell why it failed."""
        with self._lock:
            status, percent = run.look(now)
        failed = status in {"Job Failed", "Job Skipped"}
        spans = run.query.spans
        values: dict[str, Any] = {
            "id": run.id,
            "account_id": str(run.account),
            "time_ref": int(run.created.timestamp()),
            "time_completed": int(run.completed.timestamp()) if run.completed else 0,
            "async_status": status,
            "async_percent_completion": percent,
            "is_running": status in {"Job Started", "Job Running"},
            "is_bookmarked": False,
            "date_start": min(span.since for span in spans).isoformat(),
            "date_stop": max(span.until for span in spans).isoformat(),
        }
        if failed and with_errors and run.error is not None:
            values |= run.error
        return values

    def rows_of(self, run: Run) -> datetime:
        """As of when the run's rows are. Raises GraphError 2601 before it has completed."""
        if run.completed is None:
            raise report_not_ready()
        return run.completed

    def drop(self, run_id: str) -> None:
        """Forget the run. Raises GraphError 100/33 where there is none."""
        with self._lock:
            if self._held.pop(run_id, None) is None:
                raise self._unknown(run_id)

    @staticmethod
    def _unknown(run_id: str) -> GraphError:
        return no_such_object("delete", run_id)
