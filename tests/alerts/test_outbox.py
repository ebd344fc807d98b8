"""Delivery: every sentence of docs/alerts.md on it, with channels that fail as the test says."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from alerts.notify.contract import Message, Reason, Receipt, Retry, Severity, Stop, unpack
from alerts.outbox import Dispatcher, Inbox, Outbox
from alerts.records import CHAPTER
from alerts.routes import Address
from warehouse.book import Book

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
MAIL = Address("email", "dana@team.test")


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Channel:
    """Does what its script says, one answer a call: None takes the message, an error is raised."""

    def __init__(self, *script, holds=()):
        self.script, self.holds = list(script), set(holds)
        self.sent, self.asked = [], []

    name = "slack"

    def send(self, message):
        answer = self.script.pop(0) if self.script else None
        if answer is not None:
            raise answer
        self.sent.append(message.key)
        return Receipt(f"id-{message.key}")

    def find(self, message):
        self.asked.append(message.key)
        return Receipt(f"found-{message.key}") if message.key in self.holds else None

    def check(self):
        return "a test"


def message(key, *, incident="1", to="C1", at=START):
    return Message(
        key=key,
        incident=incident,
        to=to,
        reason=Reason.FIRST,
        severity=Severity.CRITICAL,
        headline=f"headline of {key}",
        at=at,
        began=at,
    )


@pytest.fixture
def book(tmp_path):
    made = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    yield made
    made.close()


@pytest.fixture
def outbox(book):
    return Outbox(book, [Address("slack", "C1"), MAIL])


@pytest.fixture
def clock():
    return Clock()


def turns(outbox, channel, clock, name="slack"):
    """Send what is due, one after the other; how many tries that took."""
    dispatcher, count = Dispatcher(outbox, {}, clock), 0
    while dispatcher.turn(name, channel):
        count += 1
    return count


def row(outbox, key):
    return next(one for one in outbox.letters() if one["key"] == key)


def test_a_message_is_sent_once_and_keeps_its_providers_id(outbox, clock):
    channel = Channel()
    assert outbox.put("slack", [message("a"), message("a"), message("b")], START) == 2
    assert turns(outbox, channel, clock) == 2
    assert channel.sent == ["a", "b"]
    assert (row(outbox, "a")["status"], row(outbox, "a")["provider_id"]) == ("sent", "id-a")
    assert outbox.put("slack", [message("a")], START) == 0
    assert turns(outbox, channel, clock) == 0


def test_the_claim_is_committed_before_the_channel_is_called(outbox, book, clock):
    seen = []

    class Watching(Channel):
        def send(self, message):
            seen.append(book.read("SELECT status FROM outbox")[0]["status"])
            return super().send(message)

    outbox.put("slack", [message("a")], START)
    turns(outbox, Watching(), clock)
    assert seen == ["sending"]


def test_after_a_crash_the_channel_is_asked_before_it_is_sent_again(outbox, clock):
    outbox.put("slack", [message("a"), message("b", incident="2")], START)
    outbox.claim("slack", START)
    outbox.claim("slack", START)  # and the process falls
    assert outbox.recover("slack") == 2
    channel = Channel(holds=["a"])
    turns(outbox, channel, clock)
    assert (channel.asked, channel.sent) == (["a", "b"], ["b"])
    assert row(outbox, "a")["provider_id"] == "found-a"


def test_a_failure_that_may_have_gone_out_is_looked_up_too(outbox, clock):
    outbox.put("slack", [message("a")], START)
    channel = Channel(Retry("connection lost", perhaps=True), holds=["a"])
    turns(outbox, channel, clock)
    clock.now += timedelta(seconds=5)
    turns(outbox, channel, clock)
    assert (channel.asked, channel.sent, row(outbox, "a")["status"]) == (["a"], [], "sent")


def test_one_that_surely_did_not_go_out_is_not(outbox, clock):
    outbox.put("slack", [message("a")], START)
    channel = Channel(Retry("busy"))
    turns(outbox, channel, clock)
    clock.now += timedelta(seconds=5)
    turns(outbox, channel, clock)
    assert (channel.asked, channel.sent) == ([], ["a"])


def test_the_wait_doubles_and_heeds_what_the_channel_says(outbox, clock):
    outbox.put("slack", [message("a")], START)
    channel = Channel(Retry("a"), Retry("b"), Retry("c", after=timedelta(minutes=2)), Retry("d"))
    for wait in (5, 10, 120, 40):
        assert turns(outbox, channel, clock) == 1
        due = datetime.fromisoformat(row(outbox, "a")["due"])
        assert (due - clock.now).total_seconds() == wait
        clock.now = due - timedelta(microseconds=1)
        assert turns(outbox, channel, clock) == 0
        clock.now = due
    assert turns(outbox, channel, clock) == 1
    assert row(outbox, "a")["status"] == "sent"


def test_after_eight_tries_it_is_dead_and_another_channel_is_told(outbox, clock):
    outbox.put("slack", [message("a")], START)
    channel = Channel(*[Retry("slack is down")] * 8)
    for _ in range(8):
        turns(outbox, channel, clock)
        clock.now += timedelta(minutes=20)
    dead, told = row(outbox, "a"), outbox.letters(status="pending")
    assert (dead["status"], dead["tries"], dead["error"]) == ("dead", 8, "slack is down")
    assert [(one["channel"], one["recipient"], one["reason"]) for one in told] == [(*MAIL, "undelivered")]
    (text,) = outbox.book.read("SELECT message FROM outbox WHERE status = 'pending'")
    said = unpack(text["message"])
    assert said.headline == "Undelivered: slack fails"
    assert dict(said.facts)["What was not delivered"] == "headline of a (to C1)"


def test_after_24_hours_it_is_dead_though_the_tries_were_few(outbox, clock):
    outbox.put("slack", [message("a")], START)
    channel = Channel(Retry("x", after=timedelta(hours=25)), Retry("x"))
    turns(outbox, channel, clock)
    clock.now += timedelta(hours=25)
    turns(outbox, channel, clock)
    assert (row(outbox, "a")["status"], row(outbox, "a")["tries"]) == ("dead", 2)


def test_what_is_pointless_is_dead_at_once_with_its_mend(outbox, clock):
    outbox.put("slack", [message("a")], START)
    turns(outbox, Channel(Stop("not_in_channel", mend="Invite the app.")), clock)
    assert (row(outbox, "a")["status"], row(outbox, "a")["mend"]) == ("dead", "Invite the app.")


def test_a_failing_channel_is_told_once_an_hour_however_many_letters_die(outbox, clock):
    for number in range(5):
        outbox.put("slack", [message(f"m{number}", incident=str(number))], START)
    turns(outbox, Channel(*[Stop("gone")] * 5), clock)
    assert outbox.counts() == {"dead": 5, "pending": 1}
    clock.now += timedelta(hours=1)
    outbox.put("slack", [message("later")], clock.now)
    turns(outbox, Channel(Stop("gone")), clock)
    assert outbox.counts() == {"dead": 6, "pending": 2}


def test_where_that_channel_fails_too_the_inbox_hears(outbox, clock):
    outbox.put("slack", [message("a")], START)
    turns(outbox, Channel(Stop("slack is gone")), clock)
    turns(outbox, Channel(Stop("mail is gone")), clock, "email")
    turns(outbox, Inbox(), clock, "inbox")
    sent = outbox.letters(status="sent")
    assert [(one["channel"], one["reason"]) for one in sent] == [("inbox", "undelivered")]
    assert outbox.counts() == {"dead": 2, "sent": 1}


def test_a_dead_letter_can_be_sent_again_by_hand(outbox, clock):
    outbox.put("slack", [message("a")], START)
    turns(outbox, Channel(Stop("gone")), clock)
    number = row(outbox, "a")["id"]
    channel = Channel()
    assert outbox.again(number, clock.now)
    assert not outbox.again(number, clock.now)
    turns(outbox, channel, clock)
    # It may have gone out before it was given up: it was asked for first.
    assert (channel.asked, channel.sent, row(outbox, "a")["status"]) == (["a"], ["a"], "sent")


def test_messages_of_an_incident_to_one_receiver_keep_their_order(outbox, clock):
    outbox.put("slack", [message("first"), message("second"), message("other", incident="2")], START)
    channel = Channel(Retry("busy"))
    turns(outbox, channel, clock)
    assert channel.sent == ["other"]
    clock.now += timedelta(seconds=5)
    turns(outbox, channel, clock)
    assert channel.sent == ["other", "first", "second"]


def test_a_fault_of_the_notifier_itself_is_one_more_failed_try(outbox, clock):
    outbox.put("slack", [message("a")], START)
    turns(outbox, Channel(ZeroDivisionError()), clock)
    assert (row(outbox, "a")["status"], row(outbox, "a")["error"]) == ("pending", "ZeroDivisionError")


def test_what_waits_for_a_channel_that_is_gone_is_told_elsewhere(outbox, clock):
    outbox.put("slack", [message("a")], START)
    assert outbox.abandon(["email", "inbox"], clock.now) == 1
    assert row(outbox, "a")["error"] == "slack is not set up"
    assert [one["channel"] for one in outbox.letters(status="pending")] == ["email"]


def test_a_slow_channel_delays_no_other(outbox):
    release, sent = threading.Event(), threading.Event()

    class Slow(Channel):
        def send(self, message):
            release.wait(10)
            return super().send(message)

    class Quick(Channel):
        def send(self, message):
            sent.set()
            return super().send(message)

    outbox.put("slack", [message("slow")], datetime.now(UTC))
    outbox.put("email", [message("quick")], datetime.now(UTC))
    dispatcher = Dispatcher(outbox, {"slack": Slow(), "email": Quick()}, lambda: datetime.now(UTC))
    dispatcher.start()
    try:
        assert sent.wait(5)
        assert row(outbox, "slow")["status"] == "sending"
    finally:
        release.set()
        dispatcher.stop()


def test_a_dispatcher_is_woken_by_what_is_put(outbox):
    channel = Channel()
    dispatcher = Dispatcher(outbox, {"slack": channel}, lambda: datetime.now(UTC))
    dispatcher.start()
    try:
        time.sleep(0.3)
        began = time.monotonic()
        outbox.put("slack", [message("a")], datetime.now(UTC))
        outbox.wake()
        while not channel.sent and time.monotonic() - began < 4:
            time.sleep(0.01)
        assert channel.sent == ["a"]
        assert time.monotonic() - began < 3  # it looks by itself every five seconds
    finally:
        dispatcher.stop()


def test_the_log_forgets_what_ended_long_ago(outbox, clock):
    outbox.put("slack", [message("old"), message("waits", incident="2", to="C2")], START)
    turns(outbox, Channel(None, Retry("busy")), clock)
    assert outbox.forget(START) == 0
    assert outbox.forget(START + timedelta(seconds=1)) == 1
    assert [one["key"] for one in outbox.letters()] == ["waits"]
