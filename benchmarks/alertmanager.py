"""What a live Alertmanager tells of the same events, beside what the engine tells.

The scenarios are played to a real Alertmanager (a webhook on this machine writes down what comes when) and
to the engine on a clock of its own. Where the two differ on purpose the scenario says why, and what each is
to tell; whatever else differs fails. Needs `prometheus-alertmanager` (Debian). benchmarks/promtool.py
compares the states before that. Run: python -m benchmarks.alertmanager
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from alerts.conditions.contract import Condition
from alerts.engine import Engine, Finding
from alerts.incident import Alert, Notice
from alerts.notify.contract import Reason, Severity
from alerts.observation import Labels, Observation, Result
from alerts.records import CHAPTER
from alerts.routes import Receiver, Routing
from alerts.rules import Rule
from alerts.state import Key
from alerts.telling import Described
from benchmarks._scenarios import (
    END,
    INTERVAL,
    NEVER,
    SCENARIOS,
    WAIT,
    Event,
    Scenario,
    Series,
    Told,
    said,
    series,
)
from warehouse.access import local
from warehouse.book import Book

BINARY: Final = "prometheus-alertmanager"
UNIT: Final = timedelta(minutes=1)
"""Of the engine's own clock."""
START: Final = datetime(2026, 11, 2, 9, tzinfo=UTC)


# -- the engine


class Given(Condition):
    """A condition whose findings a scenario tells."""

    kind: Literal["given"] = "given"

    def evaluate(self, *_: object) -> Sequence[Observation]:
        return ()


class Down(Given):
    mutes_account: ClassVar[bool] = True


def _rule(id_: str, severity: str) -> Rule:
    return Rule.model_validate(
        {
            "id": id_,
            "title": id_,
            "owner": "team",
            "severity": severity,
            "condition": Down() if id_ == "stale" else Given(),
            "routes": [Receiver("slack")],
            "review": date(2027, 1, 1),
        }
    )


RULES: Final = (_rule("spend", "critical"), _rule("spend", "warning"), _rule("stale", "critical"))


def _described(alert: Alert, notice: Notice, _now: datetime) -> Described:
    def names(keys: frozenset[Key]) -> str:
        found = (Series(k.rule, str(k.severity), k.labels.account, k.labels.campaign) for k in keys)
        return " ".join(sorted(map(said, found)))

    firing = "flapping" if notice.reason is Reason.FLAPPING else names(alert.live)
    return Described(json.dumps([firing, names(notice.resolved)]))


def ours(scenario: Scenario) -> list[Told]:
    """What the engine tells, by its own clock; nothing is waited for."""
    routing = Routing(
        group_wait=WAIT * UNIT,
        group_interval=INTERVAL * UNIT,
        repeat=dict.fromkeys(Severity, scenario.repeat * UNIT),
        escalation=(),
    )
    with tempfile.TemporaryDirectory() as folder:
        book = Book.open(Path(folder) / "book.sqlite", [CHAPTER])
        engine = Engine(book, RULES, routing, {"slack": "C000001"}, _described)
        firing: dict[Series, bool] = {}
        due: datetime | None = None
        for event in [*scenario.events, Event(scenario.end)]:
            now = START + event.at * UNIT
            while due is not None and due < now:
                due = engine.tick(due)
            due = _happens(engine, event, firing, now)
        rows = book.read("SELECT created, message FROM outbox ORDER BY id")
        book.close()
    found = []
    for row in rows:
        headline = json.loads(row["message"])["headline"]
        found.append(Told((datetime.fromisoformat(row["created"]) - START) / UNIT, *json.loads(headline)))
    return sorted(found)


def _happens(engine: Engine, event: Event, firing: dict[Series, bool], now: datetime) -> datetime | None:
    if event.mute:
        engine.silence(
            {"campaign": event.mute},
            by=local("team"),
            reason="scenario",
            starts=now,
            ends=START + event.until * UNIT,
            now=now,
        )
    firing |= {series(one): True for one in event.on.split()}
    firing |= {series(one): False for one in event.off.split()}
    if not event.on and not event.off:
        return engine.tick(now)
    findings = {}
    for rule in RULES:
        mine = {s: on for s, on in firing.items() if (s.rule, s.severity) == (rule.id, rule.severity)}
        told = [
            Observation(Labels("ads", s.account, s.campaign), Result.TRUE if on else Result.FALSE, now)
            for s, on in mine.items()
        ]
        findings[rule.name] = Finding({one.labels: one for one in told})
    asked = None if event.since is None else START + event.since * UNIT
    return engine.take(findings, now, asked=asked)


# -- Alertmanager


def _config(hook: str, unit: float) -> str:
    def span(units: float) -> str:
        return f"{round(units * unit * 1000)}ms"

    routes = [
        {"matchers": [f'scenario="{n}"'], "repeat_interval": span(s.repeat)} for n, s in enumerate(SCENARIOS)
    ]
    return json.dumps(
        {
            "route": {
                "receiver": "hook",
                "group_by": ["scenario", "account", "severity"],
                "group_wait": span(WAIT),
                "group_interval": span(INTERVAL),
                "routes": routes,
            },
            "receivers": [{"name": "hook", "webhook_configs": [{"url": hook, "send_resolved": True}]}],
            "inhibit_rules": [
                {
                    "source_matchers": ['rule="stale"'],
                    "target_matchers": ['rule!="stale"'],
                    "equal": ["scenario", "account"],
                },
                {
                    "source_matchers": ['severity="critical"'],
                    "target_matchers": ['severity="warning"'],
                    "equal": ["scenario", "rule", "account", "campaign"],
                },
            ],
        }
    )


@contextmanager
def _hook(heard: list[tuple[float, dict[str, Any]]]) -> Iterator[str]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.monotonic()
            heard.append((at, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _alertmanager(hook: str, unit: float) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        config = Path(folder) / "config.json"  # JSON is YAML
        config.write_text(_config(hook, unit))
        command = [
            BINARY,
            f"--config.file={config}",
            f"--storage.path={folder}/data",
            f"--web.listen-address={where}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
        with subprocess.Popen(command) as process:
            try:
                for _ in range(200):
                    try:
                        urllib.request.urlopen(f"http://{where}/-/ready", timeout=5).close()
                        break
                    except (urllib.error.URLError, OSError):
                        time.sleep(0.1)
                else:
                    raise RuntimeError("Alertmanager did not come up in 20 s")
                yield f"http://{where}/api/v2"
            finally:
                process.terminate()


def _post(url: str, body: object) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()


def theirs(unit: float) -> list[list[Told]]:
    """What Alertmanager tells in each scenario, all of them at once. unit: seconds."""
    heard: list[tuple[float, dict[str, Any]]] = []
    with _hook(heard) as hook, _alertmanager(hook, unit) as api:
        began, clock = time.monotonic(), datetime.now(UTC)

        def moment(at: float) -> str:
            return (clock + timedelta(seconds=at * unit)).isoformat()

        since: dict[tuple[int, Series], float] = {}
        events = sorted(
            ((event, number) for number, s in enumerate(SCENARIOS) for event in s.events),
            key=lambda one: (one[0].at, one[1]),
        )
        for event, number in events:
            time.sleep(max(0.0, began + event.at * unit - time.monotonic()))
            if event.mute:
                matchers = [
                    {"name": name, "value": value, "isRegex": False}
                    for name, value in (("scenario", str(number)), ("campaign", event.mute))
                ]
                _post(
                    f"{api}/silences",
                    {
                        "matchers": matchers,
                        "startsAt": moment(event.at),
                        "endsAt": moment(event.until),
                        "createdBy": "team",
                        "comment": "scenario",
                    },
                )
            alerts = []
            for one in (*map(series, event.on.split()), *map(series, event.off.split())):
                ends = said(one) in event.off.split()
                if not ends:
                    since[number, one] = event.at if event.since is None else event.since
                alerts.append(
                    {
                        "labels": {"alertname": one.rule, "scenario": str(number), **one._asdict()},
                        "startsAt": moment(since[number, one]),
                        "endsAt": moment(event.at if ends else NEVER),
                    }
                )
            if alerts:
                _post(f"{api}/alerts", alerts)
        time.sleep(max(0.0, began + (END + 0.4) * unit - time.monotonic()))
    found: list[list[Told]] = [[] for _ in SCENARIOS]
    for at, body in heard:
        number = int(body["groupLabels"]["scenario"])
        names = {"firing": "", "resolved": ""}
        for status in names:
            labels = [a["labels"] for a in body["alerts"] if a["status"] == status]
            names[status] = " ".join(
                sorted(said(Series(*(one.get(name, "") for name in Series._fields))) for one in labels)
            )
        found[number].append(Told((at - began) / unit, names["firing"], names["resolved"]))
    return found


def unlike(wanted: Sequence[Told], told: Sequence[Told], slack: float) -> bool:
    """Whether two lists differ, by more than so many units where only the times do."""
    left = list(told)
    for one in wanted:
        hit = next((t for t in left if t[1:] == one[1:] and -0.05 <= t.at - one.at <= slack), None)
        if hit is None:
            return True
        left.remove(hit)
    return bool(left)


def compare(unit: float, slack: float = 0.45) -> list[str]:
    """Play all scenarios to both; a line for each that is not as it is written."""
    wrong = []
    for scenario, heard in zip(SCENARIOS, theirs(unit), strict=True):
        own = ours(scenario)
        wanted = scenario.ours if scenario.theirs is None else scenario.theirs
        heard = [one for one in heard if one.at < scenario.end + slack]  # noqa: PLW2901
        bad = unlike(scenario.ours, own, 0.001) or unlike(wanted, heard, slack)
        verdict = "WRONG" if bad else f"differs: {scenario.why}" if scenario.why else "same"
        print(f"  {scenario.name:50} {verdict}")
        if bad:
            wrong.append(f"{scenario.name}: ours {own}, Alertmanager's {heard}")
    return wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--unit", type=float, default=2.0, help="seconds of a scenario's unit of time")
    chosen = options.parse_args()
    if shutil.which(BINARY) is None:
        print(f"left out: {BINARY} not found (Debian: {BINARY})")
        return 0
    print(
        f"group_wait {WAIT}, group_interval {INTERVAL}, each unit {chosen.unit:g} s there and a minute here:"
    )
    wrong = compare(chosen.unit)
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
