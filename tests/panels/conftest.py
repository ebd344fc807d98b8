"""A running process with a real warehouse, as the app's lifespan would hand it to the pages."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
import time_machine

from alerts.catalog import Current
from connectors.contract import Window
from connectors.rows import AccountRow, Budget, Campaign, Delivery, Rate, Recommendation
from connectors.schema import Row, to_batch
from metrics import history, notes, proposals, reviews, saved_views, usage
from metrics.dashboards import shipped
from metrics.model import load
from panels import _overview, _slot
from warehouse.book import Book
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

ROOT = Path(__file__).resolve().parents[2]
METRICS = load()
ASKED = datetime(2026, 11, 24, 14, 20, tzinfo=UTC)
"""What the clock shows when a test begins, a Tuesday; every reply was asked for then."""
NOW = ASKED.replace(minute=0)
"""Pages read the clock, so the data reaches to it."""


VERSIONS = count(1, 10_000)
"""No test's data has the version of another's: what pages keep, they keep by it."""


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """The same hour for every test: pages read the clock, and a suite may run across midnight."""
    with time_machine.travel(ASKED):
        yield


@pytest.fixture
def running(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The process, its warehouse, and `write(source, account, rows)` for one complete reply."""
    st.cache_data.clear()
    _overview.days_before.clear()
    warehouse = DuckWarehouse.open(tmp_path / "w.duckdb")
    rooms = (notes, proposals, saved_views, usage, reviews, history)
    book = Book.open(tmp_path / "book.sqlite", [room.CHAPTER for room in rooms])
    state = {"version": next(VERSIONS), "status": {"budgets": [], "failing_accounts": [], "problems": []}}
    _slot.process_slot()["process"] = _slot.Process(
        warehouse=warehouse,
        book=book,
        workspace=_slot.Workspace(
            name="Example team",
            folder=tmp_path,
            currency="EUR",
            timezone=ZoneInfo("Europe/Berlin"),
            sources={"google_ads": "Google Ads", "meta_ads": "Meta Ads"},
            targets=(_slot.Target("roas", 3.0), _slot.Target("cpa", 20.0)),
        ),
        status=lambda: state["status"],
        data_version=lambda: state["version"],
        backfill=lambda: state["status"].get("backfill"),
        catalog=Current(
            book, metrics=lambda: METRICS, dashboards=shipped, sources=["google_ads", "meta_ads"]
        ),
    )

    def write(source: str, account: str, rows: list[Row], *, seen_at: datetime = ASKED) -> None:
        kind = type(rows[0])
        window = Window(NOW - timedelta(days=60), NOW)
        piece = Slice(source, account, kind.table, kind, window, ZoneInfo("UTC"))
        fetch = Fetch(source, account, kind.table, window, seen_at, 5, "ok")
        warehouse.write(piece, [to_batch(kind, rows)], seen_at=seen_at, vouched=NOW, fetch=fetch)
        state["version"] += 1

    yield SimpleNamespace(warehouse=warehouse, book=book, write=write, state=state)
    _slot.process_slot().clear()
    book.close()
    warehouse.close()


def hours(campaign: str, *, days: int = 29, cost: float = 10.0) -> list[Delivery]:
    """Even delivery on a clock that is UTC: every hour the same cost, one conversion worth 40."""
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC)
    start = midnight - timedelta(days=days - 1)
    count = int((NOW - start) / timedelta(hours=1))
    return [
        Delivery(campaign, at, at.date(), at.hour, 1000, 50, round(cost * 1e6), 1.0, 40_000_000)
        for at in (start + timedelta(hours=h) for h in range(count))
    ]


@pytest.fixture
def filled(running: SimpleNamespace) -> SimpleNamespace:
    """Two accounts in euros and one in dollars, four weeks of even delivery."""
    for source, account, currency in (
        ("google_ads", "1", "EUR"),
        ("meta_ads", "2", "EUR"),
        ("google_ads", "3", "USD"),
    ):
        running.write(source, account, [AccountRow(f"Account {account}", currency, "UTC")])
        running.write(
            source, account, [Campaign(f"c{account}", f"DE | Brand {account}", "enabled", "", "search")]
        )
        running.write(
            source,
            account,
            [Budget(f"b{account}", f"c{account}", "", "", 240_000_000, "daily", "campaign", shared=False)],
        )
        running.write(source, account, hours(f"c{account}"))
    return running


@pytest.fixture
def banked(filled: SimpleNamespace) -> SimpleNamespace:
    """The same with the central bank among the sources, which has said nothing yet."""
    held = _slot.process_slot()
    team = held["process"].workspace
    sources = {**team.sources, "fx": "ECB reference rates"}
    held["process"] = replace(held["process"], workspace=replace(team, sources=sources))
    filled.write("fx", "ecb", [AccountRow("European Central Bank", "", "Europe/Berlin")])
    return filled


def rates(running: SimpleNamespace, *, usd: float) -> None:
    """One rate for each of the last sixty days."""
    running.write("fx", "ecb", [Rate((NOW - timedelta(days=n)).date(), "USD", usd) for n in range(59)])


def failed(running: SimpleNamespace, *, cause: str, mend: str) -> None:
    """Account 2's last attempt went wrong."""
    window = Window(NOW - timedelta(hours=1), NOW)
    running.warehouse.record(
        Fetch(
            "meta_ads",
            "2",
            "delivery",
            window,
            NOW,
            5,
            "stop",
            error="Unauthorized",
            cause=cause,
            mend=mend,
            retry_at=NOW + timedelta(hours=1),
        )
    )
    running.state["version"] += 1


def advise(running: SimpleNamespace, *suggested: Recommendation) -> None:
    """What Google suggests for account 1, all of it."""
    tell(running, Recommendation, *suggested, stream="recommendations")


def tell(running: SimpleNamespace, row: type[Row], *told: Row, stream: str = "") -> None:
    """All that Google tells of a kind for account 1. stream: what brings it, if not called as its table."""
    stream = stream or row.table
    window = Window(NOW - timedelta(hours=6), NOW)
    piece = Slice("google_ads", "1", stream, row, window)
    fetch = Fetch("google_ads", "1", stream, window, ASKED, 5, "ok")
    batches = [to_batch(row, told)] if told else []
    running.warehouse.write(piece, batches, seen_at=ASKED, vouched=NOW, fetch=fetch)
    running.state["version"] += 1
