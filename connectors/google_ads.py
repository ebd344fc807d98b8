"""Google Ads: every account that one user or service account reaches, polled inside Google's daily quota.

One Search is one operation, whatever its size, and a Google Cloud project has 2,880 (explorer) or 15,000
(basic) of them in any 24 hours. So the streams are tiered: what decides about money now is asked every
5 minutes, what explains it every half-hour or hour, and the past as often as late conversions change it.
One account costs 565 operations a day and one to learn how far back it restates; 25 accounts 14,150.

Conversions stand at the hour of their click and keep arriving for as long as the account's conversion
actions allow (1 to 90 days): that is how far back the past is asked again.
"""

from __future__ import annotations

import functools
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
)

from connectors import _google_cells as cells
from connectors import _google_queries as gaql
from connectors._clock import to_utc
from connectors._google_accounts import walk
from connectors._google_login import LoginSettings
from connectors.contract import Account, Connector, Stream, Window, stream
from connectors.errors import Unexpected
from connectors.rows import (
    Ad,
    AdDelivery,
    Auction,
    Budget,
    Campaign,
    Change,
    ConversionAction,
    DayTotal,
    Delivery,
    Experiment,
    ExperimentEffect,
    Recommendation,
    SegmentDelivery,
)
from connectors.schema import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from connectors._google_rows import Columns, Query
    from connectors._google_wire import Wire

__all__ = ["GoogleAds", "Settings"]

CustomerId = Annotated[
    str,
    BeforeValidator(lambda value: str(value).replace("-", "")),
    StringConstraints(pattern=r"^\d{1,19}$"),
]
"""An account's id as Google shows it (123-456-7890) or as it is (1234567890)."""

_QUOTAS = {"explorer": 2_880, "basic": 15_000, "standard": None}

_FIRST_WITH_EFFECTS = 24
"""The version from which on Google tells what experiments changed."""

_MINUTES, _HOURS, _DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_WITHDRAWN = 14 * _DAYS
"""Time after an account's last counting day in which returns and cancellations are usually uploaded."""


class Settings(LoginSettings):
    """What it takes to read Google Ads, beside how to get in.

    access_level: the Google Cloud project's, which sets the operations a day; operations_per_day
        overrides it, for a project that has other work too.
    developer_token: no longer needed; sent where it is given.
    login_customer_ids: managers to walk down from; without any, everything the user reaches directly.
    accounts: only these; without any, all that are found.
    """

    access_level: Literal["explorer", "basic", "standard"] = "basic"
    operations_per_day: int | None = Field(default=None, gt=0)
    developer_token: SecretStr = SecretStr("")
    login_customer_ids: tuple[CustomerId, ...] = ()
    accounts: tuple[CustomerId, ...] = ()
    api_version: str = Field(default="v26", pattern=r"^v\d{1,3}$")
    endpoint: str = "googleads.googleapis.com"


_Settings = Settings  # inside the class below, the name is its attribute


class GoogleAds(Connector):
    """Google Ads accounts, read through GoogleAdsService.SearchStream."""

    name: ClassVar[str] = "google_ads"
    title: ClassVar[str] = "Google Ads"
    Settings: ClassVar[type[BaseModel]] = Settings

    settings: _Settings

    @functools.cached_property
    def _wire(self) -> Wire:
        # The client's packages take seconds and 100 MB to import: only who fetches pays for them.
        from connectors._google_wire import Wire  # noqa: PLC0415

        return Wire(self.settings, self.usage)

    def operations_per_day(self) -> int | None:
        """What the project may spend in any 24 hours; None for standard access."""
        return self.settings.operations_per_day or _QUOTAS[self.settings.access_level]

    def accounts(self) -> Iterator[Account]:
        """See Connector.accounts. What cannot be walked is in `unreachable` and stops nothing else."""
        self.unreachable.clear()
        roots = self.settings.login_customer_ids or self._wire.accessible()
        yield from walk(self._wire, roots, frozenset(self.settings.accounts), self.unreachable)

    def check(self, account: Account) -> None:
        """Ask for the account's own id."""
        for _ in self._search(gaql.SELF, account):
            pass

    def fetch(self, stream: Stream, account: Account, window: Window) -> Iterator[pa.RecordBatch]:
        """See Connector.fetch; what a reply holds against its own schema is an Unexpected of the source."""
        try:
            yield from super().fetch(stream, account, window)
        except (ValueError, LookupError) as error:
            raise Unexpected(f"{stream.name}: the reply cannot be read: {error}") from error

    def _search(
        self, query: Query, account: Account, narrow: tuple[str, date, date] | tuple[()] = ()
    ) -> Iterator[Columns]:
        return self._wire.search(query, account.id, via=account.via, narrow=narrow)

    def _daily(self, query: Query, account: Account, window: Window) -> Iterator[Columns]:
        days = window.days(account.timezone)
        return self._search(query, account, ("segments.date", days[0], days[-1]))

    def click_lookback(self, account: Account) -> timedelta:
        """How long after a click its conversions may still change.

        The longest window in which the account's actions count a conversion (30 days where it has none, at
        most 90), and the time in which one that was counted at its very end may still be withdrawn.
        """
        longest = max(
            (
                row["conversion_action.click_through_lookback_window_days"]
                for columns in self._search(gaql.CONVERSION_ACTIONS, account)
                for row in cells.rows(columns)
                if row["conversion_action.status"] == "ENABLED"
            ),
            default=0,
        )
        return timedelta(days=min(longest or 30, 90)) + _WITHDRAWN

    @stream(
        Delivery,
        every=5 * _MINUTES,
        recent=3 * _DAYS,
        recent_every=_HOURS,
        restate="click_lookback",
        restate_every=_DAYS,
        lag=3 * _HOURS,
    )
    def delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by hour, conversions at the hour of their click."""
        start, end = (pa.scalar(at, pa.timestamp("us", "UTC")) for at in (window.start, window.end))
        for columns in self._daily(gaql.DELIVERY, account, window):
            day = cells.days(columns["segments.date"])
            hour_of_day = pa.array(columns["segments.hour"], pa.int64())
            hour = to_utc(day, hour_of_day, account.timezone)
            batch = pa.RecordBatch.from_pydict(
                {
                    "campaign": cells.ids(columns["campaign.id"]),
                    "hour": hour,
                    "day": day,
                    "hour_of_day": hour_of_day,
                    **cells.measures(columns),
                }
            )
            yield batch.filter(pc.and_(pc.greater_equal(hour, start), pc.less(hour, end)))

    @stream(AdDelivery, every=_HOURS, restate="click_lookback", restate_every=_DAYS, lag=3 * _HOURS)
    def ad_delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Ad by day; Performance Max has no ads and is absent."""
        for columns in self._daily(gaql.AD_DELIVERY, account, window):
            yield pa.RecordBatch.from_pydict(
                {
                    "campaign": cells.ids(columns["campaign.id"]),
                    "ad_group": cells.ids(columns["ad_group.id"]),
                    "ad": cells.ids(columns["ad_group_ad.ad.id"]),
                    "day": cells.days(columns["segments.date"]),
                    **cells.measures(columns),
                }
            )

    @stream(SegmentDelivery, every=3 * _HOURS, restate="click_lookback", restate_every=_DAYS, lag=3 * _HOURS)
    def segment_delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by device, network and day."""
        for columns in self._daily(gaql.SEGMENT_DELIVERY, account, window):
            yield pa.RecordBatch.from_pydict(
                {
                    "campaign": cells.ids(columns["campaign.id"]),
                    "device": pc.utf8_lower(pa.array(columns["segments.device"])),
                    "network": pc.utf8_lower(pa.array(columns["segments.ad_network_type"])),
                    "day": cells.days(columns["segments.date"]),
                    **cells.measures(columns),
                }
            )

    @stream(DayTotal, every=_HOURS, restate="click_lookback", restate_every=_DAYS, lag=15 * _HOURS, cost=2)
    def day_totals(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by conversion action and day.

        Of a primary action this is its part of `conversions`, so that the parts add up to the campaign's
        own number; of a secondary one, which that number leaves out, its part of `all_conversions`.
        """
        primary = {
            str(row["conversion_action.id"]): row["conversion_action.include_in_conversions_metric"]
            for columns in self._search(gaql.CONVERSION_ACTIONS, account)
            for row in cells.rows(columns)
        }
        for columns in self._daily(gaql.DAY_TOTALS, account, window):
            yield [cells.day_total(row, primary) for row in cells.rows(columns)]

    @stream(Auction, every=6 * _HOURS, restate=4 * _DAYS, restate_every=_DAYS, lag=37 * _HOURS)
    def auction(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by day: impression share, and what was lost of it; ready at 13:00 Pacific the next day."""
        for columns in self._daily(gaql.AUCTION, account, window):
            yield [
                Auction(
                    campaign=str(row["campaign.id"]),
                    day=date.fromisoformat(row["segments.date"]),
                    impressions=row["metrics.impressions"],
                    impression_share=row["metrics.search_impression_share"],
                    lost_to_budget=row["metrics.search_budget_lost_impression_share"],
                    lost_to_rank=row["metrics.search_rank_lost_impression_share"],
                )
                for row in cells.rows(columns)
            ]

    @stream(Campaign, every=_HOURS, cost=2)
    def campaigns(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every campaign, removed ones included; a second request only where campaigns carry labels."""
        chunks = list(self._search(gaql.CAMPAIGNS, account))
        labels: dict[int, list[str]] = {}
        if any(any(columns["campaign.labels"]) for columns in chunks):
            for columns in self._search(gaql.CAMPAIGN_LABELS, account):
                for row in cells.rows(columns):
                    labels.setdefault(row["campaign.id"], []).append(row["label.name"])
        for columns in chunks:
            yield [
                Campaign(
                    campaign=str(row["campaign.id"]),
                    name=row["campaign.name"],
                    status=row["campaign.status"].lower(),
                    serving=cells.serving(
                        row["campaign.primary_status"], row["campaign.primary_status_reasons"]
                    ),
                    channel=gaql.CHANNELS.get(row["campaign.advertising_channel_type"], "other"),
                    bidding=row["campaign.bidding_strategy_type"].lower(),
                    starts=cells.day(row["campaign.start_date_time"]),
                    ends=cells.day(row["campaign.end_date_time"]),
                    labels=",".join(sorted(labels.get(row["campaign.id"], ()))),
                )
                for row in cells.rows(columns)
            ]

    @stream(Ad, every=3 * _HOURS)
    def ads(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every ad with its group, its review and where it leads."""
        for columns in self._search(gaql.ADS, account):
            yield [
                Ad(
                    campaign=str(row["campaign.id"]),
                    ad_group=str(row["ad_group.id"]),
                    ad=str(row["ad_group_ad.ad.id"]),
                    ad_group_name=row["ad_group.name"],
                    ad_name=row["ad_group_ad.ad.name"] or cells.words(row["ad_group_ad.ad.type"]),
                    status=row["ad_group_ad.status"].lower(),
                    serving=cells.serving(row["ad_group_ad.policy_summary.approval_status"]),
                    final_url=next(iter(row["ad_group_ad.ad.final_urls"]), ""),
                )
                for row in cells.rows(columns)
            ]

    @stream(Budget, every=30 * _MINUTES)
    def budgets(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """The budget of every campaign; one that several share appears with each of them."""
        for columns in self._search(gaql.BUDGETS, account):
            yield [cells.budget(row) for row in cells.rows(columns) if row["campaign_budget.id"]]

    @stream(ConversionAction, every=12 * _HOURS)
    def conversion_actions(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """What the account counts as a conversion."""
        for columns in self._search(gaql.CONVERSION_ACTIONS, account):
            yield [
                ConversionAction(
                    action=str(row["conversion_action.id"]),
                    name=row["conversion_action.name"],
                    category=gaql.CATEGORIES.get(row["conversion_action.category"], "other"),
                    primary=row["conversion_action.include_in_conversions_metric"],
                    click_lookback_days=row["conversion_action.click_through_lookback_window_days"],
                    status=row["conversion_action.status"].lower(),
                )
                for row in cells.rows(columns)
            ]

    @stream(Change, every=30 * _MINUTES, restate=7 * _DAYS, restate_every=_DAYS, lag=3 * _MINUTES)
    def changes(self, account: Account, window: Window) -> Iterator[Batch]:
        """Who changed what; Google keeps 30 days of it."""

        def ask(first: datetime, last: datetime) -> Iterator[Columns]:
            return self._search(gaql.CHANGES, account, ("change_event.change_date_time", first, last))

        from connectors._google_changes import read  # noqa: PLC0415  # imports protobuf

        yield from read(ask, window, account.timezone, now=self.now, version=self.settings.api_version)

    @stream(Experiment, every=6 * _HOURS)
    def experiments(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every arm of every experiment."""
        from connectors._google_goals import read  # noqa: PLC0415  # imports protobuf

        for columns in self._search(gaql.EXPERIMENTS, account):
            yield [
                Experiment(
                    experiment=str(row["experiment.experiment_id"]),
                    arm=cells.id_of(row["experiment_arm.resource_name"]),
                    name=row["experiment.name"],
                    arm_name=row["experiment_arm.name"],
                    status=row["experiment.status"].lower(),
                    control=row["experiment_arm.control"],
                    split=row["experiment_arm.traffic_split"] / 100,
                    campaigns=",".join(sorted(map(cells.id_of, row["experiment_arm.campaigns"]))),
                    starts=cells.day(row["experiment.start_date"]),
                    ends=cells.day(row["experiment.end_date"]),
                    goals=read(row["experiment.goals"], self.settings.api_version),
                )
                for row in cells.rows(columns)
            ]

    @stream(ExperimentEffect, every=12 * _HOURS)
    def experiment_effects(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """What Google itself says that experiments changed, with its p-values; from v24 on."""
        if int(self.settings.api_version[1:]) < _FIRST_WITH_EFFECTS:
            return
        for columns in self._search(gaql.EXPERIMENT_EFFECTS, account):
            yield [
                ExperimentEffect(
                    str(row["experiment.experiment_id"]), metric, row[effect], row[p_value], row[margin]
                )
                for row in cells.rows(columns)
                for metric, (effect, p_value, margin) in gaql.EFFECTS.items()
                if row[effect] is not None and row[p_value] is not None
            ]

    @stream(Recommendation, every=6 * _HOURS)
    def recommendations(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """What Google itself suggests to change, but for what somebody dismissed."""
        from connectors._google_recommendations import read  # noqa: PLC0415  # imports protobuf

        for columns in self._search(gaql.RECOMMENDATIONS, account):
            yield [one for row in cells.rows(columns) for one in read(row, self.settings.api_version)]
