"""The engine and its dispatcher as a process that may be killed at any moment.

    python -m tests.alerts.crash_engine BOOK CHANNELS INCIDENTS

CHANNELS is a file with the settings of Slack and mail. For each line on its input it forks a child, which has
all imports at once; the child says READY and its pid when it begins to work, begins and ends as many incidents
as it is told, each an account of its own, and goes on where an earlier one on the same book was killed. Its
parent says how it ended: 0 once all is delivered.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from alerts.conditions.contract import Condition
from alerts.engine import Engine, Finding
from alerts.notify import book as threads
from alerts.notify.email import Email
from alerts.notify.settings import EmailSettings, SlackSettings
from alerts.notify.slack import Slack
from alerts.observation import Labels, Observation, Result
from alerts.outbox import Dispatcher
from alerts.records import CHAPTER
from alerts.routes import Person, Receiver, Routing
from alerts.rules import Rule
from alerts.telling import Described
from warehouse.book import Book


class Told(Condition):
    kind: Literal["told"] = "told"

    def evaluate(self, scene, scope, watched):
        raise AssertionError("findings are told by the test")


RULE = Rule.model_validate(
    {
        "id": "spend",
        "title": "Spend",
        "owner": "Dana",
        "severity": "critical",
        "condition": Told(),
        "routes": (Receiver("slack"), Receiver("email", "owner")),
        "review": date(2027, 1, 1),
    }
)
ROUTING = Routing(
    people=(Person(name="Dana", email="dana@team.test"),),
    group_wait=timedelta(0),
    group_interval=timedelta(milliseconds=200),
    escalation=(),
    repeat={},
)


def now():
    return datetime.now(UTC)


def describe(alert, notice, _now):
    return Described(f"{notice.reason} of {alert.members[0].key.labels.account}")


def main(path, channels, incidents):
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            work(path, channels, incidents)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(f"ENDED {os.waitstatus_to_exitcode(status)}")


def work(path, channels, incidents):
    settings = json.loads(Path(channels).read_text())
    book = Book.open(Path(path), [CHAPTER, threads.CHAPTER])
    slack = SlackSettings(**settings["slack"])
    engine = Engine(book, [RULE], ROUTING, {"slack": slack.channel, "email": ""}, describe)
    dispatcher = Dispatcher(
        engine.outbox,
        {
            # Without Slack's one message a second, which this sandbox does not ask for.
            "slack": Slack(slack, threads.Threads(book), sleep=lambda _seconds: None),
            "email": Email(EmailSettings(**settings["email"])),
        },
        now,
    )
    dispatcher.start()
    say(f"READY {os.getpid()}")
    begun = {row["account"] for row in book.read("SELECT account FROM incident")}
    for number in map(str, range(int(incidents))):
        if number not in begun:
            tell(engine, number, Result.TRUE)
    for instance in list(engine.records.firing()):
        tell(engine, instance.key.labels.account, Result.FALSE)
    while engine.records.open_incidents() or engine.outbox.counts().keys() != {"sent"}:
        engine.tick(now())
        time.sleep(0.02)
    dispatcher.stop()


def tell(engine, account, result):
    labels = Labels("google_ads", account)
    engine.take({RULE.name: Finding({labels: Observation(labels, result, now())})}, now())
    time.sleep(random.random() * 0.004)


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
