"""A real warehouse, and the scene that rules see of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alerts.records import CHAPTER
from alerts.scene import Scene, Target
from connectors.contract import Window
from connectors.rows import Budget
from tests.alerts.digest_kit import Shop
from tests.alerts.timeline import QUIET, SLACK, Timeline, rule
from tests.metrics.conftest import Store, hour, named, total  # noqa: F401  # for the tests
from warehouse.book import Book
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch

NOW = datetime(2026, 11, 10, 14, 0, tzinfo=UTC)
"""15:00 in Berlin, a Tuesday."""
BERLIN = ZoneInfo("Europe/Berlin")
EVERY = {"google_ads": timedelta(minutes=5), "meta_ads": timedelta(minutes=5)}


class World(Store):
    """An account whose campaigns deliver the same every hour of the ten days before NOW."""

    def __init__(self, warehouse):
        super().__init__(warehouse)
        self.rows, self.named, self.budgets = [], [], []

    def campaign_of(
        self, name, *, clicks=20, cost=10.0, conversions=1.0, days=10, status="enabled", serving="", ends=None
    ):
        self.named.append(replace(named(name, name.title()), status=status, serving=serving, ends=ends))
        whole = 15 if days >= 10 else 0  # so that the oldest of many days is a whole one
        for back in range(1, days * 24 + whole + 1):
            self.set(name, back, clicks=clicks, cost=cost, conversions=conversions)

    def set(self, name, back, *, clicks, cost, conversions):
        """The hour that ended `back - 1` hours before NOW."""
        at = (NOW - timedelta(hours=back)).astimezone(BERLIN)
        row = hour(
            name,
            at.strftime("%Y-%m-%dT%H:00"),
            impressions=1000,
            clicks=clicks,
            cost=cost,
            conversions=conversions,
        )
        self.rows = [r for r in self.rows if (r.campaign, r.hour) != (row.campaign, row.hour)] + [row]

    def last(self, name, hours, *, clicks=20, cost=10.0, conversions=1.0):
        for back in range(1, hours + 1):
            self.set(name, back, clicks=clicks, cost=cost, conversions=conversions)

    def budget(self, name, amount):
        self.budgets.append(
            Budget(f"b-{name}", name, "", "budget", round(amount * 1e6), "daily", "campaign", shared=False)
        )

    def total(self, name, amount, *, starts):
        micros = round(amount * 1e6)
        made = Budget(
            f"b-{name}", name, "", "budget", micros, "total", "campaign", shared=False, starts=starts
        )
        self.budgets.append(made)

    def shared(self, name, amount, *campaigns):
        self.budgets += [
            Budget(f"b-{name}", one, "", name, round(amount * 1e6), "daily", "campaign", shared=True)
            for one in campaigns
        ]

    def scene(
        self, *, now=NOW, polled=NOW, started=NOW - timedelta(days=1), targets=(), error="", learn=False
    ):
        """What rules see, once all that was set is stored as one reply at `polled`."""
        window = Window(NOW - timedelta(days=40), NOW)
        self.reply("google_ads", "a", self.rows, seen_at=polled, window=window)
        for rows in filter(None, (self.named, self.budgets)):
            self.reply("google_ads", "a", rows, seen_at=polled)
        if error:
            fetch = Fetch(
                "google_ads", "a", "delivery", window, now, 1, "stop", error=error, cause="dead token"
            )
            self.warehouse.record(fetch)
        return self.look(now, started=started, targets=targets, learn=learn)

    def look(self, now, *, started=NOW - timedelta(days=1), targets=(), learn=False):
        """What rules see at a moment of what is stored."""
        return Scene(
            self.warehouse,
            now,
            every=EVERY,
            started=started,
            targets=targets,
            complete=None if learn else settled,
        )


def settled(_key, hours):
    """Nothing arrives late, so that figures can be worked out by hand."""
    return np.ones(len(hours))


def target(metric, value):
    return Target(metric, value)


@pytest.fixture
def world(tmp_path):
    with DuckWarehouse.open(tmp_path / "paceline.duckdb", min_free=0) as warehouse:
        made = World(warehouse)
        made.account("google_ads", "a")
        yield made


@pytest.fixture
def one(tmp_path):
    """Rules that all go to Slack alone, and nobody is called at night."""

    def make(*rules, routing=QUIET, **options):
        made = rules or [rule("spend", routes=SLACK)]
        return Timeline(tmp_path, made, routing, **options)

    return make


@pytest.fixture
def calls(tmp_path):
    """The ordinary routes."""
    return lambda *rules: Timeline(tmp_path, rules or [rule("spend")])


@pytest.fixture
def shop(tmp_path):
    with DuckWarehouse.open(tmp_path / "paceline.duckdb", min_free=0) as warehouse:
        made = Shop(warehouse)
        made.account("google_ads", "a")
        yield made


@pytest.fixture
def usual(shop):
    """100 a day on brand at ROAS 4 and CPA 10; on the last day twice the spend and half the sales."""
    shop.days("brand", cost=100, conversions=10, value=400, back=range(2, 44))
    shop.days("generic", cost=50, conversions=2, value=100, back=range(2, 44))
    shop.days("brand", cost=200, conversions=5, value=200, back=[1], clicks=400)
    shop.days("generic", cost=50, conversions=4, value=200, back=[1])
    shop.days("fresh", cost=10, conversions=1, value=70, back=[1], clicks=20)
    shop.stored()
    return shop


@pytest.fixture
def book(tmp_path):
    made = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    yield made
    made.close()
