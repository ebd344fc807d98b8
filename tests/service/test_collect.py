"""`/collect`: what is acknowledged is on the disk, counted once, whatever happens to the process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import requests

from connectors.events import EventLog
from service.collect import LARGEST, MOST, Refused, parse
from service.running import Service
from tests.service.test_api import served

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKEN = "a-token-of-the-senders"


def event(**changes):
    return {"id": "e1", "at": "2026-11-24T11:59:00Z", "name": "page_view", "session": "s1", **changes}


def body(*events):
    return json.dumps({"events": list(events)}).encode()


def test_an_event_is_what_was_sent_without_what_may_be_personal():
    (found,) = parse(body(event(page="/cart?mail=a@b.c#top", channel="Email")), NOW)
    assert (found.page, found.channel, found.visitor) == ("/cart", "Email", "s1")
    assert found.at == 1_795_521_540_000_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at": "2026-11-24T11:59:00"}, "with its offset"),
        ({"at": 5}, "with its offset"),
        ({"at": "2026-11-22T11:00:00Z"}, "2 days"),
        ({"at": "2026-11-24T12:06:00Z"}, "out of range"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "with its offset"),
        ({"id": ""}, "is empty"),
        ({"id": 7}, "printable text"),
        ({"id": "x" * 65}, "at most 64"),
        ({"name": "page view"}, "letters, digits"),
        ({"session": "a\nb"}, "printable"),
        ({"mail": "a@b.c"}, "is unknown"),
    ],
)
def test_a_fault_is_named_with_its_place_and_refuses_the_batch(changes, words):
    with pytest.raises(Refused) as refused:
        parse(body(event(), event(**changes)), NOW)
    assert refused.value.status == 400
    (fault,) = refused.value.faults
    assert fault.startswith("events.1.")
    assert words in fault


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b'{"events": []}', b'{"events": {}}', b"\xff"])
def test_what_is_no_batch_is_refused_with_the_form(sent):
    with pytest.raises(Refused) as refused:
        parse(sent, NOW)
    assert refused.value.status == 400


def test_a_batch_has_a_size():
    with pytest.raises(Refused) as refused:
        parse(body(*[event()] * (MOST + 1)), NOW)
    assert refused.value.status == 413


@pytest.fixture
def site(workspace):
    """A workspace that takes events."""
    settings = workspace.settings_file
    settings.write_text(settings.read_text() + "  events: {}\n")
    secrets = workspace.folder / ".streamlit/secrets.toml"
    secrets.write_text(secrets.read_text() + f'[events]\ntoken = "{TOKEN}"\n')
    return workspace


def test_over_http(site, clock):
    service = Service(site, clock=clock)
    try:
        with served(service) as client:
            url, bearer = client.url + "/collect", {"Authorization": f"Bearer {TOKEN}"}
            assert requests.post(url, data=body(event()), timeout=9).status_code == 401
            wrong = {"Authorization": f"Bearer {site.token()}"}
            assert requests.post(url, data=body(event()), headers=wrong, timeout=9).status_code == 401
            large = requests.post(url, data=b" " * (LARGEST + 1), headers=bearer, timeout=9)
            assert large.status_code == 413
            bad = requests.post(url, data=body(event(at="x")), headers=bearer, timeout=9)
            assert (bad.status_code, bad.json()["errors"][0][:12]) == (400, "events.0.at:")
            for _ in range(2):
                good = requests.post(url, data=body(event(), event(id="e2")), headers=bearer, timeout=9)
                assert (good.status_code, good.json()) == (200, {"accepted": 2})
    finally:
        service.stop()
    log = EventLog(site.state / "events")
    assert log.read(NOW - timedelta(hours=1), NOW)["id"].to_pylist() == ["e1", "e2"]


def test_nothing_is_collected_where_events_are_no_source(workspace, clock):
    service = Service(workspace, clock=clock)
    try:
        with served(service) as client:
            reply = client.post("/collect", json={"events": [event()]})
            assert reply.status_code == 404
            assert "add `events` under sources" in reply.json()["errors"][0]
    finally:
        service.stop()


SERVER = """
import sys, threading
from pathlib import Path
import uvicorn
from starlette.applications import Starlette
from service import api
from service.running import Service
from service.workspace import Workspace
if __name__ == "__main__":
    service = Service(Workspace(Path(sys.argv[1])))
    app = Starlette(routes=api.routes(lambda: service))
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Senders:
    """Some threads that send batches and send again, unchanged, whatever was not acknowledged."""

    def __init__(self, url, *, threads=4, batch=25):
        self.url, self.batch = url, batch
        self.acknowledged: set[str] = set()
        self.again = 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.send) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def send(self):
        session = requests.Session()
        while not self.stopping.is_set():
            now = datetime.now(UTC).isoformat()
            events = [event(id=uuid.uuid4().hex, at=now) for _ in range(self.batch)]
            while True:
                try:
                    reply = session.post(
                        self.url, data=body(*events), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5
                    )
                    if reply.status_code == 200:
                        break
                except requests.RequestException:
                    pass
                self.again += 1
                time.sleep(0.05)
                if self.stopping.is_set():
                    return
            self.acknowledged |= {one["id"] for one in events}

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_killed_in_the_middle_nothing_acknowledged_is_lost_and_nothing_is_doubled(site, tmp_path):
    script, port = tmp_path / "server.py", free_port()
    script.write_text(SERVER)
    words = [sys.executable, str(script), str(site.folder), str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    start = datetime.now(UTC) - timedelta(hours=1)
    server = subprocess.Popen(words, env=environment)
    senders = Senders(f"http://127.0.0.1:{port}/collect")
    kills = 0
    try:
        for _ in range(2):
            reached = len(senders.acknowledged) + 1000
            end = time.monotonic() + 60
            while len(senders.acknowledged) < reached and time.monotonic() < end:
                time.sleep(0.02)
            assert len(senders.acknowledged) >= reached
            server.send_signal(signal.SIGKILL)
            server.wait()
            kills += 1
            server = subprocess.Popen(words, env=environment)
        reached = len(senders.acknowledged) + 500
        end = time.monotonic() + 60
        while len(senders.acknowledged) < reached and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        senders.stop()
        server.kill()
        server.wait()
    assert kills == 2
    assert senders.again > 0
    found = (
        EventLog(site.state / "events").read(start, datetime.now(UTC) + timedelta(hours=1))["id"].to_pylist()
    )
    assert senders.acknowledged <= set(found)
    assert len(found) == len(set(found))


def test_a_poll_counts_them_into_the_warehouse_once(site, clock):
    service = Service(site, clock=clock)
    try:
        moments = [clock() - timedelta(minutes=m) for m in (5, 5, 90)]
        sent = [
            event(id=f"e{n}", at=moment.isoformat(), session=f"s{n}", page="/shoes", channel="Email")
            for n, moment in enumerate(moments)
        ]
        assert service.collector is not None
        for _ in range(2):
            service.collector.take(body(*sent))[1].result(10)
            service.poller.run_once()
        found = service.warehouse.query(
            "SELECT hour, step, sessions, events FROM web WHERE step = 'page_view' ORDER BY hour"
        ).to_pylist()
        assert [(r["hour"].hour, r["sessions"], r["events"]) for r in found] == [(10, 1, 1), (11, 2, 2)]
        minutes = service.warehouse.query("SELECT sum(views) AS views FROM web_minute").to_pylist()
        assert minutes == [{"views": 2}]
        (changed,) = service.warehouse.query("SELECT count(*) AS n FROM web_ledger").to_pylist()
        assert changed["n"] == 4  # two hours, two steps each, counted once
    finally:
        service.stop()
