"""What a source has to offer: accounts, and streams of typed rows for a window of time.

A connector is one file with one class:

    class Example(Connector):
        name = "example"

        @stream(Delivery, every=timedelta(minutes=5), restate=timedelta(days=28), lag=timedelta(hours=3))
        def delivery(self, account: Account, window: Window) -> Iterator[Batch]:
            for page in ...:
                yield [Delivery(...), ...]          # or a pyarrow.RecordBatch of the row's schema

A fetch is a pure function of (settings, stream, account, window): it runs in a worker process, keeps
no state, writes nothing, and never reads the clock. Rows carry neither source nor account: the
warehouse adds them, so that no connector can write into another's account.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pyarrow as pa

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from pydantic import BaseModel

    from connectors.errors import SourceError

__all__ = [
    "ROWS",
    "Account",
    "AccountRow",
    "Ad",
    "AdDelivery",
    "Auction",
    "Batch",
    "Budget",
    "Campaign",
    "Change",
    "Connector",
    "ConversionAction",
    "DayTotal",
    "Delivery",
    "Experiment",
    "ExperimentEffect",
    "Micros",
    "PageCheck",
    "Quantity",
    "Rate",
    "Recommendation",
    "Row",
    "SegmentDelivery",
    "Stream",
    "Usage",
    "Web",
    "WebMinute",
    "WebStep",
    "Window",
    "schema",
    "stream",
    "to_batch",
]

Micros = Annotated[int, "micros"]
"""Money in millionths of the account's currency unit."""

Quantity = Annotated[float, pa.decimal128(18, 6)]
"""A count that may be fractional (data-driven attribution), stored exactly to six decimals."""


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open span of time `[start, end)`, both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            at: datetime = getattr(self, name)
            if at.utcoffset() != timedelta(0):
                raise ValueError(f"window {name} must be aware and in UTC, got {at!r}")
        if self.start >= self.end:
            raise ValueError(f"window is empty: {self.start} .. {self.end}")

    def days(self, timezone: ZoneInfo) -> list[date]:
        """The account-local calendar days that the window touches, oldest first."""
        first = self.start.astimezone(timezone).date()
        last = (self.end - timedelta(microseconds=1)).astimezone(timezone).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class Account:
    """One advertiser's account at one source; the unit of failure, of currency and of time zone.

    via: the account through which it is reached (Google's login-customer-id), or "".
    """

    source: str
    id: str
    name: str
    currency: str
    timezone: ZoneInfo
    via: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A typed row of a stream; its subclasses name the tables of the warehouse.

    table: the table's name.
    key: the columns that identify a row within (source, account).
    kind: `fact` has measures (every column outside the key) whose changes go to the ledger as
        differences; `attribute` has values whose changes are kept as history; `event` is an
        occurrence that is written once.
    time: the key column by which a window selects rows (facts and events); "" for attributes.
    """

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    kind: ClassVar[Literal["fact", "attribute", "event"]]
    time: ClassVar[str] = ""
    derived: ClassVar[tuple[str, ...]] = ()
    """Columns that follow from the key (a local day from an hour); never part of a difference."""
    may_be_none: ClassVar[bool] = False
    """Of attributes: whether an empty reply says that there are none left; of others it says nothing."""


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


@dataclass(frozen=True, slots=True)
class ExperimentEffect(Row):
    """What the source itself says an A/B test changed, one row a metric: treatment over control, less one.

    metric: cpa or roas. margin: half its confidence interval. p_value: for one look at a time that was fixed
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
class PageCheck(Row):
    """One look at a landing page, as a visitor who clicked an ad would have had it.

    failure: "" where the page can do its work, else one word for what is wrong: blocked (not asked: a
    private address), dns, connect, certificate, timeout, status, redirect (it leads off the site), tag
    (the page came without it); words say the same for people.
    """

    table: ClassVar[str] = "page_check"
    key: ClassVar[tuple[str, ...]] = ("url", "checked")
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "checked"

    url: str
    checked: datetime
    failure: str
    words: str
    final_url: str
    redirects: int
    status: int | None = None
    first_byte_ms: int | None = None
    total_ms: int | None = None
    certificate_ends: date | None = None
    """The last day of the site's certificate; None over plain HTTP."""
    tagged: bool | None = None
    """Whether the configured tag was in the page; None where none is configured or no page came."""


@dataclass(frozen=True, slots=True)
class Web(Row):
    """What visitors of a site did in one hour; the site (a GA4 property) is the account.

    channel, page: how their session came, and the page it began on. step: an event's name in GA4's words:
    session_start (which every session has once), page_view, view_item, purchase, exception …
    users, sessions: those that got to the step, each once; users of several rows may be the same people.
    engaged_sessions: of the sessions, those that lasted 10 s, saw two pages or had a key event.
    """

    table: ClassVar[str] = "web"
    key: ClassVar[tuple[str, ...]] = ("channel", "page", "step", "hour")
    kind: ClassVar[Literal["fact"]] = "fact"
    time: ClassVar[str] = "hour"
    derived: ClassVar[tuple[str, ...]] = ("day",)

    channel: str
    page: str
    step: str
    hour: datetime
    day: date
    users: int
    sessions: int
    engaged_sessions: int
    events: int
    key_events: int


@dataclass(frozen=True, slots=True)
class WebMinute(Row):
    """How many were on a site in one minute: looked at once, when the minute is over."""

    table: ClassVar[str] = "web_minute"
    key: ClassVar[tuple[str, ...]] = ("minute",)
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "minute"

    minute: datetime
    users: int
    views: int
    events: int
    key_events: int


@dataclass(frozen=True, slots=True)
class WebStep(Row):
    """How often a step was done on a site in one minute: looked at once, when the minute is over."""

    table: ClassVar[str] = "web_step"
    key: ClassVar[tuple[str, ...]] = ("step", "minute")
    kind: ClassVar[Literal["event"]] = "event"
    time: ClassVar[str] = "minute"

    minute: datetime
    step: str
    events: int


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


Batch: TypeAlias = Sequence[Row] | pa.RecordBatch


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


_ARROW: Mapping[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    date: pa.date32(),
    datetime: pa.timestamp("us", "UTC"),
}


def _arrow(hint: Any) -> tuple[pa.DataType, bool]:
    nullable = False
    if get_origin(hint) in (Union, UnionType):
        inner = [h for h in get_args(hint) if h is not type(None)]
        nullable, hint = len(inner) < len(get_args(hint)), inner[0]
    if get_origin(hint) is Annotated:
        base, mark = get_args(hint)
        return (mark if isinstance(mark, pa.DataType) else _ARROW[base]), nullable
    return _ARROW[hint], nullable


_schemas: dict[type[Row], pa.Schema] = {}


def schema(row: type[Row]) -> pa.Schema:
    """The Arrow schema of a row type, in field order; `X | None` is nullable, all else is not."""
    if row not in _schemas:  # reading the type hints takes a millisecond, each batch asks
        hints = get_type_hints(row, include_extras=True)
        _schemas[row] = pa.schema([pa.field(f.name, *_arrow(hints[f.name])) for f in fields(row)])
    return _schemas[row]


def to_batch(row: type[Row], batch: Batch) -> pa.RecordBatch:
    """`batch` as Arrow in the row's own schema.

    Numbers are cast where nothing is lost but digits past a Quantity's sixth. Raises ValueError for a
    missing or unknown column, or a null where the row allows none.
    """
    want = schema(row)
    if isinstance(batch, pa.RecordBatch):
        have = set(batch.schema.names)
        if have != set(want.names):
            raise ValueError(
                f"{row.__name__}: columns {sorted(have ^ set(want.names))} are missing or unknown"
            )
        columns = {name: batch.column(name) for name in want.names}
    else:
        columns = {name: pa.array([getattr(r, name) for r in batch]) for name in want.names}
    arrays = []
    for target in want:
        array = columns[target.name]
        if pa.types.is_decimal(target.type) and pa.types.is_integer(array.type):
            array = array.cast(pa.float64())  # Arrow wants room for any int64 in a Quantity's digits
        array = array.cast(target.type)
        if array.null_count and not target.nullable:
            raise ValueError(f"{row.__name__}.{target.name} holds {array.null_count} nulls")
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=want)


@dataclass(slots=True)
class Usage:
    """What a fetch cost at the source and how near its wall we are; a connector adds to it as it goes."""

    operations: int = 0
    """Requests that count against the source's daily budget."""
    request_ids: list[str] = field(default_factory=list)
    utilisation: float = 0.0
    """The highest share (0..1) of any limit that the source reported."""
    retry_after: timedelta | None = None
    """How long to leave the account alone before the next fetch, set before the wall is hit."""
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a connector: which rows, how often, how far back, and how far the source lags.

    every: time between polls of the newest window.
    restate: how far back the past may still change; a timedelta, or a method name of the connector
        that returns one for an account.
    restate_every: time between pulls of that whole past; None where every poll covers it.
    recent, recent_every: a nearer past, pulled again more often than the whole: the days on which most
        late conversions land. None where there is no such tier.
    lag: how late the source's data usually is, as it documents it: what is older than this it vouches for.
    cost: operations of one poll, for the daily budget.
    past: whether what lies before the present can be asked for at all; a backfill leaves out what cannot.
    """

    name: str
    row: type[Row]
    every: timedelta
    restate: timedelta | str
    restate_every: timedelta | None
    lag: timedelta
    cost: int
    recent: timedelta = timedelta(0)
    recent_every: timedelta | None = None
    past: bool = True

    @property
    def operations_per_day(self) -> float:
        """What one account costs a day if every tier is polled as planned."""
        tiers = (self.every, self.recent_every, self.restate_every)
        return self.cost * sum(timedelta(days=1) / tier for tier in tiers if tier is not None)


_Fetch: TypeAlias = Callable[..., Iterator[Batch]]


def stream(
    row: type[Row],
    *,
    every: timedelta,
    restate: timedelta | str = timedelta(0),
    restate_every: timedelta | None = None,
    recent: timedelta = timedelta(0),
    recent_every: timedelta | None = None,
    lag: timedelta = timedelta(0),
    cost: int = 1,
    past: bool = True,
) -> Callable[[_Fetch], _Fetch]:
    """Mark a connector's method as the fetch of a stream; the stream is named after the method."""

    def mark(method: _Fetch) -> _Fetch:
        described = Stream(
            method.__name__, row, every, restate, restate_every, lag, cost, recent, recent_every, past
        )
        method.__stream__ = described  # type: ignore[attr-defined]  # read back by Connector.streams
        return method

    return mark


class Connector(ABC):
    """One source. Built in a worker process from its validated settings; holds only its client.

    name: the source's name, also the name of its module or entry point.
    Settings: a pydantic model; secrets are `SecretStr` and come from secrets.toml or the environment.
    usage: what the fetches of this instance cost so far.
    unreachable: what the last `accounts()` could not look into, by id, and why; nothing else stops for it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """The source's name for people: "Google Ads"."""
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: BaseModel, *, now: datetime) -> None:
        self.settings = settings
        self.now = now
        self.usage = Usage()
        self.unreachable: dict[str, SourceError] = {}

    @classmethod
    def streams(cls) -> list[Stream]:
        """The streams, in the order in which they are written down."""
        found = {
            name: method.__stream__
            for base in reversed(cls.__mro__)
            for name, method in vars(base).items()
            if hasattr(method, "__stream__")
        }
        return list(found.values())

    @classmethod
    def inputs(cls, query: Callable[[str], pa.Table]) -> dict[str, Any]:
        """What a fetch needs of what other sources brought: values for fields of `Settings`.

        Called by the owner of the warehouse before each fetch; `query` answers one SELECT. A fetch stays a
        function of its settings.
        """
        del query
        return {}

    def operations_per_day(self) -> int | None:
        """The source's daily allowance of operations over all accounts; None where there is none."""
        return None

    @abstractmethod
    def accounts(self) -> Iterator[Account]:
        """Every account the credentials reach, managers walked, each once. Raises SourceError."""

    @abstractmethod
    def check(self, account: Account) -> None:
        """Ask the source for something small about the account. Raises SourceError with its mend."""

    def fetch(self, stream: Stream, account: Account, window: Window) -> Iterator[pa.RecordBatch]:
        """The stream's rows of `window` as Arrow batches in the row's schema. Raises SourceError."""
        for batch in getattr(self, stream.name)(account, window):
            yield to_batch(stream.row, batch)
