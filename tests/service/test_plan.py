"""Windows, worked out by hand; Berlin's clocks went back on 25 October 2026 and forward on 29 March."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connectors.contract import Stream, Window
from connectors.rows import Campaign, Delivery
from service.plan import days_a_piece, halves, missing, newest, past, pieces

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DELIVERY = Stream("delivery", Delivery, 5 * HOUR / 60, 30 * DAY, DAY, 3 * HOUR, 1, 3 * DAY, HOUR)
CAMPAIGNS = Stream("campaigns", Campaign, HOUR, timedelta(0), None, timedelta(0), 1)
WHOLE = Stream("whole", Delivery, HOUR, 2 * DAY, None, timedelta(0), 1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start, end):
    return Window(at(start), at(end))


@pytest.mark.parametrize(
    ("stream", "zone", "now", "start"),
    [
        # 02:59 in Berlin: the source does not vouch for yesterday's last hours yet.
        (DELIVERY, BERLIN, "2026-11-24T01:59", "2026-11-22T23:00"),
        (DELIVERY, BERLIN, "2026-11-24T02:00", "2026-11-23T23:00"),
        (DELIVERY, BERLIN, "2026-11-24T12:00", "2026-11-23T23:00"),
        # The day the clocks go back begins in summer time, the day after it in winter time.
        (DELIVERY, BERLIN, "2026-10-25T12:00", "2026-10-24T22:00"),
        (DELIVERY, BERLIN, "2026-10-26T12:00", "2026-10-25T23:00"),
        (DELIVERY, BERLIN, "2026-03-29T12:00", "2026-03-28T23:00"),
        (DELIVERY, BERLIN, "2026-03-30T12:00", "2026-03-29T22:00"),
        # At midnight sharp (18:30 UTC in India) the window is the day that has just ended.
        (CAMPAIGNS, KOLKATA, "2026-11-05T18:30", "2026-11-04T18:30"),
        # No restatement tier: every poll asks for all of it.
        (WHOLE, BERLIN, "2026-11-24T12:00", "2026-11-21T23:00"),
    ],
)
def test_newest_window(stream, zone, now, start):
    assert newest(stream, zone, at(now)) == Window(at(start), at(now))


def test_missing_days_are_whole_local_days_of_23_and_25_hours():
    asked = window("2026-10-23T22:00", "2026-10-26T23:00")  # 24, 25 and 26 October in Berlin
    # Covers the 24th, and all of the 25th but its last hour.
    covered = [window("2026-10-23T22:00", "2026-10-25T22:00")]
    assert missing(asked, covered, BERLIN) == [window("2026-10-24T22:00", "2026-10-26T23:00")]
    covered.append(window("2026-10-25T22:00", "2026-10-25T23:00"))
    assert missing(asked, covered, BERLIN) == [window("2026-10-25T23:00", "2026-10-26T23:00")]


def test_pieces_are_newest_first_and_cut_at_midnight():
    cut = pieces([window("2026-10-23T22:00", "2026-10-27T23:00")], BERLIN, 2)
    assert cut == [
        window("2026-10-25T23:00", "2026-10-27T23:00"),  # 26 and 27: 48 hours
        window("2026-10-23T22:00", "2026-10-25T23:00"),  # 24 and 25: 49 hours
    ]


def test_halves_end_at_one_day():
    assert halves(window("2026-11-20T23:00", "2026-11-23T23:00"), BERLIN) == [
        window("2026-11-21T23:00", "2026-11-23T23:00"),
        window("2026-11-20T23:00", "2026-11-21T23:00"),
    ]
    day = window("2026-11-22T23:00", "2026-11-23T23:00")
    assert halves(day, BERLIN) == [day]


@given(
    days=some.integers(1, 40),
    size=some.integers(1, 10),
    offset=some.integers(0, 400),
    zone=some.sampled_from([BERLIN, KOLKATA, ZoneInfo("America/New_York")]),
)
def test_pieces_add_up_to_the_window(days, size, offset, zone):
    start = datetime(2026, 1, 1, tzinfo=zone) + offset * DAY
    whole = Window(start.astimezone(UTC), (start + days * DAY + HOUR).astimezone(UTC))
    cut = pieces([whole], zone, size)
    assert cut[0].end == whole.end
    assert cut[-1].start == whole.start
    assert all(newer.start == older.end for newer, older in pairwise(cut))
    assert all(len(piece.days(zone)) <= size for piece in cut)


def due(now, answers, restate=30 * DAY):
    """answers: (when asked, start, end)."""

    def covered(within):
        since = datetime.min.replace(tzinfo=UTC) if within is None else at(now) - within
        return [window(start, end) for asked, start, end in answers if at(asked) > since]

    return past(DELIVERY, BERLIN, at(now), restate=restate, covered=covered)


def test_at_first_all_that_may_still_change_is_due():
    today = ("2026-11-24T12:00", "2026-11-23T23:00", "2026-11-24T12:00")
    assert due("2026-11-24T12:00", [today]) == [window("2026-10-24T22:00", "2026-11-23T23:00")]


def test_the_recent_days_are_due_again_after_an_hour_and_the_rest_after_a_day():
    whole = ("2026-11-24T12:00", "2026-10-24T22:00", "2026-11-23T23:00")
    assert due("2026-11-24T12:59", [whole]) == []
    assert due("2026-11-24T13:00", [whole]) == [window("2026-11-20T23:00", "2026-11-23T23:00")]
    assert due("2026-11-25T12:00", [whole])[0].start == at("2026-10-25T23:00")


def test_a_day_that_ended_between_two_polls_is_due():
    # The last poll of the 23rd was at 23:55 local.
    evening = ("2026-11-23T22:55", "2026-11-22T23:00", "2026-11-23T22:55")
    earlier = ("2026-11-24T03:30", "2026-10-01T22:00", "2026-11-22T23:00")
    assert due("2026-11-24T04:00", [evening, earlier]) == [window("2026-11-20T23:00", "2026-11-23T23:00")]


def test_recent_days_whose_hours_are_over_at_different_minutes_are_asked_for_together():
    """The 22nd to 20th were asked at 10 past; yesterday was part of today's poll until 02:55 local."""
    whole = ("2026-11-23T14:00", "2026-10-24T22:00", "2026-11-22T23:00")
    answers = [whole, ("2026-11-24T01:10", "2026-11-20T23:00", "2026-11-22T23:00")]
    answers += [("2026-11-24T01:55", "2026-11-22T23:00", "2026-11-24T01:55")]
    recent = window("2026-11-20T23:00", "2026-11-23T23:00")
    assert due("2026-11-24T02:05", answers) == []
    assert due("2026-11-24T02:10", answers) == [recent]
    answers += [("2026-11-24T02:10", "2026-11-20T23:00", "2026-11-23T23:00")]
    assert due("2026-11-24T02:55", answers) == []
    assert due("2026-11-24T03:10", answers) == [recent]


def test_days_switched_off_are_due_however_long_ago():
    old = ("2026-09-01T12:00", "2026-08-25T22:00", "2026-09-01T12:00")
    found = due("2026-11-24T12:00", [old], restate=5 * DAY)
    assert found == [window("2026-08-31T22:00", "2026-11-23T23:00")]


def test_set_up_has_no_past():
    assert past(CAMPAIGNS, BERLIN, at("2026-11-24T12:00"), restate=30 * DAY, covered=lambda _: []) == []


@pytest.mark.parametrize(("rows", "days"), [(0, 92), (100, 92), (24_000, 5), (120_000, 1), (9_000_000, 1)])
def test_days_a_piece(rows, days):
    assert days_a_piece(rows) == days
