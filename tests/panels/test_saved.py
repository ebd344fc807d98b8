"""Saved views in the bar of every page."""

from datetime import UTC, datetime

from metrics import saved_views
from tests.panels.test_pages import opened, text
from warehouse.access import local

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def links(app) -> list[str]:
    return [b.label for b in app.button if b.icon == ":material/bookmark:"]


def test_none_yet(filled):
    app = opened()
    assert not app.exception
    assert "None yet." in text(app)


def test_what_the_page_shows_gets_a_name(filled):
    app = opened(scope="google_ads/3")
    app.text_input(key="view_name").set_value("Brand :red[DE] <b>")
    app.text_input(key="view_owner").set_value("Ana")
    next(b for b in app.button if b.label == "Save").click().run()
    assert not app.exception
    (view,) = saved_views.read(filled.book)
    assert (view.name, view.page, view.owner) == ("Brand :red[DE] <b>", "", "Ana")
    assert ("scope", "google_ads/3") in view.query
    assert links(app) == [r"Brand \:red\[DE\] \<b\>"]


def test_a_name_that_is_taken_is_refused_in_words(filled):
    saved_views.save(filled.book, "Brand DE", page="campaign", query=(), by=local("ben"), now=NOW)
    app = opened()
    app.text_input(key="view_name").set_value("brand de")
    app.text_input(key="view_owner").set_value("Ana")
    next(b for b in app.button if b.label == "Save").click().run()
    assert "Ben has saved a view of this name" in app.error[0].value
    assert len(saved_views.read(filled.book)) == 1


def test_a_link_leads_to_the_page_with_its_query(filled):
    query = (("source", "google_ads"), ("account", "1"), ("campaign", "c1"))
    saved_views.save(filled.book, "Brand 1", page="campaign", query=query, by=local("ben"), now=NOW)
    app = opened()
    next(b for b in app.button if b.label == "Brand 1").click().run()
    assert not app.exception
    assert r"DE \| Brand 1" in [s.value for s in app.subheader]
    assert {key: app.query_params[key] for key, _ in query} == dict(query)


def test_a_view_of_a_page_that_is_gone(filled):
    saved_views.save(filled.book, "Old", page="removed", query=(), by=local("ben"), now=NOW)
    app = opened()
    assert not app.exception
    assert "Old: its page is gone" in text(app)


def test_rename_and_delete(filled):
    for name in ("One", "Two"):
        saved_views.save(filled.book, name, page="", query=(), by=local("ben"), now=NOW)
    app = opened()
    one = saved_views.read(filled.book)[0]
    app.text_input(key=f"view_renamed_{one.id}").set_value("Uno").run()
    app.button(key="view_rename").click().run()
    assert not app.exception
    assert links(app) == ["Two", "Uno"]
    app.selectbox(key="view_changed").set_value(one.id).run()
    app.button(key="view_delete").click().run()
    assert links(app) == ["Two"]


def test_the_wall_has_no_bar(filled):
    app = opened(mode="wall")
    assert not app.exception
    assert "Saved views" not in text(app)
