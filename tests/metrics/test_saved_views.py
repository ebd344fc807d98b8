"""What the team has given a name."""

from datetime import UTC, datetime

import pytest

from metrics import saved_views
from warehouse.access import local
from warehouse.book import Book

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
QUERY = (
    ("scope", "google_ads/1"),
    ("win", "7 days"),
    ("campaigns_cols", "Spend"),
    ("campaigns_cols", "ROAS"),
)


@pytest.fixture
def book(tmp_path):
    opened = Book.open(tmp_path / "book.sqlite", [saved_views.CHAPTER])
    yield opened
    opened.close()


def save(book, name, query=QUERY, **more):
    return saved_views.save(
        book, name, page="campaign", query=query, now=NOW, **{"by": local("anna"), **more}
    )


def test_a_view_is_read_back_as_it_was_saved(book):
    view = save(book, "  Brand DE,\n last 7 days ")
    assert view.name == "Brand DE, last 7 days"
    assert saved_views.read(book) == [view]
    assert view.query == QUERY
    assert view.search == "scope=google_ads%2F1&win=7+days&campaigns_cols=Spend&campaigns_cols=ROAS"


@pytest.mark.parametrize(
    "query", [(), (("q", ""),), (("q", "a&b=c#d?e%20+é\u202e"),), (("q", "=1+1"), ("=", "&"))]
)
def test_any_query_comes_back(book, query):
    save(book, "x", query)
    assert saved_views.read(book)[0].query == query


def test_views_stand_by_name(book):
    for name in ("beta", "Alpha", "Ärger", "alphabet"):
        save(book, name)
    assert [v.name for v in saved_views.read(book)] == ["Alpha", "alphabet", "beta", "Ärger"]


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("  ", {}, "no name"),
        ("x" * 81, {}, "81 characters; at most 80"),
        ("BRAND de", {}, "anna has saved a view of this name"),
        ("y", {"by": local(" ")}, "no owner"),
        ("z", {"query": (("q", "x" * 4000),)}, "too long"),
    ],
)
def test_what_cannot_be_saved_says_why(book, name, more, message):
    save(book, "Brand DE")
    with pytest.raises(ValueError, match=message):
        save(book, name, **more)
    assert len(saved_views.read(book)) == 1


def test_rename_and_delete(book):
    one, two = save(book, "one"), save(book, "two")
    with pytest.raises(ValueError, match="of this name"):
        saved_views.rename(book, one, "TWO", by=local("Ana"), now=NOW)
    renamed = saved_views.rename(book, one, "One", by=local("Ana"), now=NOW)
    assert renamed.search == one.search
    assert [v.name for v in saved_views.read(book)] == ["One", "two"]
    saved_views.delete(book, two, by=local("Ana"), now=NOW)
    saved_views.delete(book, two, by=local("Ana"), now=NOW)
    assert saved_views.read(book) == [renamed]
    with pytest.raises(KeyError):
        saved_views.rename(book, two, "three", by=local("Ana"), now=NOW)
