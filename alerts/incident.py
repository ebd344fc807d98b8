"""Incidents: what belongs together, who has heard of it, and what people did about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from alerts.notify.contract import Reason, Severity
from alerts.observation import Labels
from alerts.routes import Address, Receiver
from alerts.state import Instance, Key

__all__ = [
    "Acknowledged",
    "Alert",
    "Group",
    "Incident",
    "Notice",
    "Refused",
    "Silence",
    "at_risk",
    "checked",
]


class Refused(ValueError):
    """What a person asked for cannot be done; the text says why."""


class Group(NamedTuple):
    """What makes alerts one incident: the same owner, account and severity, told to the same receivers.

    site: what is wrong with a website is one incident for all accounts that pay for it, and of none of them.
    """

    owner: str
    source: str
    account: str
    severity: Severity
    routes: tuple[Receiver, ...]
    site: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody has it in hand: of these members, from then on."""

    by: str
    at: datetime
    members: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident and its notification log. Times are the wall clock's.

    due: the next look at what has changed in it. looked: whether there was one.
    told: members that receivers were told are firing, and not yet that they are resolved.
    noticed: flapping members of which that was told. heard: who got any message of it.
    sent: the last message of the route; count: messages decided so far.
    alarm: since when it is heard and in nobody's hand, for the escalation; escalated: steps taken since.
    """

    id: int
    group: Group
    opened: datetime
    due: datetime
    looked: bool = False
    told: frozenset[Key] = frozenset()
    noticed: frozenset[Key] = frozenset()
    heard: frozenset[Address] = frozenset()
    sent: datetime | None = None
    count: int = 0
    acknowledged: Acknowledged | None = None
    alarm: datetime | None = None
    escalated: int = 0
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to be sent: why, to whom, and which members resolved since the last one."""

    reason: Reason
    to: tuple[Receiver | Address, ...] = ()
    resolved: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class Alert:
    """What goes through the pipeline: at first one instance, once grouped all of an incident's.

    muted: why a member is not to be heard now, by member.
    """

    members: tuple[Instance, ...]
    muted: Mapping[Key, str] = field(default_factory=dict)
    incident: Incident | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def live(self) -> frozenset[Key]:
        """The members that fire and may be heard."""
        return frozenset(m.key for m in self.members if m.firing and m.key not in self.muted)

    @property
    def firing(self) -> frozenset[Key]:
        """The members that fire, heard or not."""
        return frozenset(m.key for m in self.members if m.firing)

    @property
    def flapping(self) -> frozenset[Key]:
        """The members that come and go too often to be told each time."""
        return frozenset(m.key for m in self.members if m.flapping)


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that nobody wants to hear of for a while: a planned change, a snooze.

    match: patterns by label (rule, severity, owner, source, account, campaign, part), all of which must
        match. members: instead of patterns, exactly these (a snooze).
    """

    id: int
    starts: datetime
    ends: datetime
    by: str
    reason: str
    match: Mapping[str, str] = field(default_factory=dict)
    members: frozenset[Key] = frozenset()


def checked(silence: Silence, now: datetime) -> Silence:
    """The silence, if it says why and is still to be in force. Raises Refused."""
    if not silence.reason.strip():
        raise Refused("say why: whoever wonders at the silence will read it")
    if silence.ends <= max(silence.starts, now):
        raise Refused("it would be over before it began")
    return silence


def at_risk(members: Iterable[Instance]) -> dict[tuple[str, str], float]:
    """Money an hour at risk by (source, account), in units of its currency: no less than this.

    A rule's series add up, and so do campaigns, or pages. What two rules say of one series is the same
    money, and what is said of a whole account has its campaigns and pages in it: the largest of these counts.
    """
    said: dict[tuple[str, str], dict[Labels, float]] = defaultdict(dict)
    sums: dict[tuple[str, str], dict[object, float]] = defaultdict(lambda: defaultdict(float))
    for one in members:
        if one.firing:
            labels, money = one.key.labels, one.told.at_risk
            sums[labels[:2]][one.key.rule, one.key.severity] += money
            said[labels[:2]][labels] = max(said[labels[:2]].get(labels, 0.0), money)
    for account, series in said.items():
        for labels, money in series.items():
            sums[account][bool(labels.campaign), bool(labels.part)] += money
    return {account: max(found.values()) for account, found in sums.items()}
