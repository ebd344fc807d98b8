"""Who hears what, and who hears next: `alerts` in paceline.yaml.

    alerts:
      people:
        - {name: Dana, email: dana@example.com, phone: "+49301234567", slack: U0123456}
      routes:
        critical: [slack, sms owner]
        warning: [email owner]
        info: [inbox]
      escalation:
        - {after: 15m, to: sms owner}

A receiver is a channel, then whom there: a person, a role (owner, second, manager), an address of the
channel's own, or nothing for the channel's default.
"""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, Field

from alerts.notify.contract import Severity
from connectors.part import Part
from connectors.units import Duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["INBOX", "ROLES", "Address", "Person", "Receiver", "Routing", "Step", "Written", "default_routes"]

ROLES: Final = ("owner", "second", "manager")
INBOX: Final = "inbox"
_CHANNELS: Final = ("slack", "email", "sms", "apprise", INBOX)
_FIELDS: Final = {"slack": "slack", "email": "email", "sms": "phone"}
"""The entry of a person that is the address on a channel."""


class Address(NamedTuple):
    """A receiver as a channel knows it."""

    channel: str
    to: str


class Receiver(NamedTuple):
    """A receiver as it is written: `to` is a person, a role, an address, or "" for the channel's default."""

    channel: str
    to: str = ""

    def __str__(self) -> str:
        return f"{self.channel} {self.to}".strip()


def _receiver(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    channel, _, to = value.strip().partition(" ")
    if channel not in _CHANNELS:
        raise ValueError(f"begins with no channel: write one of {', '.join(_CHANNELS)}, then whom")
    return Receiver(channel, to.strip())


Written = Annotated[Receiver, BeforeValidator(_receiver)]
"""A receiver in one word or two, as people write it."""


class Person(Part):
    """Somebody who hears. slack: a member id. The app's inbox needs the name alone.

    name: of at most 75 characters, all that Slack shows of what can be chosen.
    """

    name: Annotated[str, Field(min_length=1, max_length=75)]
    slack: Annotated[str, Field(pattern=r"^[UWD][A-Z0-9]{5,}$")] | None = None
    email: Annotated[str, Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$")] | None = None
    phone: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")] | None = None

    def on(self, channel: str) -> str:
        """The person's address on a channel, or ""."""
        if channel == INBOX:
            return self.name
        return str(getattr(self, _FIELDS.get(channel, ""), None) or "")


class Step(Part):
    """One step of the escalation of what nobody has acknowledged."""

    after: Duration
    to: Written


_ESCALATION: Final = (
    Step(after=timedelta(minutes=15), to=Receiver("sms", "owner")),
    Step(after=timedelta(minutes=30), to=Receiver("sms", "second")),
    Step(after=timedelta(minutes=60), to=Receiver("sms", "manager")),
)
_REPEAT: Final = {Severity.CRITICAL: timedelta(hours=4), Severity.WARNING: timedelta(hours=24)}


class Routing(Part):
    """Everything about who hears when.

    second, manager: persons who take these roles. group_wait: how long a new incident gathers company before
    the first message. group_interval: the time between looks at what has changed in it. repeat: how often
    what goes on is told again, by severity; a severity that is not there is told once. escalation: of
    critical incidents. heartbeat: local time of the daily sign of life; heartbeat_to: who gets it.
    drill_every: how often all rules are drilled by themselves, at working hours; None: only on demand.
    """

    people: tuple[Person, ...] = ()
    second: str = ""
    manager: str = ""
    routes: dict[Severity, tuple[Written, ...]] = Field(default_factory=dict)
    group_wait: Duration = timedelta(seconds=30)
    group_interval: Duration = timedelta(minutes=5)
    repeat: dict[Severity, Duration] = Field(default_factory=lambda: dict(_REPEAT))
    escalation: tuple[Step, ...] = _ESCALATION
    heartbeat: time = time(8)
    heartbeat_to: tuple[Written, ...] = ()
    drill_every: Duration | None = None

    def person(self, name: str) -> Person | None:
        """The person of that name."""
        return next((p for p in self.people if p.name == name), None)

    def route(self, severity: Severity, channels: Iterable[str]) -> tuple[Receiver, ...]:
        """Where a severity goes: as it is written, else by what is set up."""
        return self.routes.get(severity) or default_routes(channels)[severity]

    def fallback(self, defaults: Mapping[str, str]) -> list[Address]:
        """Where a channel's failure is told: each channel's own default, else the first who has one."""
        found = []
        for channel in _FIELDS:
            if channel in defaults:
                people = (person.on(channel) for person in self.people)
                address = defaults[channel] or next(filter(None, people), "")
                found += [Address(channel, address)] if address else []
        return found

    def resolve(self, receiver: Receiver, owner: str, defaults: Mapping[str, str]) -> Address | None:
        """The receiver's address; None where the person has none there, or nobody has the role.

        defaults: each configured channel's own default recipient, or "".
        """
        channel, to = receiver
        if channel != INBOX and channel not in defaults:
            return None
        name = {"owner": owner, "second": self.second, "manager": self.manager}.get(to, to)
        if to in ROLES and not name:
            return None
        if channel == INBOX:
            return Address(INBOX, name or owner)
        person = self.person(name) if name else None
        address = person.on(channel) if person else "" if to in ROLES else name or defaults[channel]
        return Address(channel, address) if address else None


def default_routes(channels: Iterable[str]) -> dict[Severity, tuple[Receiver, ...]]:
    """Critical to Slack and SMS, warning by mail, info into the app's inbox; what is not set up is left out.

    What then would reach nobody goes into the inbox.
    """
    known = set(channels)
    wanted = {
        Severity.CRITICAL: (Receiver("slack"), Receiver("sms", "owner")),
        Severity.WARNING: (Receiver("email", "owner"),),
        Severity.INFO: (),
    }
    kept = {severity: tuple(r for r in given if r.channel in known) for severity, given in wanted.items()}
    return {severity: given or (Receiver(INBOX, "owner"),) for severity, given in kept.items()}
