"""The alert engine at work beside the poller: judged when data came, and by the clock when nothing does.

One thread judges and decides, one a channel sends. After each cycle that changed something every rule is
evaluated; those about time itself are, once a minute, whatever comes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alerts.conditions.flight import flying
from alerts.drill import Ground
from alerts.engine import Engine
from alerts.explain import Words
from alerts.judge import judge
from alerts.outbox import Dispatcher, Inbox
from alerts.routes import INBOX
from alerts.scene import DELIVERY, Memory, Scene, Target
from alerts.unjudged import kind
from metrics import windows
from service.digests import digests
from service.drills import Drills
from service.plans import planned

if TYPE_CHECKING:
    from alerts.digest.send import Digests
    from alerts.notify.contract import Notifier
    from alerts.rules import Rule
    from metrics.catalog import Catalog
    from service.in_force import Definitions
    from service.settings import Server, Setup
    from warehouse.book import Book
    from warehouse.store import Warehouse

__all__ = ["Alerting"]

_T = TypeVar("_T")

_LOG = logging.getLogger(__name__)

BY_CLOCK: Final = timedelta(minutes=1)
"""How often rules about time itself are evaluated."""

LEAST: Final = timedelta(seconds=5)
REST: Final = 10
"""Between two evaluations passes so long, and so many times as long as the last one took."""

LONGEST_SLEEP: Final = 30.0

LONGEST_BACK_OFF: Final = timedelta(minutes=5)
"""Between two tries at rules that cannot be judged."""

STUCK: Final = timedelta(minutes=10)
"""Without a turn of the thread: what it does hangs."""


def _address(server: Server) -> str:
    """Where people reach the app: as it is set, else where it listens."""
    host = "127.0.0.1" if server.address in ("", "0.0.0.0", "::") else server.address  # noqa: S104  # compared
    return server.url or f"http://{host}:{server.port}"


class Alerting:
    """Opens on construction; works from `start` to `stop`.

    young: whether history is still being fetched that rules need. catalog: whose reviews digests tell of.
    """

    def __init__(
        self,
        setup: Setup,
        definitions: Definitions,
        warehouse: Warehouse,
        book: Book,
        notifiers: Mapping[str, Notifier],
        *,
        clock: Callable[[], datetime],
        young: Callable[[], bool] = lambda: False,
        changed: Callable[[], None] = lambda: None,
        catalog: Callable[[datetime], Catalog] | None = None,
    ) -> None:
        settings = setup.settings
        self._plans = [planned(plan, settings.currency) for plan in settings.plans]
        self._zone = settings.timezone
        self._metrics, self.rules = definitions.metrics, self._flying(definitions)
        self._warehouse, self._clock, self._young, self._changed = warehouse, clock, young, changed
        self._targets = [Target(**target.model_dump()) for target in settings.targets]
        every = {name: source.every.get(DELIVERY) for name, source in setup.sources.items()}
        self._every = {name: span for name, span in every.items() if span is not None}
        defaults = {name: str(getattr(own, "channel", "")) for name, own in setup.channels.items()}
        self._setup, self._defaults, self._catalog = setup, defaults, catalog
        self.engine = Engine(book, self.rules, settings.alerts, defaults, self._words())
        self.digests = self._made()
        self.dispatcher = Dispatcher(self.engine.outbox, {INBOX: Inbox(), **notifiers}, clock)
        self._notifiers = dict(notifiers)
        self.drills = Drills(self.engine, self._ground)
        self._memory = Memory()
        self._began = clock()
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._dirty = threading.Event()
        self._asked: datetime | None = None
        self._asked_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._faults: dict[str, str] = {}
        self._next_pass, self._failed = float("-inf"), 0
        self._turned = monotonic()
        self._took = 0.0
        self._told = 0

    def use(self, definitions: Definitions) -> None:
        """Judge and tell by these from the next pass on."""
        self._metrics, self.rules = definitions.metrics, self._flying(definitions)
        self._memory = Memory()  # sums of other definitions, and names that there may be no more
        self.engine.use(self.rules, self._words())
        self.digests = self._made()
        self.data_came()

    def _flying(self, definitions: Definitions) -> tuple[Rule, ...]:
        return flying(definitions.rules, self._plans, self._zone)

    def _ground(self) -> Ground:
        return Ground(
            warehouse=self._warehouse,
            routing=self.engine.routing,
            defaults=self._defaults,
            notifiers=self._notifiers,
            every=self._every,
            targets=self._targets,
            metrics=self._metrics,
            describe=self._words,
            clock=self._clock,
        )

    def _words(self, warehouse: Warehouse | None = None) -> Words:
        settings = self._setup.settings
        return Words(
            warehouse or self._warehouse,
            self.rules,
            self._metrics,
            settings.timezone,
            _address(settings.server),
        )

    def _made(self) -> Digests:
        app = _address(self._setup.settings.server)
        return digests(
            self._setup,
            self._warehouse,
            self.engine,
            self._metrics,
            defaults=self._defaults,
            app=app,
            catalog=self._catalog,
            problems=self._broken,
        )

    def start(self) -> None:
        """Watch and tell from now on."""
        self._began = self._clock()
        self.dispatcher.start()
        self._thread.start()

    def stop(self) -> None:
        """Decide and send nothing more. At most some seconds."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self.dispatcher.stop()

    def brought(self, took: timedelta) -> None:
        """A fetch that took so long has just ended: new incidents wait for company since it was asked."""
        self._hold(self._clock() - took)

    def _hold(self, at: datetime) -> None:
        with self._asked_lock:
            self._asked = at if self._asked is None else min(at, self._asked)

    def data_came(self) -> None:
        """Something was stored, or failed: judge it. Returns at once."""
        self._dirty.set()
        self._woken.set()

    def decided(self) -> None:
        """A person did something: what is due may be another. Returns at once."""
        self._woken.set()

    def now(self) -> datetime:
        """The present, by the clock that alerts go by."""
        return self._clock()

    def problems(self) -> list[str]:
        """What keeps alerts from working, rules that cannot be judged too; empty while all is well."""
        failing = sorted(self.engine.failing.items())
        return self._broken() + [f"rule {name} cannot be judged: {kind(why)}" for name, why in failing]

    def _broken(self) -> list[str]:
        """What keeps all rules from being judged or told."""
        found = list(self._faults.copy().values())
        threads = (self._thread, *self.dispatcher.threads)
        dead = [t.name for t in threads if t.ident is not None and not t.is_alive()]
        if dead and not self._stopping.is_set():
            found.append(f"alerts: {', '.join(dead)} ended; restart the service")
        silent = monotonic() - self._turned
        if self._thread.is_alive() and silent > STUCK.total_seconds():
            found.append(f"alerts: no rule was judged for {silent / 60:.0f} minutes; restart the service")
        return found

    def status(self) -> dict[str, Any]:
        """In plain values: rules, open incidents, messages by where they stand, seconds of the last pass."""
        return {
            "rules": len(self.rules),
            "open": len(self.engine.records.open_incidents()),
            "messages": self.engine.outbox.counts(),
            "pass_seconds": round(self._took, 3),
        }

    # -- the thread

    def _run(self) -> None:
        clocked = float("-inf")
        beat: datetime | None = None
        while not self._stopping.is_set():
            self._woken.clear()
            at, now = monotonic(), self._clock()
            self._turned = at
            young: bool | None = True
            if self._dirty.is_set() and at >= self._next_pass:
                young, _ = self._tried("the history", self._young)
                self._next_pass = at + LEAST.total_seconds()  # while it is, that is asked now and then
            if young is False:
                due, judged = self._tried("the rules", partial(self._pass, now))
                self._next_pass = at + (self._rest if judged else self._back_off())
                clocked = at if judged else clocked
            elif at - clocked >= BY_CLOCK.total_seconds():
                due, _ = self._tried("rules by the clock", partial(self.evaluate, now, by_clock=True))
                clocked = at
            else:
                due, _ = self._tried("what is due", partial(self.engine.tick, now))
            if beat is None or now >= beat:
                beat, _ = self._tried("the heartbeat", partial(self._beat, now))
            self._tried("the calendar's drill", partial(self._drill, now))
            self._tell()
            waits = [BY_CLOCK.total_seconds() - (monotonic() - clocked), LONGEST_SLEEP]
            if self._faults:
                waits.append(LEAST.total_seconds())
            if self._dirty.is_set():
                waits.append(self._next_pass - monotonic())
            waits += [(one - self._clock()).total_seconds() for one in (due, beat) if one is not None]
            least = LEAST.total_seconds() if self._faults else 0.05
            self._woken.wait(max(least, min(waits)))

    def _tried(self, what: str, do: Callable[[], _T]) -> tuple[_T | None, bool]:
        """What came of it, and whether it went well.

        A fault is shown until the same has gone well, whatever else does meanwhile.
        """
        try:
            done = do()
        except Exception as error:  # noqa: BLE001  # shown, and tried again
            _LOG.exception("alerts: %s failed", what)
            self._faults[what] = f"alerts: {what}: {type(error).__name__}, see the log"
            return None, False
        self._faults.pop(what, None)
        return done, True

    def _pass(self, now: datetime) -> datetime | None:
        """Judge every rule by the data as they are; where that fails they are still to be judged."""
        self._dirty.clear()
        with self._asked_lock:
            asked, self._asked = self._asked, None
        try:
            due = self.evaluate(now, asked=asked)
        except BaseException:
            self._dirty.set()
            if asked is not None:
                self._hold(asked)
            raise
        self._failed = 0
        self._faults.pop("rules by the clock", None)  # these were among them
        if self._memory.behind:  # the next pass learns, and judges, what this one left
            self._dirty.set()
        return due

    def _back_off(self) -> float:
        """Seconds until the rules are judged again that could not be: 5, doubling to 5 minutes."""
        self._failed += 1
        doubled = LEAST.total_seconds() * 2.0 ** min(self._failed - 1, 10)  # days of failures overflow
        return min(doubled, LONGEST_BACK_OFF.total_seconds())

    def _beat(self, now: datetime) -> datetime:
        return self.engine.heartbeat(now, self._zone, self.digests.mornings())

    def _drill(self, now: datetime) -> None:
        """Hold the calendar's drill where it is due and there is something to drill."""
        due = bool(self.rules) and self.drills.due(now, self._zone)
        if due and not self._young() and windows.accounts(self._warehouse):
            with suppress(ValueError):  # somebody has just begun one: that is the drill
                self.drills.start(self.rules, now, by="the calendar", whole=True)

    @property
    def _rest(self) -> float:
        return max(LEAST.total_seconds(), REST * self._took)

    def _tell(self) -> None:
        """Pages are told where something happened that they show."""
        if self._told != self.engine.records.revision:
            self._told = self.engine.records.revision
            self._changed()

    def evaluate(
        self, now: datetime, *, by_clock: bool = False, asked: datetime | None = None
    ) -> datetime | None:
        """One pass over the data as they are; when the engine wants to be called next.

        by_clock: of the rules about time itself alone. asked: since when the newest data were asked for.
        """
        began = monotonic()
        memory = self._memory  # before the metrics: a new one is never filled by definitions that are gone
        scene = Scene(
            self._warehouse,
            now,
            every=self._every,
            started=self._began,
            targets=self._targets,
            metrics=self._metrics,
            memory=memory,
        )
        chosen = [rule for rule in self.rules if rule.condition.by_clock or not by_clock]
        due = self.engine.take(judge(scene, chosen, self.engine.watched()), now, asked=asked)
        if not by_clock:
            self._took = monotonic() - began
        return due
