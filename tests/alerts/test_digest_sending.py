"""Digests go out once a local date, whatever the clock does."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from alerts.digest.audience import audiences, due
from alerts.digest.send import Digests
from alerts.engine import Engine
from alerts.notify.contract import Severity, unpack
from alerts.routes import Receiver
from tests.alerts.digest_kit import BERLIN, DEFAULTS, MANAGERS, NOW, ground, told
from tests.alerts.timeline import ROUTING


@pytest.mark.parametrize(
    ("at", "daily", "weekly"),
    [
        ("2026-11-23T06:59:00+00:00", None, None),  # 07:59 in Berlin
        ("2026-11-23T07:00:00+00:00", date(2026, 11, 23), date(2026, 11, 23)),
        ("2026-11-23T22:59:00+00:00", date(2026, 11, 23), date(2026, 11, 23)),
        ("2026-11-23T23:00:00+00:00", None, None),  # midnight
        ("2026-11-24T07:00:00+00:00", date(2026, 11, 24), None),
        ("2026-07-06T06:00:00+00:00", date(2026, 7, 6), date(2026, 7, 6)),  # summer time
    ],
)
def test_it_is_due_at_eight_on_the_local_clock(at, daily, weekly):
    now = datetime.fromisoformat(at)
    assert (due(MANAGERS, "daily", now, BERLIN), due(MANAGERS, "weekly", now, BERLIN)) == (daily, weekly)


@pytest.fixture
def sending(usual, book):
    engine = Engine(book, [], ROUTING, DEFAULTS, None)

    def make(**audience):
        chosen = MANAGERS.model_copy(update=audience)
        return Digests(ground(usual), told(usual, book), engine.outbox, ROUTING, DEFAULTS, [chosen], BERLIN)

    return make


def written(book):
    return book.read("SELECT key, channel, recipient FROM outbox ORDER BY id")


def test_each_receiver_hears_once_a_date_whatever_happens(sending, book):
    made = sending(kinds=("daily",))
    assert made.tick(NOW) == 2
    assert [(row["channel"], row["recipient"]) for row in written(book)] == [
        ("slack", "C000001"),
        ("email", "max@team.test"),
    ]
    assert made.tick(NOW) == 0
    assert sending(kinds=("daily",)).tick(NOW + timedelta(hours=3)) == 0  # after a restart
    assert made.tick(NOW + timedelta(days=1)) == 2
    message = unpack(
        book.read("SELECT message FROM outbox WHERE channel = 'email' ORDER BY id")[0]["message"]
    )
    assert (message.severity, message.actions, message.chart[:4]) == (Severity.INFO, False, b"\x89PNG")


@pytest.mark.parametrize(
    ("start", "hours", "dates"),
    [
        ("2026-10-24T22:00:00+00:00", 25, ["2026-10-25"]),  # the clock shows 02:30 twice
        ("2026-03-28T23:00:00+00:00", 23, ["2026-03-29"]),  # and never
        ("2026-10-23T22:00:00+00:00", 73, ["2026-10-24", "2026-10-25", "2026-10-26"]),
        ("2026-03-27T23:00:00+00:00", 71, ["2026-03-28", "2026-03-29", "2026-03-30"]),
    ],
)
def test_a_clock_change_makes_no_digest_twice_and_loses_none(sending, book, monkeypatch, start, hours, dates):
    made = sending(kinds=("daily",), at=time(2, 30), to=(Receiver("slack"),))
    first = figures_once(made)
    monkeypatch.setattr(Digests, "make", lambda *_: first)
    now = datetime.fromisoformat(start)
    for step in range(hours * 4):
        made.tick(now + timedelta(minutes=15 * step))
    assert [row["key"].split("-daily-managers-")[1] for row in written(book)] == [
        f"{d}/slack/C000001" for d in dates
    ]


def figures_once(made):
    """One digest for all dates: drawing each takes longer than this test should."""
    return made.make(MANAGERS, "daily", NOW)


def test_who_asks_gets_one_more(sending, book):
    made = sending()
    assert made.tick(NOW) == 2
    assert made.send("weekly", NOW) == 2
    assert made.send("daily", NOW + timedelta(seconds=1), "managers") == 2
    assert made.send("daily", NOW, "nobody") == 0


def test_who_reads_what_follows_from_what_is_set_up():
    assert audiences(None, ["email"]) == ()
    (one,) = audiences(None, ["slack", "email"])
    assert (one.to, one.kinds, one.at) == ((Receiver("slack"),), ("daily", "weekly"), time(8))
    assert audiences((), ["slack"]) == ()
    assert audiences((MANAGERS,), []) == (MANAGERS,)
