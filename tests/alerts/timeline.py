"""Alerts as a timeline, in the manner of Alertmanager's acceptance tests.

    line = Timeline(tmp_path, rules=[rule("spend", "critical")])
    line.at(0, spend=TRUE)                       # an evaluation, in minutes
    line.want(0.5, 0.5, "first", to="slack")     # between so and so many minutes, this message
    line.play(until=10)                          # ... and no other

The engine is the real one on a real book; its clock is the test's, and stops exactly where the engine asked.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Literal

from alerts.conditions.contract import Condition
from alerts.engine import Engine, Finding
from alerts.notify.contract import Severity, unpack
from alerts.observation import Labels, Observation, Result
from alerts.records import CHAPTER
from alerts.routes import Person, Receiver, Routing
from alerts.rules import Rule
from alerts.telling import Described
from warehouse.book import Book

START = datetime(2026, 11, 2, 9, tzinfo=UTC)

TRUE, FALSE, NODATA, ERROR, STALE = Result

PEOPLE = (
    Person(name="Dana", slack="U000001", email="dana@team.test", phone="+4930000001"),
    Person(name="Sam", email="sam@team.test", phone="+4930000002"),
    Person(name="Max", email="max@team.test", phone="+4930000003"),
)
ROUTING = Routing(people=PEOPLE, second="Sam", manager="Max")
QUIET = Routing(people=PEOPLE, second="Sam", manager="Max", escalation=())
SLACK = (Receiver("slack"),)
CHANNELS = {"slack": "C000001", "email": "", "sms": ""}


class Told(Condition):
    """A condition whose findings the test tells itself."""

    kind: Literal["told"] = "told"

    def evaluate(self, scene, scope, watched):
        raise AssertionError("findings are told by the test")


class Down(Told):
    mutes_account: ClassVar[bool] = True


def minutes(number):
    return timedelta(minutes=number)


def rule(id_, severity="critical", *, owner="Dana", hold=0, keep=0, no_data="keep", down=False, routes=None):
    return Rule.model_validate(
        {
            "id": id_,
            "title": id_.title(),
            "owner": owner,
            "severity": severity,
            "condition": Down() if down else Told(),
            "for": minutes(hold),
            "keep_firing_for": minutes(keep),
            "no_data": no_data,
            "routes": routes,
            "review": date(2027, 1, 1),
        }
    )


def labels(name, account="a"):
    """`c1` is a campaign of account a; `""` the account itself; `b/c1` one of another account."""
    if "/" in name:
        account, name = name.split("/")
    return Labels("google_ads", account, name)


def describe(alert, notice, now):
    live = sorted(k.labels.campaign or k.labels.account for k in alert.live)
    return Described(f"{notice.reason}: {','.join(live)}")


class Timeline:
    def __init__(self, folder, rules, routing=ROUTING, channels=CHANNELS):
        self.folder, self.rules, self.routing, self.channels = folder, rules, routing, channels
        self.now = START
        self.book = Book.open(folder / "book.sqlite", [CHAPTER])
        self.engine = self._engine()
        self._events, self._wanted, self._done = [], [], 0
        self.due = None

    def _engine(self):
        return Engine(self.book, self.rules, self.routing, self.channels, describe)

    # -- what happens

    def at(self, minute, *, data=None, account_fresh=("a", "b"), **told):
        """An evaluation of every rule that is named: its series, or one result for campaign c1.

        data: the watermark in minutes, the evaluation's own time where it is not given.
        """
        self._events.append((minute, "take", (minute if data is None else data, account_fresh, told)))
        return self

    def do(self, minute, act):
        """Something a person does: a function of the engine and the moment."""
        self._events.append((minute, "do", act))
        return self

    def restart(self, minute, down=0.0):
        """The process ends, and is back after so many minutes."""
        self._events.append((minute, "down", None))
        self._events.append((minute + down, "up", None))
        return self

    # -- what is wanted

    def want(self, first, last, reason, *, to, live=None):
        """A message between two minutes; `live`: the campaigns it tells of."""
        self._wanted.append((first, last, reason, to, live))
        return self

    def play(self, until):
        """Let it happen, and compare all messages with what was wanted."""
        self.happen(until)
        self.compare()

    def happen(self, until):
        """Let it happen, whatever is sent."""
        up = True
        for minute, what, how in sorted(self._events, key=lambda e: e[0]):
            self._idle(START + minutes(minute), up)
            self.now = START + minutes(minute)
            if what == "take":
                self.due = self.engine.take(self._findings(*how), self.now)
            elif what == "do":
                how(self.engine, self.now)
                self.due = self.engine.tick(self.now)
            elif what == "down":
                up = False
                self.book.close()
            else:
                up = True
                self.book = Book.open(self.folder / "book.sqlite", [CHAPTER])
                self.engine = self._engine()
                self.due = self.engine.tick(self.now)
        self._idle(START + minutes(until), up)
        self._events = []

    def _idle(self, until, up):
        """Tick exactly when the engine asked to be called."""
        ticks = 0
        while up and self.due is not None and self.due < until:
            self.now = self.due
            self.due = self.engine.tick(self.now)
            assert self.due is None or self.due > self.now
            ticks += 1
            assert ticks < 10_000

    def _findings(self, data, fresh, told):
        found = {}
        at = START + minutes(data)
        for name, said in told.items():
            series = {"c1": said} if isinstance(said, Result) else said
            observations = {
                labels(one): Observation(labels(one), result, at, seen=1.0, said=name)
                for one, result in series.items()
            }
            id_, _, severity = name.partition("__")
            for rule in self.rules:
                if rule.id == id_ and severity in ("", str(rule.severity)):
                    found[rule.name] = Finding(observations, {("google_ads", a): at for a in fresh})
        return found

    # -- what came of it

    def messages(self):
        rows = self.book.read("SELECT channel, created, message FROM outbox ORDER BY id")
        found = []
        for row in rows:
            minute = (datetime.fromisoformat(row["created"]) - START) / minutes(1)
            found.append((minute, row["channel"], unpack(row["message"])))
        return found

    def compare(self):
        left = self.messages()[self._done :]
        self._done += len(left)
        missing = []
        for first, last, reason, to, live in self._wanted:
            channel, _, address = to.partition(" ")
            hit = next(
                (
                    one
                    for one in left
                    if first - 1e-6 <= one[0] <= last + 1e-6
                    and one[1] == channel
                    and one[2].reason == reason
                    and (not address or one[2].to == address)
                    and (live is None or one[2].headline == f"{reason}: {live}")
                ),
                None,
            )
            if hit is None:
                missing.append((first, last, reason, to, live))
            else:
                left.remove(hit)
        self._wanted = []
        said = [(round(m, 3), c, str(msg.reason), msg.to, msg.headline) for m, c, msg in left]
        assert not missing, f"missing {missing}; instead {said}"
        assert not said, f"not wanted: {said}"

    def states(self):
        return {i.key: str(i.state) for i in self.engine.records.instances().values()}

    def numbers(self):
        return [i.id for i in self.engine.records.open_incidents()]


def heard(line, minute, reason, live="c1"):
    line.want(minute, minute, reason, to="slack C000001", live=live)
    return line.want(minute, minute, reason, to="sms +4930000001", live=live)


__all__ = [
    "ERROR",
    "FALSE",
    "NODATA",
    "QUIET",
    "SLACK",
    "STALE",
    "START",
    "TRUE",
    "Receiver",
    "Severity",
    "Timeline",
    "describe",
    "heard",
    "labels",
    "minutes",
    "rule",
]
