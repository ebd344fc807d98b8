"""What many look at: worked out once a version of the data, the same object for all, let go with the version."""

import gc
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from connectors.contract import Window
from connectors.rows import Delivery
from connectors.schema import to_batch
from metrics.compare import Comparison
from panels import _once
from panels._once import once, prepare
from panels._scope import Scope
from panels._view import View
from tests.panels.conftest import ASKED, NOW, VERSIONS, hours
from tests.panels.test_monitor import opened
from warehouse.store import Fetch, Slice

KEY = ("google_ads", "1")


class Found:
    """Something that was worked out."""


asked = []


@once
def work(version, view):
    asked.append((version, view))
    return Found()


def view(hour, *, as_of=None):
    start = datetime(2026, 11, 24, tzinfo=UTC)
    window = Window(start, start + timedelta(hours=hour))
    scope = Scope("EUR", "All", "EUR", (KEY,))
    step = timedelta(hours=1)
    return View(scope, "today", {KEY: window}, Comparison.YESTERDAY, as_of, step, window.end)


def test_equal_views_share_one_and_others_do_not():
    version = next(VERSIONS)
    asked.clear()
    first = work(version, view(3))
    assert work(version, view(3)) is first
    assert work(version, view(4)) is not first
    assert work(version, view(3, as_of=datetime(2026, 11, 23, tzinfo=UTC))) is not first
    assert len(asked) == 3


def test_a_new_version_is_worked_out_anew_and_the_old_one_let_go():
    old = weakref.ref(work(next(VERSIONS), view(3)))
    gc.collect()
    assert old() is not None
    new = work(next(VERSIONS), view(4))
    gc.collect()
    assert old() is None
    assert isinstance(new, Found)


@pytest.fixture
def asked_of_the_store(filled, monkeypatch):
    """Every question that reads facts."""
    found = []
    query = filled.warehouse.query

    def noted(sql, params=None):
        if "delivery" in sql:
            found.append(sql)
        return query(sql, params)

    monkeypatch.setattr(filled.warehouse, "query", noted)
    return found


def brought(filled, hour, clicks):
    """Another hour of account 1, which reaches its watermark."""
    row = replace(hours("c1")[-1], hour=hour, hour_of_day=hour.hour, clicks=clicks)
    window = Window(hour, hour + timedelta(hours=1))
    piece = Slice("google_ads", "1", "delivery", Delivery, window, ZoneInfo("UTC"))
    fetch = Fetch("google_ads", "1", "delivery", window, window.end, 5, "ok")
    filled.warehouse.write(
        piece, [to_batch(Delivery, [row])], seen_at=window.end, vouched=window.end, fetch=fetch
    )
    filled.state["version"] += 1


def test_what_open_pages_show_is_there_before_they_are_told(filled, asked_of_the_store, caplog):
    """Twice a poll brings another hour: the windows reach further, and are read before anybody asks."""
    tabs = {page: opened(page, scope="google_ads/1") for page in ("acquisition", "overview")}
    for hour in (0, 1):
        with time_machine.travel(ASKED + timedelta(hours=hour + 1)):
            brought(filled, NOW + timedelta(hours=hour), 1000)
            prepare(filled.state["version"])
            read = len(asked_of_the_store)
            tabs = {page: tab.run() for page, tab in tabs.items()}
            clicks = next(card.value for card in tabs["acquisition"].metric if card.label == "Clicks")
            assert clicks == ("1.70k", "2.70k")[hour]  # fourteen hours of 50, and those
        assert read
        assert asked_of_the_store[read:] == []
        asked_of_the_store.clear()
    assert not any(tab.exception for tab in tabs.values())
    assert "worked out ahead" not in caplog.text


def test_what_nobody_looks_at_any_more_is_read_once_more_and_not_again(filled, asked_of_the_store):
    opened("acquisition")
    for times in (1, 0, 0):
        filled.state["version"] += 1
        asked_of_the_store.clear()
        prepare(filled.state["version"])
        assert bool(asked_of_the_store) is bool(times)


def test_what_cannot_be_worked_out_keeps_nothing_else_from_it(running, monkeypatch, caplog):
    version = running.state["version"]
    done = []

    @once
    def broken(version):
        if version > first:
            raise ValueError("no such luck")

    @once
    def sound(version):
        done.append(version)

    first = version
    monkeypatch.setattr(_once, "get_script_run_ctx", lambda **_: object())  # a visitor
    for work in (broken, broken, sound):
        work(version)
    monkeypatch.undo()
    prepare(version + 1)
    assert done == [version, version + 1]
    assert [record.getMessage() for record in caplog.records] == [
        f"{broken.__qualname__} could not be worked out ahead: no such luck"
    ]
