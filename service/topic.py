"""The same events over Kafka: read from a topic, written into the log, and only then counted as read.

Offsets are committed when the events are on the disk. What was read and not committed is read again after a
fall, and an event's id counts once: so nothing is lost, and nothing doubled.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from connectors.events import EventsSettings
from service.collect import Refused, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from connectors.events import Event, Kafka
    from service.collect import Collector
    from service.settings import Source

__all__ = ["Topic", "topic"]

_LOG = logging.getLogger(__name__)

AT_ONCE: Final = 2000
WITHIN: Final = 30.0
"""Seconds that a write may take before the messages are read again."""


class Topic:
    """Reads a topic until it is stopped, in a thread of its own.

    A message is `{"events": [...]}`, as `/collect` takes it. One that is not is logged and passed over: it
    would stand in the way of all that follow.
    """

    def __init__(
        self,
        settings: Kafka,
        collector: Collector,
        *,
        clock: Callable[[], datetime],
        options: Mapping[str, str | int] | None = None,
    ) -> None:
        """options: librdkafka's, secrets included; those of the settings where not given."""
        self._settings = settings
        self._options = settings.options if options is None else options
        self._collector = collector
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what has been read, and leave the group."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        from confluent_kafka import Consumer, KafkaException  # noqa: PLC0415  # who has no topic needs none

        told = self._settings
        options = {
            "client.id": "paceline",
            "auto.offset.reset": "earliest",
            **self._options,
            "bootstrap.servers": told.servers,
            "group.id": told.group,
            "enable.auto.commit": False,
        }
        while not self._stopping.is_set():
            consumer = Consumer(options)
            try:
                consumer.subscribe([told.topic])
                while not self._stopping.is_set():
                    self._take(consumer, consumer.consume(AT_ONCE, timeout=0.5))
            except (KafkaException, OSError, Refused, TimeoutError) as error:
                # A new consumer begins at what was committed: what failed is read again.
                _LOG.warning("events from %s: %s; reading again", told.topic, error)
                self._stopping.wait(2)
            finally:
                consumer.close()

    def _take(self, consumer: Any, messages: Sequence[Any]) -> None:
        from confluent_kafka import KafkaException  # noqa: PLC0415  # as above

        events: list[Event] = []
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            try:
                events += parse(message.value() or b"", self._clock())
            except Refused as refused:
                place = f"{message.topic()}/{message.partition()}/{message.offset()}"
                _LOG.warning("passed over %s: %s", place, "; ".join(refused.faults))
        if events:
            self._collector.add(events).result(WITHIN)
        if messages:
            consumer.commit(asynchronous=False)


def topic(
    sources: Mapping[str, Source], collector: Collector | None, *, clock: Callable[[], datetime]
) -> Topic | None:
    """The topic of a workspace, where its events have one."""
    if collector is None:
        return None
    settings = sources["events"].settings
    assert isinstance(settings, EventsSettings)
    if settings.kafka is None:
        return None
    return Topic(settings.kafka, collector, clock=clock, options=settings.consumer())
