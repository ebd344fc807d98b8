"""The engine: findings in, states and messages out, all of it in one transaction of the book.

It keeps nothing in memory: what was is read from the book, so that a process that is killed at any moment
goes on where it was. `take` is called with what the rules found, `tick` when time alone may have done
something; both say when the next `tick` is due.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts import pipeline, unjudged
from alerts.incident import Acknowledged, Alert, Group, Incident, Refused, Silence, checked
from alerts.notify.contract import Act, Action, Severity
from alerts.observation import Labels, Observation
from alerts.outbox import Outbox
from alerts.records import Records
from alerts.routes import Address, Routing
from alerts.rules import Rule
from alerts.state import FLAP_WITHIN, Instance, Key, State, calm, step
from alerts.telling import Describer, Teller
from alerts.unjudged import FAILS
from warehouse.access import Actor, Permission, allow
from warehouse.book import Book

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["SNOOZE_MOST", "Engine", "Finding", "Refused"]

SNOOZE_MOST: Final = timedelta(days=7)

KEPT: Final = timedelta(days=180)
"""How long the delivery log reaches back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. fresh: the data's moment by account, for series of which nothing is told.

    fault: why it could not be judged; "" where it could.
    """

    told: Mapping[Labels, Observation]
    fresh: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    fault: str = ""


class Engine:
    """The rules of one installation at work. Safe from any thread.

    defaults: each configured channel's own default recipient. failing: why each rule that could not be judged
    when it last should have been could not, by its name.
    """

    def __init__(
        self,
        book: Book,
        rules: Sequence[Rule],
        routing: Routing,
        defaults: Mapping[str, str],
        describe: Describer,
        *,
        test: bool = False,
    ) -> None:
        self.records = Records(book)
        self.outbox = Outbox(book, routing.fallback(defaults))
        self.routing = routing
        self.teller = Teller(self.records, self.outbox, routing, defaults, describe, test=test)
        self._channels = tuple(defaults)
        self.failing: dict[str, str] = {}
        self.use(rules, describe)

    def use(self, rules: Sequence[Rule], describe: Describer) -> None:
        """Go by these rules and words from the next pass on; what a rule that is gone told is resolved."""
        self.rules = {(rule.id, rule.severity): rule for rule in rules}
        self._named = {rule.name: rule for rule in rules}
        self.failing = {name: fault for name, fault in self.failing.items() if name in self._named}
        self.teller.describe = describe
        self._stale_rules = {rule.id for rule in rules if rule.condition.mutes_account}
        self._apart = {rule.id for rule in rules if not rule.condition.by_account}

    # -- the work

    def watched(self) -> dict[str, frozenset[Labels]]:
        """The series that have a state, by the rule's name: of these FALSE must be told too."""
        return self.records.watched()

    def take(
        self, findings: Mapping[str, Finding], now: datetime, *, asked: datetime | None = None
    ) -> datetime | None:
        """Take in what the rules found, by their names; when `tick` is due.

        asked: when the data that they judged were asked for, from which a new incident waits for company.
        """
        with self.records.book.write():
            before = self.records.instances()
            after = dict(before)
            known: dict[tuple[str, Severity], set[Labels]] = {}
            for key in before:
                known.setdefault((key.rule, key.severity), set()).add(key.labels)
            for name, rule in self.rules.items():
                finding = findings.get(rule.name)
                if finding is not None:
                    self._step(rule, finding, known.get(name, set()), after, now)
            self._step_failing(findings, known.get((FAILS.id, FAILS.severity), set()), after, now)
            due = self._notify(before, after, now, asked=asked)
        self.outbox.wake()
        return due

    def tick(self, now: datetime) -> datetime | None:
        """Do what is due by the clock: first messages, repeats, escalations; when that is so next."""
        with self.records.book.write():
            before = self.records.instances()
            due = self._notify(before, dict(before), now)
        self.outbox.wake()
        return due

    def _step_failing(
        self,
        findings: Mapping[str, Finding],
        known: set[Labels],
        after: dict[Key, Instance],
        now: datetime,
    ) -> None:
        """Take in which rules could not be judged: that is told to their owners."""
        faults = {name: one.fault for name, one in findings.items() if name in self._named}
        self.failing = {name: why for name, why in (self.failing | faults).items() if why}
        self._step(FAILS, Finding(unjudged.told(faults, known, now)), known, after, now)

    def _step(
        self,
        rule: Rule,
        finding: Finding,
        known: set[Labels],
        after: dict[Key, Instance],
        now: datetime,
    ) -> None:
        for labels in known | finding.told.keys():
            key = Key(rule.id, rule.severity, labels)
            made = step(
                after.get(key),
                finding.told.get(labels),
                rule.timing,
                key=key,
                now=now,
                fresh=finding.fresh.get((labels.source, labels.account)),
            )
            if made is None:
                after.pop(key, None)
            else:
                after[key] = made

    def _notify(
        self,
        before: Mapping[Key, Instance],
        after: dict[Key, Instance],
        now: datetime,
        *,
        asked: datetime | None = None,
    ) -> datetime | None:
        records, routing = self.records, self.routing
        passed = now - asked if asked is not None else timedelta(0)
        wait = min(max(routing.group_wait - passed, timedelta(0)), routing.group_wait)
        instances = [calm(one if self._rule(key) else _orphan(one, now), now) for key, one in after.items()]
        incidents = records.open_incidents()
        silences = records.silences(now)
        policy = pipeline.chain(
            pipeline.silence(silences, self._owner),
            pipeline.inhibit(self._stale_rules, self._apart),
            pipeline.group(self._group, incidents, itertools.count(records.next_number()), wait),
            pipeline.deduplicate(routing.group_interval, routing.repeat),
            pipeline.escalate(routing.escalation),
            pipeline.route(routing, self._channels),
        )
        alerts = policy([Alert((instance,)) for instance in instances], now)
        after = {i.key: i for i in instances}
        after |= {m.key: m for alert in alerts for m in alert.members}
        were = {incident.id: incident for incident in incidents}
        closed: set[int] = set()
        for alert in alerts:
            incident = alert.incident
            assert incident is not None
            headline, incident = self.teller.tell(alert, incident, now)
            if incident.closed is not None:
                closed.add(incident.id)
            if were.get(incident.id) != incident:
                records.keep_incident(incident, headline)
                self._tell_of_incident(were.get(incident.id), incident, now)
        self._tell_of_turns(before, after, now)
        still = {a.incident.id for a in alerts if a.incident} - closed
        kept = {k: i for k, i in after.items() if _worth_keeping(i, still)}
        records.keep(before, kept)
        dues = [pipeline.next_due(alerts, silences, routing.escalation, routing.repeat, now)]
        dues += [i.turns[-1] + FLAP_WITHIN for i in kept.values() if i.flapping]
        return min((at for at in dues if at is not None), default=None)

    def _group(self, key: Key) -> Group:
        rule = self._rule(key)
        assert rule is not None  # what has none is an orphan, which does not fire
        own = key.rule != FAILS.id  # else it is the engine's own word about the rule
        site = rule.condition.site(key.labels) if own else ""
        account = ("", "") if site else key.labels[:2]
        return Group(rule.owner, *account, key.severity, (own and rule.routes) or (), site)

    def _owner(self, key: Key) -> str:
        rule = self._rule(key)
        return rule.owner if rule else ""

    def _rule(self, key: Key) -> Rule | None:
        """The rule that an instance is of, or is about; None where it is gone."""
        if (key.rule, key.severity) == (FAILS.id, FAILS.severity):
            return self._named.get(unjudged.which(key.labels))
        return self.rules.get((key.rule, key.severity))

    def _tell_of_turns(
        self, before: Mapping[Key, Instance], after: Mapping[Key, Instance], now: datetime
    ) -> None:
        for key, instance in after.items():
            was = before.get(key)
            if was is None or was.state is not instance.state:
                self.records.happened(
                    str(instance.state),
                    at=now,
                    incident=instance.incident,
                    key=key,
                    data_at=instance.at,
                    seen=instance.told.seen,
                )

    def _tell_of_incident(self, was: Incident | None, incident: Incident, now: datetime) -> None:
        if was is None:
            self.records.happened("opened", at=now, incident=incident.id)
        elif was.acknowledged and not incident.acknowledged:
            self.records.happened("acknowledgement ended", at=now, incident=incident.id)
        if incident.closed is not None:
            self.records.happened("closed", at=now, incident=incident.id)

    def heartbeat(self, now: datetime, zone: ZoneInfo, digests: Collection[Address] = ()) -> datetime:
        """Say once a local day that all of this is alive, and forget old letters; when to call next.

        digests: who gets a digest at that hour, see Teller.heartbeat.
        """
        self.outbox.forget(now - KEPT)
        return self.teller.heartbeat(now, zone, rules=len(self.rules), digests=digests)

    # -- what people do

    def act(self, act: Act, by: Actor, now: datetime) -> None:
        """A button was pressed in a message, a form filled in; twice does no more than once.

        Raises Denied, Refused.
        """
        installation, _, number = act.incident.partition("-")
        if installation != self.records.installation or not number.isdigit():
            raise Refused("that message is of another installation")
        seen = self.records.timeline(int(number))
        match act.action:
            case Action.ACKNOWLEDGE:
                self.acknowledge(int(number), by=by, now=now)
            case Action.SNOOZE:
                self.snooze(int(number), by=by, reason=act.text, until=now + act.lasts, now=now)
            case Action.ASSIGN:
                self.assign(int(number), act.text, by=by, now=now)
            case Action.NOTE:
                self.note(int(number), "note", by=by, text=act.text, now=now)
            case _:
                if not any(one["what"] == act.action and one["who"] == by.name for one in seen):
                    self.note(int(number), str(act.action), by=by, text="", now=now)

    def acknowledge(self, number: int, *, by: Actor, now: datetime) -> Incident:
        """Somebody has it in hand: silent until news, or for 24 hours. Raises Denied, Refused."""
        self._allow(by, f"incident {number}", now)
        with self.records.book.write():
            incident = self._open(number)
            members = frozenset(i.key for i in self.records.firing() if i.incident == number)
            held = replace(
                incident,
                acknowledged=Acknowledged(by.name, now, members | incident.told),
                alarm=None,
                escalated=0,
            )
            self.records.keep_incident(held)
            self.records.happened("acknowledged", at=now, incident=number, who=by.name)
        self.tick(now)
        return held

    def snooze(self, number: int, *, by: Actor, reason: str, until: datetime, now: datetime) -> int:
        """Hear nothing of an incident's present members for a while; the silence's number.

        Raises Denied, Refused.
        """
        self._allow(by, f"incident {number}", now)
        if until - now > SNOOZE_MOST:
            raise Refused(
                f"a snooze ends within {SNOOZE_MOST.days} days: silence a rule by its labels instead"
            )
        with self.records.book.write():
            self._open(number)
            members = frozenset(i.key for i in self.records.firing() if i.incident == number)
            if not members:
                raise Refused(f"nothing of incident {number} fires any more")
            silence = checked(Silence(0, now, until, by.name, reason, members=members), now)
            made = self.records.keep_silence(silence)
            self.records.happened(
                "snoozed", at=now, incident=number, who=by.name, reason=reason, until=until, silence=made
            )
        self.tick(now)
        return made

    def silence(
        self,
        match: Mapping[str, str],
        *,
        by: Actor,
        reason: str,
        starts: datetime,
        ends: datetime,
        now: datetime,
    ) -> int:
        """Hear nothing of what matches, from `starts` to `ends`; its number. Raises Denied, Refused."""
        self._allow(by, "alerts", now)
        known = ("rule", "severity", "owner", *Labels._fields)
        if unknown := sorted(set(match) - set(known)):
            raise Refused(f"{', '.join(unknown)} is no label; there are {', '.join(known)}")
        if not match:
            raise Refused("a silence needs at least one label to match: it would mute everything")
        silence = Silence(0, starts, ends, by.name, reason, match=dict(match))
        made = self.records.keep_silence(checked(silence, now))
        self.records.happened("silenced", at=now, who=by.name, silence=made, match=dict(match), reason=reason)
        self.tick(now)
        return made

    def unsilence(self, number: int, *, by: Actor, now: datetime) -> None:
        """End a silence or a snooze now. Raises Denied, Refused."""
        self._allow(by, "alerts", now)
        found = next((s for s in self.records.silences(now) if s.id == number), None)
        if found is None:
            raise Refused(f"there is no silence {number} in force or to come")
        self.records.keep_silence(replace(found, ends=now))
        self.records.happened("unsilenced", at=now, who=by.name, silence=number)
        self.tick(now)

    def assign(self, number: int, to: str, *, by: Actor, now: datetime) -> None:
        """Say which of the people sees to it, and tell them. Raises Denied, Refused."""
        self._allow(by, f"incident {number}", now)
        if (person := self.routing.person(to)) is None:
            known = ", ".join(one.name for one in self.routing.people) or "nobody"
            raise Refused(f"{to or 'nobody'} is none of alerts.people: there is {known}")
        with self.records.book.write():
            incident = self._open(number)
            self.note(number, "assigned", by=by, text=to, now=now)
            if to != by.name:
                members = tuple(self.records.members(number))
                self.records.keep_incident(self.teller.assigned(incident, members, person, now))
        self.outbox.wake()

    def note(self, number: int, what: str, *, by: Actor, text: str, now: datetime) -> None:
        """What somebody says of it: `useful`, `noise`, `assigned` (to `text`), `note`. Denied, Refused."""
        self._allow(by, f"incident {number}", now)
        if self.records.incident(number) is None:
            raise Refused(f"there is no incident {number}")
        if what == "note" and not text.strip():
            raise Refused("write what you found or did")
        self.records.happened(what, at=now, incident=number, who=by.name, text=text)

    def again(self, message: int, *, by: Actor, now: datetime) -> None:
        """Send a message that was given up once more, from the start. Raises Denied, Refused."""
        self._allow(by, "alerts", now)
        if not self.outbox.again(message, now):
            raise Refused(f"message {message} is no dead letter")
        self.records.happened("sent again", at=now, who=by.name, message=message)

    def _allow(self, by: Actor, subject: str, now: datetime) -> None:
        allow(self.records.book, by, Permission.ALERTS, subject, now=now)

    def _open(self, number: int) -> Incident:
        incident = self.records.incident(number)
        if incident is None:
            raise Refused(f"there is no incident {number}")
        if incident.closed is not None:
            raise Refused(f"incident {number} ended at {incident.closed:%Y-%m-%d %H:%M} UTC")
        return incident


def _orphan(instance: Instance, now: datetime) -> Instance:
    """An instance whose rule is gone has nothing left to fire for."""
    if instance.state is State.RESOLVED:
        return instance
    return replace(instance, state=State.RESOLVED, resolved=instance.at, turns=(*instance.turns, now))


def _worth_keeping(instance: Instance, open_incidents: set[int]) -> bool:
    """A resolved one is kept while its incident is open, and its turns for flapping."""
    return instance.state is not State.RESOLVED or instance.incident in open_incidents or bool(instance.turns)
