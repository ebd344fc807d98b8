"""Meta Ads: every ad account that one system user's token reaches, read through the Marketing API.

What differs from other sources, and what follows from it here:

- Delivery by hour leaves out what happens off Meta (the site's purchases and leads). So `delivery` has no
  conversions, and `day_totals` has them by day; how today's total grew from poll to poll tells the hours.
- One purchase is reported under several action types. Each event is counted by exactly one of them, the
  widest that the row has (see TIERS in _meta_rows), and so is its value.
- Conversions depend on attribution windows, which are asked for by name; `Usage.api_version` says which
  ("v26.0 7d_click,1d_view"), so that the journal of each fetch does.
- An empty reply means that nothing was delivered, or that Meta had nothing to say: it deletes nothing.
- Days are the account's own. Meta restates the last 28 of them, most of it within a few days.

The Insights API is refreshed about every 15 minutes.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from connectors import _meta_rows as rows
from connectors import _meta_setup as setup
from connectors._clock import to_utc
from connectors._meta_accounts import check, reached
from connectors._meta_auction import FIELDS as RANKINGS
from connectors._meta_auction import Rankings
from connectors._meta_insights import STATUSES, Insights
from connectors.contract import Account, Connector, Stream, Window, stream
from connectors.errors import Unexpected
from connectors.rows import (
    Ad,
    AdDelivery,
    Auction,
    Budget,
    Campaign,
    Change,
    DayTotal,
    Delivery,
    Experiment,
    SegmentDelivery,
)
from connectors.schema import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from connectors._meta_graph import Graph, Node, Page, Wait

__all__ = ["MetaAds", "Settings"]

_MINUTES, _HOURS, _DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_OWN_MACHINE = {("http", host) for host in ("localhost", "127.0.0.1", "::1")}
_GONE = ["ARCHIVED", "DELETED"]


def _one_of_a_kind(windows: tuple[str, ...]) -> tuple[str, ...]:
    kinds = Counter(window.split("_")[1] for window in windows)
    doubled = [kind for kind, times in kinds.items() if times > 1]
    if doubled:
        raise ValueError(f"two windows by {doubled[0]} count the same conversions twice: keep one of them")
    return windows


def _sealed(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in _OWN_MACHINE:
        raise ValueError("the access token must travel over https:// (plain http:// only to this machine)")
    return url


AccountId = Annotated[
    str,
    BeforeValidator(lambda value: str(value).removeprefix("act_")),
    StringConstraints(pattern=r"^\d{1,20}$"),
]
"""An ad account's id, with or without its `act_`."""


class Settings(BaseModel):
    """What it takes to read Meta Ads.

    app_id, app_secret, access_token: of an app and of a system user with the permission ads_read.
    accounts: only these; without any, all that the token reaches.
    attribution_windows: how long after a click, a view or an engaged view a conversion still counts; one of
        a kind at most. Without any, each ad set's own setting, as Ads Manager shows it.
    primary: the events that make up `conversions` where one number is asked for.
    restate_days: how far back the past is asked again.
    timeout_seconds: how long Meta may stay silent within one request.
    graph_url, ca_file: for a server other than Meta's, such as the sandbox.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_id: str = ""
    app_secret: SecretStr = SecretStr("")
    access_token: SecretStr = Field(min_length=1)
    api_version: str = Field(default="v26.0", pattern=r"^v\d{1,3}\.0$")
    accounts: tuple[AccountId, ...] = ()
    attribution_windows: Annotated[
        tuple[Literal["1d_click", "7d_click", "28d_click", "1d_view", "1d_ev"], ...],
        AfterValidator(_one_of_a_kind),
    ] = ("7d_click", "1d_view")
    primary: tuple[rows.Event, ...] = ("purchase", "lead")
    restate_days: int = Field(default=28, ge=1, le=90)
    timeout_seconds: float = Field(default=60, gt=0)
    graph_url: Annotated[str, AfterValidator(_sealed)] = "https://graph.facebook.com"
    ca_file: Path | None = None


_Settings = Settings  # inside the class below, the name is its attribute


class MetaAds(Connector):
    """Meta ad accounts, read through insights and the edges of the account."""

    name: ClassVar[str] = "meta_ads"
    title: ClassVar[str] = "Meta Ads"
    Settings: ClassVar[type[BaseModel]] = Settings

    settings: _Settings

    def __init__(self, settings: BaseModel, *, now: datetime, wait: Wait = time.sleep) -> None:
        super().__init__(settings, now=now)
        self._wait = wait
        windows = ",".join(self.settings.attribution_windows) or "ad sets' own windows"
        self.usage.api_version = f"{self.settings.api_version} {windows}"

    @functools.cached_property
    def _graph(self) -> Graph:
        from connectors._meta_graph import Graph  # noqa: PLC0415  # only who fetches pays for the client

        return Graph(
            app_id=self.settings.app_id,
            app_secret=self.settings.app_secret.get_secret_value(),
            access_token=self.settings.access_token.get_secret_value(),
            version=self.settings.api_version,
            url=self.settings.graph_url,
            ca_file=self.settings.ca_file,
            timeout=self.settings.timeout_seconds,
            usage=self.usage,
            wait=self._wait,
        )

    def accounts(self) -> Iterator[Account]:
        """See Connector.accounts. What cannot be reached is in `unreachable` and stops nothing else."""
        self.unreachable.clear()
        yield from reached(self._graph, self.settings.accounts, self.unreachable)

    def check(self, account: Account) -> None:
        """Ask for the account's status; one that Meta has stopped is Unauthorized, with what can be done."""
        check(self._graph, account)

    def fetch(self, stream: Stream, account: Account, window: Window) -> Iterator[pa.RecordBatch]:
        """See Connector.fetch; what a reply holds against its own schema is an Unexpected of the source."""
        failure = ""
        try:
            yield from super().fetch(stream, account, window)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
            failure = f"{stream.name}: the reply cannot be read: {type(error).__name__}: {error}"
        if failure:
            raise Unexpected(failure)

    def restate_window(self, account: Account) -> timedelta:  # noqa: ARG002  # the same for all of them
        """How far back Meta's numbers may still change."""
        return timedelta(days=self.settings.restate_days)

    def _insights(self, account: Account, window: Window, fields: str, **query: Any) -> Iterator[Page]:
        days = window.days(account.timezone)
        asked = {"level": "campaign", "fields": fields, **query}
        return Insights(self._graph, account.id, self._wait).pages(asked, days)

    def _actions(self, account: Account, window: Window, fields: str, **query: Any) -> Iterator[Page]:
        """Insights with actions, by the day of the click or view, in the windows of the settings.

        Only the action_type breakdown is asked for: others drop what happens off Meta.
        """
        fields += ",actions,action_values,conversions,conversion_values"
        query |= {"action_breakdowns": ["action_type"], "action_report_time": "impression"}
        if self.settings.attribution_windows:
            query["action_attribution_windows"] = list(self.settings.attribution_windows)
        return self._insights(account, window, fields, **query)

    def _totals(self, page: Page) -> dict[str, pa.Array]:
        return rows.totals(page, self.settings.attribution_windows, self.settings.primary)

    @stream(
        Delivery,
        every=5 * _MINUTES,
        recent=3 * _DAYS,
        recent_every=_HOURS,
        restate="restate_window",
        restate_every=_DAYS,
        lag=30 * _MINUTES,
        cost=2,
    )
    def delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by hour; conversions are None, since the hourly breakdown leaves out what is off Meta.

        Of an account that it has stopped Meta goes on telling the past, as if nothing were wrong: so its
        state is asked first, and what stopped it is the error that is shown.
        """
        self.check(account)
        start, end = (pa.scalar(at, pa.timestamp("us", "UTC")) for at in (window.start, window.end))
        fields = "campaign_id,impressions,clicks,spend"
        for page in self._insights(account, window, fields, breakdowns=[rows.HOURLY]):
            day, hour_of_day = rows.days(page), rows.hours(page)
            hour = to_utc(day, hour_of_day, account.timezone)
            own = {"campaign": rows.ids(page, "campaign_id"), "hour": hour}
            clock = {"day": day, "hour_of_day": hour_of_day}
            batch = rows.batch(Delivery, own | clock | rows.delivered(page), len(page))
            yield batch.filter(pc.and_(pc.greater_equal(hour, start), pc.less(hour, end)))

    @stream(
        DayTotal,
        every=5 * _MINUTES,
        recent=7 * _DAYS,
        recent_every=_HOURS,
        restate="restate_window",
        restate_every=_DAYS,
        lag=30 * _MINUTES,
    )
    def day_totals(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by event and day, each event counted by one action type; `action` is the event's name."""
        windows, primary = self.settings.attribution_windows, set(self.settings.primary)
        for page in self._actions(account, window, "campaign_id"):
            found = [
                (row["campaign_id"], event, row["date_start"], *counted)
                for row in page
                for event, counted in rows.events(row, windows).items()
            ]
            if not found:
                continue
            campaign, action, day, count, value = (list(column) for column in zip(*found, strict=True))
            columns = {
                "campaign": pa.array(campaign),
                "action": pa.array(action),
                "day": pa.array(day).cast(pa.date32()),
                "category": pa.array([rows.CATEGORIES[event] for event in action]),
                "primary": pa.array([event in primary for event in action]),
                "conversions": pa.array(count, pa.decimal128(18, 6)),
                "conversion_value": pa.array(value, pa.int64()),
            }
            yield rows.batch(DayTotal, columns, len(found))

    @stream(AdDelivery, every=30 * _MINUTES, restate="restate_window", restate_every=_DAYS, lag=30 * _MINUTES)
    def ad_delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Ad by day; conversions are those of the primary events."""
        fields = "campaign_id,adset_id,ad_id,impressions,clicks,spend"
        for page in self._actions(account, window, fields, level="ad"):
            columns = {
                "campaign": rows.ids(page, "campaign_id"),
                "ad_group": rows.ids(page, "adset_id"),
                "ad": rows.ids(page, "ad_id"),
                "day": rows.days(page),
            }
            yield rows.batch(AdDelivery, columns | rows.delivered(page) | self._totals(page), len(page))

    @stream(
        SegmentDelivery, every=2 * _HOURS, restate="restate_window", restate_every=_DAYS, lag=30 * _MINUTES
    )
    def segment_delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by device (Meta's impression_device) and publisher platform, by day."""
        fields, split = "campaign_id,impressions,clicks,spend", ["publisher_platform", "impression_device"]
        for page in self._actions(account, window, fields, breakdowns=split):
            columns = {
                "campaign": rows.ids(page, "campaign_id"),
                "device": rows.ids(page, "impression_device"),
                "network": rows.ids(page, "publisher_platform"),
                "day": rows.days(page),
            }
            yield rows.batch(SegmentDelivery, columns | rows.delivered(page) | self._totals(page), len(page))

    @stream(Auction, every=_HOURS, restate=4 * _DAYS, restate_every=_DAYS, lag=30 * _MINUTES, cost=2)
    def auction(self, account: Account, window: Window) -> Iterator[Batch]:
        """Campaign by day: reach, frequency, and the rankings of most of its impressions."""
        ranked = Rankings(self._insights(account, window, RANKINGS, level="ad"))
        for page in self._insights(account, window, "campaign_id,impressions,reach,frequency"):
            yield [_auction(row, ranked.of(row["campaign_id"], row["date_start"])) for row in page]

    def _edge(self, account: Account, edge: str, fields: str, **params: Any) -> Iterator[Page]:
        return self._graph.pages((f"act_{account.id}", edge), {"fields": fields, **params})

    def _with_gone(self, account: Account, edge: str, fields: str) -> Iterator[Page]:
        """All that exists now, and what was archived or deleted in the time that is restated."""
        since = self.now - timedelta(days=self.settings.restate_days)
        yield from self._edge(account, edge, fields)
        yield from self._edge(
            account, edge, fields, effective_status=_GONE, updated_since=int(since.timestamp())
        )

    @stream(Campaign, every=30 * _MINUTES)
    def campaigns(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every campaign, archived and deleted ones included."""
        for page in self._edge(account, "campaigns", setup.CAMPAIGN_FIELDS, effective_status=STATUSES):
            yield [setup.campaign(node, account) for node in page]

    @stream(Ad, every=3 * _HOURS, cost=2)
    def ads(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every ad with its ad set, its review and where it leads; removed ones if removed lately."""
        for page in self._with_gone(account, "ads", setup.AD_FIELDS):
            yield [setup.ad(node) for node in page]

    @stream(Budget, every=30 * _MINUTES, cost=3)
    def budgets(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every budget where it sits: on the campaign (CBO) or on its ad sets (ABO)."""
        for page in self._edge(account, "campaigns", setup.CAMPAIGN_FIELDS):
            yield _held(page, account)
        for page in self._with_gone(account, "adsets", setup.ADSET_FIELDS):
            yield _held(page, account)

    @stream(Change, every=30 * _MINUTES, restate=7 * _DAYS, restate_every=_DAYS, lag=5 * _MINUTES)
    def changes(self, account: Account, window: Window) -> Iterator[Batch]:
        """Who changed what."""
        since, until = int(window.start.timestamp()), int(window.end.timestamp()) + 1
        listed = self._edge(account, "activities", setup.CHANGE_FIELDS, since=since, until=until)
        nodes = [node for page in listed for node in page]
        campaigns = self._campaigns_of(account, nodes)
        told = [setup.change(node, campaigns, account.currency) for node in nodes]
        yield list({c.change: c for c in told if window.start <= c.at < window.end}.values())

    def _campaigns_of(self, account: Account, nodes: Sequence[Node]) -> dict[str, str]:
        """The campaign of each ad set and ad that was changed; an activity names only the object."""
        found: dict[str, str] = {}
        for edge, kind in (("adsets", "ad_group"), ("ads", "ad")):
            changed = sorted({node["object_id"] for node in nodes if setup.kind(node) == kind})
            if changed:
                only = [{"field": "id", "operator": "IN", "value": changed}]
                for page in self._edge(account, edge, "id,campaign_id", filtering=only):
                    found |= {node["id"]: node["campaign_id"] for node in page}
        return found

    @stream(Experiment, every=6 * _HOURS)
    def experiments(self, account: Account, window: Window) -> Iterator[Batch]:  # noqa: ARG002  # as it is now
        """Every arm of every split test; lift studies and the like are none."""
        for page in self._edge(account, "ad_studies", setup.STUDY_FIELDS):
            tests = [node for node in page if node.get("type") == "SPLIT_TEST"]
            yield [arm for node in tests for arm in setup.experiment(node, account, self.now)]


def _auction(row: Node, ranked: tuple[str, str, str]) -> Auction:
    quality, engagement, conversion = ranked
    return Auction(
        campaign=row["campaign_id"],
        day=date.fromisoformat(row["date_start"]),
        impressions=int(row.get("impressions", 0)),
        reach=int(row["reach"]) if "reach" in row else None,
        frequency=float(row["frequency"]) if "frequency" in row else None,
        quality_ranking=quality,
        engagement_ranking=engagement,
        conversion_ranking=conversion,
    )


def _held(page: Page, account: Account) -> list[Budget]:
    return [held for node in page if (held := setup.budget(node, account)) is not None]
