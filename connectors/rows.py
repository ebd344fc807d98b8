"""The row types of the built-in streams, each a table of the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from connectors.schema import Micros, Quantity, Row
from connectors.web_rows import PageCheck, Web, WebMinute, WebStep

__all__ = [
    "ROWS",
    "AccountRow",
    "Ad",
    "AdDelivery",
    "Auction",
    "Budget",
    "Campaign",
    "Change",
    "ConversionAction",
    "DayTotal",
    "Delivery",
    "Experiment",
    "ExperimentEffect",
    "Rate",
    "Recommendation",
    "SegmentDelivery",
]


@dataclass(frozen=True, slots=True)
class AccountRow(Row):
    """An account as its source describes it."""

    table: ClassVar[str] = "account"
    key: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[Literal["attribute"]] = "attribute"

    name: str
    currency: str
    timezone: str
    via: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Delivery(Row):
    """What a campaign delivered in one hour: the truth for totals, Performance Max included.

    hour: start of the hour, UTC. Where the clock goes back, a source reports the repeated hour once:
        it stands at the first of the two.
    day, hour_of_day: the same hour on the account's own clock, as the source reported it.
    conversions, conversion_value: by the hour of the click; None where the source does not give them
        by hour (Meta leaves off-Meta actions out of its hourly breakdown): then see DayTotal.
    """

    table: ClassVar[str] = "delivery"
    key: ClassVar[tuple[str, ...]] = ("campaign", "hour")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "hour"
    derived: ClassVar[tuple[str, ...]] = ("day", "hour_of_day")

    campaign: str
    hour: datetime
    day: date
    hour_of_day: int
    impressions: int
    clicks: int
    cost: Micros
    conversions: Quantity | None
    conversion_value: Micros | None


@dataclass(frozen=True, slots=True)
class AdDelivery(Row):
    """What an ad delivered on one account-local day, for drilling down.

    Campaign types without ads (Performance Max) are absent: the campaign total is `Delivery`'s.
    """

    table: ClassVar[str] = "ad_delivery"
    key: ClassVar[tuple[str, ...]] = ("campaign", "ad_group", "ad", "day")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "day"

    campaign: str
    ad_group: str
    ad: str
    day: date
    impressions: int
    clicks: int
    cost: Micros
    conversions: Quantity
    conversion_value: Micros


@dataclass(frozen=True, slots=True)
class SegmentDelivery(Row):
    """What a campaign delivered on one account-local day, split by device and network or placement."""

    table: ClassVar[str] = "segment_delivery"
    key: ClassVar[tuple[str, ...]] = ("campaign", "device", "network", "day")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "day"

    campaign: str
    device: str
    network: str
    day: date
    impressions: int
    clicks: int
    cost: Micros
    conversions: Quantity
    conversion_value: Micros


@dataclass(frozen=True, slots=True)
class DayTotal(Row):
    """A campaign's conversions on one account-local day, by conversion action.

    One row an action: Google's conversion actions, or Meta's events with exactly one action type
    each (omni_purchase, else purchase, else the pixel's).
    category: purchase, lead, signup, cart, contact, other.
    primary: whether the source counts the action in its own "conversions" column.
    """

    table: ClassVar[str] = "day_totals"
    key: ClassVar[tuple[str, ...]] = ("campaign", "action", "day")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "day"
    derived: ClassVar[tuple[str, ...]] = ("category", "primary")

    campaign: str
    action: str
    day: date
    category: str
    primary: bool
    conversions: Quantity
    conversion_value: Micros


@dataclass(frozen=True, slots=True)
class Auction(Row):
    """The auction a campaign took part in on one account-local day: context, never summed.

    Shares are fractions of eligible impressions as the source reports them (Google reports below
    0.1 as 0.0999); rankings are Meta's words; reach and frequency are the day's.
    """

    table: ClassVar[str] = "auction"
    key: ClassVar[tuple[str, ...]] = ("campaign", "day")
    kind: ClassVar[Literal["attribute"]] = "attribute"
    time: ClassVar[str] = "day"

    campaign: str
    day: date
    impressions: int
    impression_share: float | None = None
    lost_to_budget: float | None = None
    lost_to_rank: float | None = None
    reach: int | None = None
    frequency: float | None = None
    quality_ranking: str = ""
    engagement_ranking: str = ""
    conversion_ranking: str = ""


@dataclass(frozen=True, slots=True)
class Campaign(Row):
    """A campaign as it is set up now; its history is kept by the warehouse.

    status: enabled, paused, removed. serving: what keeps it from delivering, in the source's words.
    channel: search, performance_max, shopping, display, video, demand_gen, prospecting, retargeting, other.
    """

    table: ClassVar[str] = "campaign"
    key: ClassVar[tuple[str, ...]] = ("campaign",)
    kind: ClassVar[Literal["attribute"]] = "attribute"

    campaign: str
    name: str
    status: str
    serving: str
    channel: str
    objective: str = ""
    bidding: str = ""
    starts: date | None = None
    ends: date | None = None
    labels: str = ""
    """Comma-separated, sorted."""


@dataclass(frozen=True, slots=True)
class Ad(Row):
    """An ad with its group and where it leads."""

    table: ClassVar[str] = "ad"
    key: ClassVar[tuple[str, ...]] = ("campaign", "ad_group", "ad")
    kind: ClassVar[Literal["attribute"]] = "attribute"

    campaign: str
    ad_group: str
    ad: str
    ad_group_name: str
    ad_name: str
    status: str
    serving: str
    final_url: str = ""


@dataclass(frozen=True, slots=True)
class Budget(Row):
    """A budget as it is set now; the warehouse's history makes it effective-dated.

    One row a budget and campaign: a shared budget appears once for each campaign that draws on it,
    with the same `budget` id and `shared` true, and is paced once.
    level: campaign or ad_group, where the budget sits. period: daily or total.
    """

    table: ClassVar[str] = "budget"
    key: ClassVar[tuple[str, ...]] = ("budget", "campaign", "ad_group")
    kind: ClassVar[Literal["attribute"]] = "attribute"

    budget: str
    campaign: str
    ad_group: str
    name: str
    amount: Micros
    period: str
    level: str
    shared: bool
    starts: date | None = None
    ends: date | None = None


@dataclass(frozen=True, slots=True)
class ConversionAction(Row):
    """A conversion action: what it counts and for how long a click may still earn it."""

    table: ClassVar[str] = "conversion_action"
    key: ClassVar[tuple[str, ...]] = ("action",)
    kind: ClassVar[Literal["attribute"]] = "attribute"

    action: str
    name: str
    category: str
    primary: bool
    click_lookback_days: int
    status: str = ""


@dataclass(frozen=True, slots=True)
class Change(Row):
    """Who changed what, in the source's own log."""

    table: ClassVar[str] = "change"
    key: ClassVar[tuple[str, ...]] = ("change", "at")
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "at"

    change: str
    at: datetime
    actor: str
    via: str
    operation: str
    entity_type: str
    entity: str
    campaign: str
    summary: str
    before: str
    """JSON of the changed fields, old values."""
    after: str
    """JSON of the changed fields, new values."""


@dataclass(frozen=True, slots=True)
class Experiment(Row):
    """An A/B test that the source runs, one row an arm."""

    table: ClassVar[str] = "experiment"
    key: ClassVar[tuple[str, ...]] = ("experiment", "arm")
    kind: ClassVar[Literal["attribute"]] = "attribute"

    experiment: str
    arm: str
    name: str
    arm_name: str
    status: str
    control: bool
    split: float
    """Share of traffic, 0..1."""
    campaigns: str
    """Comma-separated ids, sorted."""
    starts: date | None = None
    ends: date | None = None
    goals: str = ""
    """What the source judges it by, first the first: comma-separated, each `metric:direction`, a metric by
    our name where there is one, a direction in the source's words: increase, no_change_or_decrease …
    """


@dataclass(frozen=True, slots=True)
class ExperimentEffect(Row):
    """What the source itself says an A/B test changed, one row a metric: treatment over control, less one.

    metric: by our name. margin: half its confidence interval. p_value: for one look at a time that was fixed
    beforehand, as sources work it out.
    """

    table: ClassVar[str] = "experiment_effect"
    key: ClassVar[tuple[str, ...]] = ("experiment", "metric")
    kind: ClassVar[Literal["attribute"]] = "attribute"
    may_be_none: ClassVar[bool] = True

    experiment: str
    metric: str
    effect: float
    p_value: float
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendation(Row):
    """What the source itself suggests to change, one row a suggestion and campaign that it is about.

    campaign: "" where it concerns the whole account. advice: the source's word for it.
    current, proposed: the budget or target that is set and the one it suggests; subject: what else it is
    about, in its words: a keyword.
    impressions to conversion_value: what the source expects it to add to a week; None where it does not say.
    """

    table: ClassVar[str] = "recommendation"
    key: ClassVar[tuple[str, ...]] = ("recommendation", "campaign")
    kind: ClassVar[Literal["attribute"]] = "attribute"
    may_be_none: ClassVar[bool] = True

    recommendation: str
    campaign: str
    advice: str
    current: Micros | None = None
    proposed: Micros | None = None
    subject: str = ""
    impressions: float | None = None
    clicks: float | None = None
    cost: Micros | None = None
    conversions: float | None = None
    conversion_value: Micros | None = None


@dataclass(frozen=True, slots=True)
class Rate(Row):
    """A day's reference rate of a currency: how many of its units one euro buys (ECB's own form)."""

    table: ClassVar[str] = "fx"
    key: ClassVar[tuple[str, ...]] = ("day", "currency")
    kind: ClassVar[Literal["attribute"]] = "attribute"
    time: ClassVar[str] = "day"

    day: date
    currency: str
    per_eur: float


ROWS: tuple[type[Row], ...] = (
    AccountRow,
    Delivery,
    AdDelivery,
    SegmentDelivery,
    DayTotal,
    Auction,
    Campaign,
    Ad,
    Budget,
    ConversionAction,
    Change,
    Experiment,
    ExperimentEffect,
    Recommendation,
    PageCheck,
    Web,
    WebMinute,
    WebStep,
    Rate,
)
"""Every row type of the built-in streams; each is a table of the warehouse."""
