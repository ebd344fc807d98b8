"""The audit log misses nothing: an edited, removed, reordered or cut-off row breaks the chain."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from warehouse.audit import CHAPTER, Audit
from warehouse.book import Book

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    audit = Audit(book)
    for n in range(5):
        audit.record(
            "ana",
            "acknowledged",
            f"incident {n}",
            now=AT + timedelta(minutes=n),
            detail={"n": n, "text": "ü"},
        )
    yield audit
    book.close()


@pytest.fixture
def raw(tmp_path, log):
    """The file as somebody opens it who does not ask us, with the guards taken off."""
    connection = sqlite3.connect(tmp_path / "book.sqlite", isolation_level=None)
    connection.execute("DROP TRIGGER audit_no_update")
    connection.execute("DROP TRIGGER audit_no_delete")
    yield connection
    connection.close()


def test_a_whole_log_holds(log):
    assert log.verify() == (5, None)
    assert [entry.subject for entry in log.entries(last=2)] == ["incident 4", "incident 3"]
    assert log.entries(subject="incident 1")[0].detail == {"n": 1, "text": "ü"}


def test_an_empty_log_holds(tmp_path):
    book = Book.open(tmp_path / "b.sqlite")
    assert Audit(book).verify() == (0, None)
    book.close()


@pytest.mark.parametrize(
    "sql", ["UPDATE audit SET actor = 'ben' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"]
)
def test_the_table_itself_refuses(tmp_path, log, sql):
    with (
        sqlite3.connect(tmp_path / "book.sqlite") as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(sql)
    connection.close()


@pytest.mark.parametrize(
    ("sql", "seq", "words"),
    [
        ("UPDATE audit SET actor = 'ben' WHERE seq = 3", 3, "was changed"),
        ("""UPDATE audit SET detail = '{"n": 9}' WHERE seq = 1""", 1, "was changed"),
        ("UPDATE audit SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 5", 5, "was changed"),
        ("DELETE FROM audit WHERE seq = 2", 2, "is missing"),
        ("DELETE FROM audit WHERE seq = 1", 1, "is missing"),
        ("DELETE FROM audit WHERE seq = 5", 5, "rows 5 to 5 are missing"),
        ("DELETE FROM audit", 1, "rows 1 to 5 are missing"),
        ("UPDATE audit SET hash = '0' WHERE seq = 4", 4, "was changed"),
    ],
)
def test_what_was_done_to_it_is_found(log, raw, sql, seq, words):
    raw.execute(sql)
    count, found = log.verify()
    assert found is not None
    assert found.seq == seq
    assert words in found.words
    assert count == seq - 1


def test_two_rows_that_changed_places_are_found(log, raw):
    rows = raw.execute("SELECT * FROM audit WHERE seq IN (2, 3) ORDER BY seq").fetchall()
    raw.execute("DELETE FROM audit WHERE seq IN (2, 3)")
    for seq, row in zip((2, 3), reversed(rows), strict=True):
        raw.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (seq, *row[1:]))
    assert log.verify()[1].seq == 2


def test_a_log_that_was_written_anew_is_not_the_one_that_was(tmp_path, log, raw):
    (tmp_path / "other").mkdir()
    other = Book.open(tmp_path / "other" / "book.sqlite")
    forged = Audit(other)
    for n in range(5):
        forged.record("ben", "acknowledged", f"incident {n}", now=AT)
    raw.execute("DELETE FROM audit")
    for row in other.read("SELECT * FROM audit"):
        raw.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", tuple(row.values()))
    assert "was replaced" in log.verify()[1].words
    other.close()


@pytest.mark.parametrize(
    ("kept", "said"),
    [(3, None), (5, "rows 5 to 5 are missing"), (4, "row 4 is not the one that was written")],
)
def test_a_copy_of_the_head_finds_what_was_forged_with_the_head(tmp_path, log, raw, kept, said):
    """Whoever may write both files cuts off the end, and writes other rows in its place."""
    hashes = {one.seq: one.hash for one in log.entries()}
    copy = tmp_path / "kept.head"
    copy.write_text(f"{kept} {hashes[kept]}\n")
    raw.execute("DELETE FROM audit WHERE seq > 3")
    (tmp_path / "audit.head").write_text(f"3 {hashes[3]}\n")
    log.record("ben", "acknowledged", "incident 3", now=AT)
    assert log.verify() == (4, None)  # by itself it holds
    found = log.verify(copy)[1]
    assert (found and found.words.split(":")[0]) == said


def test_an_act_belongs_to_its_transaction(log):
    with pytest.raises(ZeroDivisionError), log._book.write():
        log.record("ana", "noted", "campaign 1", now=AT)
        _ = 1 / 0
    assert log.verify() == (5, None)


def test_a_fall_between_row_and_head_is_no_break(tmp_path, log):
    head = (tmp_path / "audit.head").read_text()
    log.record("ana", "noted", "campaign 1", now=AT)
    (tmp_path / "audit.head").write_text(head)
    assert log.verify() == (6, None)
