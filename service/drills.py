"""Fire drills of a running service, on demand or by the calendar. A failing one is an alert."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from alerts.drill import drill
from alerts.notify.contract import Fact, Message, Reason, Severity
from alerts.routes import INBOX, Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from alerts.drill import Drilled, Ground
    from alerts.engine import Engine
    from alerts.rules import Rule

__all__ = ["Drills"]

_LOG = logging.getLogger(__name__)

_HOURS = (time(9), time(17))
"""Local time in which the calendar's drills are held: people should be there to see them."""
_AGAIN = timedelta(days=1)
"""How soon a drill is tried again that began and never ended: its process was killed."""


class Drills:
    """Runs in a thread of its own. ground: the installation's parts as they are now."""

    def __init__(self, engine: Engine, ground: Callable[[], Ground]) -> None:
        self._engine, self._ground = engine, ground
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, rules: Sequence[Rule], now: datetime, *, by: str, whole: bool = False) -> None:
        """Begin a drill of some rules. Raises ValueError while one is under way, or for no rules.

        whole: these are all rules, so that the calendar's next drill is due so long after this one.
        """
        if not rules:
            raise ValueError("there is no such rule")
        with self._lock:
            if self.running:
                raise ValueError("a drill is under way: wait for its end")
            # Written before anything is sent: a process that is killed by its drill must not begin with one.
            names = [rule.name for rule in rules]
            self._engine.records.happened("drilling", at=now, rules=names, by=by, whole=whole)
            self._thread = threading.Thread(
                target=self._run,
                args=(tuple(rules), now, {"by": by, "whole": whole}),
                name="drill",
                daemon=True,
            )
            self._thread.start()

    @property
    def running(self) -> bool:
        """Whether a drill is under way."""
        return self._thread is not None and self._thread.is_alive()

    def last(self) -> dict[str, Any] | None:
        """The last drill that ended, in plain values: when it began, by whom, what came of each rule."""
        rows = self._engine.records.book.read(
            "SELECT at, detail FROM happened WHERE what = 'drilled' ORDER BY id DESC LIMIT 1"
        )
        return {"at": rows[0]["at"], "detail": rows[0]["detail"]} if rows else None

    def due(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether the calendar asks for one: `drill_every` has passed, and people are there to see it.

        A drill of one rule postpones none of all.
        """
        every = self._engine.routing.drill_every
        local = now.astimezone(zone)
        if every is None or self.running or not _HOURS[0] <= local.time() < _HOURS[1] or local.weekday() > 4:
            return False
        rest = {"drilled": every, "drilling": min(every, _AGAIN)}
        rows = self._engine.records.book.read(
            "SELECT what, max(at) AS at FROM happened WHERE what IN ('drilled', 'drilling') "
            "AND coalesce(json_extract(detail, '$.whole'), 1) GROUP BY what"
        )
        return all(now - datetime.fromisoformat(row["at"]) >= rest[row["what"]] for row in rows)

    def _run(self, rules: tuple[Rule, ...], now: datetime, about: dict[str, Any]) -> None:
        try:
            done = drill(self._ground(), rules)
        except Exception as error:  # noqa: BLE001  # whatever it is, a drill that cannot be held has failed
            _LOG.exception("a drill could not be held")
            self._warn(
                "Drill failed: it could not be held", [f"{type(error).__name__}, see the log"], set(), now
            )
            self._engine.records.happened("drilled", at=now, rules=[], fault=type(error).__name__, **about)
            return
        self._engine.records.happened(
            "drilled", at=now, rules=[_plain(one) for one in done], fault="", **about
        )
        bad = [one for one in done if not one.well]
        if bad:
            failing = {d.channel for one in bad for d in one.delivered if d.fault}
            self._warn(
                f"Drill failed: {len(bad)} of {len(done)} rules", [_said(one) for one in bad], failing, now
            )

    def _warn(self, headline: str, lines: Sequence[str], failing: set[str], now: datetime) -> None:
        """Tell of it where critical alerts go, on channels that do not fail; and in the app in any case."""
        engine = self._engine
        people = engine.routing.people
        owner = engine.routing.manager or (people[0].name if people else "")
        to = engine.teller.critical(owner)
        addresses = {one for one in to if one.channel not in failing} | {Address(INBOX, owner)}
        thread = f"{engine.records.installation}-drill-{now:%Y-%m-%dT%H:%M:%S}"
        for address in sorted(addresses):
            message = Message(
                key=f"{thread}/{address.channel}/{address.to}",
                incident=thread,
                to=address.to,
                reason=Reason.UNDELIVERED,
                severity=Severity.CRITICAL,
                headline=headline,
                at=now,
                began=now,
                facts=tuple(Fact("What failed", line) for line in lines[:8]),
                actions=False,
            )
            engine.outbox.put(address.channel, [message], now)
        engine.outbox.wake()


def _said(one: Drilled) -> str:
    faults = [one.fault, *(f"{d.channel} {d.to}: {d.fault}" for d in one.delivered if d.fault)]
    return f"{one.rule}: " + "; ".join(dict.fromkeys(filter(None, faults)))


def _plain(one: Drilled) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "on": list(one.on) if one.on else None,
        "fault": one.fault,
        "skipped": one.skipped,
        "delivered": [
            {"channel": d.channel, "to": d.to, "how": d.how, "seconds": round(d.seconds, 1), "fault": d.fault}
            for d in one.delivered
        ],
    }
