"""The daily sign of life, which a digest is too: one message a morning, not two."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.engine import Engine
from alerts.notify.contract import Message, Reason, Severity, unpack
from alerts.records import CHAPTER
from alerts.routes import Address, Receiver, Routing
from tests.alerts.timeline import CHANNELS, PEOPLE, describe
from warehouse.book import Book

BERLIN = ZoneInfo("Europe/Berlin")
SLACK = Address("slack", "C000001")


def local(hour, minute=0, day=3):
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@pytest.fixture
def made(tmp_path):
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    yield lambda **how: Engine(book, [], Routing(people=PEOPLE, manager="Max", **how), CHANNELS, describe)
    book.close()


def beats(engine):
    rows = engine.outbox.book.read("SELECT channel, created, message FROM outbox ORDER BY id")
    found = [(row, unpack(row["message"])) for row in rows]
    return [
        (row["channel"], message.to, datetime.fromisoformat(row["created"]))
        for row, message in found
        if message.reason is Reason.HEARTBEAT
    ]


def digest(engine, at, kind="daily"):
    thread = f"{engine.records.installation}-digest-{kind}-team-{at:%Y-%m-%d}"
    told = Message(
        key=f"{thread}/slack/C000001", incident=thread, to="C000001", reason=Reason.DIGEST,
        severity=Severity.INFO, headline="Yesterday", at=at, began=at,
    )  # fmt: skip
    engine.outbox.put("slack", [told], at)


def days(engine, digests=(), since=2, until=6, write=None):
    """Asked exactly when it wants to be asked, for some days; `write` sends the digest of a day."""
    now, end = local(12, day=since), local(12, day=until)
    while now < end:
        today = now.astimezone(BERLIN)
        if write and today.hour >= 8:
            digest(engine, local(8, 1, today.day))
        now = engine.heartbeat(now, BERLIN, digests)
    return [at for _, _, at in beats(engine)]


def test_once_a_local_day_at_its_hour(made):
    engine = made()
    assert engine.heartbeat(local(7, 59), BERLIN) == local(8)
    assert beats(engine) == []
    assert engine.heartbeat(local(8), BERLIN) == local(8, day=4)
    assert engine.heartbeat(local(8, 5), BERLIN) == local(8, day=4)  # after a restart
    assert beats(engine) == [("slack", "C000001", local(8))]
    assert days(engine, since=4, until=6) == [local(8), local(12, day=4), local(8, day=5), local(8, day=6)]


def test_without_slack_the_managers_inbox_hears(tmp_path):
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    engine = Engine(book, [], Routing(people=PEOPLE, manager="Max"), {}, describe)
    engine.heartbeat(local(8), BERLIN)
    assert beats(engine) == [("inbox", "Max", local(8))]
    book.close()


def test_whoever_gets_a_digest_needs_no_other_sign(made):
    engine = made()
    assert engine.heartbeat(local(8), BERLIN, {SLACK}) == local(8, 30)
    digest(engine, local(8, 1))
    assert engine.heartbeat(local(8, 30), BERLIN, {SLACK}) == local(8, day=4)
    assert beats(engine) == []


def test_a_digest_that_does_not_come_is_stood_in_for(made):
    engine = made()
    digest(engine, local(8, 1, day=2))  # yesterday's
    digest(engine, local(8, 1), kind="weekly")
    assert engine.heartbeat(local(8), BERLIN, {SLACK}) == local(8, 30)
    assert engine.heartbeat(local(8, 30), BERLIN, {SLACK}) == local(8, day=4)
    assert beats(engine) == [("slack", "C000001", local(8, 30))]


def test_what_is_late_after_midnight_is_still_told(made):
    engine = made(heartbeat=time(23, 45))
    assert engine.heartbeat(local(23, 45), BERLIN, {SLACK}) == local(0, 15, day=4)
    assert engine.heartbeat(local(0, 15, day=4), BERLIN, {SLACK}) == local(23, 45, day=4)
    assert beats(engine) == [("slack", "C000001", local(0, 15, day=4))]
    assert "heartbeat-2026-11-03/" in engine.outbox.letters()[0]["key"]
    digest(engine, local(8, 1, day=4))
    assert engine.heartbeat(local(23, 45, day=4), BERLIN, {SLACK}) == local(23, 45, day=5)
    assert len(beats(engine)) == 1


def test_nobody_is_told_of_an_evening_on_the_next_morning(made):
    engine = made(heartbeat=time(23, 45))
    assert engine.heartbeat(local(7, day=4), BERLIN, {SLACK}) == local(23, 45, day=4)
    assert engine.heartbeat(local(0, 45, day=5), BERLIN, {SLACK}) == local(23, 45, day=5)
    assert beats(engine) == []


def test_a_digest_that_died_is_no_sign(made):
    engine = made()
    digest(engine, local(8))
    with engine.outbox.book.write() as connection:
        connection.execute("UPDATE outbox SET status = 'dead'")
    engine.heartbeat(local(8, 30), BERLIN, {SLACK})
    assert len(beats(engine)) == 1


def test_who_asks_for_it_has_it_at_its_hour_beside_any_digest(made):
    engine = made(heartbeat_to=(Receiver("slack"), Receiver("email", "Sam")))
    digest(engine, local(7))
    assert engine.heartbeat(local(8), BERLIN, {SLACK}) == local(8, day=4)
    assert beats(engine) == [("slack", "C000001", local(8)), ("email", "sam@team.test", local(8))]


def test_a_week_of_digests_has_no_beat_and_a_clock_change_loses_none(made):
    assert days(made(), {SLACK}, write=True) == []
    engine = made()
    summer = datetime(2026, 10, 24, 12, tzinfo=BERLIN).astimezone(UTC)
    assert engine.heartbeat(summer, BERLIN) == datetime(2026, 10, 25, 7, tzinfo=UTC)  # 8:00 in winter time
    assert engine.heartbeat(summer + timedelta(hours=21), BERLIN) == datetime(2026, 10, 26, 7, tzinfo=UTC)
