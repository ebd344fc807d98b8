"""The incident of the lesson, over HTTP in a real sandbox: where it begins, who may, what of answers."""

from __future__ import annotations

import secrets
from dataclasses import replace
from types import SimpleNamespace

import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from connectors.rows import AccountRow, Campaign
from metrics.practice import CHAPTER, KINDS, Practised, keep, kept
from sandbox import http, truth
from sandbox.clock import SandboxClock
from sandbox.incidents import KINDS as OF_THE_SANDBOX
from sandbox.world import World
from service import practice
from service.practice import Practice
from tests.warehouse.store_kit import at, delivery, put
from warehouse.access import Actor, Denied, Role
from warehouse.audit import Audit
from warehouse.book import Book
from warehouse.duck import DuckWarehouse

EMIL = Actor("emil@example.com", Role.EDITOR, proven=True)
VERA = Actor("vera@example.com", Role.VIEWER, proven=True)


@pytest.fixture(scope="module")
def face():
    clock = SandboxClock(at(11.5), frozen=True)
    world = World(7, days=1, clock=clock)
    with http.start(truth.app(world, clock), name="truth") as server:
        yield SimpleNamespace(url=server.url, world=world)


@pytest.fixture
def team(face, tmp_path):
    """Three Google accounts of the sandbox, polled: a busy one, one that is disturbed, a quiet one."""
    ids = [str(a.id) for a in face.world.advertisers("google_ads", at=at(11.5)) if not a.manager][:3]
    campaigns = {one: str(face.world.campaigns(int(one), at=at(11.5))[0].id) for one in ids}
    polls = []
    with DuckWarehouse.open(tmp_path / "w.duckdb", min_free=0) as warehouse:
        for account, shown in zip(ids, (900, 900, 20), strict=True):
            put(warehouse, [AccountRow(account, "EUR", "Europe/Berlin")], row=AccountRow, account=account, seen=1)  # fmt: skip
            put(warehouse, [Campaign(campaigns[account], "x", "enabled", "", "search")], row=Campaign, account=account, seen=1)  # fmt: skip
            put(warehouse, [delivery(campaigns[account], hour, shown) for hour in range(11)], account=account, seen=11)  # fmt: skip
        book = Book.open(tmp_path / "book.sqlite", [CHAPTER])

        def started():
            return Practice(face.url, book, warehouse, clock=lambda: at(11.5), poll=lambda: polls.append(1))

        desk = started()
        begun = {"name": "cpc_spike", "account": ids[1], "at": at(9).isoformat()}
        requests.post(f"{face.url}/incidents", json=begun, timeout=30)
        yield SimpleNamespace(
            desk=desk, book=book, ids=ids, campaigns=campaigns, polls=polls, started=started
        )
        requests.delete(f"{face.url}/incidents", timeout=30)
        book.close()


def active(face):
    found = requests.get(f"{face.url}/incidents", timeout=30).json()["incidents"]
    return [one for one in found if one["active"]]


@pytest.mark.parametrize("kind", ["tracking_outage", "cpc_spike"])
def test_it_begins_where_nothing_else_is_wrong_and_ends(team, face, monkeypatch, kind):
    real = secrets.choice
    monkeypatch.setattr(
        "service.practice.secrets.choice", lambda found: kind if kind in found else real(found)
    )
    team.desk.begin(by=EMIL)
    held = team.desk.current()
    assert (held.kind, held.account, held.also) == (kind, team.ids[0], {team.ids[1]})
    assert held.at == at(7.5)  # four hours ago; the account's day began at 23 UTC
    (made,) = [one for one in active(face) if one["id"] == held.id]
    whole = kind == "tracking_outage"
    assert (made["name"], str(made["advertiser"])) == (kind, team.ids[0])
    assert made["campaign"] == (None if whole else int(team.campaigns[team.ids[0]]))
    assert team.polls == [1]
    with pytest.raises(ValueError, match="under way already"):
        team.desk.begin(by=EMIL)
    team.desk.end(by=EMIL)
    assert team.desk.current() is None
    assert held.id not in [one["id"] for one in active(face)]
    said = [(e.actor, e.action) for e in Audit(team.book).entries()]
    assert said == [(EMIL.name, "ended"), (EMIL.name, "began")]


def test_a_viewer_begins_and_ends_nothing(team, face):
    with pytest.raises(Denied, match="needs the role editor"):
        team.desk.begin(by=VERA)
    assert len(active(face)) == 1
    team.desk.begin(by=EMIL)
    with pytest.raises(Denied):
        team.desk.end(by=VERA)
    assert team.desk.current() is not None


def test_it_is_over_with_its_time_and_with_its_sandbox(team, monkeypatch):
    team.desk.begin(by=EMIL)
    held = team.desk.current()
    monkeypatch.setattr(team.desk, "_clock", lambda: at(23.4))
    assert team.desk.current() == held
    monkeypatch.setattr(team.desk, "_clock", lambda: at(23.5))  # twelve hours after it began
    assert team.desk.current() is None
    monkeypatch.setattr(team.desk, "_clock", lambda: at(11.5))
    keep(team.book, replace(held, id=99))  # of a sandbox before this one
    team.desk.end(by=EMIL)
    assert team.desk.current() is None


def test_it_outlives_the_process_and_not_its_sandbox(team, monkeypatch):
    team.desk.begin(by=EMIL)
    held = team.desk.current()
    again = team.started()
    assert again.current() == held
    with pytest.raises(ValueError, match="under way already"):
        again.begin(by=EMIL)
    keep(team.book, replace(held, id=99))
    early = team.started()
    monkeypatch.setattr(early, "_url", "http://127.0.0.1:9")  # the sandbox is not up yet
    assert early.current() == replace(held, id=99)
    assert team.started().current() is None
    assert kept(team.book) is None


def test_a_sandbox_that_is_gone_is_said(team, monkeypatch):
    monkeypatch.setattr(team.desk, "_url", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"the sandbox does not answer at http://127\.0\.0\.1:9"):
        team.desk.begin(by=EMIL)
    assert (team.desk.current(), team.polls) == (None, [])


def test_something_else_that_answers_is_said(team, monkeypatch):
    answers = [
        (200, "<html>Welcome</html>"),
        (200, "{}"),
        (200, '{"incidents": [{"id": 1}]}'),
        (200, "[]"),
        (302, ""),
        (404, "Not Found"),
        (500, '{"detail": "no"}'),
    ]
    asked = []

    async def other(request):
        status, body = answers[len(asked)]
        asked.append(request.url.path)
        return Response(body, status, {"location": "/elsewhere"})

    with http.start(Starlette(routes=[Route("/{path:path}", other)]), name="other") as server:
        monkeypatch.setattr(team.desk, "_url", server.url)
        for status, _ in answers:
            with pytest.raises(ValueError, match="is no sandbox's control face") as caught:
                team.desk.begin(by=EMIL)
            assert str(caught.value) == (
                f"what answers at {server.url} is no sandbox's control face ({status} to GET /incidents): "
                "set `sandbox` in paceline.yaml to the `truth` that the sandbox tells at its start"
            )
    assert asked == ["/incidents"] * len(answers)  # nobody is sent elsewhere
    assert (team.desk.current(), team.polls) == (None, [])


def test_a_refusal_is_said_in_the_sandboxs_words(team, monkeypatch):
    monkeypatch.setattr("service.practice.secrets.choice", lambda found: found[0])
    monkeypatch.setattr("service.practice.KINDS", ["no_such"])
    with pytest.raises(ValueError, match="the sandbox refuses: there is no incident 'no_such'"):
        team.desk.begin(by=EMIL)
    assert team.desk.current() is None


@pytest.mark.parametrize(("platform", "finds"), [("google_ads", False), ("meta", True)])
def test_an_incident_of_a_whole_platform_disturbs_all_its_accounts(team, face, platform, finds):
    begun = {"name": "api_outage", "platform": platform, "at": at(11).isoformat()}
    requests.post(f"{face.url}/incidents", json=begun, timeout=30).raise_for_status()
    if finds:
        team.desk.begin(by=EMIL)
        assert team.desk.current().also == {team.ids[1]}  # the accounts polled here are Google's
    else:
        with pytest.raises(ValueError, match="no account has clicks of late and no other incident"):
            team.desk.begin(by=EMIL)
        assert len(active(face)) == 2


def test_a_platform_of_the_sandbox_is_a_source_of_ours():
    accounts = [("google_ads", "1"), ("meta_ads", "2"), ("meta_ads", "3")]
    whole = {"id": 1, "active": True, "advertiser": None}
    assert practice._Incident(**whole, platform="meta").disturbs(accounts) == ["2", "3"]
    assert practice._Incident(**whole, platform="google_ads").disturbs(accounts) == ["1"]
    assert practice._Incident(**whole, platform=None).disturbs(accounts) == ["1", "2", "3"]
    over = {**whole, "active": False}
    assert practice._Incident(**over, platform=None).disturbs(accounts) == []


def test_what_is_begun_is_what_the_sandbox_has():
    assert KINDS.keys() <= OF_THE_SANDBOX.keys()
    whole = [name for name in KINDS if OF_THE_SANDBOX[name].keeps_events == 0]
    assert whole == ["tracking_outage"]


@pytest.mark.parametrize(
    ("account", "kind", "right", "said"),
    [
        ("1", "cpc_spike", True, "each click costs nearly twice as much"),
        ("1", "viral_moment", False, "The account is right. But then it would be so: One campaign has many times"),
        ("2", "cpc_spike", False, "It is another account."),
        ("3", "cpc_spike", False, "Something is wrong there, too, and longer."),
    ],
)  # fmt: skip
def test_an_answer_is_judged(account, kind, right, said):
    held = Practised(4, "cpc_spike", "meta_ads", "1", at(8), at(11), frozenset({"3"}))
    found, text = held.judge(("meta_ads", account), kind)
    assert (found, text.startswith(said) or said in text) == (right, True)
