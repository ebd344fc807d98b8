"""Google Analytics 4: who is on the site now, and what visitors did, by hour, channel and landing page.

Two kinds of reports: those of the present moment know the last 30 minutes and nothing older; the core ones
know all of it, two to six hours later. Google counts tokens, by property: a day of polling one is
planned with 2,832 of its 200,000.

Ten answers of 5xx within an hour close a property for the rest of that hour. So a breaker opens before: the
journal's failures come with the settings, and from `breaker` of them on the property is left alone until the
oldest is an hour old.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from connectors._clock import to_utc
from connectors._google_login import LoginSettings
from connectors.contract import Account, Connector, Window, stream
from connectors.errors import RateLimited, SourceError, TooMuchData, Unexpected
from connectors.schema import Batch
from connectors.web_rows import Web, WebMinute, WebStep

if TYPE_CHECKING:
    from connectors._ga4_wire import Report, Wire

__all__ = ["WITHHELD", "Ga4", "Settings"]

WITHHELD: Final = "(withheld)"
"""The channel and page of what Google tells only in sum, so that nobody is told apart."""

PropertyId = Annotated[
    str,
    BeforeValidator(lambda value: str(value).removeprefix("properties/")),
    StringConstraints(pattern=r"^\d{1,19}$"),
]

_MINUTES, _HOURS, _DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = ("dateHour", "eventName")
_SPLIT = ("sessionDefaultChannelGroup", "landingPage")
_COUNTS = ("totalUsers", "sessions", "engagedSessions", "eventCount", "keyEvents")
_LIVE = 30 * _MINUTES
_OVER = 2
"""Minutes ago from which on a minute is over, and its hits have come in."""

_FAILURES: Final = """
    SELECT account, started FROM journal
    WHERE source = 'ga4' AND outcome = 'retry' AND cause LIKE 'server error%' ORDER BY started DESC LIMIT 500
"""


class Settings(LoginSettings):
    """What it takes to read Google Analytics, beside how to get in.

    properties: each site's name for people, and the number of its GA4 property; or one number alone.
    tokens_per_day: of a property; 2,000,000 for Analytics 360.
    breaker: server errors within an hour from which on a property is left alone; Google closes it at 10.
    failures: by property, when the service failed: filled in before each poll.
    """

    properties: Annotated[
        Mapping[str, PropertyId],
        BeforeValidator(lambda said: {str(said): said} if isinstance(said, (str, int)) else said),
        Field(min_length=1),
    ]
    tokens_per_day: int = Field(default=200_000, gt=0)
    breaker: int = Field(default=6, ge=1, le=9)
    timeout_seconds: float = Field(default=60, gt=0)
    endpoint: str = "analyticsdata.googleapis.com"
    failures: Mapping[str, list[datetime]] = Field(default_factory=dict)


_Settings = Settings  # inside the class below, the name is its attribute


class Ga4(Connector):
    """GA4 properties, read through the Data API."""

    name: ClassVar[str] = "ga4"
    title: ClassVar[str] = "Google Analytics"
    Settings: ClassVar[type[BaseModel]] = Settings
    settings: _Settings

    @classmethod
    def inputs(cls, query: Callable[[str], pa.Table]) -> dict[str, Any]:
        """When the service failed lately: a worker remembers nothing, and a restart forgets nothing."""
        failures: dict[str, list[datetime]] = {}
        for row in query(_FAILURES).to_pylist():
            failures.setdefault(row["account"], []).append(row["started"])
        return {"failures": failures}

    @functools.cached_property
    def _wire(self) -> Wire:
        from connectors._ga4_wire import Wire  # noqa: PLC0415  # the client's packages take a second

        return Wire(self.settings, self.usage)

    def operations_per_day(self) -> int | None:
        """Tokens of all properties."""
        return self.settings.tokens_per_day * len(self.settings.properties)

    def accounts(self) -> Iterator[Account]:
        """Every property with the time zone that it keeps; nothing of money is read, so it has no currency.

        One that does not answer is in `unreachable`; where none does, the first one's error is raised.
        """
        self.unreachable.clear()
        found = 0
        for name, number in self.settings.properties.items():
            try:
                told = self._ask(number)
                zone = ZoneInfo(told.timezone)
            except SourceError as error:
                self.unreachable[number] = error
            except (ZoneInfoNotFoundError, ValueError):
                self.unreachable[number] = Unexpected(f"unknown time zone {told.timezone!r}")
            else:
                found += 1
                yield Account(self.name, number, name, "", zone)
        if not found:
            raise next(iter(self.unreachable.values()))

    def check(self, account: Account) -> None:
        """Ask for the day's sessions."""
        self._ask(account.id)

    def _ask(self, number: str) -> Report:
        self._closed(number)
        today = self.now.date()
        return self._wire.report(number, (), ("sessions",), today - _DAYS, today)

    def _closed(self, number: str) -> None:
        """Raises RateLimited while the breaker is open, which says until when."""
        most = self.settings.breaker
        # Where no property answered, the journal has it under no account.
        failed = [*self.settings.failures.get(number, ()), *self.settings.failures.get("", ())]
        lately = sorted(at for at in failed if self.now - _HOURS < at)
        if len(lately) >= most:
            until = lately[-most] + _HOURS
            raise RateLimited(
                f"{len(lately)} server errors of Google Analytics within an hour: the breaker is open until "
                f"{until:%H:%M} UTC, since at ten Google closes the property",
                retry_after=until - self.now,
            )

    @stream(Web, every=30 * _MINUTES, restate=3 * _DAYS, restate_every=3 * _HOURS, lag=6 * _HOURS, cost=30)
    def web(self, account: Account, window: Window) -> Iterator[Batch]:
        """Sessions, users and events by hour, channel, landing page and step.

        What small rows keep from sight stands under `WITHHELD`, so that the sums are whole. A sampled answer
        to more than a day is asked for again in halves.
        """
        self._closed(account.id)
        days = window.days(account.timezone)
        fine = self._wire.report(account.id, (*_STEPS, *_SPLIT), _COUNTS, days[0], days[-1])
        if fine.sampled and len(days) > 1:
            read, there = fine.sampled
            raise TooMuchData(f"sampled: {read:,} of {there:,} events were read")
        table = _hours(fine, account.timezone)
        if fine.thresholded:
            whole = self._wire.report(account.id, _STEPS, _COUNTS, days[0], days[-1])
            table = pa.concat_tables([table, _withheld(table, _hours(whole, account.timezone))])
        start, end = (pa.scalar(at, pa.timestamp("us", "UTC")) for at in (window.start, window.end))
        within = pc.and_(pc.greater_equal(table["hour"], start), pc.less(table["hour"], end))
        yield from table.filter(within).combine_chunks().to_batches()

    @stream(WebMinute, every=5 * _MINUTES, lag=6 * _MINUTES, cost=2, past=False)
    def minutes(self, account: Account, window: Window) -> Iterator[Batch]:
        """Who was there in each of the last thirty minutes that are over."""
        if window.end < self.now - _LIVE:
            return  # nobody can be asked for a minute that is past
        self._closed(account.id)
        told = self._wire.realtime(
            account.id, ("minutesAgo",), ("activeUsers", "screenPageViews", "eventCount", "keyEvents")
        )
        yield [
            WebMinute(minute, *counts)
            for ago, *counts in zip(*told.dimensions, *told.metrics, strict=True)
            if (minute := self._over(ago, window))
        ]

    @stream(WebStep, every=5 * _MINUTES, lag=6 * _MINUTES, cost=2, past=False)
    def steps(self, account: Account, window: Window) -> Iterator[Batch]:
        """What was done in each of the last thirty minutes that are over: the funnel as it is now."""
        if window.end < self.now - _LIVE:
            return  # nobody can be asked for a minute that is past
        self._closed(account.id)
        told = self._wire.realtime(account.id, ("minutesAgo", "eventName"), ("eventCount",))
        yield [
            WebStep(minute, step, count)
            for ago, step, count in zip(*told.dimensions, *told.metrics, strict=True)
            if (minute := self._over(ago, window))
        ]

    def _over(self, ago: str, window: Window) -> datetime | None:
        """The minute so long ago, where it is over and within the window."""
        if int(ago) < _OVER:
            return None
        minute = self.now.replace(second=0, microsecond=0) - int(ago) * _MINUTES
        return minute if window.start <= minute < window.end else None


def _hours(told: Report, zone: ZoneInfo) -> pa.Table:
    """A report by hour as the columns of `Web`. Raises Unexpected where an hour is none."""
    hours, steps, *split = told.dimensions
    channels, pages = split or ([WITHHELD] * len(hours), [WITHHELD] * len(hours))
    try:
        day = pc.strptime(pa.array([h[:8] for h in hours], pa.string()), format="%Y%m%d", unit="s").cast(
            pa.date32()
        )
        hour = to_utc(day, pa.array([int(h[8:]) for h in hours], pa.int64()), zone)
    except (ValueError, IndexError) as error:
        raise Unexpected(f"an hour of the reply cannot be read: {error}") from error
    counts = dict(
        zip(
            ("users", "sessions", "engaged_sessions", "events", "key_events"),
            (pa.array(column, pa.int64()) for column in told.metrics),
            strict=True,
        )
    )
    return pa.table(
        {
            "channel": pa.array(channels, pa.string()),
            "page": pa.array(pages, pa.string()),
            "step": pa.array(steps, pa.string()),
            "hour": hour,
            "day": day,
            **counts,
        }
    )


def _withheld(fine: pa.Table, whole: pa.Table) -> pa.Table:
    """By hour and step, what the whole has more than the parts that were told."""
    counts = ("users", "sessions", "engaged_sessions", "events", "key_events")
    told = fine.group_by(["hour", "step"]).aggregate([(name, "sum") for name in counts])
    joined = whole.join(told, ["hour", "step"])
    for name in counts:
        rest = pc.subtract(joined[name], pc.fill_null(joined[f"{name}_sum"], 0))
        joined = joined.set_column(joined.schema.get_field_index(name), name, pc.max_element_wise(rest, 0))
    return joined.select(fine.column_names).filter(pc.greater(joined["sessions"], 0))
