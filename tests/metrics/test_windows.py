"""Windows on each account's own calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Account, Window
from metrics import windows

BERLIN, NEW_YORK, KOLKATA = (ZoneInfo(n) for n in ("Europe/Berlin", "America/New_York", "Asia/Kolkata"))
KNOWN = {
    ("g", "b"): Account("g", "b", "B", "EUR", BERLIN),
    ("g", "n"): Account("g", "n", "N", "USD", NEW_YORK),
    ("g", "k"): Account("g", "k", "K", "INR", KOLKATA),
}


def at(zone: ZoneInfo, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def clock(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    return tuple(f"{t.astimezone(zone):%d %H:%M}" for t in (window.start, window.end))


def test_today_begins_at_each_accounts_midnight_and_ends_at_its_watermark():
    until = {("g", "b"): at(BERLIN, "2026-11-02T10:00"), ("g", "n"): at(NEW_YORK, "2026-11-02T02:00")}

    found = windows.today(KNOWN, until)

    assert clock(found["g", "b"], BERLIN) == ("02 00:00", "02 10:00")
    assert clock(found["g", "n"], NEW_YORK) == ("02 00:00", "02 02:00")
    assert ("g", "k") not in found


def test_a_watermark_at_midnight_closes_the_day_before():
    found = windows.today(KNOWN, {("g", "b"): at(BERLIN, "2026-11-02T00:00")})

    assert clock(found["g", "b"], BERLIN) == ("01 00:00", "02 00:00")


@pytest.mark.parametrize(
    ("zone", "start", "end", "back", "wanted", "hours"),
    [
        # the clock goes back on 25 October: the day has 25 hours
        (BERLIN, "2026-10-26T00:00", "2026-10-26T10:00", 1, ("25 00:00", "25 10:00"), 11),
        (BERLIN, "2026-10-26T09:00", "2026-10-26T10:00", 1, ("25 09:00", "25 10:00"), 1),
        (BERLIN, "2026-10-27T02:00", "2026-10-27T03:00", 2, ("25 02:00", "25 03:00"), 2),
        # it goes forward on 29 March: no two to three
        (BERLIN, "2026-03-30T00:00", "2026-03-30T10:00", 1, ("29 00:00", "29 10:00"), 9),
        (NEW_YORK, "2026-11-02T00:00", "2026-11-03T00:00", 1, ("01 00:00", "02 00:00"), 25),
    ],
)
def test_the_same_hours_on_the_clock(zone, start, end, back, wanted, hours):
    moved = windows.shift(Window(at(zone, start), at(zone, end)), -back, zone)

    assert clock(moved, zone) == wanted
    assert moved.end - moved.start == timedelta(hours=hours)


def test_a_day_without_these_hours_has_none():
    asked = Window(at(BERLIN, "2026-03-30T02:00"), at(BERLIN, "2026-03-30T03:00"))

    assert windows.shift(asked, -1, BERLIN) is None
    assert windows.shift(asked, -2, BERLIN) is not None


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)), st.integers(-30, 30))  # noqa: DTZ001  # made aware below
def test_a_shifted_midnight_is_a_midnight(moment, back):
    day = moment.date()
    window = windows.days({("g", "b"): KNOWN["g", "b"]}, day, day)["g", "b"]

    moved = windows.shift(window, back, BERLIN)

    assert moved.days(BERLIN) == [day + timedelta(days=back)]


def test_whole_days_are_each_accounts_own():
    found = windows.days(KNOWN, date(2026, 10, 24), date(2026, 10, 25))

    assert [found[k].end - found[k].start for k in KNOWN] == [timedelta(hours=h) for h in (49, 48, 48)]
    assert found["g", "k"].start == datetime(2026, 10, 23, 18, 30, tzinfo=UTC)


def test_accounts_with_the_same_window_share_a_span():
    start = datetime(2026, 11, 2, tzinfo=UTC)
    one, two = Window(start, start + timedelta(hours=1)), Window(start, start + timedelta(hours=2))

    found = windows.spans({("g", "b"): one, ("g", "k"): one, ("g", "n"): two}, KNOWN, "hour")

    assert [(s.window, s.only) for s in found] == [(one, (("g", "b"), ("g", "k"))), (two, (("g", "n"),))]
    assert [s.only for s in windows.spans(one, KNOWN, "hour")] == [None]
    assert [s.only for s in windows.spans(dict.fromkeys(KNOWN, one), KNOWN, "hour")] == [None]


def test_one_window_touches_other_days_elsewhere():
    window = Window(at(BERLIN, "2026-11-02T00:00"), at(BERLIN, "2026-11-03T00:00"))

    found = {s.only[0][1]: (s.first_day.day, s.last_day.day) for s in windows.spans(window, KNOWN, "day")}

    assert found == {"b": (2, 2), "n": (1, 2), "k": (2, 3)}


def test_the_watermark_is_cut_to_the_full_hour_of_the_accounts_clock(store):
    from tests.metrics.conftest import hour  # noqa: PLC0415

    for account, zone in (("b", "Europe/Berlin"), ("k", "Asia/Kolkata")):
        store.account("google_ads", account, zone=zone)
        end = datetime(2026, 11, 2, 12, 20, tzinfo=UTC)
        row = hour("1", "2026-11-02T09:00", clicks=1, zone=ZoneInfo(zone))
        store.reply(
            "google_ads", account, [row], window=Window(datetime(2026, 11, 2, tzinfo=UTC), end), seen_at=end
        )

    known = windows.accounts(store.warehouse, {"source": "google_ads"})
    found = windows.watermarks(store.warehouse, known)

    assert found["google_ads", "b"] == datetime(2026, 11, 2, 12, tzinfo=UTC)
    assert found["google_ads", "k"] == datetime(2026, 11, 2, 11, 30, tzinfo=UTC)
