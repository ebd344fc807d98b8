"""The one source of the sandbox's numbers: see model.World for the protocol that the servers are written to.

A block of local days is computed at once, kept for a while, and looked at as of a moment. How a cell comes
into sight: its hour fills in proportion as `as_of` minus the source lag passes through it; invalid clicks
leave it about a day later; conversions come and go one by one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import numpy as np

from sandbox import incidents as inc
from sandbox import world_catalog, world_delivery, world_entities, world_events, world_grid
from sandbox.clock import SandboxClock
from sandbox.incidents import IncidentBook
from sandbox.model import (
    Ad,
    AdGroup,
    Advertiser,
    Auctions,
    Budget,
    Campaign,
    ChangeEvent,
    Clock,
    ConversionAction,
    Conversions,
    Experiment,
    Faults,
    Incident,
    Platform,
    Recommendation,
    Traffic,
)
from sandbox.world_grid import DAYS
from sandbox.world_store import Store
from sandbox.world_views import auctions_of, conversions_of, traffic_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.world_catalog import AccountSetup
    from sandbox.world_delivery import Block
    from sandbox.world_events import Events
    from sandbox.world_grid import AccountGrid

__all__ = ["World"]

_EPOCH = date(1970, 1, 1)
_MEMORY = 192 * 2**20
_CATCH_UP = timedelta(days=world_events.MAX_LAG_DAYS)


class World:
    """Advertisers on both platforms, even positions on Google Ads, odd ones on Meta.

    days: how much history there is before the clock's time at the start; earlier hours are empty.
    campaigns: per account. incidents: a book that may grow while the world is asked.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        accounts: int = 6,
        campaigns: int = 8,
        days: int = 60,
        clock: Clock | None = None,
        incidents: IncidentBook | None = None,
    ) -> None:
        if accounts < 1 or not 1 <= campaigns < 10_000 or days < 1:
            raise ValueError("a world has at least one account, one campaign and one day")
        self.seed = seed
        self.clock: Clock = SandboxClock() if clock is None else clock
        self.incidents = IncidentBook() if incidents is None else incidents
        self.source_lag = timedelta(minutes=20)
        self.born = self.clock.now() - timedelta(days=days)
        self._managers = world_catalog.managers(seed)
        made = [world_catalog.build(seed, n, campaigns) for n in range(accounts)]
        self._accounts = {setup.advertiser.id: setup for setup in made}
        self._grids: dict[int, AccountGrid] = {}
        self._store = Store(_MEMORY)

    def advertisers(self, platform: Platform, *, at: datetime) -> Sequence[Advertiser]:
        """The platform's accounts with their status at a moment; on Google the managers come first."""
        found = list(self._managers) if platform == "google_ads" else []
        found += [s.advertiser for s in self._accounts.values() if s.platform == platform]
        return [
            _with_status(a, "SUSPENDED" if self.faults(platform, a.id, at=at).suspended else "ENABLED")
            for a in found
        ]

    def setup(self, advertiser: int) -> AccountSetup:
        """How the account is set up. Raises KeyError where there is none, managers included."""
        return self._accounts[advertiser]

    def setups(self) -> Sequence[AccountSetup]:
        """How every account is set up, in order of position."""
        return list(self._accounts.values())

    def _known(self, advertiser: int) -> AccountSetup | None:
        if any(manager.id == advertiser for manager in self._managers):
            return None
        return self._accounts[advertiser]

    def campaigns(self, advertiser: int, *, at: datetime) -> Sequence[Campaign]:
        """The account's campaigns; a manager has none. Raises KeyError for an unknown account, as all do."""
        setup = self._known(advertiser)
        return world_entities.campaigns(self.seed, setup, at) if setup else []

    def ad_groups(self, advertiser: int, *, at: datetime) -> Sequence[AdGroup]:
        """The account's ad groups or ad sets."""
        setup = self._known(advertiser)
        return world_entities.ad_groups(self.seed, setup, at) if setup else []

    def ads(self, advertiser: int, *, at: datetime) -> Sequence[Ad]:  # noqa: ARG002 (ads do not change)
        """The account's ads."""
        setup = self._known(advertiser)
        return world_entities.ads(setup) if setup else []

    def budgets(self, advertiser: int, *, at: datetime) -> Sequence[Budget]:
        """The account's budgets, shared ones once."""
        setup = self._known(advertiser)
        return world_entities.budgets(self.seed, setup, at) if setup else []

    def conversion_actions(self, advertiser: int) -> Sequence[ConversionAction]:
        """What the account counts as a conversion."""
        setup = self._known(advertiser)
        return [a.action for a in setup.actions] if setup else []

    def changes(self, advertiser: int, *, start: datetime, end: datetime) -> Sequence[ChangeEvent]:
        """Who changed what in [start, end), oldest first."""
        setup = self._known(advertiser)
        return world_entities.changes(self.seed, setup, start, end) if setup else []

    def experiments(self, advertiser: int, *, at: datetime) -> Sequence[Experiment]:
        """The A/B test under way or just ended."""
        setup = self._known(advertiser)
        return world_entities.experiments(setup, at) if setup else []

    def recommendations(self, advertiser: int, *, at: datetime) -> Sequence[Recommendation]:
        """What Google advises, from yesterday's lost demand and the seven days up to then."""
        setup = self._known(advertiser)
        if setup is None or setup.platform != "google_ads":
            return []
        today = at.astimezone(setup.advertiser.timezone).date()
        day = today - timedelta(days=1)
        block = self._block(setup, (day - _EPOCH).days // DAYS)
        lost = block.lost_to_budget[:, (day - _EPOCH).days % DAYS]
        shares = {c.id: float(share) for c, share in zip(setup.campaigns, lost, strict=True)}
        return world_entities.recommendations(self.seed, setup, at, shares, self._week(setup, today, at))

    def _week(self, setup: AccountSetup, today: date, at: datetime) -> dict[int, dict[str, float]]:
        """What each campaign did on the seven days before today, as the platform knows it by then."""
        zone, own = setup.advertiser.timezone, setup.advertiser.id
        start, end = (
            datetime.combine(today - timedelta(days=back), time.min, zone).astimezone(UTC) for back in (7, 0)
        )
        traffic = self.traffic(own, start=start, end=end, as_of=at)
        came = self.conversions(own, start=start, end=end, as_of=at)
        primary = np.isin(came.action, [a.id for a in self.conversion_actions(own) if a.primary])
        found: dict[int, dict[str, float]] = {}
        for campaign in np.unique(traffic.campaign).tolist():
            mine, credited = traffic.campaign == campaign, primary & (came.campaign == campaign)
            found[campaign] = {
                "impressions": float(traffic.impressions[mine].sum()),
                "clicks": float(traffic.clicks[mine].sum()),
                "cost_micros": float(traffic.cost_micros[mine].sum()),
                "conversions": float(came.quantity[credited].sum()),
                "conversions_value": float(came.value_micros[credited].sum()) / 1e6,
            }
        return found

    def traffic(
        self,
        advertiser: int,
        *,
        start: datetime,
        end: datetime,
        as_of: datetime | None,
        by_ad: bool = False,
        by_device: bool = False,
        by_network: bool = False,
    ) -> Traffic:
        """Delivery of the clock hours that begin in [start, end), as reported at `as_of`."""
        setup = self._known(advertiser)
        blocks = self._blocks(setup, start, end) if setup else ()
        seen = None if as_of is None else as_of - self.source_lag
        return traffic_of(blocks, self._since(setup, start), end, seen, axes=(by_ad, by_device, by_network))

    def conversions(
        self,
        advertiser: int,
        *,
        start: datetime,
        end: datetime,
        as_of: datetime | None,
        by: Literal["click", "conversion"] = "click",
    ) -> Conversions:
        """Conversion events whose click, or that themselves, fall in the clock hours of [start, end)."""
        setup = self._known(advertiser)
        first = start if by == "click" else start - _CATCH_UP
        blocks = self._blocks(setup, first, end) if setup else ()
        seen = None if as_of is None else as_of - self.source_lag
        pairs = ((block, self._events(block)) for block in blocks)
        return conversions_of(pairs, (self._since(setup, first), start, end), seen, by)

    def auctions(self, advertiser: int, *, first: date, last: date, as_of: datetime | None) -> Auctions:
        """Shares and reach of the local days first..last, both included.

        Google tells them from 18 hours after the day's end; earlier days' rows are left out.
        """
        setup = self._known(advertiser)
        zone = setup.advertiser.timezone if setup else UTC
        start = datetime.combine(first, datetime.min.time(), zone).astimezone(UTC)
        end = datetime.combine(last + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
        blocks = list(self._blocks(setup, start, end)) if setup else []
        traffic = self.traffic(advertiser, start=start, end=end, as_of=as_of)
        return auctions_of(blocks, traffic, as_of)

    def faults(self, platform: Platform, advertiser: int | None, *, at: datetime) -> Faults:
        """What is wrong at a moment with the platform or, where one is named, with the account there."""
        names = {
            i.name: i
            for i in self.incidents.active(at)
            if inc.KINDS[i.name].fault
            and i.platform in (None, platform)
            and self._platform(i) in (None, platform)
            and i.advertiser in (None, advertiser)
        }
        hang = names.get("hang")
        return Faults(
            token_revoked="token_revoked" in names,
            suspended="account_suspended" in names,
            outage="api_outage" in names,
            throttled="throttling" in names,
            hang_seconds=inc.factor(hang, "hang_seconds") if hang else 0.0,
            break_stream="broken_stream" in names,
            empty_page="empty_page" in names,
            malformed="malformed" in names,
        )

    def page(self, url: str, *, at: datetime) -> str:
        """How a landing page answers: ok, error, slow, redirect, or untagged (its tag is gone)."""
        concerned = [i for i in self.incidents.active(at) if self.concerns_page(i, url)]
        for incident in concerned:
            if incident.name == "landing_page_down":
                return str(incident.options.get("how", "error"))
        return "untagged" if any(i.name == "tracking_outage" for i in concerned) else "ok"

    def hosts(self) -> list[str]:
        """The host names of every advertiser's site."""
        pages = (c.landing_page for setup in self._accounts.values() for c in setup.campaigns)
        return sorted({urlsplit(page).hostname or "" for page in pages})

    def concerns_page(self, incident: Incident, url: str) -> bool:
        """Whether an incident hits a page: one below its own url, or one that what it hits leads to."""
        if "url" in incident.options:
            return inc.leads_to(incident, url)
        return any(
            url in {c.landing_page, *(ad.final_url for g in c.groups for ad in g.ads)}
            for setup in self._accounts.values()
            for c in setup.campaigns
            if inc.hits(incident, setup.platform, setup.advertiser.id, c.id)
        )

    def _platform(self, incident: Incident) -> Platform | None:
        """The platform of the incident's account, where it names one."""
        setup = self._accounts.get(incident.advertiser) if incident.advertiser else None
        return setup.platform if setup else None

    def _since(self, setup: AccountSetup | None, start: datetime) -> datetime:
        """`start`, but not before the local midnight at which the account's history begins."""
        zone = setup.advertiser.timezone if setup else UTC
        born = datetime.combine(self.born.astimezone(zone).date(), datetime.min.time(), zone)
        return max(start, born.astimezone(UTC))

    def _blocks(self, setup: AccountSetup, start: datetime, end: datetime) -> Iterator[Block]:
        start = self._since(setup, start)
        zone = setup.advertiser.timezone
        first = (start.astimezone(zone).date() - _EPOCH).days // DAYS
        last = (end.astimezone(zone).date() - _EPOCH).days // DAYS
        for index in range(first, last + 1 if end > start else first):
            yield self._block(setup, index)

    def _block(self, setup: AccountSetup, index: int) -> Block:
        id_ = setup.advertiser.id
        begin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=index * DAYS - 1)
        end = begin + timedelta(days=DAYS + 2) + _CATCH_UP
        concerned = tuple(
            i
            for i in self.incidents.all()
            if i.at < end and (i.until is None or i.until > begin) and inc.hits(i, setup.platform, id_)
        )
        # An incident that was stopped has another end, and so another key.
        marks = tuple((i.id, i.until) for i in concerned)

        def make() -> Block:
            if id_ not in self._grids:
                self._grids[id_] = world_grid.build(self.seed, setup)
            return world_delivery.block(self.seed, self._grids[id_], index, concerned)

        return self._store.get(("block", id_, index, marks), world_delivery.Block, make)

    def _events(self, block: Block) -> Events:
        marks = tuple((i.id, i.until) for i in block.incidents)
        key = ("events", block.grid.setup.advertiser.id, block.days.first, marks)
        return self._store.get(key, world_events.Events, lambda: world_events.expand(block))


def _with_status(advertiser: Advertiser, status: str) -> Advertiser:
    return replace(advertiser, status=status)
