from __future__ import annotations

import threading
from datetime import timedelta
from zoneinfo import ZoneInfo

from connectors.contract import Account, Stream
from connectors.rows import Campaign, Delivery
from service.line import Line, Task, Tier

NOTHING = timedelta(0)


def stream(name, row=Delivery):
    return Stream(name, row, timedelta(minutes=5), NOTHING, None, NOTHING, 1)


def task(account, name="delivery", tier=Tier.TODAY):
    return Task(Account("example", account, account, "EUR", ZoneInfo("UTC")), stream(name), tier)


def names(*tasks):
    return [f"{t.account.id}/{t.stream.name}" for t in tasks]


def test_urgent_first_then_in_order_of_arrival():
    line = Line()
    for waiting in (task("a", "past", Tier.PAST), task("b"), task("c", "slow", Tier.SLOWER), task("d")):
        assert line.offer(waiting)
    taken = [line.take(0) for _ in range(4)]
    assert names(*taken) == ["b/delivery", "d/delivery", "c/slow", "a/past"]


def test_an_account_is_fetched_one_slice_at_a_time_and_others_pass_it():
    line = Line()
    for waiting in (task("a", "one"), task("a", "two"), task("b", "one", Tier.PAST)):
        line.offer(waiting)
    first, second = line.take(0), line.take(0)
    assert names(first, second) == ["a/one", "b/one"]
    assert line.take(0) is None
    line.done(first)
    assert names(line.take(0)) == ["a/two"]


def test_the_same_slice_stands_in_line_once():
    line = Line()
    assert line.offer(task("a"))
    assert not line.offer(task("a"))
    taken = line.take(0)
    assert not line.offer(task("a"))  # it is being fetched
    line.done(taken)
    assert line.offer(task("a"))


def test_closing_sends_home_whoever_waits():
    line = Line()
    got = []
    waiting = threading.Thread(target=lambda: got.append(line.take(30)))
    waiting.start()
    line.close()
    waiting.join(5)
    assert got == [None]
    assert not line.offer(task("a", row := "x")), row


def test_withdrawing_a_tier_leaves_the_others():
    line = Line()
    line.offer(task("a", "x", Tier.BACKFILL))
    line.offer(task("b", "y"))
    assert line.withdraw(Tier.BACKFILL) == 1
    assert names(line.take(0)) == ["b/y"]
    assert stream("z", Campaign).row is Campaign
