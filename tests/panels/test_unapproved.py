"""A metric changed without approval, by its author, or with a broken formula never reaches a panel.

Tried at the file, in the app and by the API; then what somebody else approved does reach it, by each way.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from connectors.contract import Window
from connectors.rows import AccountRow
from metrics import model, proposals
from metrics.compute import evaluate
from panels import _access, _slot
from service.changes import Changes
from service.in_force import InForce
from service.settings import load
from service.workspace import Workspace
from tests.panels.conftest import NOW, ROOT, hours
from tests.service.test_api import served
from warehouse.access import Actor, Denied, Role

ADA, EMIL = (
    Actor(f"{name}@example.com", role, proven=True)
    for name, role in (("ada", Role.ADMIN), ("emil", Role.EDITOR))
)
TOKENS = {"ada": "a" * 40, "carl": "c" * 40, "emil": "e" * 40}
SECRETS = "".join(
    f'[api.{name}]\nrole = "{"editor" if name == "emil" else "admin"}"\ntoken = "{token}"\n'
    for name, token in TOKENS.items()
)
PATH = "metrics/cpa.sql"
USUAL, CHANGED = 10.0, 20.0
"""10 € an hour for one conversion; over half of one conversion it is 20 €."""


def utc():
    return datetime.now(UTC)


@pytest.fixture
def team(running, tmp_path):
    """One account; the desk, what is in force, and the panels' slot, as the process has them."""
    running.write("google_ads", "1", [AccountRow("Account 1", "EUR", "UTC")])
    running.write("google_ads", "1", hours("c1", days=2))
    (tmp_path / "paceline.yaml").write_text("sources: {fx: }\n")
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit/secrets.toml").write_text(SECRETS)
    workspace, setup = Workspace(tmp_path), load(tmp_path)
    workspace.state.mkdir()

    force = InForce(workspace, setup.settings.alerts, running.book, clock=utc)
    desk = Changes(workspace, running.book, running.warehouse, force, setup=setup, clock=utc)
    held = _slot.process_slot()
    held["process"] = replace(held["process"], changes=desk, metrics=lambda: force.now.metrics)
    service = SimpleNamespace(changes=desk, book=running.book, workspace=workspace, setup=setup)
    yield SimpleNamespace(folder=tmp_path, force=force, desk=desk, book=running.book, service=service)
    desk.stop()


def on_the_panel():
    """The figure as every card, chart and table takes it: by the definition that the slot holds."""
    of = _slot.process()
    window = Window(NOW - timedelta(hours=6), NOW)
    return evaluate(of.warehouse, [of.metrics()["cpa"]], window).to_pylist()[0]["cpa"]


def text_of(team, *, broken=False):
    """The metric as somebody wants it."""
    other = "sum(conversoins)" if broken else "(sum(conversions) / 2)"
    return team.desk.text(PATH).replace("sum(conversions)", other)


def at_the_file(team, what):
    """Whoever can write the workspace's files."""
    text = re.sub(r"(-- version: +)1\b", r"\g<1>2", text_of(team, broken=what == "broken"))
    text = text.replace("-- changes:", "-- changes:  2 2026-11-24 half of them\n-- changes:", 1)
    if what == "by its author":
        owner = re.search(r"-- owner: +(\S+)", text)[1]
        text = re.sub(r"(-- approved: +).*", rf"\g<1>{owner}", text)
    (team.folder / "metrics").mkdir()
    (team.folder / PATH).write_text(text)
    if what == "approved":
        model.lock(team.folder / "metrics")  # what a review in git has let through
    team.force.look()
    return "\n".join(team.force.problems)


def in_the_app(team, what, monkeypatch):
    """Whoever has logged in."""

    def opened(who, **query):
        monkeypatch.setattr(_access, "actor", lambda _said="": who)
        app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60).run()
        app.query_params.update(query)
        app = app.switch_page("proposals.py").run()
        assert not app.exception
        return app

    monkeypatch.setattr(_access, "logged_in", lambda: True)
    app = opened(ADA if what == "by its author" else EMIL, part="propose", file=PATH)
    area = next(one for one in app.text_area if one.label == "The file as it should be")
    area.set_value(text_of(team, broken=what == "broken"))
    app.text_input(key="propose_why").set_value("Half of them are tests")
    next(one for one in app.button if one.label == "Propose").click().run()
    if what == "broken":
        return app.error[0].value
    if what == "unapproved":
        return proposals.find(team.book, 1).state
    app = opened(ADA)
    offered = [one for one in app.button if one.label == "Approve"]
    if what == "approved":
        offered[0].click().run()
    else:
        assert offered == []
        with pytest.raises(Denied) as refused:  # what the button calls
            team.desk.approve(1, by=ADA)
        return str(refused.value)
    return ""


def by_the_api(team, what):
    """Whoever has a token."""
    who = "ada" if what == "by its author" else "emil"
    with served(team.service) as client:

        def ask(by, at, **body):
            return client.post(at, {"Authorization": f"Bearer {TOKENS[by]}"}, body).json()

        said = {"path": PATH, "text": text_of(team, broken=what == "broken"), "why": "Half of them"}
        made = ask(who, "/api/proposals", **said)
        if what == "broken":
            return made["error"]
        decided = ask("emil" if what == "unapproved" else "ada", "/api/proposals/1/approve")
        return decided.get("error", "")


@pytest.mark.parametrize(
    ("way", "what", "said"),
    [
        (at_the_file, "unapproved", "is not locked yet"),
        (at_the_file, "by its author", "author and approver must differ"),
        (at_the_file, "broken", "conversoins"),
        (at_the_file, "approved", ""),
        (in_the_app, "unapproved", "open"),
        (in_the_app, "by its author", "ada@example.com proposed it: somebody else must approve"),
        (in_the_app, "broken", "conversoins"),
        (in_the_app, "approved", ""),
        (by_the_api, "unapproved", "needs the role admin"),
        (by_the_api, "by its author", "token ada proposed it: somebody else must approve"),
        (by_the_api, "broken", "conversoins"),
        (by_the_api, "approved", ""),
    ],
)  # fmt: skip
def test_a_changed_metric_and_the_panel(team, monkeypatch, way, what, said):
    assert on_the_panel() == pytest.approx(USUAL)
    told = way(team, what, monkeypatch) if way is in_the_app else way(team, what)
    assert told == said if said in ("", "open") else said in told
    assert on_the_panel() == pytest.approx(CHANGED if what == "approved" else USUAL)
    if what != "approved":
        team.force.look()
        again = InForce(team.service.workspace, team.service.setup.settings.alerts, team.book, clock=utc)
        for force in (team.force, again):  # nor at the next look, nor after a restart
            assert "/ 2" not in force.now.metrics["cpa"].sql


def test_no_page_reads_the_definitions_past_what_is_in_force():
    """A page that read the files itself would compute with whatever stands in them."""
    read = set()
    for path in (ROOT / "panels").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "metrics.model":
                read |= {path.name for name in node.names if name.name == "load"}
    assert read == {"_slot.py"}  # what it has before there is a process
