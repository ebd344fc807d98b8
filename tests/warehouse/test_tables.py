"""Tables follow from row types; a file's format has a number."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar, Literal

import duckdb
import pytest

from connectors.rows import ROWS, Delivery
from connectors.schema import Micros, Quantity, Row
from tests.warehouse.store_kit import at, put, rows
from warehouse.duck import DuckWarehouse
from warehouse.errors import StorageBroken, StorageTooNew
from warehouse.ledger import as_of
from warehouse.migrations import MIGRATIONS, Migration, migrate
from warehouse.tables import describe, layout

STAMP = "TIMESTAMP WITH TIME ZONE"


def test_a_fact_has_a_ledger_of_differences():
    tables = layout(Delivery)
    assert list(tables) == ["delivery", "delivery_ledger"]
    assert tables["delivery"] == {
        "source": "VARCHAR",
        "account": "VARCHAR",
        "campaign": "VARCHAR",
        "hour": STAMP,
        "day": "DATE",
        "hour_of_day": "BIGINT",
        "impressions": "BIGINT",
        "clicks": "BIGINT",
        "cost": "BIGINT",
        "conversions": "DECIMAL(18,6)",
        "conversion_value": "BIGINT",
    }
    assert tables["delivery_ledger"] == tables["delivery"] | {
        "conversions_known": "TINYINT",
        "conversion_value_known": "TINYINT",
        "seen_from": STAMP,
        "seen_to": STAMP,
    }


@pytest.mark.parametrize("row", ROWS)
def test_every_row_type_has_its_tables(row):
    beside = {"fact": [f"{row.table}_ledger"], "attribute": [f"{row.table}_history"], "event": []}
    assert list(layout(row)) == [row.table, *beside[row.kind]]


@dataclass(frozen=True, slots=True)
class Visits(Row):
    table: ClassVar[str] = "visits"
    key: ClassVar[tuple[str, ...]] = ("page", "hour")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "hour"

    page: str
    hour: datetime
    views: int


@dataclass(frozen=True, slots=True)
class VisitsLater(Visits):
    orders: Quantity | None = None
    errors: int = 0


@dataclass(frozen=True, slots=True)
class VisitsNarrower(Visits):
    people: Micros


@dataclass(frozen=True, slots=True)
class Label(Row):
    table: ClassVar[str] = "label"
    key: ClassVar[tuple[str, ...]] = ("label",)
    kind: ClassVar[Literal["attribute"]] = "attribute"

    label: str


@dataclass(frozen=True, slots=True)
class LabelLater(Label):
    colour: str = "it's grey"
    starts: date | None = None


def test_a_row_type_may_gain_columns(tmp_path):
    path = tmp_path / "paceline.duckdb"
    with DuckWarehouse.open(path, rows=[Visits, Label], min_free=0) as old:
        put(old, [Visits("/", at(1), 10)], seen=2, row=Visits)
        put(old, [Label("x")], seen=2, row=Label)
    with DuckWarehouse.open(path, rows=[VisitsLater, LabelLater], min_free=0) as new:
        assert rows(new, "SELECT views, orders, errors FROM visits") == [(10, None, 0)]
        assert rows(new, "SELECT label, colour, starts FROM label") == [("x", "it's grey", None)]
        assert put(new, [LabelLater("x")], seen=3, row=LabelLater).changed == 0
        assert put(new, [VisitsLater("/", at(1), 10, 2.0, 1)], seen=3, row=VisitsLater).changed == 1
        for seen, values in ((2, (10, None, 0)), (3, (10, 2, 1))):
            then = new.query(as_of(VisitsLater, at(seen))).to_pylist()[0]
            assert (then["views"], then["orders"], then["errors"]) == values
    # The older code still finds its own columns.
    with DuckWarehouse.open(path, rows=[Visits], min_free=0) as old:
        assert put(old, [Visits("/", at(1), 11)], seen=4, row=Visits).changed == 1


def test_a_new_column_without_a_value_for_old_rows_is_refused(tmp_path):
    path = tmp_path / "paceline.duckdb"
    DuckWarehouse.open(path, rows=[Visits], min_free=0).close()
    with pytest.raises(StorageBroken, match="visits has no column people") as refused:
        DuckWarehouse.open(path, rows=[VisitsNarrower], min_free=0)
    assert "VisitsNarrower.people a default" in refused.value.mend
    DuckWarehouse.open(path, rows=[Visits], min_free=0).close()


def test_a_column_of_another_type_is_refused(tmp_path):
    path = tmp_path / "paceline.duckdb"
    DuckWarehouse.open(path, rows=[Visits], min_free=0).close()

    @dataclass(frozen=True, slots=True)
    class Odd(Visits):
        views: float

    with pytest.raises(StorageBroken, match=r"visits\.views is BIGINT, Odd says DOUBLE"):
        DuckWarehouse.open(path, rows=[Odd], min_free=0)


def test_a_file_of_a_newer_version_is_refused_untouched(tmp_path):
    path = tmp_path / "paceline.duckdb"
    DuckWarehouse.open(path, rows=[Visits], min_free=0).close()
    with duckdb.connect(str(path)) as raw:
        raw.execute("INSERT INTO meta VALUES (99)")
    with pytest.raises(
        StorageTooNew, match="has format 99; this version of Paceline knows formats up to 1"
    ) as new:
        DuckWarehouse.open(path, rows=[VisitsLater], min_free=0)
    assert "Update Paceline" in new.value.mend
    with duckdb.connect(str(path)) as raw:
        found = raw.execute("SELECT count(*) FROM duckdb_columns() WHERE column_name = 'orders'").fetchall()
    assert found == [(0,)]


def test_migrations_run_once_each_in_order():
    steps = (
        *MIGRATIONS,
        Migration(2, "A second step", ("CREATE TABLE second (n INTEGER)", "INSERT INTO second VALUES (1)")),
    )
    with duckdb.connect() as raw:
        migrate(raw, [Visits], Path("x"))
        migrate(raw, [Visits], Path("x"), steps)
        migrate(raw, [Visits], Path("x"), steps)
        assert raw.execute("SELECT schema_version FROM meta ORDER BY 1").fetchall() == [(1,), (2,)]
        assert raw.execute("FROM second").fetchall() == [(1,)]


def test_migrations_are_numbered_without_gaps():
    assert [m.number for m in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"key": ("page", "hour")}, r"\['word'\] are no numbers"),
        ({"key": ("page", "moment")}, "key, derived or time names"),
        ({"time": "word"}, "is a date or datetime column of its key"),
        ({"time": ""}, "is a date or datetime column of its key"),
    ],
)
def test_a_row_type_that_contradicts_itself_is_refused(changed, complaint):
    @dataclass(frozen=True, slots=True)
    class Bad(Visits):
        word: str = ""

    Bad.key = ("page", "hour", "word")
    for name, value in changed.items():
        setattr(Bad, name, value)
    with pytest.raises(TypeError, match=complaint):
        describe(Bad)


def test_the_warehouses_own_column_names_are_taken():
    @dataclass(frozen=True, slots=True)
    class Bad(Visits):
        seen_to: int = 0

    with pytest.raises(TypeError, match=r"\['seen_to'\] are the warehouse's own"):
        describe(Bad)


def test_a_measure_cannot_start_at_more_than_zero():
    @dataclass(frozen=True, slots=True)
    class Bad(Visits):
        orders: int = 1

    with pytest.raises(TypeError, match="default to more than 0"):
        describe(Bad)
