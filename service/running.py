"""The service of one workspace: its warehouse, its poller, and what may be asked of both."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from alerts import records
from alerts.catalog import Current
from alerts.notify import book as notify_book
from alerts.notify.channels import build, buttons
from metrics import history, notes, practice, proposals, reviews, saved_views, usage
from service import experiments, in_force, settings
from service.alerting import Alerting
from service.backfill import Backfill
from service.changes import Changes
from service.collect import collector
from service.digests import DigestClock
from service.in_force import Definitions
from service.jobs import Poller, utc_now
from service.lean import give_back
from service.practice import Practice
from service.topic import topic
from service.versions import Versions
from service.workers import Workers
from warehouse.access import Actor, Denied, Permission, allow
from warehouse.book import Book, Chapter
from warehouse.duck import DuckWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerts.notify.contract import Act
    from service.workspace import Workspace

__all__ = ["Service"]

_LOG = logging.getLogger(__name__)

CHAPTERS: Final[tuple[Chapter, ...]] = (
    notes.CHAPTER,
    saved_views.CHAPTER,
    proposals.CHAPTER,
    usage.CHAPTER,
    reviews.CHAPTER,
    history.CHAPTER,
    practice.CHAPTER,
    records.CHAPTER,
    notify_book.CHAPTER,
)
"""The book's tables, room by room."""


NEEDED: Final = timedelta(days=8)
"""Of history, for rules that compare a day with the week before it."""


class Service:
    """Opens on construction; polls from `start` to `stop`.

    lost: set when only a new process can open the warehouse; whoever runs this should then end with 75.
    Raises SettingsError, StorageError.
    """

    def __init__(self, workspace: Workspace, *, clock: Callable[[], datetime] = utc_now) -> None:
        give_back()
        self.workspace = workspace
        self.setup = settings.load(workspace.folder)
        self.experiments = experiments.load(workspace.folder)
        self.versions = Versions()
        self.lost = threading.Event()
        self.on_lost: Callable[[], None] = lambda: None
        self.started = datetime.now(UTC)
        self.warehouse = DuckWarehouse.open(workspace.database)
        self.book = Book.open(workspace.book, CHAPTERS)
        self.in_force = in_force.InForce(
            workspace, self.setup.settings.alerts, self.book, clock=clock, use=self._use
        )
        polling = self.setup.settings.polling
        self.workers = Workers(polling.workers, deadline=polling.deadline)
        self.poller = Poller(
            self.setup,
            self.warehouse,
            self.workers,
            workspace.state,
            clock=clock,
            changed=self._stored,
            fatal=self._fatal,
        )
        self.poller.measures.watch(
            now=clock,
            watermarks=self.warehouse.watermarks,
            budgets=self.poller.budgets,
            singles=self._singles,
        )
        self.catalog = Current(
            self.book,
            metrics=lambda: self.in_force.now.metrics,
            dashboards=lambda: self.in_force.now.dashboards,
            sources=self.setup.sources,
            rules=lambda: self.in_force.now.rules,
        )
        self.alerting = Alerting(
            self.setup,
            self.in_force.now,
            self.warehouse,
            self.book,
            build(self.setup.channels, self.book),
            clock=clock,
            young=self._young,
            changed=self.versions.bump,
            catalog=self.catalog,
        )
        self.poller.listen(lambda result: self.alerting.brought(timedelta(milliseconds=result.fetch.took_ms)))
        self.changes = Changes(
            workspace,
            self.book,
            self.warehouse,
            self.in_force,
            setup=self.setup,
            clock=clock,
            changed=self.versions.bump,
        )
        self.practice = (
            Practice(
                self.setup.settings.sandbox,
                self.book,
                self.warehouse,
                clock=clock,
                poll=self.poller.poll_now,
            )
            if self.setup.settings.sandbox
            else None
        )
        self.digests = DigestClock(self.alerting.digests, clock=clock, ready=self._present)
        self.buttons = buttons(
            self.setup.channels,
            self.book,
            self._pressed,
            clock,
            may=self._may_press,
            people=self.setup.settings.alerts.people,
        )
        self.collector = collector(self.setup.sources, clock=clock)
        self.topic = topic(self.setup.sources, self.collector, clock=clock)
        self._backfill: Backfill | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Poll from now on."""
        self.changes.recover()
        self.poller.start()
        self.alerting.start()
        self.digests.start()
        self.in_force.start()
        if self.buttons is not None:
            self.buttons.start()
        accounts, sources = len(self.poller.accounts.known()), ", ".join(self.setup.sources)
        _LOG.info("polling %s; %d accounts known", sources, accounts)

    def stop(self) -> None:
        """Stop polling and release the warehouse. At most some seconds; may be called twice."""
        self.versions.close()
        self.in_force.stop()
        self.changes.stop()
        if self._backfill is not None:
            self._backfill.stop()
        self.digests.stop()
        if self.buttons is not None:
            self.buttons.stop()
        if self.topic is not None:
            self.topic.stop()
        if self.collector is not None:
            self.collector.close()
        self.alerting.stop()
        self.poller.stop()
        self.workers.close()
        self.book.close()
        self.warehouse.close()
        _LOG.info("stopped")

    def backfill(self, days: int) -> Backfill:
        """Begin to fetch the missing history of the last `days`; one that is under way goes on instead."""
        with self._lock:
            running = self._backfill
            ended = running is None or running.join(0) or running.progress().state in ("done", "stopped")
            if running is not None and not ended:
                return running
            self._backfill = Backfill(self.poller, days)
            self._backfill.start()
            return self._backfill

    def problems(self) -> list[str]:
        """What keeps the service from doing its work."""
        return [
            *self.poller.problems(),
            *self.alerting.problems(),
            *self.in_force.problems,
        ]

    def filled(self) -> dict[str, Any] | None:
        """How far the fetch of the history is, in plain values; None where none was asked for."""
        return self._backfill.progress().plain() if self._backfill else None

    def status(self) -> dict[str, Any]:
        """The state in plain values; see docs/operate.md for what each means."""
        problems = self.problems()
        marks = [mark for mark in self.warehouse.watermarks() if mark.account]
        failing = sorted({(m.source, m.account) for m in marks if m.error})
        state = "failing" if problems else "degraded" if failing else "ok"
        return {
            "state": state,
            "problems": problems,
            "started": self.started.isoformat(),
            "data_version": self.versions.current,
            # What has no currency spends nothing: the central bank, a website.
            "accounts": sum(bool(account.currency) for account in self.poller.accounts.known()),
            "failing_accounts": [f"{source}/{account}" for source, account in failing],
            "live_accounts": len(self.poller.live),
            "waiting": self.poller.line.waiting(),
            "budgets": [
                {
                    "source": budget.source,
                    "accounts": budget.accounts,
                    "allowed": budget.allowed,
                    "planned": round(budget.planned_total),
                    "used": budget.used_total,
                    "fits": budget.fits,
                    "mend": budget.mend,
                }
                for budget in self.poller.budgets()
            ],
            "backfill": self.filled(),
            "alerts": self.alerting.status(),
            "channels": sorted(self.setup.channels),
            "buttons": self.buttons.problem if self.buttons is not None else "",
            "digests": self.digests.problem,
        }

    def _present(self) -> bool:
        """Whether every account that spends has present data, and no backfill is under way."""
        spending = sum(bool(account.currency) for account in self.poller.accounts.known())
        filling = self._backfill is not None and self._backfill.progress().state not in ("done", "stopped")
        return bool(spending) and len(self.poller.live) >= spending and not filling

    def _presser(self, user: str, name: str) -> Actor:
        """Who pressed. user: Slack's id, which it vouches for; name: whatever its owner calls themselves."""
        people = self.setup.settings.alerts.people
        known = next((one.name for one in people if one.slack == user), "")
        return Actor(known or f"{name} ({user})", self.setup.settings.access.buttons)

    def _may_press(self, user: str, name: str) -> None:
        """Whether somebody may do what a form is about. Raises ValueError with why not."""
        by, now = self._presser(user, name), self.poller.clock()
        try:
            allow(self.book, by, Permission.ALERTS, "alerts", now=now)
        except Denied as error:
            raise ValueError(str(error)) from error

    def _pressed(self, act: Act) -> None:
        """Somebody pressed a button in a message. Raises ValueError with why it cannot be done."""
        by = self._presser(act.user, act.name)
        try:
            self.alerting.engine.act(act, by, act.at)
        except Denied as error:
            raise ValueError(str(error)) from error
        self.alerting.decided()

    def _use(self, definitions: Definitions) -> None:
        """The files say something else: rules judge by it, pages show it."""
        self.alerting.use(definitions)
        self.digests.digests = self.alerting.digests
        self.versions.bump()

    def _stored(self) -> None:
        """A cycle brought something: pages show it, rules judge it."""
        self.versions.bump()
        self.alerting.data_came()

    def _young(self) -> bool:
        """Whether a backfill has yet to bring some account's last week: rules would misjudge it."""
        running = self._backfill
        if running is None or running.progress().state in ("done", "stopped"):
            return False
        since = self.poller.clock() - NEEDED
        young = self.warehouse.query(
            "SELECT source FROM delivery GROUP BY source, account HAVING min(hour) > $since", {"since": since}
        )
        return bool(young.num_rows)

    def _fatal(self) -> None:
        self.lost.set()
        self.on_lost()

    def _singles(self) -> dict[str, tuple[str, float]]:
        database = self.workspace.database
        return {
            "job_lag_seconds": ("How late the most overdue stream is.", self.poller.lag()),
            "line_length": ("Slices that wait or are being fetched.", float(self.poller.line.waiting())),
            "db_bytes": ("Size of the database file.", float(database.stat().st_size)),
            "data_version": ("Grows with every change worth showing.", float(self.versions.current)),
            "rules_failing": (
                "Rules that could not be judged when they last should have been.",
                float(len(self.alerting.engine.failing)),
            ),
        }
