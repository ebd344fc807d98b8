"""For whom a digest is, and when it is due: `alerts.digests` in paceline.yaml.

digests:
  - {name: managers, to: [slack, email chioma], kinds: [daily, weekly]}
  - {name: northwind, to: [email sofia], accounts: ["Northwind*"], at: "07:30"}
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field

from alerts.routes import Receiver, Written
from connectors.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.contract import Account
    from metrics.windows import AccountKey

__all__ = ["KINDS", "Audience", "Kind", "audiences", "due", "span"]

Kind: TypeAlias = Literal["daily", "weekly"]
KINDS: Final[tuple[Kind, ...]] = ("daily", "weekly")

Weekday: TypeAlias = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Audience(Part):
    """Who gets a digest of what.

    to: receivers, as in routes. accounts: patterns with `*` and `?` on their names or ids. at: the local
    time, in the team's zone. weekday: of the weekly one.
    """

    name: Annotated[str, Field(pattern=r"^[\w .-]{1,40}$")]
    to: Annotated[tuple[Written, ...], Field(min_length=1)]
    kinds: tuple[Kind, ...] = KINDS
    accounts: tuple[str, ...] = ("*",)
    at: time = time(8)
    weekday: Weekday = "monday"

    def covers(self, known: Mapping[AccountKey, Account]) -> dict[AccountKey, Account]:
        """The accounts that its digest is about."""
        return {
            key: account
            for key, account in known.items()
            if any(fnmatchcase(text, p) for p in self.accounts for text in (account.id, account.name))
        }


def audiences(written: tuple[Audience, ...] | None, channels: Iterable[str]) -> tuple[Audience, ...]:
    """As written; where nothing is: Slack's channel, if Slack is set up."""
    if written is not None:
        return written
    return (Audience(name="team", to=(Receiver("slack"),)),) if "slack" in set(channels) else ()


def due(audience: Audience, kind: Kind, now: datetime, zone: ZoneInfo) -> date | None:
    """The local date whose digest is due by now; None before its hour, and on other days of the week.

    Wall clocks are compared, so a clock change moves no digest to another date: an hour that comes twice has
    one date, and one that is left out has passed when the clock shows a later one.
    """
    local = now.astimezone(zone)
    if kind not in audience.kinds or local.time() < audience.at:
        return None
    if kind == "weekly" and _WEEKDAYS[local.weekday()] != audience.weekday:
        return None
    return local.date()


def span(kind: Kind) -> timedelta:
    """How many days a digest is about: the day before it, or the seven days before."""
    return timedelta(days=1 if kind == "daily" else 7)
