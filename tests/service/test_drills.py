"""Drills by the calendar, and what a failing one tells."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.drill import Ground
from alerts.engine import Engine
from alerts.notify.contract import unpack
from alerts.records import CHAPTER
from alerts.routes import Person, Routing
from alerts.telling import Described
from metrics import model
from service import rules
from service.drills import Drills
from tests.alerts.conftest import EVERY, NOW, world  # noqa: F401  # for the tests
from warehouse.book import Book

METRICS = model.load()
ROUTING = Routing(people=(Person(name="marketing", email="dana@team.test"),), drill_every=timedelta(days=30))
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def drills(world, tmp_path):  # noqa: F811  # the fixture
    world.campaign_of("brand")
    world.scene()
    shipped = rules.load(rules.SHIPPED.parent, Routing(), METRICS)
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    engine = Engine(book, shipped, ROUTING, {"slack": "C1"}, lambda alert, notice, now: Described("-"))
    ground = Ground(
        world.warehouse, ROUTING, {"slack": "C1"}, {}, EVERY, [], METRICS,
        lambda warehouse: lambda alert, notice, now: Described("-"), lambda: NOW,
    )  # fmt: skip
    yield Drills(engine, lambda: ground), engine
    book.close()


def held(drills, rule):
    drills.start([rule], NOW, by="Dana")
    drills._thread.join(60)
    assert not drills.running


def test_a_failing_drill_is_told_where_critical_alerts_go_and_in_the_app(drills):
    drills, engine = drills
    # Of its 20 clicks an hour the campaign converts one; without any for so long the rule must fire. This
    # one wants what no account can show.
    rule = engine.rules["conversion-rate", "warning"]
    held(drills, rule.model_copy(update={"condition": rule.condition.model_copy(update={"chance": 1e-300})}))
    (done,) = json.loads(drills.last()["detail"])["rules"]
    assert done["fault"] == "the rule did not fire on its known condition"
    rows = engine.records.book.read("SELECT channel, recipient, message FROM outbox ORDER BY channel")
    assert [(row["channel"], row["recipient"]) for row in rows] == [("inbox", "marketing"), ("slack", "C1")]
    told = unpack(rows[1]["message"])
    assert told.headline == "Drill failed: 1 of 1 rules"
    assert told.facts[0].text.startswith("conversion-rate/warning: the rule did not fire")


def test_a_rule_with_nothing_to_work_on_is_no_alarm(drills):
    drills, engine = drills
    # Nobody has set a budget, so that spend has no pace to run ahead of; no page is looked at.
    for key in (("spend-pace", "critical"), ("landing-page", "critical")):
        held(drills, engine.rules[key])
        (done,) = json.loads(drills.last()["detail"])["rules"]
        assert (done["fault"], done["skipped"]) == (
            "",
            "nothing it watches delivers, or has a plan, target or page",
        )
    assert not engine.records.book.read("SELECT 1 FROM outbox")


def test_the_calendar_asks_on_working_days_once_in_so_long(drills):
    drills, engine = drills
    tuesday = datetime(2026, 11, 10, 10, tzinfo=BERLIN).astimezone(UTC)
    assert drills.due(tuesday, BERLIN)
    assert not drills.due(tuesday - timedelta(hours=2), BERLIN)  # eight in the morning
    assert not drills.due(tuesday + timedelta(days=4), BERLIN)  # a Saturday
    engine.records.happened("drilled", at=tuesday, rules=[], by="Dana", fault="")
    assert not drills.due(tuesday + timedelta(days=29), BERLIN)
    assert drills.due(tuesday + timedelta(days=30), BERLIN)


def test_a_drill_of_one_rule_postpones_none_of_all(drills, monkeypatch):
    drills, engine = drills
    monkeypatch.setattr("service.drills.drill", lambda *_: [])
    tuesday = datetime(2026, 11, 10, 10, tzinfo=BERLIN).astimezone(UTC)
    for whole, due in ((False, True), (True, False)):
        drills.start([engine.rules["tracking", "critical"]], tuesday, by="Dana", whole=whole)
        drills._thread.join(60)
        assert json.loads(drills.last()["detail"])["whole"] is whole
        assert drills.due(tuesday + timedelta(days=1), BERLIN) is due


def test_a_drill_whose_process_was_killed_is_not_repeated_at_each_start(drills, monkeypatch):
    drills, engine = drills
    monkeypatch.setattr(drills, "_run", lambda *_: None)  # killed: it began, and nothing came of it
    tuesday = datetime(2026, 11, 10, 10, tzinfo=BERLIN).astimezone(UTC)
    drills.start([engine.rules["tracking", "critical"]], tuesday, by="the calendar", whole=True)
    drills._thread.join(60)
    after = Drills(engine, drills._ground)
    assert after.last() is None
    assert not after.due(tuesday + timedelta(minutes=5), BERLIN)
    assert after.due(tuesday + timedelta(days=1), BERLIN)


def test_one_drill_at_a_time_and_of_some_rule(drills):
    drills, _ = drills
    with pytest.raises(ValueError, match="no such rule"):
        drills.start([], NOW, by="Dana")
