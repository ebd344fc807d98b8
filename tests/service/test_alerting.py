"""Alerts beside the poller: from a failing source to what people hear and answer, nothing replaced."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, Literal

import pytest

from alerts import conditions
from alerts.conditions.contract import Condition
from alerts.engine import Finding
from alerts.notify.contract import Act, Action, unpack
from alerts.observation import Labels, Observation, Result
from metrics import reviews
from metrics.catalog import Ref
from service.in_force import Definitions
from service.running import Service
from tests.service.test_api import served
from warehouse.access import Role, local
from warehouse.errors import StorageError


@pytest.fixture
def service(workspace, clock):
    with (workspace.folder / "paceline.yaml").open("a") as settings:
        settings.write(
            "alerts:\n  people:\n    - {name: Dana, slack: U0DANA0001}\n  heartbeat_to: [inbox Dana]\n"
        )
    (workspace.folder / "rules.yaml").write_text(
        "rules:\n"
        "  - {id: stale, title: Stale, owner: Dana, severity: critical, condition: {kind: freshness},"
        " review: 2027-02-01}\n"
    )
    made = Service(workspace, clock=clock)
    yield made
    made.stop()


@pytest.fixture
def owner(workspace):
    return {"Authorization": f"Bearer {workspace.token()}"}


def within(seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def messages(service, reason=None):
    letters = service.alerting.engine.outbox.letters()
    return [one for one in letters if reason in (None, one["reason"])]


def test_from_a_dead_token_to_the_inbox_and_back(service, platform, clock, owner):
    alerting = service.alerting
    service.poller.run_once()
    alerting.start()
    alerting.data_came()
    # The heartbeat of the day is told at once: it is past eight.
    within(10, lambda: [m for m in messages(service, "heartbeat") if m["status"] == "sent"])

    platform.behave(a="token")
    clock.advance(minutes=16)
    service.poller.poll_now()
    assert service.poller.line.idle(60)
    alerting.data_came()
    (incident,) = within(10, alerting.engine.records.open_incidents)
    assert (incident.group.account, incident.group.owner) == ("a", "Dana")
    assert messages(service, "first") == []  # it waits half a minute for company

    clock.advance(seconds=30)
    alerting.decided()
    (first,) = within(10, lambda: [m for m in messages(service, "first") if m["status"] == "sent"])
    assert (first["channel"], first["recipient"]) == ("inbox", "Dana")

    with served(service) as client:
        assert client.get("/api/alerts").status_code == 401
        said = client.get("/api/alerts", owner).json()
        (told,) = said["incidents"]
        assert told["headline"].startswith("No data for 16 min: Unauthorized")
        assert told["acknowledged"] is None
        assert [m["account"] for m in told["members"]] == ["a"]
        ack = client.post("/api/alerts/ack", owner, {"incident": told["id"], "by": "Sam"})
        assert (ack.status_code, ack.json()) == (200, {"incident": told["id"]})
        assert client.get("/api/alerts", owner).json()["incidents"][0]["acknowledged"] == "Sam"
        assert client.get("/api/status", owner).json()["alerts"]["open"] == 1

        refused = client.post("/api/alerts/ack", owner, {"incident": 99, "by": "Sam"})
        assert (refused.status_code, refused.json()) == (400, {"error": "there is no incident 99"})
        told = client.post("/api/alerts/review", owner, {"days": 28}).json()["rules"]
        assert [(one["rule"], one["fires"], one["due"]) for one in told] == [
            ("stale/critical", 1, "2027-02-01")
        ]
        entry = service.catalog.filed(clock()).entries[Ref.of("rule stale")]
        upon = clock().date() + timedelta(days=30)
        reviews.decide(service.book, entry, "keep", note="", upon=upon, by=local("Dana"), now=clock())
        told = client.post("/api/alerts/review", owner, {"days": 28}).json()["rules"]
        assert [(one["due"], one["overdue"]) for one in told] == [(upon.isoformat(), False)]

        unknown = client.post("/api/alerts/akc", owner, {})
        assert unknown.status_code == 404
        assert "snooze" in unknown.json()["error"]
        no_reason = {"incident": incident.id, "by": "Sam", "reason": "", "lasts": "1h"}
        assert "say why" in client.post("/api/alerts/snooze", owner, no_reason).json()["error"]

    platform.behave()
    clock.advance(minutes=61)
    service.poller.poll_now()
    assert service.poller.line.idle(60)
    alerting.data_came()
    within(20, lambda: not list(alerting.engine.records.firing()))
    clock.advance(minutes=5)  # the incident's next look
    alerting.decided()
    within(10, lambda: [m for m in messages(service, "all_resolved") if m["status"] == "sent"])
    assert alerting.engine.records.open_incidents() == []
    assert [one["what"] for one in alerting.engine.records.timeline(incident.id)][:4] == [
        "opened",
        "firing",
        "told",
        "acknowledged",
    ]
    assert service.problems() == []


class Sick(Condition):
    """A condition that fails as it is told to. looks: how often it was asked."""

    kind: Literal["sick"] = "sick"
    fails: ClassVar[list[Exception]] = []
    looks: ClassVar[list[int]] = []

    def evaluate(self, scene, scope, watched):
        self.looks.append(1)
        if self.fails:
            raise self.fails[0]
        return ()


@pytest.fixture
def sick(service, monkeypatch):
    """The service at work on a rule that fails as it is told to; without long waits."""
    monkeypatch.setattr("service.alerting.LEAST", timedelta(seconds=0.05))
    alerting = service.alerting
    alerting.use(
        Definitions(alerting._metrics, (alerting.rules[0].model_copy(update={"condition": Sick()}),), ())
    )
    yield alerting
    Sick.fails.clear()
    Sick.looks.clear()


def test_a_pass_that_fails_is_shown_until_one_succeeds_and_is_tried_again_by_itself(service, sick):
    Sick.fails.append(StorageError("the disk is full", mend="make room"))
    sick.start()
    within(10, lambda: len(Sick.looks) >= 3)  # nothing came meanwhile
    said = ["alerts: the rules: StorageError, see the log"]
    assert sick.problems() == said
    sick.decided()  # what is due is looked at, and goes well
    looked = len(Sick.looks)
    within(10, lambda: len(Sick.looks) > looked)
    assert sick.problems() == said
    Sick.fails.clear()
    within(10, lambda: not sick.problems())


def test_a_pass_of_all_rules_ends_a_fault_of_those_by_the_clock(sick):
    def full():
        raise StorageError("the disk is full", mend="make room")

    sick._tried("rules by the clock", full)
    assert sick.problems() == ["alerts: rules by the clock: StorageError, see the log"]
    sick.start()  # begins with all rules; those by the clock alone are a minute later
    within(10, lambda: not sick.problems())


def test_while_history_is_coming_it_is_asked_now_and_then_alone(service, monkeypatch):
    asked = []
    monkeypatch.setattr(service.alerting, "_young", lambda: asked.append(1) or True)
    service.alerting.start()
    service.alerting.data_came()
    within(10, lambda: asked)
    time.sleep(1)
    assert len(asked) == 1  # the next is five seconds later


def test_a_pass_that_fails_waits_longer_each_time(service):
    waits = [service.alerting._back_off() for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    service.alerting._failed = 10_000  # a month of failures
    assert service.alerting._back_off() == 300


def test_a_rule_that_cannot_be_judged_is_told_to_its_owner_and_everywhere_shown(service, sick, clock, owner):
    Sick.fails.append(ZeroDivisionError("division by token=0"))
    sick.start()
    (incident,) = within(10, sick.engine.records.open_incidents)
    assert (incident.group.owner, str(incident.group.severity)) == ("Dana", "warning")
    said = "rule stale/critical cannot be judged: ZeroDivisionError"
    assert sick.problems() == [said]
    assert sick.engine.failing == {"stale/critical": "ZeroDivisionError: division by token=0"}
    with served(service) as client:
        assert said in client.get("/healthz", owner).json()["problems"]
        assert "paceline_rules_failing 1.0" in client.get("/metrics", owner).text
    clock.advance(seconds=30)
    sick.decided()
    (first,) = within(10, lambda: messages(service, "first"))
    assert first["recipient"] == "Dana"
    told = unpack(service.book.read("SELECT message FROM outbox WHERE id = ?", [first["id"]])[0]["message"])
    assert told.headline == "Rule cannot be judged: ZeroDivisionError · stale/critical"
    assert [fact.label for fact in told.facts] == ["Since", "What to do"]
    assert not [row for row in service.book.read("SELECT message FROM outbox") if "token=0" in row["message"]]
    assert sick.digests.told.problems() == []  # the others are judged
    assert set(sick.digests.told.failing()) == {"stale/critical"}
    assert told.links[0].url.endswith("/alerts?part=rules")
    Sick.fails.clear()
    sick.data_came()
    within(10, lambda: not sick.problems())


def test_who_presses_in_slack_acts_under_the_name_that_the_team_knows(service, clock):
    engine, series = service.alerting.engine, Labels("example", "a")
    stale = Observation(series, Result.TRUE, clock())
    engine.take({"stale/critical": Finding({series: stale})}, clock())
    # Whoever is in the channel may call themselves what they like.
    for user, name in (("U0DANA0001", "dana.m"), ("U0EVE00001", "eve"), ("U0MAL00001", "Dana")):
        act = Act(f"{engine.records.installation}-1", Action.NOTE, "slack", user, name, clock(), text="x")
        service._pressed(act)
    rows = engine.records.timeline(1)
    assert [row["who"] for row in rows if row["what"] == "note"] == [
        "Dana", "eve (U0EVE00001)", "Dana (U0MAL00001)",
    ]  # fmt: skip


def test_who_may_not_press_is_told_so_before_a_form_opens(service):
    service._may_press("U0EVE00001", "eve")
    access = service.setup.settings.access.model_copy(update={"buttons": Role.VIEWER})
    settings = service.setup.settings.model_copy(update={"access": access})
    service.setup = replace(service.setup, settings=settings)
    with pytest.raises(ValueError, match=r"eve \(U0EVE00001\) may not act on alerts"):
        service._may_press("U0EVE00001", "eve")


def test_a_thread_that_hangs_is_told(service, monkeypatch):
    alerting, hangs, over = service.alerting, threading.Event(), threading.Event()

    def young():
        hangs.set()
        return over.wait(60)

    monkeypatch.setattr(alerting, "_young", young)
    alerting.data_came()
    alerting.start()
    assert hangs.wait(10)
    assert alerting.problems() == []
    alerting._turned -= 601  # nobody else sets it while the thread hangs
    assert alerting.problems() == ["alerts: no rule was judged for 10 minutes; restart the service"]
    over.set()
    alerting.decided()
    within(10, lambda: not alerting.problems())


def test_a_test_message_goes_the_whole_way(service, owner):
    service.alerting.start()
    with served(service) as client:
        asked = client.post("/api/alerts/test", owner, {"to": "inbox Dana", "by": "Sam"})
        assert asked.status_code == 200
        sent = within(
            10, lambda: [m for m in messages(service) if m["key"] == asked.json()["key"] and m["ended"]]
        )
        assert sent[0]["status"] == "sent"
        nobody = client.post("/api/alerts/test", owner, {"to": "slack", "by": "Sam"})
        assert "cannot be reached" in nobody.json()["error"]


def test_a_rule_that_is_wrong_keeps_the_service_from_starting(workspace):
    from service.settings import SettingsError  # noqa: PLC0415

    (workspace.folder / "rules.yaml").write_text("rules:\n  - {id: x}\n")
    with pytest.raises(SettingsError, match=r"rules\.yaml:2:5: rules\.0\.title: is missing"):
        Service(workspace)


def test_alerts_wait_for_the_week_that_a_backfill_is_bringing(service, platform):
    platform.set(look_back=3)
    service.poller.run_once()
    assert not service._young()  # an account of three days is judged as it is
    platform.behave(a__delivery="hang")
    running = service.backfill(30)
    within(10, service._young)
    running.stop()
    within(10, lambda: not service._young())


def test_a_metric_that_is_taken_out_leaves_the_rules_that_do_not_need_it_at_work(service, clock):
    service.poller.run_once()
    alerting = service.alerting
    (stale,) = alerting.rules
    known = dict(alerting._metrics)

    def judging(metric):
        condition = conditions.read({"kind": "threshold", "metric": metric, "above": 1e12})
        return stale.model_copy(update={"condition": condition})

    own = replace(known["spend"], name="mine")
    alerting.use(Definitions(known | {"mine": own}, (judging("mine"),), ()))
    alerting.evaluate(clock())
    kept = alerting._memory
    alerting.use(Definitions(known, (judging("clicks"),), ()))
    alerting.evaluate(clock())
    assert alerting._memory is not kept  # whose sums are of what the metrics were
    assert "mine" not in {name for sums in alerting._memory.sums.values() for name in sums}


def test_without_rules_the_calendar_drills_nothing(service, clock):
    alerting = service.alerting
    alerting.engine.routing = alerting.engine.routing.model_copy(update={"drill_every": timedelta(days=30)})
    assert alerting.drills.due(clock(), alerting._zone)
    alerting.use(Definitions(alerting._metrics, (), ()))
    alerting._drill(clock())
    assert not alerting.drills.running
