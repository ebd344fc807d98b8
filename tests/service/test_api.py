"""The service's own routes, asked over HTTP; they are not behind the pages' login."""

from __future__ import annotations

import asyncio
import stat
import threading
import time
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
import requests
import uvicorn
from starlette.applications import Starlette

from service import api, versions
from service.running import Service
from service.versions import Versions
from tests.service.conftest import SECRET
from warehouse.audit import Audit


class Client:
    """Asks from this machine, as everybody does who comes through a proxy on it."""

    def __init__(self, url):
        self.url = url

    def get(self, path, headers=None):
        return requests.get(self.url + path, headers=headers, timeout=30)

    def post(self, path, headers=None, json=None):
        return requests.post(self.url + path, headers=headers, json=json, timeout=30)


@contextmanager
def served(service):
    app = Starlette(routes=api.routes(lambda: service), middleware=api.middleware())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Client(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def service(workspace, clock):
    made = Service(workspace, clock=clock)
    yield made
    made.stop()


@pytest.fixture
def client(service):
    with served(service) as client:
        yield client


@pytest.fixture
def owner(service):
    return {"Authorization": f"Bearer {service.workspace.token()}"}


def test_health_is_open_and_tells_no_names(service, client, owner):
    assert client.get("/healthz").json() == {"status": "ok", "problems": 0}
    service.poller._watchdog.fault("example/a/delivery")
    service.poller.start()
    reply = client.get("/healthz")
    assert (reply.status_code, reply.json()) == (503, {"status": "failing", "problems": 1})
    told = client.get("/healthz", headers=owner).json()["problems"]
    assert told == ["example/a/delivery: an error in the service itself, see the log"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/status"), ("POST", "/api/poll"), ("POST", "/api/backfill"), ("GET", "/metrics")]
)  # fmt: skip
def test_everything_else_wants_the_token(client, method, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        reply = getattr(client, method.lower())(path, headers=headers)
        assert reply.status_code == 401
        assert "api_token" in reply.json()["error"]


def test_the_token_is_the_owner_s_alone(workspace):
    workspace.token()
    assert stat.S_IMODE((workspace.state / "api_token").stat().st_mode) == 0o600


def test_metrics_are_told_to_the_owner(client, owner):
    text = client.get("/metrics", headers=owner).text
    assert "paceline_db_bytes" in text
    assert "paceline_data_version 1.0" in text


def test_every_reply_has_the_security_headers(client):
    headers = client.get("/healthz").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"


def test_poll_backfill_and_status(service, client, owner, platform):
    service.poller.start_by_hand()
    assert client.post("/api/poll", headers=owner).status_code == 202
    assert service.poller.line.idle(60)
    assert client.post("/api/backfill", headers=owner, json={"days": "x"}).status_code == 400
    assert client.post("/api/backfill", headers=owner, json={"days": 0}).status_code == 400
    assert client.post("/api/backfill", headers=owner, json={"days": 40}).status_code == 202
    assert service._backfill.join(60)

    said = client.get("/api/status", headers=owner).json()
    assert (said["state"], said["accounts"], said["live_accounts"]) == ("ok", 2, 2)
    # Ten days were there already; two accounts have thirty more.
    assert (said["backfill"]["state"], said["backfill"]["days"], said["backfill"]["done"]) == ("done", 60, 60)
    asked = [line["start"] for line in platform.asked("delivery", "a")]
    assert min(asked) == "2026-10-14T22:00:00+00:00"  # 15 October in Berlin
    assert SECRET not in str(said)
    text = client.get("/metrics", headers=owner).text
    assert 'paceline_fetches_total{outcome="ok",source="example",stream="campaigns"} 2.0' in text
    assert 'paceline_operations_used{source="example"}' in text
    assert 'paceline_freshness_seconds{account="a",source="example",stream="delivery"}' in text


def test_before_the_service_is_up():
    with served(None) as client:
        assert client.get("/healthz").status_code == 503
        assert client.get("/api/status").status_code == 503


def test_versions_are_heard_of_at_once_and_at_the_end():
    async def timeline():
        versions = Versions()
        versions.attach()
        assert await versions.after(versions.current, 0.05) is None
        waiting = asyncio.create_task(versions.after(1, 5))
        await asyncio.sleep(0)
        await asyncio.to_thread(versions.bump)
        assert await waiting == 2
        waiting = asyncio.create_task(versions.after(2, 5))
        await asyncio.sleep(0)
        await asyncio.to_thread(versions.close)
        assert await waiting is None

    asyncio.run(asyncio.wait_for(timeline(), 4))


def test_visitors_are_told_one_after_the_other_the_first_at_once(monkeypatch):
    apart = 0.2  # far enough from each other to be told apart on a busy machine
    monkeypatch.setattr(versions, "APART", apart)

    async def timeline():
        service = SimpleNamespace(versions=Versions())
        service.versions.attach()

        async def here():
            return False

        streams = [api._versions(service, SimpleNamespace(is_disconnected=here)) for _ in range(4)]
        assert [await anext(stream) for stream in streams] == ["data: 1\n\n"] * 4
        await streams.pop(1).aclose()
        streams.insert(
            1, api._versions(service, SimpleNamespace(is_disconnected=here))
        )  # takes the free place
        assert await anext(streams[1]) == "data: 1\n\n"
        told = {}

        async def hear(place, stream):
            assert await anext(stream) == "data: 2\n\n"
            told[place] = time.monotonic() - begun

        waiting = [asyncio.create_task(hear(n, stream)) for n, stream in enumerate(streams)]
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        service.versions.bump()
        await asyncio.gather(*waiting)
        for place, after in told.items():
            assert place * apart - 0.01 <= after
        assert list(told) == [0, 1, 2, 3]
        assert told[0] < apart

    asyncio.run(asyncio.wait_for(timeline(), 10))


class Told:
    """When a visitor hears of a number, on a loop that runs."""

    def __init__(self, prepare, *, visitors=1):
        self.versions = Versions()
        self.versions.prepare = prepare
        self.versions.attach()
        self.visitors = visitors

    async def hear(self):
        """The number that is told after a change."""
        with ExitStack() as held:
            for _ in range(self.visitors):
                held.enter_context(self.versions.place())
            before = self.versions.told
            waiting = asyncio.create_task(self.versions.after(before, 30))
            await asyncio.sleep(0)
            await asyncio.to_thread(self.versions.bump)
            assert self.versions.current == before + 1  # who draws a page now reads what is stored now
            return await waiting


def test_visitors_hear_of_a_change_when_what_they_look_at_is_worked_out(monkeypatch):
    monkeypatch.setattr(versions, "PATIENCE", 600)  # so that they hear of it before they give up
    done = []

    def prepare(number):
        time.sleep(0.2)
        done.append(number)

    async def timeline():
        told = Told(prepare)
        assert await told.hear() == 2
        assert done == [2]

    asyncio.run(timeline())


def test_nothing_is_worked_out_where_nobody_is_there():
    done = []

    async def timeline():
        assert await Told(done.append, visitors=0).hear() == 2

    asyncio.run(timeline())
    assert done == []


def test_visitors_are_told_although_the_working_out_fails_or_hangs(monkeypatch, caplog):
    monkeypatch.setattr(versions, "PATIENCE", 0.1)
    going = threading.Event()

    def broken(_number):
        raise ValueError("no such luck")

    async def timeline():
        assert await Told(broken).hear() == 2
        assert "no such luck" in caplog.text
        assert await Told(lambda _number: going.wait(10)).hear() == 2
        going.set()

    asyncio.run(timeline())


def test_a_change_while_one_is_worked_out_gets_the_next_number_after_that_was_told(monkeypatch):
    monkeypatch.setattr(versions, "LEAST", 0.1)
    going, done = threading.Event(), []

    def prepare(number):
        assert going.wait(10)
        done.append((number, made.told))

    async def timeline():
        with made.place():
            made.bump()
            for _ in range(3):
                await asyncio.to_thread(made.bump)
            assert (made.current, made.told) == (2, 1)
            going.set()
            assert await made.after(1, 10) == 2
            assert await made.after(2, 10) == 3
            assert await made.after(3, 0.5) is None

    made = Versions()
    made.prepare = prepare
    asyncio.run(attached(made, timeline))
    assert done == [(2, 1), (3, 2)]


async def attached(made, timeline):
    made.attach()
    await timeline()


def test_streams_that_others_hold_open_make_nobody_wait_for_longer():
    with ExitStack() as held:
        waits = [held.enter_context(versions.place()) for versions in [Versions()] for _ in range(400)]
    assert waits[:3] == [0.0, 0.02, 0.04]
    assert max(waits) == pytest.approx(0.98)  # the fiftieth
    assert waits[50] == 0.0


def test_above_some_hundreds_of_open_streams_a_visitor_is_sent_away_until_one_ends():
    versions = Versions()
    calls = api._Calls(lambda: SimpleNamespace(versions=versions))
    with ExitStack() as held:
        for _ in range(399):
            held.enter_context(versions.place())
        assert asyncio.run(calls.events(None)).status_code == 200
        held.enter_context(versions.place())
        refused = asyncio.run(calls.events(None))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
    assert asyncio.run(calls.events(None)).status_code == 200


def test_a_burst_of_changes_is_told_ever_more_rarely_and_to_its_end():
    """A change each 0.1 s for 20 s: at 0, then after 1.5, 3, 6, 6 s, and once for the last one."""

    class Loop:
        def __init__(self):
            self.now, self.due = 0.0, []

        def call_soon_threadsafe(self, call, *args):
            call(*args)

        def call_later(self, seconds, call):
            self.due.append((self.now + seconds, call))

    loop = Loop()
    versions = Versions(clock=lambda: loop.now)
    versions._loop, versions._next = loop, asyncio.Event()
    told = []
    for tenth in range(601):
        loop.now = tenth / 10
        for at, call in [due for due in loop.due if due[0] <= loop.now + 1e-9]:
            loop.due.remove((at, call))
            call()
            told.append((at, versions.current))
        if tenth <= 200 or tenth == 600:
            before = versions.current
            versions.bump()
            if versions.current > before:
                told.append((loop.now, versions.current))
    assert [number for _, number in told] == [2, 3, 4, 5, 6, 7, 8]
    # the change at 20.0 s is told 6 s after 16.5; half a minute later one is told at once again
    assert [at for at, _ in told] == pytest.approx([0, 1.5, 4.5, 10.5, 16.5, 22.5, 60.0])


TOKENS = {role: role[0] * 40 for role in ("viewer", "editor", "admin")}


@pytest.fixture
def roles(workspace, clock):
    """A client whose service knows a token for each role."""
    with (workspace.folder / ".streamlit/secrets.toml").open("a") as file:
        file.writelines(f'\n[api.{r}]\nrole = "{r}"\ntoken = "{t}"\n' for r, t in TOKENS.items())
    made = Service(workspace, clock=clock)
    with served(made) as client:
        yield SimpleNamespace(client=client, book=made.book, token=made.workspace.token())
    made.stop()


@pytest.mark.parametrize(
    ("method", "path", "body", "codes"),
    [
        ("get", "/api/status", None, (200, 200, 200)),
        ("get", "/metrics", None, (200, 200, 200)),
        ("get", "/api/alerts", None, (200, 200, 200)),
        ("post", "/api/alerts/ack", {"incident": 9}, (403, 400, 400)),  # there is no such incident
        ("post", "/api/alerts/silence", {"match": {"rule": "x"}, "reason": "y", "lasts": "1h"}, (403, 200, 200)),
        ("post", "/api/alerts/test", {"to": "nowhere"}, (403, 400, 400)),
        ("post", "/api/alerts/ack", {"incident": 9, "by": "Dana"}, (400, 400, 400)),  # the token says who
        ("post", "/api/backfill", {"days": 0}, (403, 403, 400)),
    ],
)  # fmt: skip
def test_a_token_may_what_its_role_may(roles, method, path, body, codes):
    for role, code in zip(TOKENS, codes, strict=True):
        kept = {"json": body} if body is not None else {}
        headers = {"Authorization": f"Bearer {TOKENS[role]}"}
        reply = getattr(roles.client, method)(path, headers=headers, **kept)
        assert reply.status_code == code, (role, reply.text)
        if code == 403:
            assert f"token {role} may not" in reply.json()["error"]
            assert Audit(roles.book).entries(last=1)[0].action == "was refused"


@pytest.mark.parametrize(
    ("path", "body", "action", "subject"),
    [
        ("/api/poll", None, "asked the sources anew", "sources"),
        ("/api/backfill", {"days": 1}, "began a backfill", "sources"),
        ("/api/alerts/silence", {"match": {"rule": "x"}, "reason": "y", "lasts": "1h"}, "silenced", "alerts"),
        ("/api/alerts/test", {"to": "inbox ana"}, "tested", "receiver inbox ana"),
        ("/api/proposals", {"path": "rules.yaml", "text": "rules: []", "why": "Quiet"}, "proposed", "proposal 1"),
    ],
)  # fmt: skip
def test_what_is_done_is_logged(roles, path, body, action, subject):
    kept = {"json": body} if body is not None else {}
    reply = roles.client.post(path, {"Authorization": f"Bearer {TOKENS['admin']}"}, **kept)
    assert reply.ok, reply.text
    last = Audit(roles.book).entries(last=1)[0]
    assert (last.actor, last.action, last.subject) == ("token admin", action, subject)
    assert Audit(roles.book).verify()[1] is None
