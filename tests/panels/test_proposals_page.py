"""The Proposals page: a change is proposed with its effect, and approved by somebody else alone."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from alerts import effect
from connectors.rows import AccountRow
from metrics import proposals
from panels import _access, _slot
from service.changes import Changes
from service.in_force import InForce
from service.settings import load
from service.workspace import Workspace
from tests.panels.conftest import ROOT, hours
from tests.panels.test_pages import text
from warehouse.access import Actor, Denied, Role

EMIL = Actor("emil@example.com", Role.EDITOR, proven=True)
ADA = Actor("ada@example.com", Role.ADMIN, proven=True)
VERA = Actor("vera@example.com", Role.VIEWER, proven=True)


RULE = """rules:
  - id: dear
    title: Too dear
    owner: marketing
    severity: info
    condition: {kind: threshold, metric: cpa, window: 24h, of: target, above: 1.5}
    review: 2027-02-01
"""


@pytest.fixture
def desk(running, tmp_path):
    """One account with a conversion and 10 € an hour; the desk on a workspace beside it."""
    running.write("google_ads", "1", [AccountRow("Account 1", "EUR", "UTC")])
    running.write("google_ads", "1", hours("c1"))
    (tmp_path / "paceline.yaml").write_text("sources: {fx: }\ntargets: [{metric: cpa, value: 8}]\n")
    (tmp_path / "rules.yaml").write_text(RULE)
    workspace = Workspace(tmp_path)

    def clock():
        return datetime.now(UTC)

    setup = load(tmp_path)
    force = InForce(workspace, setup.settings.alerts, running.book, clock=clock)
    made = Changes(workspace, running.book, running.warehouse, force, setup=setup, clock=clock)
    held = _slot.process_slot()
    held["process"] = replace(held["process"], changes=made, metrics=lambda: force.now.metrics)
    yield made
    made.stop()


def opened(monkeypatch, who=None, **query):
    if who is not None:
        monkeypatch.setattr(_access, "actor", lambda _said="": who)
        monkeypatch.setattr(_access, "logged_in", lambda: True)
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app = app.switch_page("proposals.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def halved(desk, by):
    shown = desk.text("metrics/cpa.sql").replace("sum(conversions)", "(sum(conversions) / 2)")
    return desk.propose("metrics/cpa.sql", shown, why="Half of them are tests", by=by)


def test_where_nobody_logs_in_a_change_is_proposed_and_not_approved(desk, running, monkeypatch):
    app = opened(monkeypatch, part="propose", file="metrics/cpa.sql")
    area = next(one for one in app.text_area if one.label == "The file as it should be")
    assert "nullif(sum(conversions), 0)" in area.value
    area.set_value(area.value.replace("sum(conversions)", "(sum(conversions) / 2)"))
    app.text_input(key="propose_why").set_value("Half of them are tests")
    app.text_input(key="propose_name").set_value("Emil")
    next(b for b in app.button if b.label == "Propose").click().run()
    assert not app.exception
    (found,) = proposals.read(running.book)
    assert (found.author, found.proven, found.state) == ("Emil", False, "open")

    app = opened(monkeypatch)
    assert "Half of them are tests" in text(app)
    # 10 € an hour over one conversion an hour; over half of one it is 20 €
    assert r"€10\.00 → **€20\.00** \(\+100\.0 %\)" in text(app)
    diff = next(one.value for one in app.code if one.language == "diff")
    assert "+sum(cost) / 1e6 / nullif((sum(conversions) / 2), 0)" in diff
    assert [b.key for b in app.button if (b.key or "").startswith("approve_")] == []
    assert "nobody else can approve" in text(app)


@pytest.mark.parametrize(
    ("who", "keys"), [(ADA, {"approve_1", "reject_1"}), (EMIL, {"withdraw_1"}), (VERA, set())]
)
def test_each_is_offered_what_they_may(desk, monkeypatch, who, keys):
    halved(desk, EMIL)
    app = opened(monkeypatch, who)
    found = {b.key for b in app.button if (b.key or "").endswith("_1")}
    assert found & {"approve_1", "reject_1", "withdraw_1"} == keys


def test_an_approval_is_in_force(desk, running, monkeypatch):
    halved(desk, EMIL)
    app = opened(monkeypatch, ADA)
    app.button(key="approve_1").click().run()
    assert not app.exception
    assert "Nothing waits for a decision" in text(app)
    assert _slot.process().metrics()["cpa"].version == 2
    app = opened(monkeypatch, ADA, part="decided")
    assert "approved by ada" in text(app)
    app.button(key="revert_1").click().run()
    assert proposals.find(running.book, 2).reverts == 1


def test_what_another_rule_would_have_fired(desk, monkeypatch):
    # 10 € a conversion against a target of 8 €: 1.25 times, all the time
    monkeypatch.setattr(effect, "DAYS", 2)
    desk.propose("rules.yaml", RULE.replace("above: 1.5", "above: 1.2"), why="Earlier", by=EMIL)
    app = opened(monkeypatch, ADA)
    app.button(key="replay_1").click().run()
    until = time.monotonic() + 60
    while not desk.replay(1).over:
        assert time.monotonic() < until
        time.sleep(0.1)
    (told,) = desk.replay(1).found
    assert (told.name, told.old.reviewed.fires, told.new.reviewed.fires) == ("dear/info", 0, 1)
    shown = text(opened(monkeypatch, ADA))
    assert "fires 0 times, 0 h" in shown
    assert "**fires 1 time, " in shown


def test_a_viewer_starts_no_replay(desk, monkeypatch):
    desk.propose("rules.yaml", RULE.replace("above: 1.5", "above: 1.2"), why="Earlier", by=EMIL)
    app = opened(monkeypatch, VERA)
    assert "replay_1" not in {button.key for button in app.button}
    with pytest.raises(Denied):
        desk.replay(1, begin=VERA)
    assert desk.replay(1) is None


def test_what_keeps_files_out_of_force_is_said_on_data_health(desk, running, monkeypatch):
    running.state["status"]["problems"] = [
        "rules.yaml:1:9: rules.0: is wrong (what held before stays in force)"
    ]
    app = opened(monkeypatch, VERA).switch_page("health.py").run()
    assert not app.exception
    assert r"rules\.yaml" in app.error[0].value
