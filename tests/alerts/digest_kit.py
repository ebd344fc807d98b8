"""A shop of which every day is known, and what a digest says of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from alerts.digest.audience import Audience
from alerts.digest.compose import compose
from alerts.digest.figures import Ground, gather
from alerts.digest.told import Told
from alerts.notify.email import plain
from alerts.records import Records
from alerts.routes import Receiver
from connectors.contract import Window
from metrics import windows
from metrics.model import load
from tests.metrics.conftest import Store, hour, named

BERLIN = ZoneInfo("Europe/Berlin")
LAST = date(2026, 11, 23)
"""A Monday; the digest is read on the morning after."""
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=BERLIN)
MANAGERS = Audience(name="managers", to=(Receiver("slack"), Receiver("email", "Max")))
DEFAULTS = {"slack": "C000001", "email": ""}
TITLES = {"google_ads": "Google Ads", "meta_ads": "Meta"}
APP = "https://paceline.test"


class Shop(Store):
    """Campaigns that every day of six weeks did the same at noon, but for the last day."""

    def __init__(self, warehouse):
        super().__init__(warehouse)
        self.rows = []

    def days(self, campaign, *, cost, conversions, value, back=range(1, 44), clicks=200):
        for n in back:
            day = LAST - timedelta(days=n - 1)
            self.rows.append(
                hour(campaign, f"{day}T12:00", impressions=9000, clicks=clicks, cost=cost, conversions=conversions, value=value)
            )  # fmt: skip

    def stored(self, account="a", until=NOW):
        """All of it, as one reply at the digest's hour."""
        start = datetime.combine(LAST - timedelta(days=50), time(), BERLIN)
        window = Window(start.astimezone(UTC), until.astimezone(UTC).replace(minute=0))
        self.reply("google_ads", account, self.rows, seen_at=NOW.astimezone(UTC), window=window)
        names = {row.campaign for row in self.rows}
        self.campaign("google_ads", account, *(named(n, n.title()) for n in sorted(names)))
        self.rows = []


def ground(shop, plans=()):
    return Ground(shop.warehouse, load(), "EUR", plans)


def told(shop, book, *rules, **more):
    return Told(Records(book), rules, shop.warehouse.watermarks, TITLES, **{"app": APP, **more})


def figures(shop, kind="daily", now=NOW, plans=()):
    return gather(ground(shop, plans), windows.accounts(shop.warehouse), kind, now)


def words(shop, book, *rules, kind="daily", now=NOW, plans=()):
    """The digest as a reader of text has it."""
    made = compose(figures(shop, kind, now, plans), told(shop, book, *rules), now)
    return plain(made.message(key="k", thread="t", to="a@b.test", at=now))
