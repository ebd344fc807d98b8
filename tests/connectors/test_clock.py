"""Local hours to UTC, checked against offsets written down by hand from the zones' published rules."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from connectors._clock import to_utc


def utc(*at):
    return datetime(*at, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hour", "moment"),
    [
        ("UTC", date(2026, 3, 1), 5, utc(2026, 3, 1, 5)),
        ("America/Los_Angeles", date(2026, 1, 15), 0, utc(2026, 1, 15, 8)),  # PST, UTC-8
        ("America/Los_Angeles", date(2026, 7, 15), 23, utc(2026, 7, 16, 6)),  # PDT, UTC-7
        ("Asia/Kolkata", date(2026, 7, 15), 0, utc(2026, 7, 14, 18, 30)),  # half-hour zone
        ("Australia/Lord_Howe", date(2026, 7, 15), 12, utc(2026, 7, 15, 1, 30)),
        # The clock goes back at 02:00 PDT on 2026-11-01: hour 1 happens twice and stands at the first.
        ("America/Los_Angeles", date(2026, 11, 1), 0, utc(2026, 11, 1, 7)),
        ("America/Los_Angeles", date(2026, 11, 1), 1, utc(2026, 11, 1, 8)),
        ("America/Los_Angeles", date(2026, 11, 1), 2, utc(2026, 11, 1, 10)),
        # It goes forward at 02:00 CET on 2026-03-29: hour 2 does not happen.
        ("Europe/Berlin", date(2026, 3, 29), 1, utc(2026, 3, 29, 0)),
        ("Europe/Berlin", date(2026, 3, 29), 3, utc(2026, 3, 29, 1)),
    ],
)
def test_a_local_hour_stands_at_its_moment(zone, day, hour, moment):
    assert to_utc(pa.array([day]), pa.array([hour]), ZoneInfo(zone)).to_pylist() == [moment]


def test_rows_keep_their_order_and_no_rows_are_no_rows():
    zone = ZoneInfo("Europe/Berlin")
    days = pa.array([date(2026, 7, 2), date(2026, 7, 1), date(2026, 7, 2)])
    got = to_utc(days, pa.array([1, 23, 0], pa.int8()), zone)
    assert got.to_pylist() == [utc(2026, 7, 1, 23), utc(2026, 7, 1, 21), utc(2026, 7, 1, 22)]
    empty = to_utc(pa.array([], pa.date32()), pa.array([], pa.int8()), zone)
    assert (len(empty), empty.type) == (0, pa.timestamp("us", "UTC"))
