"""Events over Kafka, against librdkafka's own mock cluster, over the wire."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from connectors.events import EventLog, EventsSettings, Kafka
from service.collect import Collector
from service.settings import SettingsError, load
from service.topic import Topic

TOKEN = "a-token-of-the-senders"


@pytest.fixture(scope="module")
def cluster():
    """A producer, in whose process three brokers run, and their addresses."""
    producer = Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 3})
    brokers = producer.list_topics(timeout=10).brokers.values()
    yield producer, ",".join(f"{b.host}:{b.port}" for b in brokers)
    producer.flush(10)


def now():
    return datetime.now(UTC)


def message(*ids):
    at = now().isoformat()
    return json.dumps(
        {"events": [{"id": i, "at": at, "name": "page_view", "session": "s"} for i in ids]}
    ).encode()


def ids(folder):
    return EventLog(folder).read(now() - timedelta(hours=1), now() + timedelta(hours=1))["id"].to_pylist()


def until(folder, count):
    end = time.monotonic() + 60
    while len(ids(folder)) < count and time.monotonic() < end:
        time.sleep(0.1)
    return ids(folder)


class Falls(Collector):
    """Writes the events, and falls before it can say so, the first time."""

    fallen = 0

    def add(self, events):
        written = super().add(events)
        if not self.fallen:
            self.fallen = 1
            written.result(10)
            raise OSError("fallen")
        return written


def test_what_was_written_and_not_committed_is_read_again_and_counts_once(cluster, tmp_path):
    producer, servers = cluster
    settings = EventsSettings(token=TOKEN, folder=tmp_path / "log", kafka=Kafka(servers=servers, topic="t"))
    for n in range(500):
        producer.produce("t", message(f"a{n}", f"b{n}"))
    producer.produce("t", b"no event at all")
    producer.produce("t", message("a0", "last"))  # sent again by its sender
    assert producer.flush(20) == 0
    collector = Falls(settings, clock=now)
    topic = Topic(settings.kafka, collector, clock=now)
    found = until(settings.folder, 1001)
    topic.stop()
    collector.close()
    assert collector.fallen == 1
    assert sorted(found) == sorted({*(f"{x}{n}" for x in "ab" for n in range(500)), "last"})


def test_a_restart_goes_on_where_it_was(cluster, tmp_path):
    producer, servers = cluster
    # The mock cluster keeps the place of a member that has left until its session is over.
    kafka = Kafka(servers=servers, topic="u", group="again", options={"session.timeout.ms": 10_000})
    settings = EventsSettings(token=TOKEN, folder=tmp_path / "log", kafka=kafka)
    for round_ in range(2):
        producer.produce("u", message(f"r{round_}"))
        assert producer.flush(20) == 0
        collector = Collector(settings, clock=now)
        topic = Topic(settings.kafka, collector, clock=now, options=settings.consumer())
        assert sorted(until(settings.folder, round_ + 1)) == [f"r{n}" for n in range(round_ + 1)]
        topic.stop()
        collector.close()
    (file,) = settings.folder.iterdir()
    assert file.read_text().count("r0") == 1  # not even written twice


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("sasl.password", "set kafka_password of"),
        ("ssl.key.password", "set kafka_key_password of"),
        ("sasl.oauthbearer.client.secret", "set kafka_client_secret of"),
        ("sasl.jaas.config", "name a file"),
        ("ssl.key.pem", "name a file"),
    ],
)
def test_a_secret_among_the_options_is_refused_and_not_repeated(option, says):
    with pytest.raises(ValueError, match=says) as told:
        Kafka(servers="b:1", topic="t", options={option: "hunter2"})
    assert "hunter2" not in told.value.errors()[0]["msg"]


def test_secrets_come_from_their_own_place(workspace):
    file = workspace.folder / "paceline.yaml"
    file.write_text(
        "sources:\n  events:\n    kafka: {servers: 'b:1', topic: t, options: {sasl.username: paceline}}\n"
    )
    secret = {"PACELINE_EVENTS_TOKEN": TOKEN, "PACELINE_EVENTS_KAFKA_PASSWORD": "hunter2"}
    settings = load(workspace.folder, secret).sources["events"].settings
    assert settings.consumer() == {"sasl.username": "paceline", "sasl.password": "hunter2"}
    assert "hunter2" not in repr(settings)
    with pytest.raises(SettingsError, match="kafka_password is missing"):
        load(workspace.folder, {"PACELINE_EVENTS_TOKEN": TOKEN})
