"""What people write beside the numbers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from connectors.contract import Window
from metrics import notes
from warehouse.access import local
from warehouse.book import Book

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


@pytest.fixture
def book(tmp_path):
    with_notes = Book.open(tmp_path / "book.sqlite", [notes.CHAPTER])
    yield with_notes
    with_notes.close()


def write(book, text, at=NOON, **scope):
    return notes.add(book, text, at=at, by=local("anna"), now=NOON + timedelta(days=1), **scope)


def test_a_note_is_read_back_as_it_was_written(book):
    berlin = datetime(2026, 11, 3, 13, tzinfo=timezone(timedelta(hours=1)))
    note = write(book, " Autumn sale begins \n", at=berlin)
    assert notes.read(book, DAY) == [note]
    assert (note.text, note.at, note.author) == ("Autumn sale begins", NOON, "anna")
    assert note.created == NOON + timedelta(days=1)


def test_notes_of_a_window_in_the_order_of_time(book):
    for text, at in (
        ("last moment", DAY.end - timedelta(microseconds=1)),
        ("too late", DAY.end),
        ("first", DAY.start),
        ("too early", DAY.start - timedelta(microseconds=1)),
        ("middle", NOON),
    ):
        write(book, text, at=at)
    assert [n.text for n in notes.read(book, DAY)] == ["first", "middle", "last moment"]


def test_a_note_belongs_to_its_scope_and_all_within(book):
    write(book, "everywhere")
    write(book, "google", source="google_ads")
    write(book, "account", source="google_ads", account="g1")
    write(book, "campaign", source="google_ads", account="g1", campaign="7")
    write(book, "meta", source="meta_ads", account="m1")

    def texts(**where):
        return [n.text for n in notes.read(book, DAY, where)]

    assert texts() == ["everywhere", "google", "account", "campaign", "meta"]
    assert texts(source="meta_ads") == ["everywhere", "meta"]
    assert texts(source=["google_ads"], account=["g2"]) == ["everywhere", "google"]
    assert texts(source="google_ads", account="g1", campaign="8") == ["everywhere", "google", "account"]


def test_a_note_that_is_taken_back_stays_in_the_book(book):
    note = write(book, "wrong")
    notes.take_back(book, note.id, by=local("Ana"), now=NOON)
    assert notes.read(book, DAY) == []
    assert book.read("SELECT text FROM note")[0]["text"] == "wrong"
    with pytest.raises(KeyError):
        notes.take_back(book, note.id, by=local("Ana"), now=NOON)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "x" * 501}, "501 characters"),
        ({"by": local(" ")}, "no author"),
        ({"campaign": "7"}, "give those too"),
        ({"account": "g1"}, "give those too"),
    ],
)
def test_a_note_that_helps_nobody_is_refused(book, given, said):
    with pytest.raises(ValueError, match=said):
        notes.add(book, **{"text": "x", "at": NOON, "by": local("anna"), "now": NOON, **given})
    assert notes.read(book, DAY) == []
