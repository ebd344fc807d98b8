"""What each may see: the login page, a page that is not open, and what is offered, run by Streamlit itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from metrics.dashboards import shipped
from panels import _seen, _slot
from tests.panels.conftest import ROOT
from tests.panels.test_pages import text
from warehouse.access import Access, Reach
from warehouse.audit import Audit

ACCESS = Access(admin=("admins",), editor=("marketing",), viewer=("everybody",), ask="ada@example.com")


class User(dict):
    """As `st.user` is, of somebody who logged in by a provider with these claims."""

    to_dict = dict.copy


def user(name, *groups):
    return User(
        is_logged_in=True, email=f"{name}@example.com", groups=list(groups), sub="1", iss="https://id.example"
    )


@pytest.fixture
def guarded(filled):
    """A process that wants a login, and whose revenue is for marketing alone."""
    held = _slot.process_slot()
    some = Reach(groups=("marketing",))
    pages = tuple(
        one.model_copy(update={"open_to": some}) if one.id == "revenue" else one for one in shipped()
    )
    held["process"] = replace(held["process"], access=ACCESS, providers=("",), dashboards=lambda: pages)
    return filled


def opened(page=None):
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60).run()
    app = app.switch_page(page).run() if page else app
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize("page", [None, "revenue.py", "alerts.py", "proposals.py"])
def test_without_a_login_there_is_the_login_alone(guarded, monkeypatch, page):
    monkeypatch.setattr(st, "user", User())
    app = opened(page)
    assert [button.label for button in app.button] == ["Log in"]
    assert len(app.metric) == 0


def test_who_has_no_role_is_told_whom_to_ask(guarded, monkeypatch):
    monkeypatch.setattr(st, "user", user("otto"))
    app = opened()
    assert "You have no part in this yet" in app.subheader[0].value
    assert "ada" in text(app)
    assert len(app.metric) == 0


def test_an_address_that_is_not_verified_is_nobody_s(guarded, monkeypatch):
    monkeypatch.setattr(st, "user", User(user("ada"), email_verified=False))
    process = _slot.process_slot()["process"]
    named = replace(process, access=Access(admin=("ada@example.com",)))
    _slot.process_slot()["process"] = named
    assert "You have no part in this yet" in opened().subheader[0].value


@pytest.mark.parametrize(
    ("groups", "may"), [(("everybody",), False), (("marketing",), True), (("admins",), True)]
)
def test_a_page_for_some_is_shown_to_them_alone_and_a_refusal_is_logged(guarded, monkeypatch, groups, may):
    monkeypatch.setattr(st, "user", user("vera", *groups))
    app = opened("revenue.py")
    assert bool(app.metric) == may
    assert ("Revenue is not open to you" in "".join(one.value for one in app.subheader)) == (not may)
    refused = [(e.actor, e.subject) for e in Audit(guarded.book).entries() if e.action == "was refused"]
    assert refused == ([] if may else [("vera@example.com", "dashboard revenue")])


def test_a_page_that_is_closed_to_its_reader_gives_no_new_figures(guarded, monkeypatch):
    """Closed after the frame has asked: what the data draws again asks anew."""
    monkeypatch.setattr(st, "user", user("vera", "everybody"))
    held = _slot.process_slot()
    closed = held["process"]
    held["process"] = replace(closed, dashboards=shipped)
    app = opened("revenue.py")
    assert len(app.metric) > 0
    monkeypatch.setattr(_seen, "page", lambda *_: held.update(process=closed))
    app.run()
    assert not app.exception
    assert len(app.metric) == 0
    assert "Revenue is not open to you" in "".join(one.value for one in app.subheader)


@pytest.mark.parametrize(("groups", "offered"), [(("everybody",), False), (("marketing",), True)])
def test_a_viewer_is_offered_nothing_that_changes_something(guarded, monkeypatch, groups, offered):
    monkeypatch.setattr(st, "user", user("vera", *groups))
    assert any(b.label == "Save" for b in opened().button) == offered
    assert any(b.label == "Add" for b in opened("changes.py").button) == offered


def test_alone_the_app_says_that_nobody_logs_in(filled):
    assert "Nobody has to log in" in text(opened())
