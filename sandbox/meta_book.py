"""One account as it stands at a moment, in Meta's terms: its campaigns, ad sets, ads and their states."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from sandbox.model import Ad, AdGroup, Advertiser, Budget, Campaign, Experiment, World

__all__ = ["Book", "Library"]


class Book:
    """A snapshot; everything in it is looked up when it is first needed."""

    def __init__(self, world: World, advertiser: Advertiser, at: datetime) -> None:
        self.world = world
        self.advertiser = advertiser
        self.at = at

    @property
    def today(self) -> date:
        """The account's own day."""
        return self.at.astimezone(self.advertiser.timezone).date()

    @cached_property
    def campaigns(self) -> dict[int, Campaign]:
        """By id, in the order of the world."""
        return {item.id: item for item in self.world.campaigns(self.advertiser.id, at=self.at)}

    @cached_property
    def adsets(self) -> dict[int, AdGroup]:
        """By id."""
        return {item.id: item for item in self.world.ad_groups(self.advertiser.id, at=self.at)}

    @cached_property
    def goals(self) -> dict[int, str]:
        """What each campaign's ad sets are optimised for, by the campaign's id."""
        return {adset.campaign: adset.optimises_for for adset in reversed(self.adsets.values())}

    @cached_property
    def ads(self) -> dict[int, Ad]:
        """By id."""
        return {item.id: item for item in self.world.ads(self.advertiser.id, at=self.at)}

    @cached_property
    def creatives(self) -> dict[int, Ad]:
        """By the creative's id, the (first) ad that shows it."""
        found: dict[int, Ad] = {}
        for ad in self.ads.values():
            found.setdefault(ad.creative, ad)
        return found

    @cached_property
    def budgets(self) -> dict[int, Budget]:
        """By id."""
        return {item.id: item for item in self.world.budgets(self.advertiser.id, at=self.at)}

    @cached_property
    def studies(self) -> dict[int, Experiment]:
        """A/B tests by id."""
        return {item.id: item for item in self.world.experiments(self.advertiser.id, at=self.at)}

    def midnight(self, day: date) -> datetime:
        """The moment at which `day` begins in the account."""
        return datetime.combine(day, time(), self.advertiser.timezone).astimezone(UTC)

    def spent(self, first: date) -> dict[int, int]:
        """Micros spent by each ad set (or campaign, under its own id) since the beginning of `first`."""
        traffic = self.world.traffic(
            self.advertiser.id,
            start=self.midnight(first),
            end=max(self.at, self.midnight(first) + timedelta(hours=1)),
            as_of=self.at,
            by_ad=True,
        )
        spent: dict[int, int] = {}
        for campaign, adset, cost in zip(
            traffic.campaign.tolist(),
            traffic.ad_group.tolist(),
            traffic.cost_micros.tolist(),
            strict=True,
        ):
            spent[campaign] = spent.get(campaign, 0) + cost
            spent[adset] = spent.get(adset, 0) + cost
        return spent

    @cached_property
    def spent_today(self) -> dict[int, int]:
        """`spent` since the account's midnight."""
        return self.spent(self.today)

    @cached_property
    def spent_this_month(self) -> int:
        """Micros spent by the whole account since the first of the month."""
        spent = self.spent(self.today.replace(day=1))
        return sum(amount for item, amount in spent.items() if item in self.campaigns)

    def campaign_status(self, campaign: Campaign) -> str:
        """effective_status of a campaign."""
        return _STATUS[campaign.status]

    def adset_status(self, adset: AdGroup) -> str:
        """effective_status of an ad set: its own, or its campaign's where that stops it."""
        own, above = _STATUS[adset.status], self.campaign_status(self.campaigns[adset.campaign])
        if "DELETED" in (own, above):
            return "DELETED"
        return own if own != "ACTIVE" else {"PAUSED": "CAMPAIGN_PAUSED"}.get(above, own)

    def ad_status(self, ad: Ad) -> str:
        """effective_status of an ad: its review's outcome first, then what stops it from above."""
        own, above = _STATUS[ad.status], self.adset_status(self.adsets[ad.ad_group])
        if "DELETED" in (own, above):
            return "DELETED"
        if ad.review in _REVIEW:
            return _REVIEW[ad.review]
        return own if own != "ACTIVE" else {"PAUSED": "ADSET_PAUSED"}.get(above, above)

    def delivery(self, status: str, campaign: Campaign) -> str:
        """What Ads Manager calls the delivery of an object of `status` within `campaign`."""
        if status in _DELIVERY:
            return _DELIVERY[status]
        if campaign.ends is not None and campaign.ends < self.today:
            return "completed"
        return "scheduled" if campaign.starts > self.today else "active"


_STATUS = {"ENABLED": "ACTIVE", "PAUSED": "PAUSED", "REMOVED": "DELETED"}
_REVIEW = {"DISAPPROVED": "DISAPPROVED", "UNDER_REVIEW": "PENDING_REVIEW"}
_DELIVERY = {
    "DELETED": "deleted",
    "PAUSED": "inactive",
    "CAMPAIGN_PAUSED": "inactive",
    "ADSET_PAUSED": "inactive",
    "DISAPPROVED": "rejected",
    "PENDING_REVIEW": "pending_review",
}


class Library:
    """Every account's book at a moment, and which account an id belongs to. Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._home: dict[int, tuple[str, int]] = {}

    def accounts(self, at: datetime) -> list[Advertiser]:
        """The accounts on Meta, in order of their ids."""
        return sorted(self._world.advertisers("meta", at=at), key=lambda account: account.id)

    def book(self, account: int, at: datetime) -> Book | None:
        """The account's book, or None for an account that does not exist."""
        for advertiser in self.accounts(at):
            if advertiser.id == account:
                return Book(self._world, advertiser, at)
        return None

    def find(self, object_id: int, at: datetime) -> tuple[str, int] | None:
        """The kind of the object and the account it is in; None for an id that nothing has."""
        with self._lock:
            if object_id not in self._home:
                for advertiser in self.accounts(at):
                    self._home.update(_contents(Book(self._world, advertiser, at)))
            return self._home.get(object_id)


def _contents(book: Book) -> Iterator[tuple[int, tuple[str, int]]]:
    account = book.advertiser.id
    for kind, ids in (
        ("campaign", book.campaigns),
        ("adset", book.adsets),
        ("ad", book.ads),
        ("creative", book.creatives),
        ("study", book.studies),
    ):
        for object_id in ids:
            yield object_id, (kind, account)
    for study in book.studies.values():
        for arm in study.arms:
            yield arm[0], ("cell", account)
