"""A real warehouse, filled through its own write path with rows that a test spells out."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Window
from connectors.rows import AccountRow, Campaign, DayTotal, Delivery, Rate
from connectors.schema import Row, to_batch
from metrics.model import load
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

BERLIN = ZoneInfo("Europe/Berlin")


class Store:
    """A warehouse and short words to fill it: one call is one complete reply of one poll."""

    def __init__(self, warehouse: DuckWarehouse) -> None:
        self.warehouse = warehouse
        self.zones: dict[tuple[str, str], ZoneInfo] = {}

    def account(
        self, source: str, account: str, *, currency: str = "EUR", zone: str = "Europe/Berlin"
    ) -> None:
        self.zones[source, account] = ZoneInfo(zone)
        self.reply(source, account, [AccountRow(f"{source} {account}", currency, zone)])

    def campaign(self, source: str, account: str, *campaigns: Campaign) -> None:
        self.reply(source, account, campaigns)

    def rates(self, *rates: Rate) -> None:
        self.zones["fx", "ecb"] = ZoneInfo("UTC")
        self.reply("fx", "ecb", rates)

    def reply(
        self,
        source: str,
        account: str,
        rows: Sequence[Row],
        *,
        seen_at: datetime = datetime(2030, 1, 1, tzinfo=UTC),
        window: Window | None = None,
    ) -> None:
        kind = type(rows[0])
        window = window or self._around(rows, source, account)
        piece = Slice(source, account, kind.table, kind, window, self.zones[source, account])
        fetch = Fetch(source, account, kind.table, window, seen_at, 1, "ok", request_ids=("r1",))
        self.warehouse.write(piece, [to_batch(kind, rows)], seen_at=seen_at, vouched=window.end, fetch=fetch)

    def _around(self, rows: Sequence[Row], source: str, account: str) -> Window:
        if not rows[0].time:
            return Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
        times = [getattr(row, row.time) for row in rows]
        if isinstance(times[0], datetime):
            return Window(min(times), max(times) + timedelta(hours=1))
        zone = self.zones[source, account]
        return Window(midnight(min(times), zone), midnight(max(times) + timedelta(days=1), zone))


def midnight(day: date, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def hour(
    campaign: str,
    at: str,
    *,
    impressions: int = 0,
    clicks: int = 0,
    cost: float = 0,
    conversions: float | None = 0,
    value: float | None = 0,
    zone: ZoneInfo = BERLIN,
) -> Delivery:
    """An hour of delivery from its start on the account's clock; money in units of the currency."""
    local = datetime.fromisoformat(at).replace(tzinfo=zone)
    return Delivery(
        campaign,
        local.astimezone(UTC),
        local.date(),
        local.hour,
        impressions,
        clicks,
        round(cost * 1e6),
        None if conversions is None else float(conversions),
        None if value is None or conversions is None else round(value * 1e6),
    )


def total(
    campaign: str,
    day: str,
    conversions: float,
    value: float = 0,
    *,
    category: str = "purchase",
    primary: bool = True,
    action: str = "",
) -> DayTotal:
    """A campaign's conversions of a day."""
    on = date.fromisoformat(day)
    return DayTotal(
        campaign, action or category, on, category, primary, float(conversions), round(value * 1e6)
    )


def named(campaign: str, name: str, *, channel: str = "search", labels: str = "") -> Campaign:
    return Campaign(campaign, name, "enabled", "", channel, labels=labels)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with DuckWarehouse.open(tmp_path / "paceline.duckdb", min_free=0) as warehouse:
        yield Store(warehouse)


@pytest.fixture(scope="session")
def book():
    return load()


@pytest.fixture
def pick(book) -> Callable[..., list]:
    return lambda *names: [book[name] for name in names]
