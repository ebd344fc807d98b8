"""The published copy: complete, replaced at once, and readable without reaching anything else."""

import os
import subprocess
import sys
import threading

import duckdb
import pytest

from connectors.rows import Delivery
from tests.warehouse.store_kit import delivery, put
from warehouse.duck import DuckWarehouse
from warehouse.errors import StorageBroken
from warehouse.reader import read


@pytest.fixture
def copy(warehouse, tmp_path):
    put(warehouse, [delivery("a", 1, 100), delivery("b", 1, 1)], seen=2)
    warehouse.publish()
    return tmp_path / "published.duckdb"


def total(path):
    return read(path, "SELECT sum(impressions)::BIGINT AS n FROM delivery")["n"][0].as_py()


def test_the_copy_holds_everything_written_before(warehouse, copy):
    assert total(copy) == 101
    put(warehouse, [delivery("a", 1, 150), delivery("b", 1, 1)], seen=3)
    assert total(copy) == 101
    warehouse.publish()
    assert total(copy) == 151
    assert not list(copy.parent.glob("*.new"))


def test_nothing_is_copied_where_nothing_was_written(warehouse, copy):
    before = copy.stat().st_ino
    warehouse.publish()
    assert copy.stat().st_ino == before
    put(warehouse, [], seen=3)  # changes the watermark alone
    warehouse.publish()
    assert copy.stat().st_ino != before
    copy.unlink()
    warehouse.publish()
    assert total(copy) == 101


def test_whoever_reads_the_old_copy_goes_on_reading_it(warehouse, copy):
    with duckdb.connect(str(copy), read_only=True) as reader:
        put(warehouse, [delivery("a", 1, 999)], seen=3)
        warehouse.publish()
        assert reader.execute("SELECT sum(impressions)::BIGINT FROM delivery").fetchall() == [(101,)]


def test_an_open_reader_of_the_warehouse_does_not_hold_up_the_copy(warehouse, copy):
    with warehouse._instance.cursor() as reader:
        reader.execute("BEGIN TRANSACTION READ ONLY").fetchall()
        assert reader.execute("SELECT count(*) FROM delivery").fetchall() == [(2,)]
        put(warehouse, [delivery("a", 1, 7), delivery("c", 1, 1)], seen=3)
        done = threading.Thread(target=warehouse.publish)
        done.start()
        done.join(10)
        assert not done.is_alive()
        assert reader.execute("SELECT sum(impressions)::BIGINT FROM delivery").fetchall() == [(101,)]
    assert total(copy) == 8


def test_another_process_is_still_kept_out_after_a_publish(warehouse, copy, tmp_path):
    # Closing any descriptor of the file in this process would have given up the lock on it.
    opening = f"import duckdb; duckdb.connect({str(tmp_path / 'paceline.duckdb')!r})"
    other = subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=False)
    assert "Conflicting lock is held" in other.stderr
    assert str(os.getpid()) in other.stderr


def test_the_copy_is_readable_by_duckdb_1_5(warehouse, copy):
    with duckdb.connect(str(copy), read_only=True) as reader:
        tags = reader.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'published'"
        ).fetchall()
    assert tags == [({"storage_version": "v1.5.0+"},)]


def test_a_copy_that_cannot_be_put_leaves_the_old_one(tmp_path):
    target = tmp_path / "gone" / "published.duckdb"
    target.parent.mkdir()
    with DuckWarehouse.open(
        tmp_path / "p.duckdb", rows=[Delivery], min_free=0, published=target
    ) as warehouse:
        put(warehouse, [delivery("a", 1, 3)], seen=2)
        warehouse.publish()
        (target.parent / "published.duckdb.new").mkdir()
        put(warehouse, [delivery("a", 1, 4)], seen=3)
        with pytest.raises(StorageBroken, match="Is a directory"):
            warehouse.publish()
        assert total(target) == 3
        (target.parent / "published.duckdb.new").rmdir()
        warehouse.publish()
        assert total(target) == 4


def test_a_question_is_answered_in_utc(copy):
    answer = read(
        copy, "SELECT max(hour) AS newest, current_setting('TimeZone') AS zone FROM delivery"
    ).to_pylist()
    assert answer[0]["zone"] == "UTC"
    assert answer[0]["newest"].isoformat() == "2026-03-10T01:00:00+00:00"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/hostname'')')",
        "COPY delivery TO './out.csv'",
        "EXPORT DATABASE './out'",
        "ATTACH './other.db'",
        "ATTACH ':memory:' AS m",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '10GB'",
        "RESET lock_configuration",
        "CREATE TABLE z AS SELECT 1",
        "CREATE TEMP TABLE z AS SELECT 1",
        "DELETE FROM delivery",
        "WITH gone AS (DELETE FROM delivery RETURNING 1) SELECT * FROM gone",
        "WITH more AS (INSERT INTO delivery SELECT * FROM delivery RETURNING 1) SELECT * FROM more",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT 1; DROP TABLE delivery",
        "SELECT 1; SELECT 2",
        "SELECT getenv('HOME')",
        "",
        "-- nothing",
        "selec 1",
        "SELECT * FROM nowhere",
    ],
)
def test_a_question_reaches_nothing_but_the_tables(warehouse, copy, sql, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError):
        read(copy, sql)
    # The owner's own queries, some of which come from files that people edit, are kept as short.
    with pytest.raises(ValueError):
        warehouse.query(sql)
    assert total(copy) == 101
    assert sorted(tmp_path.iterdir()) == before


def test_an_endless_question_is_cut_off(copy):
    with pytest.raises(ValueError, match=r"longer than 0\.2 s"):
        read(copy, "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b", seconds=0.2)


def test_a_missing_copy_says_how_to_get_one(tmp_path):
    with pytest.raises(StorageBroken, match="cannot be read") as missing:
        read(tmp_path / "published.duckdb", "SELECT 1")
    assert "poll --once" in missing.value.mend


def test_parameters_are_values_never_sql(warehouse, copy):
    tricky = "'; DROP TABLE delivery; --"
    assert warehouse.query("SELECT * FROM delivery WHERE campaign = ?", [tricky]).num_rows == 0
    assert warehouse.query("SELECT * FROM delivery WHERE campaign = $c", {"c": "a"}).num_rows == 1
