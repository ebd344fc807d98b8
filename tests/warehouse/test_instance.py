"""One process, one instance: who holds the file, what cannot be read back, and many threads at once."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from connectors.rows import Delivery
from tests.warehouse.store_kit import at, delivery, put, rows
from warehouse.duck import DuckWarehouse
from warehouse.errors import StorageBroken, StorageHeld
from warehouse.instance import Instance

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from warehouse.duck import DuckWarehouse
with DuckWarehouse.open(sys.argv[1], min_free=0):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_file(tmp_path):
    path = tmp_path / "paceline.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StorageHeld, match=f"in use by process {holder.pid}") as held:
            DuckWarehouse.open(path, min_free=0)
        assert held.value.pid == holder.pid
        assert "paceline query" in held.value.mend
    finally:
        holder.communicate("", timeout=30)
    DuckWarehouse.open(path, min_free=0).close()


def test_the_same_process_cannot_open_it_twice(warehouse, tmp_path):
    with pytest.raises(StorageHeld, match="already open in this process") as held:
        DuckWarehouse.open(tmp_path / "paceline.duckdb")
    assert held.value.pid == os.getpid()


def test_a_log_that_cannot_be_read_back_is_put_aside(tmp_path):
    path, wal = tmp_path / "paceline.duckdb", tmp_path / "paceline.duckdb.wal"
    crashed, aside = tmp_path / "crashed.duckdb", tmp_path / "crashed.duckdb.wal.corrupt-2"
    aside.with_name("crashed.duckdb.wal.corrupt-1").write_text("an earlier one")
    with DuckWarehouse.open(path, rows=[Delivery], min_free=0) as warehouse:
        put(warehouse, [delivery("a", 1, 1)], seen=2)
        warehouse.publish()  # a checkpoint: this much is in the file itself
        put(warehouse, [delivery("a", 2, 1)], seen=3, hours=(2, 3))
        log = bytearray(wal.read_bytes())
    crashed.write_bytes((tmp_path / "published.duckdb").read_bytes())
    middle = len(log) // 2
    log[middle : middle + 64] = bytes(b ^ 0xFF for b in log[middle : middle + 64])
    aside.with_name("crashed.duckdb.wal").write_bytes(log)

    with DuckWarehouse.open(crashed, rows=[Delivery], min_free=0) as warehouse:
        assert warehouse.quarantined == aside
        assert aside.read_bytes() == log
        assert rows(warehouse, "SELECT hour FROM delivery") == [(at(1),)]
        # The window is pulled again, and all is well.
        assert put(warehouse, [delivery("a", 2, 1)], seen=4, hours=(2, 3)).changed == 1
    with DuckWarehouse.open(crashed, rows=[Delivery], min_free=0) as warehouse:
        assert warehouse.quarantined is None
        assert rows(warehouse, "SELECT count(*) FROM delivery") == [(2,)]


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "paceline.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageBroken, match=r"paceline\.duckdb cannot be opened") as broken:
        DuckWarehouse.open(path)
    assert broken.value.mend
    assert path.read_bytes() == b"not a database" * 1000


def test_a_file_may_be_opened_to_read_only(tmp_path):
    path = tmp_path / "paceline.duckdb"
    with DuckWarehouse.open(path, min_free=0) as warehouse:
        put(warehouse, [delivery("a", 1, 1)], seen=2)
    with DuckWarehouse.open(path, read_only=True, min_free=0) as reader:
        assert rows(reader, "SELECT count(*) FROM delivery") == [(1,)]
        with pytest.raises(StorageBroken, match="read-only"):
            put(reader, [delivery("a", 1, 2)], seen=3)


def test_readers_see_whole_writes_while_others_write(warehouse):
    """Each write gives every campaign of an account the same figure: a reader never sees two."""
    campaigns, writes, problems, stop = [f"c{n}" for n in range(50)], 12, [], threading.Event()

    def reading():
        sql = """SELECT account, count(*) AS n, min(impressions) AS low, max(impressions) AS high FROM delivery
            GROUP BY account"""
        seen = {}
        while not stop.is_set():
            try:
                for r in warehouse.query(sql).to_pylist():
                    if r["n"] != 50 or r["low"] != r["high"] or r["low"] < seen.get(r["account"], 0):
                        problems.append(r)
                    seen[r["account"]] = r["low"]
            except Exception as error:  # noqa: BLE001 (reported by the main thread)
                problems.append(error)
            stop.wait(0.005)

    def writing(account):
        try:
            for n in range(1, writes + 1):
                put(warehouse, [delivery(c, 1, n) for c in campaigns], seen=1 + n, account=account)
                if n % 4 == 0:
                    warehouse.publish()
        except Exception as error:  # noqa: BLE001 (reported by the main thread)
            problems.append(error)

    readers = [threading.Thread(target=reading) for _ in range(4)]
    writers = [threading.Thread(target=writing, args=(a,)) for a in ("1", "2")]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert problems == []
    assert rows(
        warehouse, "SELECT account, sum(impressions)::BIGINT FROM delivery GROUP BY 1 ORDER BY 1"
    ) == [
        ("1", 50 * writes),
        ("2", 50 * writes),
    ]
    assert warehouse.data_version == 2 * writes


def test_closing_interrupts_a_question_that_does_not_end(tmp_path):
    warehouse = DuckWarehouse.open(tmp_path / "paceline.duckdb", rows=[Delivery], min_free=0)
    failures, started = [], threading.Event()

    def endless():
        started.set()
        try:
            warehouse.query("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b")
        except StorageBroken as error:
            failures.append(error.cause)

    thread = threading.Thread(target=endless, daemon=True)
    thread.start()
    started.wait()
    while not warehouse._instance._cursors:
        started.wait(0.01)
    warehouse.close()
    thread.join(10)
    assert len(failures) == 1
    assert "is closed" in failures[0]


def test_one_thread_opens_a_given_up_file_anew_for_all(tmp_path):
    instance = Instance(tmp_path / "w.duckdb", read_only=False, prepare=lambda _: None)
    answers, problems, held, let_go = [], [], threading.Event(), threading.Event()

    def holding():
        with instance.cursor():
            held.set()
            let_go.wait(10)

    def asking():
        try:
            with instance.cursor() as cursor:
                answers.append(cursor.execute("SELECT 42").fetchall())
                time.sleep(0.2)  # still in use when the next one would release it
                answers.append(cursor.execute("SELECT 42").fetchall())
        except Exception as error:  # noqa: BLE001 (reported by the main thread)
            problems.append(error)

    holder = threading.Thread(target=holding)
    holder.start()
    assert held.wait(10)
    instance._broken = "given up"  # as after a FatalException of the database
    askers = [threading.Thread(target=asking) for _ in range(3)]
    for thread in askers:
        thread.start()
    time.sleep(0.3)
    let_go.set()
    for thread in (holder, *askers):
        thread.join(10)
    assert problems == []
    assert answers == [[(42,)]] * 6
    instance.close()


def test_a_query_that_has_just_ended_does_not_keep_the_file_from_being_opened_anew(tmp_path):
    instance = Instance(tmp_path / "w.duckdb", read_only=False, prepare=lambda _: None)
    held, let_go = threading.Event(), threading.Event()

    def ending():
        with instance.cursor() as cursor:
            cursor.close()  # as its end does, before it says so
            held.set()
            let_go.wait(10)

    thread = threading.Thread(target=ending)
    thread.start()
    assert held.wait(10)
    instance._broken = "given up"
    threading.Timer(0.2, let_go.set).start()
    with instance.cursor() as cursor:
        assert cursor.execute("SELECT 42").fetchall() == [(42,)]
    thread.join(10)
    instance.close()
