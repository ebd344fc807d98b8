"""`/collect` under load: 2,000 events a second for a minute, the app killed in the middle.

    python -m benchmarks.collect [--rate 2000] [--seconds 60]

The whole app is started on a workspace of its own, and killed with SIGKILL half way; senders send again,
unchanged, whatever was not acknowledged. At the end a poll counts the log, and the sum is compared.
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
            at = datetime.now(UTC).isoformat()
            events = [
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


def main() -> None:
    """Print what was measured; end with 1 where anything was lost or doubled."""
    words = argparse.ArgumentParser()
    words.add_argument("--rate", type=float, default=2000)
    words.add_argument("--seconds", type=float, default=60)
    words.add_argument("--port", type=int, default=18790)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        workspace = Workspace(Path(place))
        (workspace.folder / ".streamlit").mkdir()
        workspace.settings_file.write_text("sources:\n  events: {}\n", encoding="utf-8")
        (workspace.folder / ".streamlit/secrets.toml").write_text(f'[events]\ntoken = "{TOKEN}"\n')
        began = datetime.now(UTC)
        app = _start(workspace, asked.port)
        load = Load(f"http://127.0.0.1:{asked.port}/collect", asked.rate)
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
        finally:
            app.terminate()
            app.wait()
        sys.exit(_told(workspace, load, began, lasted, down))


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


def _told(workspace: Workspace, load: Load, began: datetime, lasted: float, down: float) -> int:
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
    took = sorted(load.took)
    rate = len(load.events) / (lasted - down)
    print(f"acknowledged {len(load.events):,} events in {lasted:.0f} s: {rate:,.0f} a second while it was up")
    print(f"killed once, down for {down:.1f} s; {load.again} requests sent again")
    print(f"lost {lost}, doubled {doubled}; counted {counted:,} of {len(found):,} in {counting:.2f} s")
    print(
        f"request of {BATCH}: median {statistics.median(took) * 1000:.0f} ms, "
        f"p95 {took[int(len(took) * 0.95)] * 1000:.0f} ms; senders at most {load.late:.1f} s late"
    )
    return int(bool(lost or doubled or counted != len(found)))


if __name__ == "__main__":
    main()
