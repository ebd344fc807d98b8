"""The sandbox as a process of its own, and its control face in the words of the tests."""

import json
import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime

import requests

START_WITHIN = 60  # seconds


class Sandbox:
    """A sandbox that is up. `at` is what it announced: addresses, credentials, accounts."""

    def __init__(self, announcement):
        self.at = announcement

    @property
    def now(self):
        return datetime.fromisoformat(self._call("GET", "/clock")["now"])

    @now.setter
    def now(self, moment):
        self._call("POST", "/clock", json={"now": moment.isoformat(), "frozen": True})

    @contextmanager
    def incident(self, name, **options):
        """An incident for as long as the block lasts."""
        begun = self._call("POST", "/incidents", json={"name": name, "seconds": 86_400, **options})
        try:
            yield
        finally:
            self._call("DELETE", f"/incidents/{begun['id']}")

    def calm(self):
        """End whatever is going on."""
        self._call("DELETE", "/incidents")

    def accounts(self, platform):
        """The platform's accounts (or the sites of Google Analytics) by id, managers left out."""
        sites = [{**site, "currency": ""} for site in self.at["properties"]]
        everything = [*self.at["accounts"], *sites]
        return {one["id"]: one for one in everything if one["platform"] == platform}

    def truth(self, account, start, end, as_of, by="campaign"):
        """What the world says of every entity and hour in [start, end), as a platform would at `as_of`."""
        params = {"account": account, "by": by}
        params |= {"start": start.isoformat(), "end": end.isoformat(), "as_of": as_of.isoformat()}
        rows = self._call("GET", "/truth", params=params)["rows"]
        for row in rows:
            row["start"] = datetime.fromisoformat(row["start"])
        return rows

    def entities(self, account):
        """What is set up in the account at the present moment."""
        return self._call("GET", "/entities", params={"account": account})

    def changes(self, account, start, end):
        """Who changed what in [start, end)."""
        params = {"account": account, "start": start.isoformat(), "end": end.isoformat()}
        return self._call("GET", "/changes", params=params)["changes"]

    def secrets(self):
        """Every credential that must never be in a message."""
        held = [*self.at["credentials"]["google"].items(), *self.at["credentials"]["meta"].items()]
        return [value for name, value in held if name.endswith(("secret", "token"))]

    def _call(self, method, path, **how):
        reply = requests.request(method, self.at["truth"] + path, timeout=30, **how)
        assert reply.ok, reply.text
        return reply.json()


@contextmanager
def running(folder, *, now, days, campaigns=8, accounts=6):
    """Start `python -m sandbox up`, its clock standing still at `now`, with `days` of history."""
    command = [sys.executable, "-m", "sandbox", "up", "--json", "--frozen", "--now", now.isoformat()]
    command += ["--days", str(days), "--campaigns", str(campaigns), "--accounts", str(accounts)]
    environment = os.environ | {"PACELINE_SANDBOX_STATE": str(folder / "state.json")}
    with (
        (folder / "sandbox.log").open("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True) as process,
    ):
        try:
            yield Sandbox(json.loads(_first_line(process, log)))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(process, log):
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        if ready and (line := process.stdout.readline()):
            return line
    log.seek(0)
    raise AssertionError(f"the sandbox did not come up:\n{log.read()[-4000:]}")
