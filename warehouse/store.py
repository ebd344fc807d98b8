"""The warehouse as every other room sees it: write a slice, ask a question, know how fresh it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    import pyarrow as pa

    from connectors.contract import Window
    from connectors.schema import Row

__all__ = ["Fetch", "Slice", "Warehouse", "Watermark", "Written"]


@dataclass(frozen=True, slots=True)
class Slice:
    """What one fetch covers: a stream of one account over one window. The unit of a transaction.

    timezone: the account's; needed for rows by the day, whose window is `window.days(timezone)`.
    """

    source: str
    account: str
    stream: str
    row: type[Row]
    window: Window
    timezone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """rows: how many arrived. changed: how many differed from what was stored. newest: start of the
    newest hour or day that holds anything but zeros, or None.
    """

    rows: int
    changed: int
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """One row of the journal: what was asked, what came, what it cost, what went wrong.

    outcome: ok, retry, stop, held (not asked: budget or wait), killed (past its deadline).
    error: the kind of error; cause and mend in words, redacted.
    retry_at: when it will be asked again, if that is known.
    """

    source: str
    account: str
    stream: str
    window: Window
    started: datetime
    took_ms: int
    outcome: Literal["ok", "retry", "stop", "held", "killed"]
    rows: int = 0
    changed: int = 0
    operations: int = 0
    utilisation: float = 0.0
    api_version: str = ""
    request_ids: Sequence[str] = field(default_factory=tuple)
    error: str = ""
    cause: str = ""
    mend: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """How fresh a stream of an account is.

    data_as_of: up to when the source vouches for its data, not when we asked.
    polled_at: the last successful fetch. tried_at: the last attempt, successful or not.
    error, cause, mend: of the last attempt, empty if it succeeded. retry_at: the next attempt, if known.
    """

    source: str
    account: str
    stream: str
    data_as_of: datetime | None
    polled_at: datetime | None
    tried_at: datetime
    outcome: str
    error: str = ""
    cause: str = ""
    mend: str = ""
    retry_at: datetime | None = None


class Warehouse(Protocol):
    """A store of facts, attributes and events with their ledger, journal and watermarks."""

    def write(
        self,
        piece: Slice,
        batches: Iterable[pa.RecordBatch],
        *,
        seen_at: datetime,
        vouched: datetime,
        fetch: Fetch,
    ) -> Written:
        """Store a complete reply in one transaction, with its ledger, journal row and watermark.

        Only changed rows are touched; writing the same reply twice changes nothing. Stored rows of the
        window that a non-empty reply no longer holds are restated to zero (facts); an empty reply
        removes nothing, but where `Row.may_be_none`. `seen_at`: when the reply was asked for. `vouched`:
        up to when the source vouches for what it said (seen_at less the stream's lag, at most the window's
        end); the watermark's `data_as_of` becomes the latest of it, the stored one and `Written.newest`.
        `fetch` is completed with the counts. Raises StorageFull, StorageBroken.
        """

    def record(self, fetch: Fetch) -> None:
        """Write a journal row (and watermark) for a fetch that brought nothing: an error, a hold."""

    def query(self, sql: str, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pa.Table:
        """The answer of one SELECT, as Arrow; timestamps in UTC. Safe from any thread."""

    def watermarks(self) -> list[Watermark]:
        """The freshness of every (source, account, stream) ever asked for."""

    def operations(self, source: str, *, since: datetime) -> int:
        """Operations spent at a source since a moment, from the journal."""

    def publish(self) -> None:
        """Replace the read-only copy that other processes read, atomically."""

    def close(self) -> None:
        """Finish and release the file."""
