"""Messages: who is reached where, in which words, written down for delivery."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from alerts.incident import Alert, Notice
from alerts.notify.contract import Fact, Link, Member, Message, Reason, Severity
from alerts.records import stamp
from alerts.routes import INBOX, Address, Receiver

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from alerts.incident import Incident
    from alerts.outbox import Outbox
    from alerts.records import Records
    from alerts.routes import Person, Routing
    from alerts.state import Instance

__all__ = ["Described", "Describer", "Teller"]

_LOG = logging.getLogger(__name__)

_DIGEST: Final = timedelta(minutes=30)
"""How long the sign of life waits for a digest, which is one."""


@dataclass(frozen=True, slots=True)
class Described:
    """An incident in words, the same for every receiver.

    lasting: the headline without what is true of this message alone, such as "for 4 h"; "" if it is the same.
    """

    headline: str
    lasting: str = ""
    facts: tuple[Fact, ...] = ()
    members: tuple[Member, ...] = ()
    links: tuple[Link, ...] = ()
    chart: bytes | None = None
    chart_text: str = ""


class Describer(Protocol):
    """Puts an alert into words."""

    def __call__(self, alert: Alert, notice: Notice, now: datetime) -> Described:
        """The words, for every receiver."""


class Teller:
    """Writes the messages of one installation, in the transaction of whoever decided them.

    defaults: each configured channel's own default recipient. test: whether all of it is marked as a test.
    """

    def __init__(
        self,
        records: Records,
        outbox: Outbox,
        routing: Routing,
        defaults: Mapping[str, str],
        describe: Describer,
        *,
        test: bool = False,
    ) -> None:
        self._records, self._outbox, self._routing = records, outbox, routing
        self._defaults, self._test = dict(defaults), test
        self.describe = describe

    def address(self, receiver: Receiver, owner: str) -> Address | None:
        """Where a receiver is reached, if anywhere."""
        return self._routing.resolve(receiver, owner, self._defaults)

    def critical(self, owner: str) -> list[Address]:
        """Where what is critical is told, as far as somebody is reached there."""
        to = self._routing.route(Severity.CRITICAL, self._defaults)
        return [found for one in to if (found := self.address(one, owner)) is not None]

    def tell(self, alert: Alert, incident: Incident, now: datetime) -> tuple[str | None, Incident]:
        """Write down the messages of an incident's notices; its headline, where there is a new one."""
        headline = None
        for notice in alert.notices:
            said = self._described(alert, notice, now)
            headline = said.lasting or said.headline
            addresses = self._addresses(notice.to, incident.group.owner)
            for address in addresses:
                self._outbox.put(address.channel, [self._message(incident, notice, said, address, now)], now)
            incident = replace(incident, heard=incident.heard | set(addresses))
            self._records.happened(
                "told",
                at=now,
                incident=incident.id,
                reason=str(notice.reason),
                to=addresses,
                headline=said.headline,
            )
        return headline, incident

    def assigned(
        self, incident: Incident, members: tuple[Instance, ...], to: Person, now: datetime
    ) -> Incident:
        """Tell somebody that an incident is theirs; the incident, of which they hear the end too."""
        channels = (one for one in ("slack", "email", "sms") if one in self._defaults and to.on(one))
        channel = next(channels, INBOX)
        address = Address(channel, to.on(channel))
        incident = replace(incident, count=incident.count + 1)
        notice = Notice(Reason.ASSIGNED, (address,))
        alert = Alert(members, incident=incident, notices=(notice,))
        return self.tell(alert, incident, now)[1]

    def heartbeat(
        self, now: datetime, zone: ZoneInfo, *, rules: int, digests: Collection[Address] = ()
    ) -> datetime:
        """Say once a local day that all of this is alive; when to ask again.

        rules: how many are watched. digests: who gets a digest this morning, which is as good a sign. Unless
        `heartbeat_to` names them they hear this only where none was written within half an hour.
        """
        routing, local = self._routing, now.astimezone(zone)
        day = local.date()
        if local < datetime.combine(day, routing.heartbeat, zone):
            eve = datetime.combine(day - timedelta(days=1), routing.heartbeat, zone)
            if local >= eve + 2 * _DIGEST:
                return datetime.combine(day, routing.heartbeat, zone).astimezone(UTC)
            day = eve.date()  # whose half an hour ends after midnight
        today = datetime.combine(day, routing.heartbeat, zone)
        to = routing.heartbeat_to or (Receiver("slack" if "slack" in self._defaults else INBOX),)
        owner = routing.manager or (routing.people[0].name if routing.people else "")
        waits = [] if routing.heartbeat_to else [one for one in self._addresses(to, owner) if one in digests]
        heard = self._digested(datetime.combine(day, datetime.min.time(), zone)) if waits else set()
        late = today + _DIGEST
        for address in self._addresses(to, owner):
            if address not in waits or (address not in heard and local >= late):
                self._outbox.put(address.channel, [self._alive(address, rules, day, now)], now)
        self._outbox.wake()
        if local < late and not heard.issuperset(waits):
            return late.astimezone(UTC)
        tomorrow = datetime.combine(day + timedelta(days=1), routing.heartbeat, zone)
        return tomorrow.astimezone(UTC)

    def _alive(self, address: Address, rules: int, day: date, now: datetime) -> Message:
        incidents = self._records.open_incidents()
        letters = self._outbox.counts()
        thread = f"{self._records.installation}-heartbeat-{day:%Y-%m-%d}"
        return Message(
            key=f"{thread}/{address.channel}/{address.to}",
            incident=thread,
            to=address.to,
            reason=Reason.HEARTBEAT,
            severity=Severity.INFO,
            headline=f"Paceline is watching: {rules} rules, {len(incidents)} incidents open",
            at=now,
            began=now,
            facts=(
                Fact("In nobody's hand", str(sum(i.acknowledged is None for i in incidents))),
                Fact("Not delivered", str(letters.get("dead", 0))),
            ),
            actions=False,
        )

    def _digested(self, since: datetime) -> set[Address]:
        """Who was written a digest since then that is not given up."""
        rows = self._outbox.book.read(
            "SELECT channel, recipient FROM outbox "
            "WHERE incident LIKE ? AND created >= ? AND status <> 'dead'",
            [f"{self._records.installation}-digest-daily-%", stamp(since)],
        )
        return {Address(row["channel"], row["recipient"]) for row in rows}

    def _described(self, alert: Alert, notice: Notice, now: datetime) -> Described:
        """The words of a message; without what cannot be looked up, for being told matters most."""
        try:
            return self.describe(alert, notice, now)
        except Exception:  # noqa: BLE001  # whatever it is, people must hear that something fires
            _LOG.exception("an alert could not be described")
            said = next((m.told.said for m in alert.members if m.told.said), "")
            rule = alert.members[0].key.rule if alert.members else ""
            note = Fact("Not told here", "cause and changes could not be looked up; see the log")
            return Described(said or f"Rule {rule}", facts=(note,))

    def _addresses(self, to: Sequence[Receiver | Address], owner: str) -> list[Address]:
        """Each address once; the owner's inbox stands in for a receiver without one: nothing is lost."""
        found: dict[Address, None] = {}
        for one in to:
            address = one if isinstance(one, Address) else self.address(one, owner) or Address(INBOX, owner)
            found[address] = None
        return list(found)

    def _message(
        self, incident: Incident, notice: Notice, said: Described, address: Address, now: datetime
    ) -> Message:
        thread = f"{self._records.installation}-{incident.id}"
        return Message(
            key=f"{thread}/{incident.count}-{notice.reason}/{address.channel}/{address.to}",
            incident=thread,
            to=address.to,
            reason=notice.reason,
            severity=incident.group.severity,
            headline=said.headline,
            at=now,
            began=incident.opened,
            facts=said.facts,
            members=said.members,
            links=said.links,
            chart=said.chart,
            chart_text=said.chart_text,
            test=self._test,
            actions=not self._test,
        )
