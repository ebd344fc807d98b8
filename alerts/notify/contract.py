"""What every channel agrees on: the message, the receipt, and a refusal told by what to do next.

    NotifyError
    ├── Retry    the channel was busy or away: send again later; where `perhaps` is set the message may
    │            have gone out, so `find` comes before the next `send`
    └── Stop     sending again changes nothing until somebody acts

A message is data, not text: each channel lays it out for its own reader. `key` makes delivery exactly once
where a channel can be asked what it holds, `incident` is the thread in which all messages of an incident
lie together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple, Protocol

from pydantic import ConfigDict, TypeAdapter

__all__ = [
    "FIRST_GLANCE",
    "LONGEST_NOTE",
    "SNOOZES",
    "Act",
    "Action",
    "Fact",
    "Line",
    "Link",
    "Member",
    "Message",
    "Notifier",
    "NotifyError",
    "Reason",
    "Receipt",
    "Retry",
    "Section",
    "Severity",
    "Stop",
    "pack",
    "unpack",
]

FIRST_GLANCE: Final = 60
"""Characters of a headline that a phone's lock screen shows: what is wrong, and the money per hour."""


LONGEST_NOTE: Final = 500
"""Characters of a note, or of a reason."""

SNOOZES: Final = {
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "Until tomorrow": timedelta(hours=24),
    "3 days": timedelta(hours=72),
    "7 days": timedelta(hours=168),
}
"""How long a snooze is offered for; the engine takes no longer one."""


class Severity(StrEnum):
    """How much it matters: critical goes to Slack and SMS, warning to email, info to the app's inbox."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """2 for critical, 1 for warning, 0 for info: a rise is a larger rank."""
        return {"critical": 2, "warning": 1, "info": 0}[self.value]


class Reason(StrEnum):
    """Why a message is sent. The first six are Alertmanager's, in the order in which they are tried."""

    FIRST = "first"
    NEW_ALERTS = "new_alerts"
    ALL_RESOLVED = "all_resolved"
    SEVERITY = "severity"
    NEW_RESOLVED = "new_resolved"
    REPEAT = "repeat"
    ESCALATION = "escalation"
    ASSIGNED = "assigned"
    FLAPPING = "flapping"
    UNDELIVERED = "undelivered"
    """Another channel failed, and somebody has to hear of that."""
    HEARTBEAT = "heartbeat"
    DIGEST = "digest"
    TEST = "test"


class Fact(NamedTuple):
    """One thing to know: a label of a word or two, and its text."""

    label: str
    text: str


class Link(NamedTuple):
    """Where to go: an https address and what is there."""

    title: str
    url: str


class Member(NamedTuple):
    """One alert of the incident, as a line of text."""

    text: str
    resolved: bool = False


class Line(NamedTuple):
    """One item of a section: its name, which leads to `url`, and what is said of it.

    state: good, warn, bad or none, as everywhere in the app; "" says nothing.
    """

    text: str
    url: str = ""
    state: str = ""
    rest: str = ""


class Section(NamedTuple):
    """Items under a title: what a digest is made of."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one recipient is to hear on one channel. Its texts hold names from outside: channels escape them.

    key: deterministic and unique to this notification, channel and recipient: the same key is never
        delivered twice.
    incident: the thread; the same for all messages of an incident, whatever their reason.
    to: the recipient in the channel's own terms: a Slack channel, a mail address, a phone number, a person
        of the inbox, a name of an Apprise address.
    at: when it was decided, aware. began: when the incident's first message was decided (`at` for the first).
    headline: one line whose first FIRST_GLANCE characters say what is wrong and the money per hour.
    facts: expected against seen, since when, the cause, what changed and who, what to do; in that order.
    sections: for digests, which have more to tell than facts.
    chart: a PNG, or None; chart_text says what it shows, for those who cannot see it.
    test: from a drill; every channel marks it as such.
    actions: whether the reader can act on it (acknowledge, snooze, vote) where the channel has buttons.
    """

    key: str
    incident: str
    to: str
    reason: Reason
    severity: Severity
    headline: str
    at: datetime
    began: datetime
    facts: tuple[Fact, ...] = ()
    members: tuple[Member, ...] = ()
    sections: tuple[Section, ...] = ()
    links: tuple[Link, ...] = ()
    chart: bytes | None = None
    chart_text: str = ""
    test: bool = False
    actions: bool = True

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    @property
    def resolved(self) -> bool:
        """Whether this is the incident's end."""
        return self.reason is Reason.ALL_RESOLVED


@dataclass(frozen=True, slots=True)
class Receipt:
    """The channel took the message. provider_id: by which its provider knows it."""

    provider_id: str


class NotifyError(Exception):
    """The channel did not take the message. cause: in its own words, never with a secret in them."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Retry(NotifyError):
    """Send again later.

    after: how long to wait at least, where the channel says so. perhaps: the message may have gone out.
    """

    def __init__(self, cause: str, *, after: timedelta | None = None, perhaps: bool = False) -> None:
        self.after = after
        self.perhaps = perhaps
        super().__init__(cause)


class Stop(NotifyError):
    """Sending again changes nothing until somebody acts. mend: one sentence that says how."""

    def __init__(self, cause: str, mend: str = "") -> None:
        self.mend = mend
        super().__init__(cause)


class Notifier(Protocol):
    """A channel. Safe to call from any thread; calls block until the channel answered or its time is up."""

    @property
    def name(self) -> str:
        """slack, email, sms, inbox or apprise."""

    def send(self, message: Message) -> Receipt:
        """Deliver; in a channel with threads, into the incident's. Raises Retry or Stop."""

    def find(self, message: Message) -> Receipt | None:
        """The receipt of a message that may have gone out before a crash: looked up by its key.

        None where the channel does not hold it, or cannot be asked (email: the second copy then has the
        same Message-ID). Raises Retry or Stop.
        """

    def check(self) -> str:
        """Whom the credentials speak for, without a message to anybody. Raises Retry or Stop."""


class Action(StrEnum):
    """What a reader can do about an incident from within a message, in the order of its buttons.

    What says something of it (a note, a vote) is offered after its end too.
    """

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    ASSIGN = "assign"
    NOTE = "note"
    USEFUL = "useful"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Act:
    """A button was pressed, a form was filled in.

    user: the channel's id of who did; name: as people call them. text: a snooze's reason, the person who is
    assigned, or a note. lasts: a snooze's length.
    """

    incident: str
    action: Action
    channel: str
    user: str
    name: str
    at: datetime
    text: str = ""
    lasts: timedelta = timedelta(0)


_MESSAGES: Final = TypeAdapter(Message)


def pack(message: Message) -> str:
    """The message as JSON, to be kept until it is delivered."""
    return _MESSAGES.dump_json(message).decode()


def unpack(text: str) -> Message:
    """The message that `pack` was given. Raises ValueError where the text is no message."""
    return _MESSAGES.validate_json(text)
