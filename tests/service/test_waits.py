"""Back-off as timelines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import RateLimited, Unauthorized, Unavailable, Unexpected
from service.waits import Waits

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
S = timedelta(seconds=1)


def until(waits, stream="delivery", account="a", now=START):
    wait = waits.current("example", account, stream, now)
    return wait and (wait.until - START) / S


def timeline(error, times):
    """Fails as often as said, each time at the end of the wait; the lengths of the waits."""
    waits, now, lengths = Waits(), START, []
    for _ in range(times):
        end = waits.failed("example", "a", "delivery", error, now)
        lengths.append((end - now) / S)
        now = end
    return lengths


@pytest.mark.parametrize(
    ("error", "lengths"),
    [
        (Unavailable("503"), [30, 60, 120, 240, 480, 600, 600]),
        (Unexpected("?"), [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (Unauthorized("dead"), [3600, 3600]),
        (RateLimited("slow", retry_after=90 * S), [90, 90, 120, 240, 480, 960, 1920, 1920]),
        (RateLimited("slow", retry_after=7200 * S), [7200, 7200]),
    ],
)
def test_waits_grow_to_their_limit(error, lengths):
    assert timeline(error, len(lengths)) == lengths


def test_an_outage_holds_the_account_and_nobody_else():
    waits = Waits()
    waits.failed("example", "a", "delivery", Unavailable("503"), START)
    assert until(waits) == 30
    assert until(waits, "campaigns") == 30
    assert until(waits, account="b") is None


def test_a_stream_that_hangs_waits_longer_while_the_others_go_on():
    waits = Waits()
    for _ in range(4):
        waits.failed("example", "a", "ads", Unavailable("hang"), START)
        waits.succeeded("example", "a", "delivery")
    assert until(waits, "delivery") is None
    assert until(waits, "ads") == 240


def test_an_odd_reply_holds_its_stream_alone():
    waits = Waits()
    waits.failed("example", "a", "ads", Unexpected("?"), START)
    assert until(waits, "ads") == 30
    assert until(waits, "delivery") is None


def test_a_wait_ends_by_time_or_by_success_or_by_word():
    waits = Waits()
    waits.failed("example", "a", "delivery", RateLimited("slow", retry_after=90 * S), START)
    assert until(waits, now=START + 90 * S) is None
    assert until(waits) == 90
    waits.succeeded("example", "a", "delivery")
    assert until(waits) is None
    waits.failed("example", "a", "delivery", Unauthorized("dead"), START)
    waits.forget()
    assert until(waits) is None
