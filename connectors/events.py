"""What the team's own servers tell of their visitors: page views, steps of the funnel, errors.

The events come to `/collect` (see service.collect), and lie in a log of ours; this source counts them. A
poll counts today anew, and every hour the days before to which late events may still belong, so that a
figure never depends on how often a poll ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors._event_log import Event, EventLog
from connectors.contract import Account, Connector, Window, stream
from connectors.schema import Batch, schema
from connectors.units import Duration, TimeZone
from connectors.web_rows import Web, WebMinute, WebStep

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LATEST", "Event", "EventLog", "Events", "EventsSettings", "Kafka"]

LATEST: Final = timedelta(days=2)
"""How long after it happened an event is still taken."""

_ENGAGED_US: Final = 10_000_000
_FIRST: Final = "session_start"
_MINUTES: Final = timedelta(minutes=30)


_HIDDEN: Final = {
    "sasl.password": "kafka_password",
    "ssl.key.password": "kafka_key_password",
    "sasl.oauthbearer.client.secret": "kafka_client_secret",
}
"""Options of librdkafka that are secrets, by the setting that holds each."""


class Kafka(BaseModel):
    """A topic that brings the same events. options: of librdkafka, such as security.protocol; no secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: str
    topic: str
    group: str = "paceline"
    options: dict[str, str | int] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _no_secrets(cls, options: dict[str, str | int]) -> dict[str, str | int]:
        for name in options:
            if name in _HIDDEN:
                raise ValueError(
                    f"{name} is a secret: set {_HIDDEN[name]} of [events] in the secrets instead"
                )
            if re.search(r"password|secret|jaas|\.pem$", name):
                raise ValueError(f"{name} is a secret, and no place is known for it: name a file instead")
        return options


class EventsSettings(BaseModel):
    """Who may send events, and what they mean.

    token: what senders show as their bearer token. site: the site's name for people. key_events: names of
    the events that the site is there for. folder: where the log lies, in the workspace. keep: how long.
    kafka_password, kafka_key_password, kafka_client_secret: of SASL, of the client's key, of OAUTHBEARER.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(min_length=16)
    site: str = "Website"
    timezone: TimeZone = ZoneInfo("UTC")
    key_events: list[str] = Field(default=["purchase", "generate_lead", "sign_up"])
    folder: Path = Path(".paceline/events")
    keep: Duration = Field(default=timedelta(days=14), ge=timedelta(days=5))
    kafka: Kafka | None = None
    kafka_password: SecretStr = SecretStr("")
    kafka_key_password: SecretStr = SecretStr("")
    kafka_client_secret: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _whole_login(self) -> EventsSettings:
        options = self.kafka.options if self.kafka else {}
        if "sasl.username" in options and not self.kafka_password.get_secret_value():
            raise ValueError("kafka_password is missing: kafka.options has a sasl.username")
        return self

    def consumer(self) -> dict[str, str | int]:
        """The topic's options as librdkafka takes them, secrets included. Never to be logged."""
        if self.kafka is None:
            return {}
        hidden = {option: getattr(self, field).get_secret_value() for option, field in _HIDDEN.items()}
        return {**self.kafka.options, **{option: value for option, value in hidden.items() if value}}


class Events(Connector):
    """Our own log as a source: one site, which spends nothing."""

    name: ClassVar[str] = "events"
    title: ClassVar[str] = "Website events"
    Settings: ClassVar[type[BaseModel]] = EventsSettings
    settings: EventsSettings

    def accounts(self) -> Iterator[Account]:
        """The site."""
        yield Account("events", "site", self.settings.site, "", self.settings.timezone)

    def check(self, account: Account) -> None:
        """Nothing can be asked: events come by themselves."""

    @stream(
        Web,
        every=timedelta(minutes=5),
        restate=timedelta(days=3),
        restate_every=timedelta(hours=1),
    )
    def web(self, account: Account, window: Window) -> Iterator[Batch]:
        """Sessions, users and events by hour, channel, landing page and step.

        A session that goes on over midnight counts in both days. What is older than the log is left alone.
        """
        if window.start >= self.now - self.settings.keep:
            yield _hourly(self._read(window), account.timezone, self.settings.key_events)

    @stream(WebMinute, every=timedelta(minutes=5))
    def minutes(self, account: Account, window: Window) -> Iterator[Batch]:
        """Who was there in each of the last thirty minutes that are over."""
        del account
        over = self.now.replace(second=0, microsecond=0) - timedelta(minutes=1)
        start, end = max(window.start, over - _MINUTES), min(window.end, over)
        if start < end:
            yield _by_minute(self._read(Window(start, end)), self.settings.key_events)

    @stream(WebStep, every=timedelta(minutes=5))
    def steps(self, account: Account, window: Window) -> Iterator[Batch]:
        """What was done in each of the last thirty minutes that are over: the funnel as it is now."""
        del account
        over = self.now.replace(second=0, microsecond=0) - timedelta(minutes=1)
        start, end = max(window.start, over - _MINUTES), min(window.end, over)
        if start < end:
            yield _steps_by_minute(self._read(Window(start, end)))

    def _read(self, window: Window) -> pa.Table:
        return EventLog(self.settings.folder).read(window.start, window.end)


def _hourly(events: pa.Table, timezone: ZoneInfo, key_events: Sequence[str]) -> pa.RecordBatch:
    """The rows of `Web`; each session stands under the channel and page of its first event."""
    told = events.append_column("key", pc.is_in(events["name"], pa.array(key_events, pa.string())))
    told = told.append_column("view", pc.equal(told["name"], "page_view"))
    spans = told.group_by("session", use_threads=False).aggregate(
        [("at", "min"), ("at", "max"), ("key", "any"), ("view", "sum"), ("channel", "first"),
         ("page", "first"), ("visitor", "first"), ("id", "first")]
    )  # fmt: skip
    engaged = pc.or_(
        pc.or_(
            pc.greater_equal(pc.subtract(spans["at_max"], spans["at_min"]), _ENGAGED_US),
            pc.fill_null(spans["key_any"], fill_value=False),
        ),
        pc.greater_equal(spans["view_sum"], 2),
    )
    sessions = pa.table(
        {
            "session": spans["session"],
            "came": spans["channel_first"],
            "landed": spans["page_first"],
            "engaged": pc.cast(engaged, pa.int64()),
        }
    )
    # Every session starts, whether its start was sent or not.
    sent = told.filter(pc.not_equal(told["name"], _FIRST))
    steps = sent.select(["at", "name", "session", "visitor", "key"])
    starts = pa.table(
        {
            "at": spans["at_min"],
            "name": pa.array([_FIRST] * spans.num_rows, pa.string()),
            "session": spans["session"],
            "visitor": spans["visitor_first"],
            "key": pa.array([False] * spans.num_rows, pa.bool_()),
        }
    )
    joined = pa.concat_tables([steps, starts]).join(sessions, "session", use_threads=False)
    joined = joined.append_column("hour", _floor(joined["at"], "hour"))
    by = ["came", "landed", "name", "hour"]
    each = joined.group_by([*by, "session"], use_threads=False).aggregate([("engaged", "max")])
    counts = joined.group_by(by, use_threads=False).aggregate(
        [("visitor", "count_distinct"), ("at", "count"), ("key", "sum")]
    )
    reached = each.group_by(by, use_threads=False).aggregate([("session", "count"), ("engaged_max", "sum")])
    rows = counts.join(reached, by, use_threads=False)
    local = rows["hour"].cast(pa.timestamp("us", timezone.key))
    return _batch(
        Web,
        {
            "channel": rows["came"],
            "page": rows["landed"],
            "step": rows["name"],
            "hour": rows["hour"],
            "day": pc.local_timestamp(local).cast(pa.date32()),
            "users": rows["visitor_count_distinct"],
            "sessions": rows["session_count"],
            "engaged_sessions": rows["engaged_max_sum"],
            "events": rows["at_count"],
            "key_events": rows["key_sum"],
        },
    )


def _by_minute(events: pa.Table, key_events: Sequence[str]) -> pa.RecordBatch:
    told = (
        events.append_column("minute", _floor(events["at"], "minute"))
        .append_column("key", pc.is_in(events["name"], pa.array(key_events, pa.string())))
        .append_column("view", pc.equal(events["name"], "page_view"))
    )
    rows = told.group_by("minute", use_threads=False).aggregate(
        [("visitor", "count_distinct"), ("view", "sum"), ("at", "count"), ("key", "sum")]
    )
    return _batch(
        WebMinute,
        {
            "minute": rows["minute"],
            "users": rows["visitor_count_distinct"],
            "views": rows["view_sum"],
            "events": rows["at_count"],
            "key_events": rows["key_sum"],
        },
    )


def _steps_by_minute(events: pa.Table) -> pa.RecordBatch:
    told = events.append_column("minute", _floor(events["at"], "minute"))
    rows = told.group_by(["minute", "name"], use_threads=False).aggregate([("at", "count")])
    return _batch(WebStep, {"minute": rows["minute"], "step": rows["name"], "events": rows["at_count"]})


def _floor(at: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    return pc.floor_temporal(at.cast(pa.timestamp("us")), unit=unit).cast(pa.timestamp("us", "UTC"))


def _batch(row: type[Web | WebMinute | WebStep], columns: dict[str, pa.ChunkedArray]) -> pa.RecordBatch:
    want = schema(row)
    arrays = [columns[field.name].combine_chunks().cast(field.type) for field in want]
    return pa.RecordBatch.from_arrays(arrays, schema=want)
