"""Events of the team's own servers: the log they lie in, and what is counted from it."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Window
from connectors.events import Event, EventLog, Events, EventsSettings

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(minutes: float) -> int:
    """Microseconds of a moment so many minutes after noon."""
    return int((NOON + timedelta(minutes=minutes)).timestamp() * 1_000_000)


def event(id_: str, minutes: float, name: str = "page_view", session: str = "s1", **more: str) -> Event:
    return Event(
        id_, at(minutes), name, session, more.get("visitor", session), more.get("page", "/"),
        more.get("channel", "Paid Search"),
    )  # fmt: skip


@pytest.fixture
def log(tmp_path):
    made = EventLog(tmp_path / "events")
    yield made
    made.close()


def counted(tmp_path, *, minutes=60, timezone="UTC", stream="web", now=120):
    settings = EventsSettings(token="t" * 16, folder=tmp_path / "events", timezone=timezone)
    source = Events(settings, now=NOON + timedelta(minutes=now))
    (account,) = source.accounts()
    window = Window(NOON, NOON + timedelta(minutes=minutes))
    described = next(s for s in source.streams() if s.name == stream)
    return [row for batch in source.fetch(described, account, window) for row in batch.to_pylist()]


def test_a_line_that_was_written_twice_counts_once(log):
    log.append([event("a", 1), event("b", 2)])
    log.append([event("b", 2), event("c", 3), event("c", 3)])
    assert log.read(NOON, NOON + timedelta(hours=1))["id"].to_pylist() == ["a", "b", "c"]


def test_what_a_crash_left_of_a_line_is_cut_off_and_the_next_line_is_whole(log, tmp_path):
    log.append([event("a", 1)])
    log.close()
    (file,) = (tmp_path / "events").iterdir()
    with file.open("ab") as torn:
        torn.write(b"b,17639")
    assert EventLog(tmp_path / "events").read(NOON, NOON + timedelta(hours=1))["id"].to_pylist() == ["a"]
    log.append([event("c", 2)])
    assert log.read(NOON, NOON + timedelta(hours=1))["id"].to_pylist() == ["a", "c"]
    assert file.read_text().count("\n") == 2


def test_names_that_look_like_csv_come_back_letter_by_letter(log):
    nasty = 'a,"b"\' ;é'
    log.append([event(nasty, 1, page='/x,"y"')])
    (found,) = log.read(NOON, NOON + timedelta(hours=1)).to_pylist()
    assert (found["id"], found["page"]) == (nasty, '/x,"y"')


def test_a_window_does_not_hold_its_end_and_hours_lie_in_files_of_their_own(log, tmp_path):
    log.append([event("a", -1), event("b", 0), event("c", 59.9), event("d", 60)])
    assert log.read(NOON, NOON + timedelta(hours=1))["id"].to_pylist() == ["b", "c"]
    assert len(list((tmp_path / "events").iterdir())) == 3
    log.forget(NOON)
    assert len(list((tmp_path / "events").iterdir())) == 2


def test_a_full_disk_leaves_no_half_line(log, tmp_path, monkeypatch):
    log.append([event("a", 1)])
    real = os.write

    def full(handle, data):
        real(handle, bytes(data)[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        log.append([event("b", 2)])
    monkeypatch.setattr(os, "write", real)
    log.append([event("c", 3)])
    assert log.read(NOON, NOON + timedelta(hours=1))["id"].to_pylist() == ["a", "c"]


def test_sessions_are_counted_by_step_under_where_they_came_from(log, tmp_path):
    log.append(
        [
            # one session of two views and a purchase; it landed on /shoes, whatever it saw later
            event("1", 1, session="s1", page="/shoes"),
            event("2", 2, session="s1", page="/cart", channel="Direct"),
            event("3", 3, "purchase", session="s1", page="/cart"),
            # one that looked once and left, by the same person
            event("4", 5, session="s2", visitor="s1", page="/shoes"),
            # one that only failed; its start was sent, and counts once
            event("5", 7, "session_start", session="s3", page="/", channel="Email"),
            event("6", 7.01, "exception", session="s3", page="/", channel="Email"),
        ]
    )
    rows = {(r["channel"], r["page"], r["step"]): r for r in counted(tmp_path)}
    measures = ("users", "sessions", "engaged_sessions", "events", "key_events")
    assert {key: tuple(row[m] for m in measures) for key, row in rows.items()} == {
        ("Paid Search", "/shoes", "session_start"): (1, 2, 1, 2, 0),
        ("Paid Search", "/shoes", "page_view"): (1, 2, 1, 3, 0),
        ("Paid Search", "/shoes", "purchase"): (1, 1, 1, 1, 1),
        ("Email", "/", "session_start"): (1, 1, 0, 1, 0),
        ("Email", "/", "exception"): (1, 1, 0, 1, 0),
    }
    assert {row["hour"] for row in rows.values()} == {NOON}


def test_a_day_is_the_site_s_own(log, tmp_path):
    log.append([event("a", 30)])
    (row,) = [r for r in counted(tmp_path, timezone="Pacific/Auckland") if r["step"] == "page_view"]
    assert (row["hour"], row["day"]) == (NOON, date(2026, 11, 25))
    assert ZoneInfo("Pacific/Auckland").utcoffset(NOON) == timedelta(hours=13)


def test_a_minute_is_counted_once_it_is_over(log, tmp_path):
    log.append(
        [
            event("a", 10.1),
            event("b", 10.9, session="s2"),
            event("c", 11.5, "purchase"),
            event("d", 12.2),
        ]
    )
    rows = counted(tmp_path, stream="minutes", now=13.5)
    assert [(r["minute"].minute, r["users"], r["views"], r["events"], r["key_events"]) for r in rows] == [
        (10, 2, 2, 2, 0),
        (11, 1, 0, 1, 1),
    ]


def test_a_silent_window_and_one_older_than_the_log_bring_nothing(log, tmp_path):
    assert counted(tmp_path) == []
    log.append([event("a", 30)])
    assert counted(tmp_path, now=15 * 24 * 60) == []
