"""One account's replies, said briefly: hours count from midnight UTC of 10 March 2026."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.contract import Window
from connectors.rows import Delivery
from connectors.schema import Row, to_batch
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice, Written

DAY = date(2026, 3, 10)
ZERO = datetime(2026, 3, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def at(hour: float) -> datetime:
    return ZERO + timedelta(hours=hour)


def delivery(campaign: str, hour: int, impressions: int, conversions: float | None = 0.0) -> Delivery:
    """A row whose other measures follow: a click in ten, 1,000 micros an impression, 5 units a conversion."""
    value = None if conversions is None else round(conversions * 5_000_000)
    local = at(hour)
    return Delivery(
        campaign=campaign,
        hour=local,
        day=local.date(),
        hour_of_day=local.hour,
        impressions=impressions,
        clicks=impressions // 10,
        cost=impressions * 1000,
        conversions=conversions,
        conversion_value=value,
    )


def put(
    warehouse: DuckWarehouse,
    rows: list[Row],
    *,
    seen: float,
    hours: tuple[float, float] = (0, 24),
    row: type[Row] = Delivery,
    account: str = "1",
    stream: str = "",
    timezone: ZoneInfo | None = BERLIN,
    lag: float = 3,
    operations: int = 1,
) -> Written:
    """Write a reply for the hours that was asked for at hour `seen`."""
    window = Window(at(hours[0]), at(hours[1]))
    piece = Slice("google_ads", account, stream or row.table, row, window, timezone)
    return warehouse.write(
        piece,
        [to_batch(row, rows)] if rows else [],
        seen_at=at(seen),
        vouched=min(at(seen - lag), window.end),
        fetch=ok(seen, hours, account=account, stream=piece.stream, operations=operations),
    )


def ok(seen: float, hours: tuple[float, float] = (0, 24), **more) -> Fetch:
    said = {
        "source": "google_ads",
        "account": "1",
        "stream": "delivery",
        "took_ms": 5,
        "outcome": "ok",
    } | more
    return Fetch(window=Window(at(hours[0]), at(hours[1])), started=at(seen), **said)


def rows(warehouse: DuckWarehouse, sql: str, *params) -> list[tuple]:
    return [tuple(r.values()) for r in warehouse.query(sql, params or None).to_pylist()]
