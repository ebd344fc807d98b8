from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pydantic import BaseModel

from connectors import contract, rows, web_rows
from connectors import schema as schema_
from connectors.contract import Account, Connector, Stream, Window, stream
from connectors.rows import ROWS, Campaign, Delivery
from connectors.schema import Micros, Quantity, Row, schema, to_batch

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)


# Windows


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MIDNIGHT.replace(tzinfo=None), MIDNIGHT + timedelta(days=1)),
        (MIDNIGHT, (MIDNIGHT + timedelta(days=1)).astimezone(ZoneInfo("Europe/Berlin"))),
    ],
)
def test_a_window_is_aware_and_in_utc(start, end):
    with pytest.raises(ValueError, match="must be aware and in UTC"):
        Window(start, end)


def test_a_window_holds_something():
    with pytest.raises(ValueError, match="empty"):
        Window(MIDNIGHT, MIDNIGHT)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        # Los Angeles: seven hours behind UTC until 2026-11-01 02:00 PDT, then eight
        ("2026-11-01T07:00", "2026-11-02T08:00", ["2026-11-01"]),  # that day has 25 hours
        ("2026-11-01T07:00", "2026-11-02T08:00:00.000001", ["2026-11-01", "2026-11-02"]),
        ("2026-11-01T06:59:59", "2026-11-01T07:00", ["2026-10-31"]),
        ("2026-11-01T00:00", "2026-11-03T00:00", ["2026-10-31", "2026-11-01", "2026-11-02"]),
    ],
)
def test_the_local_days_that_a_window_touches(start, end, days):
    window = Window(*(datetime.fromisoformat(at).replace(tzinfo=UTC) for at in (start, end)))
    assert window.days(ZoneInfo("America/Los_Angeles")) == [date.fromisoformat(day) for day in days]


# Rows


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_a_row_type_is_whole(row):
    names = [field.name for field in fields(row)]
    assert set(row.key) <= set(names)
    assert row.time in ("", *row.key)
    assert set(row.derived) <= set(names) - set(row.key)
    assert (row.time == "") <= (row.kind == "attribute")  # facts and events are placed in time
    assert {"source", "account"}.isdisjoint(names)  # the warehouse adds them
    assert not any(field.nullable for field in schema(row) if field.name in row.key)
    if row.kind == "fact":
        measures = [f for f in schema(row) if f.name not in (*row.key, *row.derived)]
        assert all(pa.types.is_integer(f.type) or pa.types.is_decimal(f.type) for f in measures)


def test_the_tables_have_names_of_their_own():
    assert len({row.table for row in ROWS}) == len(ROWS)


def test_a_schema_follows_from_the_fields():
    assert schema(Delivery) == pa.schema(
        [
            pa.field("campaign", pa.string(), nullable=False),
            pa.field("hour", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("day", pa.date32(), nullable=False),
            pa.field("hour_of_day", pa.int64(), nullable=False),
            pa.field("impressions", pa.int64(), nullable=False),
            pa.field("clicks", pa.int64(), nullable=False),
            pa.field("cost", pa.int64(), nullable=False),
            pa.field("conversions", pa.decimal128(18, 6)),
            pa.field("conversion_value", pa.int64()),
        ]
    )


@dataclass(frozen=True, slots=True)
class Point(Row):
    table: ClassVar[str] = "point"
    key: ClassVar[tuple[str, ...]] = ("name",)
    kind: ClassVar[str] = "fact"

    name: str
    count: Quantity
    cost: Micros | None


def test_rows_become_a_batch_in_the_types_own_order_and_types():
    batch = to_batch(Point, [Point("a", 1 / 3, 5), Point("b", 2, None)])
    assert batch.schema == schema(Point)
    assert batch.to_pylist() == [
        {"name": "a", "count": Decimal("0.333333"), "cost": 5},
        {"name": "b", "count": Decimal(2), "cost": None},
    ]


def test_arrow_goes_in_as_it_is_but_for_order_and_width():
    given = pa.RecordBatch.from_pydict(
        {"cost": pa.array([1], pa.int32()), "count": pa.array([0.5]), "name": pa.array(["a"])}
    )
    assert to_batch(Point, given).to_pylist() == [{"name": "a", "count": Decimal("0.5"), "cost": 1}]


def test_no_rows_are_a_batch_too():
    assert to_batch(Point, []).num_rows == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": ["a"], "count": [1.0]}, "cost"),
        ({"name": ["a"], "count": [1.0], "cost": [1], "extra": [1]}, "extra"),
        ({"name": [None], "count": [1.0], "cost": [1]}, "Point.name holds 1 null"),
        ({"name": ["a"], "count": [float("nan")], "cost": [1]}, "nan"),
        ({"name": ["a"], "count": [1e13], "cost": [1]}, "overflow"),
        ({"name": ["a"], "count": [1.0], "cost": [1.5]}, "truncated"),
    ],
)
def test_what_does_not_fit_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        to_batch(Point, pa.RecordBatch.from_pydict(given))


# Streams


class NoSettings(BaseModel):
    pass


class Example(Connector):
    name = "example"
    title = "Example"
    Settings = NoSettings

    @stream(
        Delivery,
        every=timedelta(minutes=5),
        recent=timedelta(days=3),
        recent_every=timedelta(hours=1),
        restate="lookback",
        restate_every=timedelta(days=1),
        cost=2,
    )
    def second_by_name(self, account, window) -> Iterator[list[Delivery]]:
        yield []

    @stream(Campaign, every=timedelta(hours=1))
    def first_by_name(self, account, window) -> Iterator[list[Campaign]]:
        yield [Campaign("7", "Brand", "enabled", "", "search")]

    def accounts(self):
        return iter(())

    def check(self, account):
        pass


def test_streams_come_in_the_order_in_which_they_are_written():
    first, second = Example.streams()
    assert (first.name, second.name) == ("second_by_name", "first_by_name")
    assert isinstance(first, Stream)
    assert first.row is Delivery


def test_what_a_stream_costs_a_day():
    first, second = Example.streams()
    assert first.operations_per_day == 2 * (24 * 12 + 24 + 1)
    assert second.operations_per_day == 24


def test_a_connector_overrides_a_stream_of_its_base_in_place():
    class Narrower(Example):
        @stream(Delivery, every=timedelta(hours=6))
        def second_by_name(self, account, window) -> Iterator[list[Delivery]]:
            yield []

    assert [(s.name, s.every) for s in Narrower.streams()] == [
        ("second_by_name", timedelta(hours=6)),
        ("first_by_name", timedelta(hours=1)),
    ]


def test_a_fetch_is_arrow_in_the_rows_schema():
    account = Account("example", "1", "Shop", "EUR", ZoneInfo("UTC"))
    window = Window(MIDNIGHT, MIDNIGHT + timedelta(days=1))
    (batch,) = Example(NoSettings(), now=MIDNIGHT).fetch(Example.streams()[1], account, window)
    assert batch.schema == schema(Campaign)
    assert batch.to_pylist()[0]["name"] == "Brand"


def test_everything_that_is_promised_is_there():
    for room in (contract, rows, schema_, web_rows):
        assert [name for name in room.__all__ if not hasattr(room, name)] == []
