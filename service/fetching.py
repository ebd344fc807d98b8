"""One task from its turn in line to its rows in the warehouse."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.contract import Account, Stream, Window
from connectors.errors import SourceError, Stop, TooMuchData, Unexpected
from connectors.rows import AccountRow
from connectors.schema import to_batch
from service import budget, plan
from service.line import Task, Tier
from service.workers import STOPPING, Discovered, Horizons, Origin, Reply
from warehouse.errors import ReplyRefused, StorageError
from warehouse.store import Fetch, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from service.accounts import Accounts
    from service.settings import Setup
    from service.storage import Guard
    from service.waits import Waits
    from service.workers import Workers
    from warehouse.store import Warehouse

Covered: TypeAlias = "Callable[[Account, Stream, timedelta | None], list[Window]]"

__all__ = ["ACCOUNTS", "Fetcher", "Result", "everything"]

_LOG = logging.getLogger(__name__)

ACCOUNTS = Stream(budget.DISCOVERY, AccountRow, timedelta(hours=1), timedelta(0), None, timedelta(0), 1)
"""Which accounts there are (asked of `everything`), and how far back each one's past may change."""

DAYS_UNTIL_KNOWN = 7
"""Days a piece, until a stream has shown how many rows a day it brings."""

SAY_HELD_EVERY = timedelta(hours=1)


def everything(source: str) -> Account:
    """The account that stands for a source as a whole, in the line and in the journal."""
    return Account(source, "", "", "", ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task. fetch: as the journal has it. follow: what to ask at once, because of it."""

    task: Task
    fetch: Fetch
    follow: tuple[Task, ...] = ()


class Fetcher:
    """Fetches and stores. Safe from any thread, as long as an account has one task at a time."""

    def __init__(
        self,
        setup: Setup,
        warehouse: Warehouse,
        workers: Workers,
        *,
        accounts: Accounts,
        waits: Waits,
        guard: Guard,
        clock: Callable[[], datetime],
    ) -> None:
        self._setup = setup
        self._warehouse = warehouse
        self._workers = workers
        self._accounts = accounts
        self._waits = waits
        self._guard = guard
        self._clock = clock
        self._lock = threading.Lock()
        self._spending = threading.Lock()
        self._under_way: Counter[tuple[str, Tier]] = Counter()
        self._rows_a_day: dict[tuple[str, str, str], float] = {}
        self._days_at_most: dict[tuple[str, str, str], int] = {}
        self._said: dict[tuple[object, ...], datetime] = {}

    def run(self, task: Task) -> Result | None:
        """Do one task. None where nothing came of it: no need, no writes taken, or we are stopping."""
        if self._guard.closed():
            return None
        now = self._clock()
        window = task.window or plan.newest(task.stream, task.account.timezone, now)
        blank = Fetch(*task.owner, task.stream.name, window, now, 0, "ok")
        wait = self._waits.current(*task.owner, task.stream.name, now)
        if wait is not None:
            held = replace(
                blank, outcome="held", error=wait.error, cause=wait.cause, mend=wait.mend, retry_at=wait.until
            )
            return self._hold(task, held, until=wait.until)
        spending = (task.account.source, task.tier)
        with self._spending:
            refusal = self.budget(task.account.source, now).refusal(task.tier, task.stream.cost)
            if not refusal:
                self._under_way[spending] += task.stream.cost
        if refusal:
            held = replace(blank, outcome="held", error="Budget", cause=refusal)
            return self._hold(task, held, until=now + SAY_HELD_EVERY)
        try:
            return self._ask(task, blank, window, now)
        finally:
            with self._spending:
                self._under_way[spending] -= task.stream.cost

    def _ask(self, task: Task, blank: Fetch, window: Window, now: datetime) -> Result | None:
        origin = self.origin(task.account.source, now)
        started = monotonic()
        if task.stream is not ACCOUNTS:
            answer = self._workers.fetch(origin, task.stream.name, task.account, window)
            return self._settle(task, blank, answer, started, self._store_slice)
        if task.account.id == "":
            return self._settle(task, blank, self._workers.discover(origin), started, self._store_accounts)
        if not self._accounts.look_back_is_due(task.account, now):
            return None
        learned = self._workers.horizons(origin, task.account)
        if learned.error is None:
            self._accounts.learned(task.account, learned.restate, now)
        else:
            self._accounts.untold(task.account)
        return self._settle(task, blank, learned, started, self._store_look_back)

    def origin(self, source: str, now: datetime) -> Origin:
        """What a worker needs to ask a source."""
        configured = self._setup.sources[source]
        learned = configured.connector.inputs(self._warehouse.query)
        return Origin(source, {**dict(configured.settings), **learned}, now)

    def budget(self, source: str, now: datetime) -> budget.Budget:
        """The source's operations as they stand; a fetch under way counts by what it may cost."""
        configured = self._setup.sources[source]
        accounts = len(self._accounts.known(source))
        used = budget.spent(self._warehouse, configured, now)
        return budget.Budget(
            source,
            accounts,
            self._accounts.allowed(source),
            self._setup.settings.polling.reserve,
            budget.planned(configured, accounts),
            {tier: used[tier] + self._under_way[source, tier] for tier in Tier},
        )

    def due(self, account: Account, stream: Stream, covered: Covered) -> list[Task]:
        """The past of a stream that is due, in pieces, newest first.

        Nothing before its newest window has come: that shows how many days fit into a piece.
        """
        with self._lock:
            if (account.source, account.id, stream.name) not in self._rows_a_day:
                return []
        restate = self._accounts.restate(account, stream)
        windows = plan.past(
            stream,
            account.timezone,
            self._clock(),
            restate=timedelta(0) if restate is None else restate,
            covered=lambda within: covered(account, stream, within),
        )
        return [Task(account, stream, Tier.PAST, window) for window in self.cut(account, stream, windows)]

    def cut(self, account: Account, stream: Stream, windows: list[Window]) -> list[Window]:
        """Windows in pieces of the size that this stream's rows allow, newest first."""
        key = (account.source, account.id, stream.name)
        with self._lock:
            rows = self._rows_a_day.get(key)
            days = DAYS_UNTIL_KNOWN if rows is None else plan.days_a_piece(rows)
            return plan.pieces(windows, account.timezone, min(days, self._days_at_most.get(key, days)))

    def _hold(self, task: Task, held: Fetch, *, until: datetime) -> Result:
        """Say once that a stream is held, not at every tick.

        A held restatement is told by the log and the budget alone: the stream's watermark speaks of its
        newest window, which may be fresh.
        """
        key = (*task.owner, task.stream.name, task.window is None)
        with self._lock:
            say = self._said.get(key, held.started) <= held.started
            if say:
                self._said[key] = until
        if say and task.window is None:
            self._record(held)
        elif say:
            _LOG.info("%s/%s %s: the past is held: %s", *task.owner, held.stream, held.cause)
        return Result(task, held)

    def _settle(
        self,
        task: Task,
        blank: Fetch,
        answer: Reply | Discovered | Horizons,
        started: float,
        store: Callable[[Task, Fetch, object], Fetch],
    ) -> Result | None:
        usage = answer.usage
        fetch = replace(
            blank,
            took_ms=int((monotonic() - started) * 1000),
            operations=usage.operations,
            utilisation=usage.utilisation,
            api_version=usage.api_version,
            request_ids=tuple(usage.request_ids),
        )
        error = answer.error
        if error is None:
            try:
                fetch = store(task, fetch, answer)
            except ReplyRefused as refused:
                error = Unexpected(refused.cause, mend=refused.mend)
            except StorageError as trouble:
                self._guard.failed(trouble)
                kind = type(trouble).__name__
                return Result(
                    task, replace(fetch, outcome="retry", error=kind, cause=trouble.cause, mend=trouble.mend)
                )
            else:
                self._succeeded(task, fetch, usage.retry_after)
                return Result(task, fetch)
        if error.cause == STOPPING:
            return None
        return self._failed(task, fetch, error, killed=answer.killed)

    def _succeeded(self, task: Task, fetch: Fetch, retry_after: timedelta | None) -> None:
        self._guard.succeeded()
        self._waits.succeeded(*task.owner, task.stream.name)
        if retry_after is not None:
            cause = f"{fetch.utilisation:.0%} of a limit of the source is used: slowing down before its wall"
            self._waits.pause(*task.owner, fetch.started + retry_after, cause)
        _LOG.info(
            "%s/%s %s: %d rows, %d changed, %d ms",
            *(*task.owner, fetch.stream, fetch.rows, fetch.changed, fetch.took_ms),
        )

    def _failed(self, task: Task, fetch: Fetch, error: SourceError, *, killed: bool) -> Result:
        follow: tuple[Task, ...] = ()
        if isinstance(error, TooMuchData) and (halves := self._halve(task, fetch.window)):
            follow = tuple(replace(task, window=half) for half in halves)
            retry_at = fetch.started
        else:
            retry_at = self._waits.failed(*task.owner, task.stream.name, error, fetch.started)
        failed = replace(
            fetch,
            outcome="killed" if killed else "stop" if isinstance(error, Stop) and not follow else "retry",
            error=type(error).__name__,
            cause=error.cause,
            mend=error.mend,
            retry_at=retry_at,
        )
        self._record(failed)
        with self._lock:
            self._said[*task.owner, task.stream.name, True] = retry_at
        _LOG.warning("%s/%s %s: %s: %s", *task.owner, fetch.stream, failed.error, failed.cause)
        return Result(task, failed, follow)

    def _halve(self, task: Task, window: Window) -> list[Window]:
        """The window in two, remembered for the next time; nothing where a day cannot be cut."""
        days = len(window.days(task.account.timezone))
        if days == 1:
            return []
        with self._lock:
            self._days_at_most[*task.owner, task.stream.name] = (days + 1) // 2
        return plan.halves(window, task.account.timezone)

    def _record(self, fetch: Fetch) -> None:
        try:
            self._warehouse.record(fetch)
        except StorageError as trouble:
            self._guard.failed(trouble)

    def _store_slice(self, task: Task, fetch: Fetch, answer: object) -> Fetch:
        assert isinstance(answer, Reply)
        self._learn_density(task, fetch.window, answer)
        return self._write(task.account, task.stream, fetch, answer.batches())

    def _store_accounts(self, task: Task, fetch: Fetch, answer: object) -> Fetch:
        assert isinstance(answer, Discovered)
        self._accounts.found(task.account.source, answer)
        for account in answer.accounts:
            row = AccountRow(account.name, account.currency, account.timezone.key, account.via)
            own = replace(fetch, account=account.id, operations=0)
            self._write(account, ACCOUNTS, own, [to_batch(AccountRow, [row])])
        for key, error in answer.unreachable.items():
            outcome: Literal["stop", "retry"] = "stop" if isinstance(error, Stop) else "retry"
            said = replace(fetch, account=key, operations=0, outcome=outcome, error=type(error).__name__)
            self._record(replace(said, cause=error.cause, mend=error.mend))
        return self._write(task.account, ACCOUNTS, fetch, [])

    def _store_look_back(self, task: Task, fetch: Fetch, answer: object) -> Fetch:
        assert isinstance(answer, Horizons)
        return self._write(task.account, ACCOUNTS, fetch, [])

    def _write(
        self, account: Account, stream: Stream, fetch: Fetch, batches: Iterable[pa.RecordBatch]
    ) -> Fetch:
        piece = Slice(fetch.source, fetch.account, fetch.stream, stream.row, fetch.window, account.timezone)
        vouched = min(fetch.started - stream.lag, fetch.window.end)
        written = self._warehouse.write(piece, batches, seen_at=fetch.started, vouched=vouched, fetch=fetch)
        return replace(fetch, rows=written.rows, changed=written.changed)

    def _learn_density(self, task: Task, window: Window, reply: Reply) -> None:
        rows = sum(batch.num_rows for batch in reply.batches())
        if task.stream.row.time == "hour":
            days = max((window.end - window.start) / timedelta(days=1), 1 / 24)
        else:
            days = len(window.days(task.account.timezone))
        key = (*task.owner, task.stream.name)
        with self._lock:
            self._rows_a_day[key] = max(rows / days, self._rows_a_day.get(key, 0.0) / 2)
