"""What a source has to offer: accounts, and streams of typed rows for a window of time.

A connector is one file with one class:

    class Example(Connector):
        name = "example"

        @stream(Delivery, every=timedelta(minutes=5), restate=timedelta(days=28), lag=timedelta(hours=3))
        def delivery(self, account: Account, window: Window) -> Iterator[Batch]:
            for page in ...:
                yield [Delivery(...), ...]          # or a pyarrow.RecordBatch of the row's schema

A fetch is a pure function of (settings, stream, account, window): it runs in a worker process, keeps
no state, writes nothing, and never reads the clock. Rows carry neither source nor account: the
warehouse adds them, so that no connector can write into another's account.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from connectors.schema import Batch, to_batch

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import pyarrow as pa
    from pydantic import BaseModel

    from connectors.errors import SourceError
    from connectors.schema import Row

__all__ = ["Account", "Connector", "Stream", "Usage", "Window", "stream"]


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open span of time `[start, end)`, both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            at: datetime = getattr(self, name)
            if at.utcoffset() != timedelta(0):
                raise ValueError(f"window {name} must be aware and in UTC, got {at!r}")
        if self.start >= self.end:
            raise ValueError(f"window is empty: {self.start} .. {self.end}")

    def days(self, timezone: ZoneInfo) -> list[date]:
        """The account-local calendar days that the window touches, oldest first."""
        first = self.start.astimezone(timezone).date()
        last = (self.end - timedelta(microseconds=1)).astimezone(timezone).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class Account:
    """One advertiser's account at one source; the unit of failure, of currency and of time zone.

    via: the account through which it is reached (Google's login-customer-id), or "".
    """

    source: str
    id: str
    name: str
    currency: str
    timezone: ZoneInfo
    via: str = ""


@dataclass(slots=True)
class Usage:
    """What a fetch cost at the source and how near its wall we are; a connector adds to it as it goes."""

    operations: int = 0
    """Requests that count against the source's daily budget."""
    request_ids: list[str] = field(default_factory=list)
    utilisation: float = 0.0
    """The highest share (0..1) of any limit that the source reported."""
    retry_after: timedelta | None = None
    """How long to leave the account alone before the next fetch, set before the wall is hit."""
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a connector: which rows, how often, how far back, and how far the source lags.

    every: time between polls of the newest window.
    restate: how far back the past may still change; a timedelta, or a method name of the connector
        that returns one for an account.
    restate_every: time between pulls of that whole past; None where every poll covers it.
    recent, recent_every: a nearer past, pulled again more often than the whole: the days on which most
        late conversions land. None where there is no such tier.
    lag: how late the source's data usually is, as it documents it: what is older than this it vouches for.
    cost: operations of one poll, for the daily budget.
    past: whether what lies before the present can be asked for at all; a backfill leaves out what cannot.
    """

    name: str
    row: type[Row]
    every: timedelta
    restate: timedelta | str
    restate_every: timedelta | None
    lag: timedelta
    cost: int
    recent: timedelta = timedelta(0)
    recent_every: timedelta | None = None
    past: bool = True

    @property
    def operations_per_day(self) -> float:
        """What one account costs a day if every tier is polled as planned."""
        tiers = (self.every, self.recent_every, self.restate_every)
        return self.cost * sum(timedelta(days=1) / tier for tier in tiers if tier is not None)


_Fetch: TypeAlias = Callable[..., Iterator[Batch]]


def stream(
    row: type[Row],
    *,
    every: timedelta,
    restate: timedelta | str = timedelta(0),
    restate_every: timedelta | None = None,
    recent: timedelta = timedelta(0),
    recent_every: timedelta | None = None,
    lag: timedelta = timedelta(0),
    cost: int = 1,
    past: bool = True,
) -> Callable[[_Fetch], _Fetch]:
    """Mark a connector's method as the fetch of a stream; the stream is named after the method."""

    def mark(method: _Fetch) -> _Fetch:
        described = Stream(
            method.__name__, row, every, restate, restate_every, lag, cost, recent, recent_every, past
        )
        method.__stream__ = described  # type: ignore[attr-defined]  # read back by Connector.streams
        return method

    return mark


class Connector(ABC):
    """One source. Built in a worker process from its validated settings; holds only its client.

    name: the source's name, also the name of its module or entry point.
    Settings: a pydantic model; secrets are `SecretStr` and come from secrets.toml or the environment.
    usage: what the fetches of this instance cost so far.
    unreachable: what the last `accounts()` could not look into, by id, and why; nothing else stops for it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """The source's name for people: "Google Ads"."""
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: BaseModel, *, now: datetime) -> None:
        self.settings = settings
        self.now = now
        self.usage = Usage()
        self.unreachable: dict[str, SourceError] = {}

    @classmethod
    def streams(cls) -> list[Stream]:
        """The streams, in the order in which they are written down."""
        found = {
            name: method.__stream__
            for base in reversed(cls.__mro__)
            for name, method in vars(base).items()
            if hasattr(method, "__stream__")
        }
        return list(found.values())

    @classmethod
    def inputs(cls, query: Callable[[str], pa.Table]) -> dict[str, Any]:
        """What a fetch needs of what other sources brought: values for fields of `Settings`.

        Called by the owner of the warehouse before each fetch; `query` answers one SELECT. A fetch stays a
        function of its settings.
        """
        del query
        return {}

    def operations_per_day(self) -> int | None:
        """The source's daily allowance of operations over all accounts; None where there is none."""
        return None

    @abstractmethod
    def accounts(self) -> Iterator[Account]:
        """Every account the credentials reach, managers walked, each once. Raises SourceError."""

    @abstractmethod
    def check(self, account: Account) -> None:
        """Ask the source for something small about the account. Raises SourceError with its mend."""

    def fetch(self, stream: Stream, account: Account, window: Window) -> Iterator[pa.RecordBatch]:
        """The stream's rows of `window` as Arrow batches in the row's schema. Raises SourceError."""
        for batch in getattr(self, stream.name)(account, window):
            yield to_batch(stream.row, batch)
