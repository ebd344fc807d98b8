"""What the sandbox's servers may ask of the world: entities as set up at a moment, traffic and conversions
as a platform would report them at a moment, and the faults that hold at a moment.

Every answer is a pure function of (seed, incidents, arguments): any order of questions, on any day, gives
the same numbers. Times are aware and UTC. Ids are integers, unique over both platforms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime, timedelta
    from zoneinfo import ZoneInfo

__all__ = [
    "Ad",
    "AdGroup",
    "Advertiser",
    "Auctions",
    "Budget",
    "Campaign",
    "ChangeEvent",
    "Clock",
    "ConversionAction",
    "Conversions",
    "Experiment",
    "Faults",
    "Incident",
    "Ints",
    "Platform",
    "Recommendation",
    "Traffic",
    "World",
]

Platform = Literal["google_ads", "meta", "ga4"]
Ints = npt.NDArray[np.int64]

DEVICES = ("MOBILE", "DESKTOP", "TABLET")
NETWORKS = {
    "google_ads": ("SEARCH", "SEARCH_PARTNERS", "CONTENT"),
    "meta": ("facebook", "instagram", "audience_network"),
}


class Clock(Protocol):
    """The sandbox's time: the machine's, or one that starts at --now, or one that tests set."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Advertiser:
    """An account on one platform. Managers (Google) have no campaigns; `parents` are manager ids."""

    platform: Platform
    id: int
    name: str
    currency: str
    timezone: ZoneInfo
    manager: bool = False
    parents: tuple[int, ...] = ()
    directly_accessible: bool = False
    status: str = "ENABLED"
    """ENABLED or SUSPENDED, as at the moment asked for."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """kind: search, performance_max, shopping, prospecting, retargeting. status: ENABLED, PAUSED, REMOVED."""

    id: int
    advertiser: int
    name: str
    kind: str
    status: str
    budget: int
    """Id of its budget; 0 where the budgets sit on the ad groups (Meta, ABO)."""
    starts: date
    ends: date | None
    bidding: str
    labels: tuple[str, ...]
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class AdGroup:
    """An ad group (Google) or ad set (Meta)."""

    id: int
    campaign: int
    name: str
    status: str
    budget: int
    """Id of its own budget (Meta, ABO), else 0."""
    optimises_for: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Ad:
    """An ad, its creative and where it leads."""

    id: int
    ad_group: int
    campaign: int
    name: str
    kind: str
    status: str
    review: str
    """APPROVED, APPROVED_LIMITED, DISAPPROVED, UNDER_REVIEW."""
    final_url: str
    creative: int
    headline: str
    body: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """amount_micros in the account's currency; period: DAILY or TOTAL (the flight's)."""

    id: int
    name: str
    amount_micros: int
    period: str
    shared: bool
    reference_count: int
    starts: date | None = None
    ends: date | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConversionAction:
    """category: PURCHASE, LEAD, SIGNUP, ADD_TO_CART, CONTACT. off_platform: needs the site's tag."""

    id: int
    name: str
    category: str
    primary: bool
    click_lookback_days: int
    view_lookback_days: int
    off_platform: bool


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Who changed what.

    entity_type: CAMPAIGN, CAMPAIGN_BUDGET, AD_GROUP, AD. operation: CREATE, UPDATE, REMOVE.
    """

    id: int
    at: datetime
    actor: str
    """An address such as analyst@example.com."""
    client: str
    """The tool that made the change: GOOGLE_ADS_WEB_CLIENT, GOOGLE_ADS_API, …"""
    entity_type: str
    entity: int
    campaign: int
    operation: str
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """An A/B test over campaigns."""

    id: int
    name: str
    status: str
    starts: date
    ends: date
    arms: tuple[tuple[int, str, bool, float, tuple[int, ...]], ...]
    """(id, name, control, split 0..1, campaign ids)."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the platform itself would change."""

    id: int
    kind: str
    """CAMPAIGN_BUDGET, KEYWORD, TARGET_CPA_OPT_IN, …"""
    campaign: int
    values: dict[str, Any]
    base: dict[str, float] = field(default_factory=dict)
    """The account's last seven days, by the API's names; empty where no impact is told."""
    potential: dict[str, float] = field(default_factory=dict)
    """The same, had the advice been followed."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Columns of equal length, one row a cell; cells without impressions are left out.

    hour: hours since 1970 UTC (where the zone is half an hour off, the local clock hour in which that hour
    begins: `fromtimestamp(hour * 3600)` is within it). ad_group, ad: 0 where there is none (Performance
    Max) or not asked for.
    device, network: index into DEVICES and NETWORKS[platform], -1 where not asked for.
    """

    campaign: Ints
    ad_group: Ints
    ad: Ints
    hour: Ints
    device: Ints
    network: Ints
    impressions: Ints
    clicks: Ints
    cost_micros: Ints


@dataclass(frozen=True, slots=True)
class Conversions:
    """Columns of equal length, one row a conversion event that is visible at the moment asked for.

    click_hour, hour: hours since 1970 UTC of the click it is attributed to and of the conversion itself.
    action: ConversionAction id. quantity: fraction credited (1.0, or less with data-driven attribution; at
    most six decimals). view: attributed to a view, not a click. delay_hours: from click to conversion.
    """

    campaign: Ints
    ad_group: Ints
    ad: Ints
    click_hour: Ints
    hour: Ints
    device: Ints
    network: Ints
    action: Ints
    quantity: npt.NDArray[np.float64]
    value_micros: Ints
    view: npt.NDArray[np.bool_]
    delay_hours: Ints


@dataclass(frozen=True, slots=True)
class Auctions:
    """Campaign x account-local day, never additive.

    eligible: impressions that could have been had; shares are fractions of it. reach: different people.
    """

    campaign: Ints
    day: Ints
    """Days since 1970, on the account's calendar."""
    impressions: Ints
    eligible: Ints
    lost_to_budget: npt.NDArray[np.float64]
    lost_to_rank: npt.NDArray[np.float64]
    reach: Ints


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a platform, or with one account there, at a moment."""

    token_revoked: bool = False
    suspended: bool = False
    outage: bool = False
    """Every call answers 5xx."""
    throttled: bool = False
    """Every second call answers with the platform's rate-limit error."""
    hang_seconds: float = 0.0
    break_stream: bool = False
    """The stream breaks off after its first chunk (Google) or in the middle of the body (Meta)."""
    empty_page: bool = False
    malformed: bool = False
    """The reply is not what the protocol says: HTML, or half a JSON document."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A scripted disturbance.

    name: one of incidents.KINDS. campaign, advertiser: what it hits, or None for all.
    """

    id: int
    name: str
    at: datetime
    until: datetime | None
    platform: Platform | None = None
    advertiser: int | None = None
    campaign: int | None = None
    size: float | None = None
    options: dict[str, Any] = field(default_factory=dict)


class World(Protocol):
    """The one source of numbers for every server of the sandbox."""

    clock: Clock

    def advertisers(self, platform: Platform, *, at: datetime) -> Sequence[Advertiser]: ...
    def campaigns(self, advertiser: int, *, at: datetime) -> Sequence[Campaign]: ...
    def ad_groups(self, advertiser: int, *, at: datetime) -> Sequence[AdGroup]: ...
    def ads(self, advertiser: int, *, at: datetime) -> Sequence[Ad]: ...
    def budgets(self, advertiser: int, *, at: datetime) -> Sequence[Budget]: ...
    def conversion_actions(self, advertiser: int) -> Sequence[ConversionAction]: ...
    def changes(self, advertiser: int, *, start: datetime, end: datetime) -> Sequence[ChangeEvent]: ...
    def experiments(self, advertiser: int, *, at: datetime) -> Sequence[Experiment]: ...
    def recommendations(self, advertiser: int, *, at: datetime) -> Sequence[Recommendation]: ...

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
        """Delivery in [start, end) as reported at `as_of`; None: the final truth. Splits add up exactly."""

    def conversions(
        self,
        advertiser: int,
        *,
        start: datetime,
        end: datetime,
        as_of: datetime | None,
        by: Literal["click", "conversion"] = "click",
    ) -> Conversions:
        """Conversion events whose click (or own) hour is in [start, end), as reported at `as_of`."""

    def auctions(self, advertiser: int, *, first: date, last: date, as_of: datetime | None) -> Auctions: ...

    def faults(self, platform: Platform, advertiser: int | None, *, at: datetime) -> Faults: ...

    source_lag: timedelta
    """How late delivery shows up in the platforms' reports."""
