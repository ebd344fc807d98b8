"""Reviews that are due, for the weekly digest; and word to their owners, weekly, while they are overdue."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from alerts.evidence import REVIEWED
from alerts.notify.contract import Line, Link, Message, Reason, Section, Severity
from alerts.routes import INBOX, Address, Receiver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from alerts.outbox import Outbox
    from alerts.routes import Routing
    from metrics.catalog import Catalog, Entry

__all__ = ["due", "remind"]

SOON: Final = timedelta(days=7)

FROM: Final = 9
"""The local hour from which owners are told."""

_CHANNELS: Final = ("email", "slack", INBOX)
"""By which an owner is told: the first on which they are reached."""


def due(catalog: Catalog, today: date) -> list[Entry]:
    """What is overdue or due within a week, the longest overdue first."""
    found = [
        one
        for one in catalog.entries.values()
        if one.ref.kind in REVIEWED and one.review is not None and one.review <= today + SOON
    ]
    return sorted(found, key=lambda one: (one.review, str(one.ref)))


def remind(
    outbox: Outbox,
    routing: Routing,
    defaults: Mapping[str, str],
    waiting: Sequence[Entry],
    *,
    app: str,
    installation: str,
    now: datetime,
) -> int:
    """Write to each owner what waits for them, once an ISO week; how many messages that were.

    waiting: entries that are overdue. now: in the team's zone. An owner whom nobody can reach, such as a
    team's name, is stood in for by the manager, else by the inbox.
    """
    if now.hour < FROM:
        return 0
    by_owner: dict[str, list[Entry]] = {}
    for one in waiting:
        by_owner.setdefault(one.owner, []).append(one)
    year, week, _ = now.isocalendar()
    added = 0
    for owner, own in sorted(by_owner.items()):
        to = _address(routing, defaults, owner)
        thread = f"{installation}-reviews-{owner}-{year}-W{week:02d}"
        message = Message(
            key=f"{thread}/{to.channel}/{to.to}",
            incident=thread,
            to=to.to,
            reason=Reason.DIGEST,
            severity=Severity.INFO,
            headline=f"{len(own)} review{'s' if len(own) != 1 else ''} of {owner} wait"
            f"{'' if len(own) != 1 else 's'} for a decision",
            at=now,
            began=now,
            sections=(Section("Overdue", tuple(_line(one, app) for one in own)),),
            links=(Link("Reviews", f"{app}/reviews"),) if app else (),
            actions=False,
        )
        added += outbox.put(to.channel, [message], now)
    if added:
        outbox.wake()
    return added


def _address(routing: Routing, defaults: Mapping[str, str], owner: str) -> Address:
    known = routing.person(owner) is not None
    name = owner if known or not routing.manager else routing.manager
    found = (routing.resolve(Receiver(channel, "owner"), name, defaults) for channel in _CHANNELS)
    return next((address for address in found if address is not None), Address(INBOX, name))


def _line(one: Entry, app: str) -> Line:
    url = f"{app}/reviews?{urlencode([(one.ref.kind, one.ref.name)])}" if app else ""
    said = f": {one.ref.kind}, due {one.review.day} {one.review:%b %Y}" if one.review else ""
    return Line(one.title, url, "warn", said)
