"""Delivery that survives a fall: a message is written down with the decision to send it, and then sent.

    pending --claimed, committed--> sending --the channel took it--> sent
       ^                              |
       +------- try again later ------+--- tried often enough, or pointless --> dead

A row that is found in `sending` at a start may have gone out: the channel is asked for its key before it is
sent again. So is one whose channel answered in a way that leaves it open.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from alerts.notify.contract import (
    Fact,
    Message,
    Notifier,
    NotifyError,
    Reason,
    Receipt,
    Retry,
    Severity,
    Stop,
    pack,
    unpack,
)
from alerts.records import stamp
from alerts.routes import INBOX, Address
from warehouse.book import Book

__all__ = ["Dispatcher", "Inbox", "Outbox", "Waiting"]

_LOG = logging.getLogger(__name__)

MOST_TRIES: Final = 8
LONGEST: Final = timedelta(hours=24)
"""After so many tries, or so long, a message is dead: shown, told on another channel, sent again by hand."""

_FIRST_WAIT: Final = timedelta(seconds=5)
_LONGEST_WAIT: Final = timedelta(minutes=15)
_IDLE: Final = 5.0
"""Seconds after which a dispatcher looks again though nobody woke it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was claimed. unsure: whether it may have gone out already."""

    id: int
    message: Message
    tries: int
    unsure: bool
    created: datetime


class Outbox:
    """The messages of a book. Safe from any thread.

    fallback: where the failure of one channel is told, best first.
    """

    def __init__(self, book: Book, fallback: Sequence[Address] = ()) -> None:
        self.book = book
        self._fallback = (*fallback, Address(INBOX, ""))
        self.woken: dict[str, threading.Event] = {}

    def put(self, channel: str, messages: Iterable[Message], now: datetime) -> int:
        """Write messages down, in the caller's transaction; one whose key is known is not taken twice."""
        added = 0
        with self.book.write() as connection:
            for m in messages:
                added += connection.execute(
                    "INSERT INTO outbox (key, incident, channel, recipient, reason, message, status, tries, "
                    "unsure, created, due) VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?) "
                    "ON CONFLICT (key) DO NOTHING",
                    [m.key, m.incident, channel, m.to, str(m.reason), pack(m), stamp(now), stamp(now)],
                ).rowcount
        return added

    def wake(self) -> None:
        """There is something to send."""
        for event in self.woken.values():
            event.set()

    def recover(self, channel: str) -> int:
        """What a fall left in `sending` waits again, with a question mark; how many that were."""
        with self.book.write() as connection:
            return connection.execute(
                "UPDATE outbox SET status = 'pending', unsure = 1 WHERE channel = ? AND status = 'sending'",
                [channel],
            ).rowcount

    def claim(self, channel: str, now: datetime) -> Waiting | None:
        """The next message of a channel, committed as `sending`; None where none is due.

        Those of one incident to one recipient keep their order: a later one waits for an earlier.
        """
        with self.book.write() as connection:
            row = connection.execute(
                """SELECT * FROM outbox AS o WHERE channel = ? AND status = 'pending' AND due <= ?
                AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.incident = o.incident
                  AND e.channel = o.channel AND e.recipient = o.recipient
                  AND e.status IN ('pending', 'sending') AND e.id < o.id)
                ORDER BY id LIMIT 1""",
                [channel, stamp(now)],
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE outbox SET status = 'sending', tries = tries + 1 WHERE id = ?", [row["id"]]
            )
        return Waiting(
            row["id"],
            unpack(row["message"]),
            row["tries"] + 1,
            bool(row["unsure"]),
            datetime.fromisoformat(row["created"]),
        )

    def sent(self, one: Waiting, receipt: Receipt, now: datetime) -> None:
        """The channel took it."""
        with self.book.write() as connection:
            connection.execute(
                "UPDATE outbox SET status = 'sent', ended = ?, provider_id = ?, unsure = 0, error = '', "
                "mend = '' WHERE id = ?",
                [stamp(now), receipt.provider_id, one.id],
            )

    def failed(self, channel: str, one: Waiting, error: NotifyError, now: datetime) -> bool:
        """The channel did not take it: wait and try again, or give it up. Whether it was given up."""
        mend = error.mend if isinstance(error, Stop) else ""
        if isinstance(error, Retry) and one.tries < MOST_TRIES and now - one.created < LONGEST:
            wait = min(_FIRST_WAIT * 2 ** (one.tries - 1), _LONGEST_WAIT)
            with self.book.write() as connection:
                connection.execute(
                    "UPDATE outbox SET status = 'pending', due = ?, unsure = ?, error = ? WHERE id = ?",
                    [
                        stamp(now + max(wait, error.after or wait)),
                        int(one.unsure or error.perhaps),
                        error.cause,
                        one.id,
                    ],
                )
            return False
        with self.book.write() as connection:
            connection.execute(
                "UPDATE outbox SET status = 'dead', ended = ?, error = ?, mend = ? WHERE id = ?",
                [stamp(now), error.cause, mend, one.id],
            )
            self._tell_of_failure(channel, one.message, error, now)
        return True

    def abandon(self, channels: Iterable[str], now: datetime) -> int:
        """Give up what waits for a channel that is no longer set up, and tell of it; how many that were."""
        known = sorted(channels)
        given_up = 0
        rows = self.book.read("SELECT DISTINCT channel FROM outbox WHERE status IN ('pending', 'sending')")
        for channel in (row["channel"] for row in rows):
            if channel in known:
                continue
            self.recover(channel)
            error = Stop(f"{channel} is not set up", mend=f"Set it up under alerts.channels.{channel}.")
            while (one := self.claim(channel, now + LONGEST)) is not None:
                self.failed(channel, one, error, now)
                given_up += 1
        return given_up

    def again(self, number: int, now: datetime) -> bool:
        """Send a dead letter after all, from the start; whether it was one."""
        with self.book.write() as connection:
            found = connection.execute(
                "UPDATE outbox SET status = 'pending', tries = 0, unsure = 1, created = ?, due = ?, "
                "ended = NULL WHERE id = ? AND status = 'dead'",
                [stamp(now), stamp(now), number],
            ).rowcount
        self.wake()
        return bool(found)

    def forget(self, before: datetime) -> int:
        """Drop what was delivered, or given up, before a moment; how many that were."""
        with self.book.write() as connection:
            return connection.execute("DELETE FROM outbox WHERE ended < ?", [stamp(before)]).rowcount

    def letters(self, *, status: str | None = None, last: int = 200) -> list[dict[str, Any]]:
        """The delivery log, newest first, without the messages' text."""
        return self.book.read(
            "SELECT id, key, incident, channel, recipient, reason, status, tries, created, due, ended, "
            "provider_id, error, mend FROM outbox WHERE ? IS NULL OR status = ? ORDER BY id DESC LIMIT ?",
            [status, status, last],
        )

    def counts(self) -> dict[str, int]:
        """How many messages stand where."""
        rows = self.book.read("SELECT status, count(*) AS number FROM outbox GROUP BY status")
        return {row["status"]: int(row["number"]) for row in rows}

    def _tell_of_failure(self, channel: str, lost: Message, error: NotifyError, now: datetime) -> None:
        """Tell of a dead letter where it can be heard: once an hour for each channel that fails.

        A letter about a failure that itself dies goes to the next channel, at last into the inbox.
        """
        failing, tried = channel, {channel}
        if lost.reason is Reason.UNDELIVERED:
            _, failing, _, *before = lost.incident.split("/")
            tried |= {failing, *before}
        address = next((a for a in self._fallback if a.channel not in tried), None)
        if address is None:
            _LOG.error("a message could be delivered nowhere: %s: %s", lost.headline, error.cause)
            return
        hour = f"{now:%Y-%m-%dT%H}"
        thread = "/".join(("undelivered", failing, hour, *sorted(tried - {failing})))
        mend = error.mend if isinstance(error, Stop) and error.mend else "See the delivery log under Alerts."
        headline = lost.headline if lost.reason is Reason.UNDELIVERED else f"Undelivered: {failing} fails"
        facts = lost.facts
        if lost.reason is not Reason.UNDELIVERED:
            facts = (
                Fact("What failed", error.cause),
                Fact("What was not delivered", f"{lost.headline} (to {lost.to or failing})"),
                Fact("What to do", mend),
            )
        told = Message(
            key=f"{thread}/{address.channel}/{address.to}",
            incident=thread,
            to=address.to,
            reason=Reason.UNDELIVERED,
            severity=Severity.CRITICAL,
            headline=headline,
            at=now,
            began=now,
            facts=facts,
            actions=False,
            test=lost.test,
        )
        self.put(address.channel, [told], now)
        self.wake()


class Inbox:
    """The app's inbox: what is written down for it is what people see there, so it has arrived."""

    name: ClassVar[str] = INBOX

    def send(self, message: Message) -> Receipt:
        """It is there."""
        return Receipt(message.key)

    def find(self, message: Message) -> Receipt | None:
        """It was there."""
        return Receipt(message.key)

    def check(self) -> str:
        """The inbox needs no credentials."""
        return "the app's inbox"


class Dispatcher:
    """A thread a channel, so that a slow one delays no other."""

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], datetime],
    ) -> None:
        self._outbox = outbox
        self._notifiers = dict(notifiers)
        self._clock = clock
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Send from now on; what a fall left open is looked up first."""
        self._outbox.abandon(self._notifiers, self._clock())
        for channel, notifier in self._notifiers.items():
            self._outbox.woken[channel] = threading.Event()
            self._outbox.recover(channel)
            thread = threading.Thread(
                target=self._run, args=(channel, notifier), name=f"send-{channel}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        """Send nothing more. A message under way is looked up at the next start if this does not await it."""
        self._stopping.set()
        self._outbox.wake()
        for thread in self._threads:
            thread.join(seconds)

    @property
    def threads(self) -> Sequence[threading.Thread]:
        """What must be alive."""
        return tuple(self._threads)

    def _run(self, channel: str, notifier: Notifier) -> None:
        woken = self._outbox.woken[channel]
        while not self._stopping.is_set():
            woken.clear()
            try:
                busy = self.turn(channel, notifier)
            except Exception:  # noqa: BLE001  # the book's own failure: the row waits, and so do we
                _LOG.exception("the outbox of %s cannot be worked on", channel)
                busy = False
            if not busy:
                woken.wait(_IDLE)

    def turn(self, channel: str, notifier: Notifier) -> bool:
        """Send the next message that is due; whether there was one."""
        one = self._outbox.claim(channel, self._clock())
        if one is None:
            return False
        try:
            receipt = notifier.find(one.message) if one.unsure else None
            receipt = receipt or notifier.send(one.message)
        except NotifyError as error:
            _LOG.warning("%s did not take a message (try %d): %s", channel, one.tries, error.cause)
            self._outbox.failed(channel, one, error, self._clock())
        except Exception as error:  # noqa: BLE001  # a fault of the notifier is one more way to fail
            _LOG.exception("%s failed on a message", channel)
            self._outbox.failed(channel, one, Retry(f"{type(error).__name__}", perhaps=True), self._clock())
        else:
            self._outbox.sent(one, receipt, self._clock())
        return True
