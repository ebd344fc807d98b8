"""Digests are written into the outbox once a local date: its key is the date's, whatever the clock does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.digest import reviews
from alerts.digest.audience import KINDS, Audience, Kind, due
from alerts.digest.compose import Digest, compose
from alerts.digest.figures import Ground, gather
from alerts.routes import INBOX, Address
from metrics import windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from alerts.digest.told import Told
    from alerts.outbox import Outbox
    from alerts.routes import Routing

__all__ = ["Digests"]


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of one installation. defaults: each channel's own default recipient."""

    ground: Ground
    told: Told
    outbox: Outbox
    routing: Routing
    defaults: Mapping[str, str]
    audiences: Sequence[Audience]
    zone: ZoneInfo

    def make(self, audience: Audience, kind: Kind, now: datetime) -> Digest | None:
        """The digest as of now; None while there is no data of its accounts."""
        local = now.astimezone(self.zone)
        accounts = audience.covers(windows.accounts(self.ground.warehouse))
        figures = gather(self.ground, accounts, kind, local) if accounts else None
        return compose(figures, self.told, local) if figures is not None else None

    def waiting(self, now: datetime) -> list[tuple[Audience, Kind, date]]:
        """What is due by now and was not written yet."""
        return [
            (audience, kind, day)
            for audience in self.audiences
            for kind in KINDS
            if (day := due(audience, kind, now, self.zone)) is not None
            and not self._written(self._thread(audience, kind, f"{day:%Y-%m-%d}"))
        ]

    def tick(self, now: datetime) -> int:
        """Write down what is due; how many messages that were. A date that was written stays written."""
        return sum(self._put(a, kind, f"{day:%Y-%m-%d}", now) for a, kind, day in self.waiting(now))

    def remind(self, now: datetime) -> int:
        """Tell owners of reviews that are overdue, once a week; how many messages that were."""
        if self.told.catalog is None:
            return 0
        local = now.astimezone(self.zone)
        late = [one for one in reviews.due(self.told.catalog(now), local.date()) if one.overdue(local.date())]
        return reviews.remind(
            self.outbox,
            self.routing,
            self.defaults,
            late,
            app=self.told.app,
            installation=self.told.records.installation,
            now=local,
        )

    def send(self, kind: Kind, now: datetime, audience: str | None = None) -> int:
        """Send now, whatever was sent before: because somebody asks. How many messages that were."""
        chosen = [a for a in self.audiences if audience in (None, a.name)]
        return sum(self._put(a, kind, f"asked-{now:%Y-%m-%dT%H:%M:%S}", now) for a in chosen)

    def addresses(self, audience: Audience) -> list[Address]:
        """Where an audience is reached; a receiver without an address has the inbox."""
        owner = self.routing.manager or (self.routing.people[0].name if self.routing.people else "")
        found = (
            self.routing.resolve(receiver, owner, self.defaults) or Address(INBOX, owner)
            for receiver in audience.to
        )
        return list(dict.fromkeys(found))

    def mornings(self) -> set[Address]:
        """Who gets a daily digest by the hour of the heartbeat: they need no other sign of life."""
        early = [a for a in self.audiences if "daily" in a.kinds and a.at <= self.routing.heartbeat]
        return {address for audience in early for address in self.addresses(audience)}

    def _put(self, audience: Audience, kind: Kind, when: str, now: datetime) -> int:
        made = self.make(audience, kind, now)
        if made is None:
            return 0
        thread, local = self._thread(audience, kind, when), now.astimezone(self.zone)
        with self.outbox.book.write():
            added = sum(
                self.outbox.put(
                    to.channel,
                    [made.message(key=f"{thread}/{to.channel}/{to.to}", thread=thread, to=to.to, at=local)],
                    now,
                )
                for to in self.addresses(audience)
            )
        self.outbox.wake()
        return added

    def _thread(self, audience: Audience, kind: Kind, when: str) -> str:
        return f"{self.told.records.installation}-digest-{kind}-{audience.name}-{when}"

    def _written(self, thread: str) -> bool:
        return bool(self.outbox.book.read("SELECT 1 FROM outbox WHERE incident = ? LIMIT 1", [thread]))
