"""The book keeps whole transactions, whatever happens in the middle of one."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from warehouse.book import Book, Chapter
from warehouse.errors import StorageBroken

NOTES = Chapter(
    "notes",
    (
        """CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
        CREATE TABLE mark (note INTEGER REFERENCES note (id));""",
        "ALTER TABLE note ADD COLUMN author TEXT NOT NULL DEFAULT 'somebody'",
    ),
)


def first(chapter: Chapter) -> Chapter:
    return Chapter(chapter.name, chapter.steps[:1])


def test_a_block_is_written_whole(tmp_path: Path):
    book = Book.open(tmp_path / "book.sqlite", [NOTES])
    with book.write() as tx:
        tx.execute("INSERT INTO note (text) VALUES ('one')")
        with book.write() as inner:
            inner.execute("INSERT INTO note (text) VALUES ('two')")
    assert [row["text"] for row in book.read("SELECT text FROM note ORDER BY id")] == ["one", "two"]
    book.close()


def test_a_block_that_fails_leaves_nothing(tmp_path: Path):
    book = Book.open(tmp_path / "book.sqlite", [NOTES])
    with pytest.raises(sqlite3.IntegrityError), book.write() as tx:
        tx.execute("INSERT INTO note (text) VALUES ('one')")
        tx.execute("INSERT INTO note (text) VALUES (NULL)")
    assert book.read("SELECT * FROM note") == []
    book.close()


def test_what_follows_waits_for_the_commit_and_is_forgotten_without_one(tmp_path: Path):
    book = Book.open(tmp_path / "book.sqlite", [NOTES])
    done: list[str] = []
    with book.write():
        with book.write():
            book.afterwards(lambda: done.append("inner"))
        assert done == []
    assert done == ["inner"]
    with pytest.raises(ValueError, match="no"), book.write():
        book.afterwards(lambda: done.append("never"))
        raise ValueError("no")
    with book.write():
        pass
    book.afterwards(lambda: done.append("at once"))
    assert done == ["inner", "at once"]
    book.close()


def test_readers_see_what_is_committed(tmp_path: Path):
    book = Book.open(tmp_path / "book.sqlite", [NOTES])
    with book.write() as tx:
        tx.execute("INSERT INTO note (text) VALUES ('one')")
        seen: list[int] = []
        other = threading.Thread(target=lambda: seen.append(len(book.read("SELECT * FROM note"))))
        other.start()
        other.join()
    assert seen == [0]
    assert len(book.read("SELECT * FROM note")) == 1
    book.close()


def test_a_chapter_grows_by_steps_and_keeps_its_rows(tmp_path: Path):
    path = tmp_path / "book.sqlite"
    book = Book.open(path, [first(NOTES)])
    with book.write() as tx:
        tx.execute("INSERT INTO note (text) VALUES ('one')")
    book.close()
    book = Book.open(path, [NOTES])
    assert book.read("SELECT text, author FROM note") == [{"text": "one", "author": "somebody"}]
    book.close()


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path):
    path = tmp_path / "book.sqlite"
    Book.open(path, [first(NOTES)]).close()
    broken = Chapter("notes", (*first(NOTES).steps, "CREATE TABLE other (id INTEGER);\nnonsense;"))
    with pytest.raises(StorageBroken, match="nonsense"):
        Book.open(path, [broken])
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT version FROM chapter").fetchall() == [(1,)]
        assert raw.execute("SELECT name FROM sqlite_master WHERE name = 'other'").fetchall() == []
    raw.close()


def test_a_newer_book_is_refused(tmp_path: Path):
    path = tmp_path / "book.sqlite"
    Book.open(path, [NOTES]).close()
    with pytest.raises(StorageBroken, match="version 2, and this program knows up to 1"):
        Book.open(path, [first(NOTES)])


def test_a_file_that_is_no_book_is_refused(tmp_path: Path):
    path = tmp_path / "book.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageBroken, match=r"book\.sqlite cannot be opened"):
        Book.open(path, [NOTES])


def test_reading_never_writes(tmp_path: Path):
    book = Book.open(tmp_path / "book.sqlite", [NOTES])
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        book.read("INSERT INTO note (text) VALUES ('one')")
    book.close()


WRITER = """
import sys
from pathlib import Path
from warehouse.book import Book, Chapter
book = Book.open(Path(sys.argv[1]), [Chapter("pairs", ("CREATE TABLE pair (n INTEGER)",))])
n = 0
while True:
    with book.write() as tx:
        tx.execute("INSERT INTO pair VALUES (?)", [n])
        tx.execute("INSERT INTO pair VALUES (?)", [n])
    print(n, flush=True)
    n += 1
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path):
    path = tmp_path / "book.sqlite"
    root = Path(__file__).resolve().parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert writer.stdout is not None
    for _ in range(40):
        said = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    said = int(rest[-1]) if rest else said
    book = Book.open(path)
    pairs = book.read("SELECT n, count(*) AS rows FROM pair GROUP BY n ORDER BY n")
    assert [row["n"] for row in pairs][: said + 1] == list(range(said + 1))
    assert {row["rows"] for row in pairs} == {2}
    book.close()
