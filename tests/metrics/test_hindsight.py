"""The backtest, on days that were watched hour by hour and came to what is spelt out."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import Window
from metrics import windows
from metrics.hindsight import backtest
from tests.metrics.conftest import Store, hour, midnight, total
from warehouse.duck import DuckWarehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FIRST, DAYS = date(2026, 9, 1), 32
NOW = midnight(FIRST + timedelta(days=DAYS))
GOOGLE, META = ("google_ads", "g"), ("meta_ads", "m")
AGES = (6, 12, 24, 48, 144, 336)
"""Hours after each day's end at which it is looked at; within the day every eight hours."""


def share(hours: float) -> float:
    """A click's conversions: half after an hour, the rest after forty."""
    return 0.0 if hours < 1 else 0.5 if hours < 40 else 1.0


def conversions(n: int, day: int) -> float:
    """Of a click hour: four, and a fifth more on every other day."""
    return 4.0 if day % 2 else 4.8


def poll(store: Store, day: int, at: datetime) -> None:
    on = FIRST + timedelta(days=day)
    start, end = midnight(on), midnight(on + timedelta(days=1))
    hours = [n for n in range(24) if start + timedelta(hours=n) < at]
    counts = [conversions(n, day) * share((at - start) / timedelta(hours=1) - n) for n in hours]
    window = Window(start, min(at, end))
    for key in (GOOGLE, META):
        rows = [
            hour(
                "c",
                f"{on}T{n:02d}:00",
                clicks=100,
                cost=100,
                conversions=None if key == META else count,
                value=None if key == META else count,
            )
            for n, count in zip(hours, counts, strict=True)
        ]
        store.reply(*key, rows, seen_at=at, window=window)
    store.reply(*META, [total("c", f"{on}", sum(counts), 0)], seen_at=at, window=window)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """September is summer time in Berlin throughout, so that a day is 24 hours."""
    with DuckWarehouse.open(tmp_path_factory.mktemp("watched") / "w.duckdb", min_free=0) as warehouse:
        store = Store(warehouse)
        store.account(*GOOGLE)
        store.account(*META)
        polls = [
            (midnight(FIRST + timedelta(days=day)) + timedelta(hours=after), day)
            for day in range(DAYS)
            for after in (1, 8, 16, 24, *(24 + age for age in AGES))
        ]
        polls += [(NOW, day) for day in range(DAYS)]
        for at, day in sorted(set(polls)):
            if at <= NOW:
                poll(store, day, at)
        yield store


@pytest.fixture(scope="module")
def scores(watched):
    found = backtest(watched.warehouse, windows.accounts(watched.warehouse), NOW, days=10)
    return {(score.age, score.of): score for score in found}


@pytest.mark.parametrize("age", [6, 12, 24, 48])
def test_raw_is_off_by_what_was_not_there_yet(scores, age):
    # By hand: each of the day's hours is 24 - n + age hours old then.
    known = np.mean([share(24 - n + age) for n in range(24)])
    assert scores[age, "account"].raw == pytest.approx(1 - known, abs=1e-6)
    assert scores[age, "campaign"].raw == scores[age, "account"].raw  # there is one campaign


@pytest.mark.parametrize("age", [6, 12, 24, 48])
def test_settled_is_off_by_the_days_own_rate_at_most(scores, age):
    # The usual rate lies between the two kinds of day: off by a tenth of what is still to come, about.
    missing = 1 - np.mean([share(24 - n + age) for n in range(24)])
    assert scores[age, "account"].settled <= 0.1 * missing + 0.03
    if missing:
        assert scores[age, "account"].settled < scores[age, "account"].raw / 3
        assert scores[age, "account"].closer == 1


def test_days_are_the_latest_that_have_settled(scores):
    # Two accounts with ten days each; the youngest two of September had no time to.
    assert {score.days for score in scores.values()} == {20}


def test_intervals_hold_what_came(scores):
    assert all(score.inside >= 0.75 for (age, _), score in scores.items() if age < 40)


def test_history_fetched_at_once_is_no_evidence(store):
    store.account(*GOOGLE)
    for day in range(DAYS):
        on = FIRST + timedelta(days=day)
        rows = [hour("c", f"{on}T{n:02d}:00", clicks=100, cost=100, conversions=4) for n in range(24)]
        window = Window(midnight(on), midnight(on + timedelta(days=1)))
        store.reply(*GOOGLE, rows, seen_at=NOW, window=window)
    assert backtest(store.warehouse, windows.accounts(store.warehouse), NOW) == []


def test_an_empty_warehouse_has_nothing_to_say(store):
    store.account(*META)
    assert backtest(store.warehouse, windows.accounts(store.warehouse), NOW) == []
