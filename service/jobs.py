"""The Poller: APScheduler says when, the line says who is next, a few threads fetch and store.

For each account's stream there is one job with a fixed id; a tick only puts the stream's newest window in
line. What the past owes follows from the journal after each success. So a slow source delays nobody's ticks,
and a tick that comes while the last one is still in line changes nothing.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

from apscheduler.schedulers.background import BackgroundScheduler

from connectors.contract import Window
from service.accounts import Accounts
from service.budget import tier
from service.fetching import ACCOUNTS, Fetcher, Result, everything
from service.health import Watchdog
from service.line import Line, Task, Tier
from service.measures import Measures
from service.storage import Guard
from service.waits import Waits
from warehouse.duck import MIN_FREE
from warehouse.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from connectors.contract import Account, Stream
    from service.budget import Budget
    from service.settings import Setup
    from service.workers import Workers
    from warehouse.duck import DuckWarehouse

__all__ = ["Poller", "utc_now"]

_LOG = logging.getLogger(__name__)

_TURN: Final = 2
"""Seconds that a poll may wait for its turn, and a message for its channel, within the promised interval."""

PUBLISH_EVERY = timedelta(seconds=30)
TELL_EVERY = timedelta(seconds=10)

TICK = 0.2
"""Seconds between two looks at whether a cycle has ended: so much later do pages and rules hear of it."""

PUBLISH_AFTER = timedelta(seconds=5)
"""How long the copy stays behind a change: pages and rules, which somebody waits for, go first."""

STOP_WITHIN = timedelta(seconds=6)


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class Poller:
    """Polls every account of every source, from `start` to `stop`.

    folder: where the warehouse's file is.
    clock: what time it is for the sources (the sandbox may have a time of its own).
    changed: called after a cycle that brought something; the published copy follows some seconds later.
    fatal: called when only a new process can open the warehouse.
    min_free: bytes that must be free on the disk before anything is fetched to be written.
    live: the accounts of whose today something has come since the start.
    """

    def __init__(
        self,
        setup: Setup,
        warehouse: DuckWarehouse,
        workers: Workers,
        folder: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        changed: Callable[[], None] = lambda: None,
        fatal: Callable[[], None] = lambda: None,
        min_free: int = MIN_FREE,
    ) -> None:
        self.setup = setup
        self.warehouse = warehouse
        self.line = Line()
        self.waits = Waits()
        self.measures = Measures()
        self.accounts = Accounts(setup.sources, warehouse)
        self.guard = Guard(folder, min_free=min_free, fatal=fatal)
        self.clock = clock
        polling = setup.settings.polling
        self._workers = workers
        self.fetcher = Fetcher(
            setup,
            warehouse,
            workers,
            accounts=self.accounts,
            waits=self.waits,
            guard=self.guard,
            clock=clock,
        )
        self._changed = changed
        self._listeners: list[Callable[[Result], None]] = []
        self._scheduler: BackgroundScheduler | None = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._dirty = threading.Event()
        self._offered: set[tuple[str, str]] = set()
        self.live: set[tuple[str, str]] = set()
        self._watchdog = Watchdog(grace=polling.deadline)
        self._remember_rate_limits()
        if warehouse.quarantined is not None:
            _LOG.critical(
                "the log of recent writes could not be read back and was put aside as %s; "
                "what it held is pulled again",
                warehouse.quarantined,
            )

    # -- life

    def start(self) -> None:
        """Poll everything now, and from now on by the clock."""
        scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler = scheduler
        self._start_threads()
        for source in self.setup.sources:
            self._every(self.setup.settings.polling.discover, Task(everything(source), ACCOUNTS, Tier.SLOWER))
        for account in self.accounts.known():
            self._schedule(account)
        scheduler.add_job(self._watchdog.beat, "interval", seconds=10, id="alive", replace_existing=True)
        scheduler.start()

    def stop(self) -> None:
        """Take no more turns, break off fetches, let a write under way finish. At most some seconds."""
        self._stopping.set()
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self.line.close()
        self._workers.cancel()
        end = monotonic() + STOP_WITHIN.total_seconds()
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def start_by_hand(self) -> None:
        """Be ready to fetch, without a clock: `offer_everything` is one cycle."""
        self._start_threads()

    def run_once(self) -> list[Result]:
        """Poll every stream and the past that is due, publish; what came of it all.

        Sources that need what others bring (landing pages: which ads run) come after them.
        """
        results: list[Result] = []
        self.listen(results.append)
        self.start_by_hand()
        asking = {name for name, source in self.setup.sources.items() if "inputs" in vars(source.connector)}
        for among in (self.setup.sources.keys() - asking, asking):
            self.offer_everything(among)
            self.line.idle()
        self._publish()
        return results

    def offer_everything(self, among: Collection[str] | None = None) -> int:
        """Put the account lists and every account's newest windows in line; how many that were.

        among: the sources; None for all.
        """
        self._offered.clear()
        sources = [name for name in self.setup.sources if among is None or name in among]
        offered = [self.line.offer(Task(everything(name), ACCOUNTS, Tier.TODAY)) for name in sources]
        known = [account for account in self.accounts.known() if account.source in sources]
        return sum(offered) + sum(self._offer_all(account) for account in known)

    def listen(self, listener: Callable[[Result], None]) -> None:
        """Tell `listener` what comes of every task, from the fetching threads, until `unlisten`."""
        self._listeners = [*self._listeners, listener]

    def unlisten(self, listener: Callable[[Result], None]) -> None:
        """Tell it no more."""
        self._listeners = [other for other in self._listeners if other != listener]

    def poll_now(self) -> int:
        """Ask everything again at once, what waits included; how many slices that put in line."""
        self.waits.forget()
        return self.offer_everything()

    # -- what is known of it

    def budgets(self) -> list[Budget]:
        """Every source's operations as they stand."""
        now = self.clock()
        return [self.fetcher.budget(source, now) for source in self.setup.sources]

    def problems(self) -> list[str]:
        """What keeps the service from doing its work; empty while all is well.

        A source that fails is not among them: that is a state of its accounts, shown by their watermarks.
        """
        found = []
        if self.guard.trouble is not None:
            found.append(f"storage: {self.guard.trouble.cause} {self.guard.trouble.mend}")
        if self._scheduler is None or self._stopping.is_set():
            return found
        return found + self._watchdog.problems({} if self.guard.trouble else self._due())

    def lag(self) -> float:
        """Seconds by which the most overdue stream is late; 0 while all are on time."""
        return self._watchdog.lag(self._due())

    def _due(self) -> dict[str, timedelta]:
        return {
            _name(account, stream): every
            for account in self.accounts.known()
            for stream, every in self.setup.sources[account.source].every.items()
        }

    # -- the clock

    def _schedule(self, account: Account) -> None:
        """One job a stream; scheduling an account again keeps its jobs as they are."""
        self._every(timedelta(days=1), Task(account, ACCOUNTS, Tier.SLOWER))
        source = self.setup.sources[account.source]
        for stream in source.connector.streams():
            self._watchdog.expect(_name(account, stream.name))
            self._every(source.every[stream.name], Task(account, stream, tier(stream)))

    def _every(self, interval: timedelta, task: Task) -> None:
        assert self._scheduler is not None
        job = _name(task.account, task.stream.name)
        if self._scheduler.get_job(job) is not None:
            return
        seconds = int(interval.total_seconds())
        # Jitter is added to the time since the last poll, which must not become longer than was promised.
        jitter = min(10, seconds // 20)
        self._scheduler.add_job(
            self.line.offer,
            "interval",
            args=(task,),
            seconds=seconds - jitter - _TURN,
            jitter=jitter,
            id=job,
            replace_existing=True,
        )
        self.line.offer(task)

    def _later(self, task: Task, at: datetime) -> None:
        """Put a newest window in line again when its wait ends, if that is before its next tick."""
        wait = max(at - self.clock(), timedelta(seconds=1))
        if self._scheduler is None or wait > timedelta(minutes=15):
            return
        job = "again/" + _name(task.account, task.stream.name)
        self._scheduler.add_job(
            self.line.offer, "date", run_date=utc_now() + wait, args=(task,), id=job, replace_existing=True
        )

    # -- the work

    def _start_threads(self) -> None:
        count = self.setup.settings.polling.workers
        self._threads = [
            threading.Thread(target=self._work, name=f"fetch-{n}", daemon=True) for n in range(1, count + 1)
        ]
        self._threads.append(threading.Thread(target=self._tend, name="publish", daemon=True))
        self._watchdog.threads(self._threads)
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while not self._stopping.is_set():
            task = self.line.take(timeout=1)
            if task is None:
                continue
            try:
                result = self.fetcher.run(task)
                if result is not None:
                    self._follow_up(result)
            except Exception:  # noqa: BLE001  # ours, shown; the next task has its turn all the same
                _LOG.exception("%s/%s %s failed", *task.owner, task.stream.name)
                self._watchdog.fault(_name(task.account, task.stream.name))
            finally:
                self.line.done(task)

    def _follow_up(self, result: Result) -> None:
        task, fetch = result.task, result.fetch
        if task.window is None:
            self._watchdog.seen(_name(task.account, task.stream.name))
        self.measures.count(fetch)
        for listener in self._listeners:
            listener(result)
        for follower in result.follow:
            self.line.offer(follower)
        self._dirty.set()  # what failed has changed its freshness badge
        if task.stream is ACCOUNTS:
            if task.account.id and fetch.outcome != "held":
                self._offer_pasts(task.account)
            elif fetch.outcome == "ok":
                self._discovered(task.account.source)
        if fetch.outcome == "ok" and task.tier is Tier.TODAY and task.account.currency:
            self.live.add(task.owner)  # those that spend nothing (rates, pages) are no account's today
        if task.stream is not ACCOUNTS and fetch.outcome == "ok" and task.tier is not Tier.BACKFILL:
            self._offer_past(task.account, task.stream)
        if task.window is None and fetch.retry_at is not None and not result.follow:  # its halves bring it
            self._later(task, fetch.retry_at)

    def _discovered(self, source: str) -> None:
        accounts = self.accounts.known(source)
        for account in accounts:
            if self._scheduler is not None:
                self._schedule(account)
            elif (account.source, account.id) not in self._offered:
                self._offer_all(account)
        self._forget_gone(source, {(a.source, a.id) for a in accounts})

    def _forget_gone(self, source: str, known: set[tuple[str, str]]) -> None:
        """Polling ends for an account that is no longer listed; what is stored of it stays."""
        if self._scheduler is None:
            return
        for job in self._scheduler.get_jobs():
            if job.args and isinstance(job.args[0], Task):
                task: Task = job.args[0]
                if task.account.source == source and task.account.id and task.owner not in known:
                    job.remove()

    def _offer_all(self, account: Account) -> int:
        self._offered.add((account.source, account.id))
        streams = self.setup.sources[account.source].connector.streams()
        offered = [self.line.offer(Task(account, ACCOUNTS, Tier.SLOWER))]
        offered += [self.line.offer(Task(account, stream, tier(stream))) for stream in streams]
        return sum(offered)

    def _offer_pasts(self, account: Account) -> None:
        for stream in self.setup.sources[account.source].connector.streams():
            if isinstance(stream.restate, str):
                self._offer_past(account, stream)

    def _offer_past(self, account: Account, stream: Stream) -> None:
        owner = (account.source, account.id)
        if not self.line.holds(owner, stream.name, Tier.PAST):
            for task in self.fetcher.due(account, stream, self.covered):
                self.line.offer(task)

    def covered(self, account: Account, stream: Stream, within: timedelta | None = None) -> list[Window]:
        """The windows that were answered: within the last so-and-so long, or ever."""
        sql = """SELECT window_start, max(window_end) AS window_end FROM journal
            WHERE source = ? AND account = ? AND stream = ? AND outcome = 'ok'
              AND (?::TIMESTAMPTZ IS NULL OR started > ?) GROUP BY window_start"""
        since = None if within is None else self.clock() - within
        rows = self.warehouse.query(sql, [account.source, account.id, stream.name, since, since]).to_pylist()
        return [Window(r["window_start"].astimezone(UTC), r["window_end"].astimezone(UTC)) for r in rows]

    # -- publishing and healing

    def _tend(self) -> None:
        """Tell of changes after a cycle, or every 10 s of a long one; publish; notice a healed disk."""
        told = published = monotonic()
        behind: float | None = told
        while not self._stopping.wait(TICK):
            if self.guard.trouble is not None and not self.guard.closed():
                for account in self.accounts.known():
                    self._offer_all(account)
            urgent = self.line.waiting(Tier.TODAY) + self.line.waiting(Tier.SLOWER)
            if self._dirty.is_set() and (not urgent or monotonic() - told >= TELL_EVERY.total_seconds()):
                self._dirty.clear()
                self._changed()
                told = monotonic()
                behind = told if behind is None else behind
            if behind is None or self.guard.closed():
                continue
            if monotonic() >= max(
                published + PUBLISH_EVERY.total_seconds(), behind + PUBLISH_AFTER.total_seconds()
            ):
                self._publish()
                published, behind = monotonic(), None

    def _publish(self) -> None:
        try:
            self.warehouse.publish()
        except StorageError as error:
            self.guard.failed(error)

    def _remember_rate_limits(self) -> None:
        """A restart is no reason to run into a wall again."""
        now = self.clock()
        for mark in self.warehouse.watermarks():
            if mark.error == "RateLimited" and mark.retry_at is not None and mark.retry_at > now:
                self.waits.pause(mark.source, mark.account, mark.retry_at, mark.cause)


def _name(account: Account, stream: str) -> str:
    """A stream's name in jobs, logs and problems."""
    return f"{account.source}/{account.id}/{stream}"
