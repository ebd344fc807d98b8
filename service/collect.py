"""`/collect`: events from the team's own servers, acknowledged once they are on the disk.

A batch is taken whole or refused whole, with every fault named. Requests that arrive while the disk is busy
are written together, so that a flush is shared by as many as wait for it.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from connectors.events import LATEST, Event, EventLog, EventsSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from service.settings import Source

__all__ = ["LARGEST", "MOST", "Collector", "Refused", "collector", "parse"]

_LOG = logging.getLogger(__name__)

LARGEST: Final = 1 << 20
"""Bytes of a request."""

MOST: Final = 1000
"""Events of a request."""

WAITING: Final = 50_000
"""Events that may wait for the disk; more are turned away, to be sent again."""

EARLIEST: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""

_SAID: Final = 10
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_LENGTHS: Final[Mapping[str, int]] = {"id": 64, "session": 64, "visitor": 64, "page": 500, "channel": 60}
_NEEDED: Final = ("id", "at", "name", "session")
_KNOWN: Final = (*_NEEDED, "visitor", "page", "channel")


class Refused(Exception):  # what a caller is told, not an error of ours
    """Nothing of the request was taken. status: of the reply. retry: seconds to wait, where waiting helps."""

    def __init__(self, status: int, faults: tuple[str, ...], retry: int | None = None) -> None:
        super().__init__(*faults)
        self.status = status
        self.faults = faults
        self.retry = retry


def parse(body: bytes, now: datetime) -> list[Event]:
    """The events of a request: `{"events": [{"id", "at", "name", "session", …}]}`. Raises Refused."""
    try:
        said = json.loads(body)
    except ValueError as error:
        raise Refused(400, (f"the body is not JSON: {error}",)) from None
    listed = said.get("events") if isinstance(said, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Refused(400, ('send {"events": [{"id": …, "at": …, "name": …, "session": …}, …]}',))
    if len(listed) > MOST:
        raise Refused(413, (f"{len(listed)} events in one request: send at most {MOST}",))
    faults: list[str] = []
    events = []
    for n, one in enumerate(listed):
        found = _event(one, now)
        if isinstance(found, Event):
            events.append(found)
        else:
            faults.append(f"events.{n}.{found}")
    if faults:
        more = len(faults) - _SAID
        raise Refused(400, (*faults[:_SAID], *([f"and {more} more"] if more > 0 else [])))
    return events


def _event(said: Any, now: datetime) -> Event | str:
    """One event, or the first thing that is wrong with it."""
    if not isinstance(said, dict):
        return "is not an object"
    for name in _NEEDED:
        if name not in said:
            return f"{name}: is missing"
    for name in said:
        if name not in _KNOWN:
            return f"{str(name)[:40]!r}: is unknown; known are {', '.join(_KNOWN)}"
    if not isinstance(said["name"], str) or not _NAME.fullmatch(said["name"]):
        return "name: must be letters, digits and _, at most 40, such as add_to_cart"
    words = {}
    for name, most in _LENGTHS.items():
        value = said.get(name, "")
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            return f"{name}: must be printable text of at most {most} characters"
        if not value and name in _NEEDED:
            return f"{name}: is empty"
        words[name] = value
    at = _moment(said["at"])
    if isinstance(at, str):
        return at
    if not now - LATEST <= at <= now + EARLIEST:
        return (
            f"at: {said['at']} is out of range: an event is taken from {LATEST.days} days after it happened"
        )
    return Event(
        words["id"],
        int((at - datetime.fromtimestamp(0, UTC)) / timedelta(microseconds=1)),
        said["name"],
        words["session"],
        words["visitor"] or words["session"],
        _path(words["page"]),
        words["channel"] or "(not set)",
    )


def _moment(said: Any) -> datetime | str:
    mend = "at: must be a moment with its offset, such as 2026-11-24T09:00:00Z"
    if not isinstance(said, str):
        return mend
    try:
        at = datetime.fromisoformat(said)
        return at.astimezone(UTC) if at.utcoffset() is not None else mend
    except (ValueError, OverflowError):
        return mend


def _path(page: str) -> str:
    """A page without its query, in which people's data may stand."""
    return page.partition("?")[0].partition("#")[0] or "(not set)"


class Collector:
    """Takes events and writes them down. One thread writes; `add` may be called from any."""

    def __init__(self, settings: EventsSettings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._log = EventLog(settings.folder)
        self._queue: SimpleQueue[tuple[list[Event], Future[None]] | None] = SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write, name="collect", daemon=True)
        self._thread.start()

    def admits(self, authorization: str) -> bool:
        """Whether a request shows the senders' token."""
        want = f"Bearer {self._settings.token.get_secret_value()}"
        return secrets.compare_digest(authorization.encode(), want.encode())

    def take(self, body: bytes) -> tuple[int, Future[None]]:
        """How many events a request holds, and when they are on the disk. Raises Refused."""
        events = parse(body, self._clock())
        return len(events), self.add(events)

    def add(self, events: list[Event]) -> Future[None]:
        """Done when the events are on the disk; OSError where none of them may count. Raises Refused."""
        if self._closed.is_set():
            raise Refused(503, ("the service is stopping",), 5)
        with self._lock:
            if self._waiting + len(events) > WAITING:
                raise Refused(503, ("too many events wait for the disk",), 1)
            self._waiting += len(events)
        written: Future[None] = Future()
        self._queue.put((events, written))
        return written

    def close(self) -> None:
        """Write down what has been taken, and take no more; may be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._queue.put(None)
        self._thread.join()
        self._log.close()

    def _write(self) -> None:
        kept = self._clock()
        while True:
            batch = [self._queue.get()]
            try:
                while batch[-1] is not None:
                    batch.append(self._queue.get_nowait())
            except Empty:
                pass
            self._put([item for item in batch if item is not None])
            if batch[-1] is None:
                return
            if self._clock() - kept > timedelta(hours=1):
                kept = self._clock()
                # A day later than the source stops to read them, so that no day is read in part.
                self._log.forget(kept - self._settings.keep - timedelta(days=2))

    def _put(self, taken: Sequence[tuple[list[Event], Future[None]]]) -> None:
        with self._lock:
            self._waiting -= sum(len(events) for events, _ in taken)
        # A caller who has gone away gets no answer, and sends again.
        present = [(events, written) for events, written in taken if written.set_running_or_notify_cancel()]
        try:
            self._log.append(event for events, _ in present for event in events)
        except Exception as error:  # noqa: BLE001  # told to the senders; the next batch has its turn
            _LOG.exception("events cannot be written")
            for _, written in present:
                written.set_exception(error)
        else:
            for _, written in present:
                written.set_result(None)


def collector(sources: Mapping[str, Source], *, clock: Callable[[], datetime]) -> Collector | None:
    """The collector of a workspace, where events are among its sources."""
    source = sources.get("events")
    if source is None:
        return None
    assert isinstance(source.settings, EventsSettings)
    return Collector(source.settings, clock=clock)
