"""The rows of the website's own signals: what visitors did, and whether pages answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from connectors.schema import Row

__all__ = ["PageCheck", "Web", "WebMinute", "WebStep"]


@dataclass(frozen=True, slots=True)
class PageCheck(Row):
    """One look at a landing page, as a visitor who clicked an ad would have had it.

    failure: "" where the page can do its work, else one word for what is wrong: blocked (not asked: a
    private address), dns, connect, certificate, timeout, status, redirect (it leads off the site), tag
    (the page came without it); words say the same for people.
    """

    table: ClassVar[str] = "page_check"
    key: ClassVar[tuple[str, ...]] = ("url", "checked")
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "checked"

    url: str
    checked: datetime
    failure: str
    words: str
    final_url: str
    redirects: int
    status: int | None = None
    first_byte_ms: int | None = None
    total_ms: int | None = None
    certificate_ends: date | None = None
    """The last day of the site's certificate; None over plain HTTP."""
    tagged: bool | None = None
    """Whether the configured tag was in the page; None where none is configured or no page came."""


@dataclass(frozen=True, slots=True)
class Web(Row):
    """What visitors of a site did in one hour; the site (a GA4 property) is the account.

    channel, page: how their session came, and the page it began on. step: an event's name in GA4's words:
    session_start (which every session has once), page_view, view_item, purchase, exception …
    users, sessions: those that got to the step, each once; users of several rows may be the same people.
    engaged_sessions: of the sessions, those that lasted 10 s, saw two pages or had a key event.
    """

    table: ClassVar[str] = "web"
    key: ClassVar[tuple[str, ...]] = ("channel", "page", "step", "hour")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "hour"
    derived: ClassVar[tuple[str, ...]] = ("day",)

    channel: str
    page: str
    step: str
    hour: datetime
    day: date
    users: int
    sessions: int
    engaged_sessions: int
    events: int
    key_events: int


@dataclass(frozen=True, slots=True)
class WebMinute(Row):
    """How many were on a site in one minute: looked at once, when the minute is over."""

    table: ClassVar[str] = "web_minute"
    key: ClassVar[tuple[str, ...]] = ("minute",)
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "minute"

    minute: datetime
    users: int
    views: int
    events: int
    key_events: int


@dataclass(frozen=True, slots=True)
class WebStep(Row):
    """How often a step was done on a site in one minute: looked at once, when the minute is over."""

    table: ClassVar[str] = "web_step"
    key: ClassVar[tuple[str, ...]] = ("step", "minute")
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "minute"

    minute: datetime
    step: str
    events: int
