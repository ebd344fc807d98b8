"""The sandbox's channels as servers of their own, and messages to send to them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import requests

from alerts.notify.contract import Fact, Link, Member, Message, Reason, Severity

AT = datetime.now(UTC).replace(microsecond=0)
CHANNEL = "C0MKTALERTS"
ROOT = Path(__file__).parents[2]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
HOSTILE = "<!channel> & <script>alert(1)</script> *b* \u202egnp.exe\n\x00Bcc: x@evil.test"


class Channels:
    """Channels that are up. `at` is what the sandbox announced."""

    def __init__(self, announcement):
        self.at = announcement
        self.keys = announcement["credentials"]

    def arrived(self):
        return self._call("GET", "/channels/arrived")

    def slack(self, channel=CHANNEL):
        """The channel's messages, and the replies by their thread."""
        (found,) = [c for c in self.arrived()["slack"] if c["id"] == channel]
        return found["messages"]

    def mail(self, to=None):
        return [m for m in self.arrived()["mail"] if to in (None, m["to"])]

    def sms(self, to=None):
        return [m for m in self.arrived()["sms"] if to in (None, m["to"])]

    def press(self, ts, action, user="U0ANA00001", channel=CHANNEL):
        return self._call(
            "POST", "/channels/press", {"channel": channel, "ts": ts, "action_id": action, "user": user}
        )["acknowledged"]

    def forms(self):
        """The forms on people's screens."""
        return self.arrived()["views"]

    def submit(self, view, values):
        """What the app finds wrong, by block."""
        said = self._call("POST", "/channels/submit", {"view": view, "values": values})
        assert said["acknowledged"]
        return said["errors"]

    def fault(self, channel, fault, **how):
        return self._call("POST", "/channels/faults", {"channel": channel, "fault": fault, **how})

    def calm(self):
        return self._call("DELETE", "/channels/faults")["faults"]

    def secrets(self):
        keys = self.keys
        return [
            keys["slack"]["bot_token"], keys["slack"]["app_token"], keys["smtp"]["password"],
            keys["twilio"]["auth_token"],
        ]  # fmt: skip

    def _call(self, method, path, body=None):
        reply = requests.request(method, self.at["truth"] + path, json=body, timeout=30)
        assert reply.ok, reply.text
        return reply.json()


@contextmanager
def running(folder, *options):
    """`python -m sandbox up` with the smallest world there is."""
    command = [sys.executable, "-m", "sandbox", "up", "--json", "--accounts", "1", "--campaigns", "1"]
    command += ["--days", "1", *options]
    environment = os.environ | {"PACELINE_SANDBOX_STATE": str(folder / "state.json")}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment, text=True) as process:
        late = threading.Timer(60, process.kill)
        late.start()
        try:
            announced = process.stdout.readline()
            late.cancel()  # it is up: from now on it may take as long as the tests do
            yield Channels(json.loads(announced))
        finally:
            late.cancel()
            process.terminate()


_NUMBER = itertools.count(1)


def message(reason=Reason.FIRST, *, incident=None, **fields):
    """A message as the engine writes it; a new incident unless one is given."""
    number = next(_NUMBER)
    incident = incident or f"test-{number}"
    made = Message(
        key=f"{incident}/{number}-{reason}",
        incident=incident,
        to=CHANNEL,
        reason=reason,
        severity=Severity.CRITICAL,
        headline="Overspend, €240/h over plan: Brand DE at 3.1× its pace",
        at=AT,
        began=AT,
        facts=(
            Fact("Expected", "€76 an hour"),
            Fact("Seen", "€316 an hour"),
            Fact(
                "Cause", "Clicks cost 2.9× the usual in one campaign; the number of clicks is as ever. " * 2
            ),
        ),
        members=(Member("Brand DE"),),
        links=(Link("Open in Paceline", "https://app.test/alerts?incident=7&x=1"),),
    )
    return replace(made, **fields)
