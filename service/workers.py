"""Extraction in processes of their own: a slow parse never stutters a page, a hang is ended at its deadline,
a crash costs one slice.

What runs there is pure: a fetch is a function of (connector, settings, stream, account, window, now), and
what comes back is plain data. Nothing raised in a worker crosses as an exception: its traceback could hold a
secret, and a class that the owner cannot unpickle would break the whole pool.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
from pebble import ProcessExpired, ProcessPool

from connectors import registry
from connectors.contract import Account, Connector, Usage, Window
from connectors.errors import SourceError, Unavailable, Unexpected, redact
from connectors.schema import schema
from service import logs, secrets
from service.lean import give_back, spare_pandas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pebble import ProcessFuture

__all__ = [
    "Checked",
    "Discovered",
    "Horizons",
    "Origin",
    "Reply",
    "Workers",
    "check",
    "discover",
    "fetch",
    "horizons",
]

_LOG = logging.getLogger(__name__)

RECYCLE_AFTER = 200
"""Tasks after which a worker makes room for a fresh one: SDKs of ad platforms leak a little each call."""

GRACE = timedelta(seconds=20)
"""How long past a deadline the owner waits for the pool to end the worker, before it rebuilds the pool."""


STOPPING = "the service is stopping"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to fetch from: a connector by name, its settings as plain values, and the moment of asking."""

    connector: str
    settings: dict[str, Any] = field(repr=False)
    now: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """A fetch's outcome. data: an Arrow IPC stream, empty if there is an error. usage counts either way."""

    data: bytes = field(default=b"", repr=False)
    usage: Usage = field(default_factory=Usage)
    error: SourceError | None = None
    killed: bool = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, batch by batch, without a copy."""
        with pa.ipc.open_stream(pa.py_buffer(self.data)) as reader:
            yield from reader


@dataclass(frozen=True, slots=True)
class Discovered:
    """A source's accounts and its daily allowance of operations (None: no limit).

    unreachable: what could not be looked into, by id; the accounts behind it are not among `accounts`.
    """

    accounts: tuple[Account, ...] = ()
    unreachable: dict[str, SourceError] = field(default_factory=dict)
    allowance: int | None = None
    usage: Usage = field(default_factory=Usage)
    error: SourceError | None = None
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Horizons:
    """How far back each stream of an account may still change."""

    restate: dict[str, timedelta] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    error: SourceError | None = None
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether an account answered."""

    usage: Usage = field(default_factory=Usage)
    error: SourceError | None = None
    killed: bool = False


Answer = TypeVar("Answer", Reply, Discovered, Horizons, Checked)


def fetch(origin: Origin, stream: str, account: Account, window: Window) -> Reply:
    """The rows of one slice. Runs in a worker."""
    connector: Connector | None = None
    try:
        connector = _connect(origin)
        described = next(s for s in connector.streams() if s.name == stream)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema(described.row)) as writer:
            for batch in connector.fetch(described, account, window):
                writer.write_batch(batch)
        return Reply(sink.getvalue().to_pybytes(), connector.usage)
    except Exception as error:  # noqa: BLE001  # told to the owner as data
        return Reply(usage=_usage(connector), error=_told(error, origin))


def discover(origin: Origin) -> Discovered:
    """The source's accounts. Runs in a worker."""
    connector: Connector | None = None
    try:
        connector = _connect(origin)
        accounts = tuple(connector.accounts())
        unreachable = {key: _told(error, origin) for key, error in connector.unreachable.items()}
        return Discovered(accounts, unreachable, connector.operations_per_day(), connector.usage)
    except Exception as error:  # noqa: BLE001  # told to the owner as data
        return Discovered(usage=_usage(connector), error=_told(error, origin))


def horizons(origin: Origin, account: Account) -> Horizons:
    """How far back each stream of the account may still change. Runs in a worker."""
    connector: Connector | None = None
    try:
        connector = _connect(origin)
        learned: dict[str, timedelta] = {}  # by method: streams share theirs, and asking costs operations
        restate = {}
        for stream in connector.streams():
            if isinstance(stream.restate, timedelta):
                restate[stream.name] = stream.restate
            else:
                if stream.restate not in learned:
                    learned[stream.restate] = getattr(connector, stream.restate)(account)
                restate[stream.name] = learned[stream.restate]
        return Horizons(restate, connector.usage)
    except Exception as error:  # noqa: BLE001  # told to the owner as data
        return Horizons(usage=_usage(connector), error=_told(error, origin))


def check(origin: Origin, account: Account) -> Checked:
    """Whether the account answers something small. Runs in a worker."""
    connector: Connector | None = None
    try:
        connector = _connect(origin)
        connector.check(account)
        return Checked(connector.usage)
    except Exception as error:  # noqa: BLE001  # told to the owner as data
        return Checked(_usage(connector), _told(error, origin))


def _connect(origin: Origin) -> Connector:
    kind = registry.connectors()[origin.connector]
    return kind(kind.Settings.model_validate(origin.settings), now=origin.now)


def _usage(connector: Connector | None) -> Usage:
    return Usage() if connector is None else connector.usage


def _told(error: Exception, origin: Origin) -> SourceError:
    """The error as one of ours, its words free of every secret of the source's settings."""
    if isinstance(error, SourceError):
        kind: SourceError = error
    else:
        kind = Unexpected(
            f"{type(error).__name__}: {error}",
            mend="The connector did not expect this: please report it with the line above.",
        )
    values = secrets.reveal(origin.settings)
    kind.cause, kind.mend = (_scrub(text, values) for text in (kind.cause, kind.mend))
    kind.args = (kind.cause,)
    kind.__cause__ = kind.__context__ = kind.__traceback__ = None
    return kind


def _scrub(text: str, values: list[str]) -> str:
    for value in values:
        text = text.replace(value, "...")
    return redact(text)


def _begin() -> None:
    """Once in each worker: Ctrl-C is the owner's to handle, and a worker never outlives its owner.

    What a client library logs here is redacted like the owner's own log.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.start(logging.WARNING)
    give_back()
    spare_pandas()
    owner = multiprocessing.parent_process()
    assert owner is not None

    def follow() -> None:
        owner.join()
        os._exit(1)  # the owner is gone, by whatever end: nobody is left to answer to

    threading.Thread(target=follow, name="follow-owner", daemon=True).start()


class Workers:
    """A pool of worker processes. Safe from any thread; calls block until answered or ended.

    deadline: what takes longer is ended together with its process, and answered as Unavailable.
    """

    def __init__(self, count: int, *, deadline: timedelta) -> None:
        self.deadline = deadline
        self._count = count
        self._lock = threading.Lock()
        self._closed = False
        self._running: set[ProcessFuture[Any]] = set()
        self._pool = self._build()

    def fetch(self, origin: Origin, stream: str, account: Account, window: Window) -> Reply:
        """The rows of one slice; any failure is in the reply."""
        return self._run(Reply, fetch, origin, stream, account, window)

    def discover(self, origin: Origin) -> Discovered:
        """The source's accounts; any failure is in the answer."""
        return self._run(Discovered, discover, origin)

    def horizons(self, origin: Origin, account: Account) -> Horizons:
        """How far back the account's streams may still change; any failure is in the answer."""
        return self._run(Horizons, horizons, origin, account)

    def check(self, origin: Origin, account: Account) -> Checked:
        """Whether the account answers; any failure is in the answer."""
        return self._run(Checked, check, origin, account)

    def cancel(self) -> None:
        """Answer whoever waits at once, and end the workers that are at it."""
        with self._lock:
            for future in self._running:
                future.cancel()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        self.cancel()
        with self._lock:
            self._closed = True
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()

    def _build(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._count,
            max_tasks=RECYCLE_AFTER,
            initializer=_begin,
            context=multiprocessing.get_context("spawn"),
        )

    def _run(self, kind: type[Answer], task: Callable[..., Answer], *args: object) -> Answer:
        seconds = self.deadline.total_seconds()
        pool = self._pool
        future: ProcessFuture[Answer] | None = None
        try:
            with self._lock:
                if self._closed:
                    return kind(error=Unavailable(STOPPING))
                future = pool.schedule(task, args=args, timeout=seconds)
                self._running.add(future)
            return future.result(timeout=seconds + GRACE.total_seconds())
        except TimeoutError:
            if future is not None and not future.done():
                self._rebuild(pool)
            mend = "The source was slow or hung; it is asked again. Raise polling.deadline if this repeats."
            cause = f"no complete answer within {seconds:.0f} s, the worker was ended"
            return kind(error=Unavailable(cause, mend=mend), killed=True)
        except ProcessExpired as error:
            cause = f"the worker died (exit code {error.exitcode}); the slice is asked for again"
            return kind(error=Unavailable(cause))
        except CancelledError:
            return kind(error=Unavailable(STOPPING))
        except RuntimeError as error:  # BrokenProcessPool is one: an idle worker was killed from outside
            self._rebuild(pool)
            return kind(error=Unavailable(f"the worker pool was rebuilt: {error}"))
        finally:
            if future is not None:
                with self._lock:
                    self._running.discard(future)

    def _rebuild(self, broken: ProcessPool) -> None:
        with self._lock:
            if self._closed or self._pool is not broken:
                return
            _LOG.warning("worker pool is rebuilt")
            broken.stop()  # type: ignore[no-untyped-call]
            broken.join()
            self._pool = self._build()
