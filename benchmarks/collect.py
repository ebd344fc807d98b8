"""`/collect` under load: 2,000 events a second for a minute, the app killed in the middle.

    python -m benchmarks.collect [--rate 2000] [--seconds 60] [--kafka]

The whole app is started on a workspace of its own, and killed with SIGKILL half way; senders send again,
unchanged, whatever was not acknowledged. At the end a poll counts the log, and the sum is compared. With
`--kafka` the same events come by a topic of librdkafka's own mock cluster, of which the app is a consumer.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from connectors.contract import Window
from connectors.events import EventLog, Events, EventsSettings
from service import settings
from service.commands import serve
from service.workspace import Workspace

TOKEN = "a-token-of-the-senders"
BATCH = 50
TOPIC = "site-events"
DRAINED = 120.0
"""Seconds for what stands in the topic: a new consumer waits for the session of the one that was killed."""


def _events() -> list[dict[str, str]]:
    """What one request or message brings."""
    at = datetime.now(UTC).isoformat()
    return [
        {
            "id": uuid.uuid4().hex,
            "at": at,
            "name": "page_view",
            "session": f"s{n}",
            "page": "/shoes",
            "channel": "Paid Search",
        }
        for n in range(BATCH)
    ]


class Load:
    """Senders that share a pace. events: acknowledged ids. took: seconds of each acknowledged request."""

    def __init__(self, url: str, rate: float, senders: int = 8) -> None:
        self.url = url
        self.events: set[str] = set()
        self.took: list[float] = []
        self.again = 0
        self.late = 0.0
        self.ended = threading.Event()
        self._pause = senders * BATCH / rate
        self.threads = [threading.Thread(target=self._send, args=(n / senders,)) for n in range(senders)]

    def _send(self, offset: float) -> None:
        session = requests.Session()
        due = time.monotonic() + offset * self._pause
        while not self.ended.is_set():
            time.sleep(max(due - time.monotonic(), 0))
            self.late = max(self.late, time.monotonic() - due)
            due += self._pause
            events = _events()
            body = json.dumps({"events": events}).encode()
            while not self._post(session, body):
                self.again += 1
                time.sleep(0.1)
            self.events |= {one["id"] for one in events}

    def _post(self, session: requests.Session, body: bytes) -> bool:
        began = time.monotonic()
        try:
            reply = session.post(
                self.url, data=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
            )
        except requests.RequestException:
            return False
        if reply.status_code != requests.codes.ok:
            return False
        self.took.append(time.monotonic() - began)
        return True


class Topic:
    """A mock cluster, and one producer that keeps the pace. events: ids that the cluster has."""

    def __init__(self, rate: float) -> None:
        from confluent_kafka import Producer  # noqa: PLC0415  # only where it is asked for

        self._producer = Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 3})
        brokers = self._producer.list_topics(timeout=10).brokers.values()
        self.servers = ",".join(f"{one.host}:{one.port}" for one in brokers)
        self.events: set[str] = set()
        self.ended = threading.Event()
        self._pause = BATCH / rate
        self.threads = [threading.Thread(target=self._send)]

    def _send(self) -> None:
        due = time.monotonic()
        while not self.ended.is_set():
            time.sleep(max(due - time.monotonic(), 0))
            due += self._pause
            events = _events()
            self._producer.produce(TOPIC, json.dumps({"events": events}).encode())
            self._producer.poll(0)
            self.events |= {one["id"] for one in events}
        if self._producer.flush(30):
            raise TimeoutError("the cluster has not taken every message")


def main() -> None:
    """Print what was measured; end with 1 where anything was lost or doubled."""
    words = argparse.ArgumentParser()
    words.add_argument("--rate", type=float, default=2000)
    words.add_argument("--seconds", type=float, default=60)
    words.add_argument("--port", type=int, default=18790)
    words.add_argument("--kafka", action="store_true")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        workspace = Workspace(Path(place))
        (workspace.folder / ".streamlit").mkdir()
        load = (
            Topic(asked.rate) if asked.kafka else Load(f"http://127.0.0.1:{asked.port}/collect", asked.rate)
        )
        _configure(workspace, load)
        (workspace.folder / ".streamlit/secrets.toml").write_text(f'[events]\ntoken = "{TOKEN}"\n')
        began = datetime.now(UTC)
        app = _start(workspace, asked.port)
        try:
            for thread in load.threads:
                thread.start()
            start = time.monotonic()
            time.sleep(asked.seconds / 2)
            app.send_signal(signal.SIGKILL)
            app.wait()
            killed = time.monotonic()
            app = _start(workspace, asked.port)
            down = time.monotonic() - killed
            time.sleep(max(start + asked.seconds - time.monotonic(), 0))
            load.ended.set()
            for thread in load.threads:
                thread.join()
            lasted = time.monotonic() - start
            if isinstance(load, Topic):
                _drain(workspace, load, began)
        finally:
            app.terminate()
            app.wait()
        sys.exit(_told(workspace, load, began, lasted, down))


def _configure(workspace: Workspace, load: Load | Topic) -> None:
    kafka = ""
    if isinstance(load, Topic):
        options = "{session.timeout.ms: 10000}"
        kafka = f'    kafka: {{servers: "{load.servers}", topic: {TOPIC}, options: {options}}}\n'
    text = f"sources:\n  events:\n{kafka}" if kafka else "sources:\n  events: {}\n"
    workspace.settings_file.write_text(text, encoding="utf-8")


def _drain(workspace: Workspace, load: Topic, began: datetime) -> None:
    """Wait until the app has read the topic to its end; what is missing then is told as lost."""
    log, start = EventLog(workspace.state / "events"), time.monotonic()
    while time.monotonic() < start + DRAINED:
        if load.events <= set(log.read(began, datetime.now(UTC))["id"].to_pylist()):
            break
        time.sleep(1)
    print(f"the topic was read to its end {time.monotonic() - start:.0f} s after the last message")


def _start(workspace: Workspace, port: int) -> subprocess.Popen[bytes]:
    setup = settings.load(workspace.folder)
    with (workspace.folder / "app.log").open("ab") as log:
        app = subprocess.Popen(  # our own interpreter
            serve.command(setup, port=port, address="127.0.0.1"),
            cwd=workspace.folder,
            env={**os.environ, **serve.environment(workspace)},
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code:
                return app
        except requests.RequestException:
            time.sleep(0.1)
    raise TimeoutError((workspace.folder / "app.log").read_text(encoding="utf-8"))


def _told(workspace: Workspace, load: Load | Topic, began: datetime, lasted: float, down: float) -> int:
    folder, now = workspace.state / "events", datetime.now(UTC)
    found = EventLog(folder).read(began, now)["id"].to_pylist()
    lost, doubled = len(load.events - set(found)), len(found) - len(set(found))
    source = Events(EventsSettings(token=TOKEN, folder=folder), now=now)  # type: ignore[arg-type]  # a secret
    (account,) = source.accounts()
    web = next(s for s in source.streams() if s.name == "web")
    clock = time.monotonic()
    rows = next(source.fetch(web, account, Window(began - timedelta(hours=1), now))).to_pylist()
    counting = time.monotonic() - clock
    counted = sum(r["events"] for r in rows if r["step"] == "page_view")
    if isinstance(load, Topic):
        rate = len(load.events) / lasted
        print(f"the cluster took {len(load.events):,} events in {lasted:.0f} s: {rate:,.0f} a second")
    else:
        rate = len(load.events) / (lasted - down)
        print(f"acknowledged {len(load.events):,} events in {lasted:.0f} s: {rate:,.0f} a second while up")
    again = f"; {load.again} requests sent again" if isinstance(load, Load) else ""
    print(f"killed once, down for {down:.1f} s{again}")
    print(f"lost {lost}, doubled {doubled}; counted {counted:,} of {len(found):,} in {counting:.2f} s")
    if isinstance(load, Topic):
        return int(bool(lost or doubled or counted != len(found)))
    took = sorted(load.took)
    print(
        f"request of {BATCH}: median {statistics.median(took) * 1000:.0f} ms, "
        f"p95 {took[int(len(took) * 0.95)] * 1000:.0f} ms; senders at most {load.late:.1f} s late"
    )
    return int(bool(lost or doubled or counted != len(found)))


if __name__ == "__main__":
    main()
