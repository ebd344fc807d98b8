"""The engine and its dispatcher as a process that may be killed at any moment.

    python -m tests.alerts.crash_engine BOOK SLACK_URL SMTP_PORT INCIDENTS

Begins as many incidents as it is told, one after the other, each an account of its own, told to Slack and by
mail; says READY when it has begun to work and DONE when all is delivered. Started again on the same book, it
goes on.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from alerts.conditions.contract import Condition
from alerts.engine import Described, Engine, Finding
from alerts.observation import Labels, Observation, Result
from alerts.outbox import Dispatcher
from alerts.records import CHAPTER
from alerts.routes import Person, Receiver, Routing
from alerts.rules import Rule
from tests.alerts.channels import Mail, Slack
from warehouse.book import Book


class Told(Condition):
    kind: Literal["told"] = "told"


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
    people=(Person(name="Dana", email="dana@team.test"),), group_wait=timedelta(0), escalation=(), repeat={}
)


def now():
    return datetime.now(UTC)


def main(path, slack, smtp, incidents):
    book = Book.open(Path(path), [CHAPTER])
    engine = Engine(
        book,
        [RULE],
        ROUTING,
        {"slack": "C1", "email": ""},
        lambda alert, notice, _now: Described(f"incident {alert.members[0].key.labels.account}"),
    )
    dispatcher = Dispatcher(engine.outbox, {"slack": Slack(slack), "email": Mail(int(smtp))}, now)
    dispatcher.start()
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    known = {key.labels.account for key in engine.records.instances()}
    known |= {row["account"] for row in book.read("SELECT account FROM incident")}
    for number in range(int(incidents)):
        if str(number) in known:
            continue
        labels = Labels("google_ads", str(number))
        engine.take({RULE.name: Finding({labels: Observation(labels, Result.TRUE, now())})}, now())
        time.sleep(random.random() * 0.004)
    while engine.outbox.counts().keys() != {"sent"}:
        engine.tick(now())
        time.sleep(0.02)
    dispatcher.stop()
    sys.stdout.write("DONE\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
