"""An account as it is set up at a moment: its entities, and which of them stand in one row together."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.google_check import Plan
    from sandbox.model import (
        Ad,
        AdGroup,
        Advertiser,
        Budget,
        Campaign,
        ChangeEvent,
        ConversionAction,
        World,
    )

__all__ = ["KEYWORD_WEIGHTS", "AssetGroup", "Client", "Joined", "Keyword", "Label", "Snapshot", "Status"]

Joined = dict[str, Any]
"""One row's entities, by the resource whose fields they fill."""

KEYWORD_WEIGHTS = (5, 3, 2)
"""How an ad group's traffic is shared out among its keywords, in tenths."""

_OF_CAMPAIGNS = ("campaign.", "segments.budget_campaign_association_status.")
"""What tells a budget's campaigns apart."""

_MATCH_TYPES = ("EXACT", "PHRASE", "BROAD")


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword of a search ad group. rank: its index into KEYWORD_WEIGHTS."""

    id: int
    ad_group: int
    campaign: int
    text: str
    match_type: str
    rank: int


@dataclass(frozen=True, slots=True)
class AssetGroup:
    """The one asset group of a Performance Max campaign."""

    id: int
    campaign: int
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Label:
    """A label, known by its name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Client:
    """An account as a manager sees it. level: how many managers stand between, the manager itself is 0."""

    advertiser: Advertiser
    level: int


@dataclass(frozen=True, slots=True)
class Status:
    """When an entity was last changed. kind: the resource's name."""

    kind: str
    entity: int
    campaign: int
    ad_group: int
    at: datetime
    added: bool

    @property
    def id(self) -> str:
        """Known by what it is the status of."""
        return f"{self.kind.lower()}-{self.entity}"


class Snapshot:
    """What is in an account at a moment; each kind is asked of the world once."""

    def __init__(self, world: World, advertiser: Advertiser, at: datetime) -> None:
        self.world = world
        self.advertiser = advertiser
        self.at = at
        self.customer = advertiser.id

    def name(self, collection: str, *ids: int | str) -> str:
        """A resource name in this account; ids of several parts are joined by a tilde."""
        return f"customers/{self.customer}/{collection}/{'~'.join(map(str, ids))}"

    def local(self, at: datetime) -> datetime:
        """A moment on the account's clock."""
        return at.astimezone(self.advertiser.timezone)

    @property
    def today(self) -> date:
        """The day on the account's clock."""
        return self.local(self.at).date()

    @cached_property
    def campaigns(self) -> dict[int, Campaign]:
        """By id, as all of these are."""
        return {c.id: c for c in self.world.campaigns(self.customer, at=self.at)}

    @cached_property
    def budgets(self) -> dict[int, Budget]:
        """Budgets; a shared one stands here once."""
        return {b.id: b for b in self.world.budgets(self.customer, at=self.at)}

    @cached_property
    def ad_groups(self) -> dict[int, AdGroup]:
        """Ad groups."""
        return {g.id: g for g in self.world.ad_groups(self.customer, at=self.at)}

    @cached_property
    def ads(self) -> dict[int, Ad]:
        """Ads."""
        return {a.id: a for a in self.world.ads(self.customer, at=self.at)}

    @cached_property
    def actions(self) -> dict[int, ConversionAction]:
        """Conversion actions."""
        return {a.id: a for a in self.world.conversion_actions(self.customer)}

    @cached_property
    def labels(self) -> dict[str, Label]:
        """By name; an id follows from the name alone."""
        names = sorted({name for c in self.campaigns.values() for name in c.labels})
        return {name: Label(20_000_000_000 + zlib.crc32(name.encode()), name) for name in names}

    @cached_property
    def keywords(self) -> list[Keyword]:
        """The keywords of the search campaigns' ad groups: the group's name in each match type."""
        return [
            Keyword(
                id=300_000_000_000 + group.id * 10 + rank,
                ad_group=group.id,
                campaign=group.campaign,
                text=("buy " if rank else "") + group.name.lower(),
                match_type=_MATCH_TYPES[rank],
                rank=rank,
            )
            for group in self.ad_groups.values()
            if self.campaigns[group.campaign].kind == "search"
            for rank in range(len(KEYWORD_WEIGHTS))
        ]

    @cached_property
    def asset_groups(self) -> dict[int, AssetGroup]:
        """By campaign."""
        return {
            c.id: AssetGroup(c.id + 5, c.id, f"{c.name} | All products", c.status)
            for c in self.campaigns.values()
            if c.kind == "performance_max"
        }

    @cached_property
    def clients(self) -> list[Client]:
        """The account itself and all below it, each once, nearest first."""
        everyone = self.world.advertisers("google_ads", at=self.at)
        level = {self.customer: 0}
        reached, depth = [self.customer], 0
        while reached:
            depth += 1
            reached = [a.id for a in everyone if a.id not in level and set(reached) & set(a.parents)]
            level |= dict.fromkeys(reached, depth)
        found = [Client(a, level[a.id]) for a in everyone if a.id in level]
        return sorted(found, key=lambda client: client.level)

    def changes(self, first: datetime, last: datetime) -> Sequence[ChangeEvent]:
        """Changes from one local moment to another, both included, newest first."""
        zone = self.advertiser.timezone
        start = first.replace(tzinfo=zone).astimezone(UTC)
        end = last.replace(tzinfo=zone, fold=1).astimezone(UTC) + timedelta(microseconds=1)
        end = min(end, self.at + timedelta(microseconds=1))
        return self.world.changes(self.customer, start=start, end=end)[::-1] if start < end else []

    def statuses(self) -> Iterator[Status]:
        """The last change of each campaign, budget, ad group and ad."""
        for c in self.campaigns.values():
            yield Status("CAMPAIGN", c.id, c.id, 0, c.updated, added=c.updated == c.created)
        for b in self.budgets.values():
            if b.updated is not None:
                yield Status("CAMPAIGN_BUDGET", b.id, 0, 0, b.updated, added=False)
        for g in self.ad_groups.values():
            yield Status("AD_GROUP", g.id, g.campaign, g.id, g.updated, added=g.updated == g.created)
        for a in self.ads.values():
            added = a.updated == a.created
            yield Status("AD_GROUP_AD", a.id, a.campaign, a.ad_group, a.updated, added=added)

    def rows(self, plan: Plan) -> list[Joined]:
        """The rows that FROM names, before any condition; none for a resource that no account here has."""
        make = getattr(self, f"_{plan.query.resource}_rows", None)
        if make is None:
            return []
        if plan.query.resource == "campaign_budget":
            names = (field.name for field in (*plan.attributes, *plan.select))
            return list(
                self._campaign_budget_rows(split=any(name.startswith(_OF_CAMPAIGNS) for name in names))
            )
        rows = make(*plan.moments) if plan.moments else make()
        return [{"customer": self.advertiser, **row} for row in rows]

    def _customer_rows(self) -> Iterator[Joined]:
        yield {}

    def _customer_client_rows(self) -> Iterator[Joined]:
        return ({"customer_client": client} for client in self.clients)

    def _campaign(self, campaign: int) -> Joined:
        found = self.campaigns[campaign]
        return {"campaign": found, "campaign_budget": self.budgets.get(found.budget)}

    def _campaign_rows(self) -> Iterator[Joined]:
        return (self._campaign(c) for c in self.campaigns)

    def _campaign_budget_rows(self, *, split: bool) -> Iterator[Joined]:
        """Budgets; split: once for each campaign that a budget holds, as fields of the campaign ask for."""
        for budget in self.budgets.values():
            row: Joined = {"customer": self.advertiser, "campaign_budget": budget}
            if not split:
                yield row
                continue
            for campaign in self.campaigns.values():
                if campaign.budget == budget.id:
                    yield {**row, "campaign": campaign}

    def _campaign_label_rows(self) -> Iterator[Joined]:
        for campaign in self.campaigns.values():
            for name in campaign.labels:
                label = self.labels[name]
                yield {"campaign_label": (campaign, label), "campaign": campaign, "label": label}

    def _label_rows(self) -> Iterator[Joined]:
        return ({"label": label} for label in self.labels.values())

    def _group(self, ad_group: int) -> Joined:
        group = self.ad_groups[ad_group]
        return {"ad_group": group, "campaign": self.campaigns[group.campaign]}

    def _ad_group_rows(self) -> Iterator[Joined]:
        return (self._group(g) for g in self.ad_groups)

    def _ad_group_ad_rows(self) -> Iterator[Joined]:
        return ({"ad_group_ad": ad, **self._group(ad.ad_group)} for ad in self.ads.values())

    def _ad_group_criterion_rows(self) -> Iterator[Joined]:
        return ({"ad_group_criterion": k, **self._group(k.ad_group)} for k in self.keywords)

    def _keyword_view_rows(self) -> Iterator[Joined]:
        return ({"keyword_view": row["ad_group_criterion"], **row} for row in self._ad_group_criterion_rows())

    def _asset_group_rows(self) -> Iterator[Joined]:
        for group in self.asset_groups.values():
            yield {"asset_group": group, "campaign": self.campaigns[group.campaign]}

    def _conversion_action_rows(self) -> Iterator[Joined]:
        return ({"conversion_action": action} for action in self.actions.values())

    def _change_event_rows(self, first: datetime, last: datetime) -> Iterator[Joined]:
        for event in self.changes(first, last):
            row: Joined = {"change_event": event, "campaign": self.campaigns.get(event.campaign)}
            if event.entity_type == "AD_GROUP":
                row["ad_group"] = self.ad_groups.get(event.entity)
            yield row

    def _change_status_rows(self, _first: datetime, _last: datetime) -> Iterator[Joined]:
        for status in self.statuses():
            yield {
                "change_status": status,
                "campaign": self.campaigns.get(status.campaign),
                "ad_group": self.ad_groups.get(status.ad_group),
                "ad_group_ad": self.ads.get(status.entity),
            }

    def _experiment_rows(self) -> Iterator[Joined]:
        return ({"experiment": e} for e in self.world.experiments(self.customer, at=self.at))

    def _experiment_arm_rows(self) -> Iterator[Joined]:
        for experiment in self.world.experiments(self.customer, at=self.at):
            for arm in experiment.arms:
                yield {"experiment_arm": (experiment, arm), "experiment": experiment}

    def _recommendation_rows(self) -> Iterator[Joined]:
        for advice in self.world.recommendations(self.customer, at=self.at):
            yield {"recommendation": advice, **self._campaign(advice.campaign)}
