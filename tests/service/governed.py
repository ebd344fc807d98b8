"""A workspace with a definition of its own, the people who may change it, and a first proposal."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from metrics import model, proposals
from service.changes import Changes
from service.in_force import InForce
from service.settings import load
from warehouse.access import Actor, Role
from warehouse.book import Book

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EMIL = Actor("emil@example.com", Role.EDITOR, proven=True)
ADA = Actor("ada@example.com", Role.ADMIN, proven=True)
CARL = Actor("carl@example.com", Role.ADMIN, proven=True)
VERA = Actor("vera@example.com", Role.VIEWER, proven=True)

METRIC = """-- title:    Value of a click
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- from:     delivery
-- unit:     money
-- better:   higher
-- limits:   As the sources claim it.
-- changes:  1 2026-11-01 first version
sum(conversion_value) / 1e6 / nullif(sum(clicks), 0)
"""
PATH = "metrics/click_value.sql"


def changed(text, body):
    return text.replace("sum(conversion_value) / 1e6 / nullif(sum(clicks), 0)", body)


@pytest.fixture
def team(workspace):
    """A workspace with a locked metric of its own; `force`, `changes`, and what was taken into force."""
    own = workspace.folder / "metrics"
    own.mkdir()
    (own / "click_value.sql").write_text(METRIC)
    model.lock(own)
    workspace.state.mkdir()
    book = Book.open(workspace.state / "book.sqlite", [proposals.CHAPTER])
    used = []
    force = InForce(
        workspace, load(workspace.folder).settings.alerts, book, clock=lambda: NOW, use=used.append
    )
    changes = Changes(workspace, book, None, force, setup=load(workspace.folder), clock=lambda: NOW)

    def again():
        return InForce(workspace, load(workspace.folder).settings.alerts, book, clock=lambda: NOW)

    yield SimpleNamespace(
        folder=workspace.folder, file=own / "click_value.sql", book=book, force=force, changes=changes,
        used=used, again=again,
        sql=lambda: force.now.metrics["click_value"].sql,
    )  # fmt: skip
    book.close()


OLD = METRIC.splitlines()[-1]


def proposed(team, body="sum(conversion_value) / 1e6 / nullif(sum(impressions), 0)", by=EMIL):
    return team.changes.propose(PATH, changed(METRIC, body), why="Clicks are bought by the view", by=by)
