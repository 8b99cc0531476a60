"""The broker's files, its listeners, its return after a kill, and its topics."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from chaosp7.embedded import kafka, topics
from chaosp7.errors import PlatformError
from tests.waiting import ANSWER_S, PATIENCE_S

if TYPE_CHECKING:
    Broker = Any


def _settings(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_each_link_has_a_listener_that_advertises_its_proxy() -> None:
    listeners = [
        kafka.Listener(kafka.DIRECT, 15001, 15001),
        kafka.Listener("feed-handler-binance->redpanda", 15002, 15102),
        kafka.Listener("clickhouse->redpanda", 15003, 15103),
    ]
    settings = _settings(kafka.server_properties(Path("/data"), listeners, 15009))
    binds = dict(entry.split("://") for entry in settings["listeners"].split(","))
    adverts = dict(entry.split("://") for entry in settings["advertised.listeners"].split(","))
    assert set(binds.values()) == {f"127.0.0.1:{port}" for port in (15001, 15002, 15003, 15009)}
    moved = {binds[name]: address for name, address in adverts.items()}
    assert moved == {
        "127.0.0.1:15001": "127.0.0.1:15001",
        "127.0.0.1:15002": "127.0.0.1:15102",
        "127.0.0.1:15003": "127.0.0.1:15103",
    }
    assert settings["inter.broker.listener.name"] == "DIRECT"


def test_two_platforms_have_different_clusters_and_prepare_keeps_data(parts: Any, tmp_path: Path) -> None:
    listener = kafka.Listener(kafka.DIRECT, 15001, 15001)
    metas = []
    for name in ("a", "b", "a"):
        kafka.prepare(parts.kafka.template, tmp_path / name, [listener], 15002)
        metas.append(_settings((tmp_path / name / "log" / "meta.properties").read_text()))
    assert metas[0] == metas[2]
    assert metas[0]["cluster.id"] != metas[1]["cluster.id"]
    assert metas[0]["directory.id"] != metas[1]["directory.id"]


def test_topics_are_made_once_and_a_wrong_partition_count_is_an_error(broker: Broker) -> None:
    topics.create(broker.bootstrap, ["made.once"], 3)
    topics.create(broker.bootstrap, ["made.once"], 3)
    with pytest.raises(PlatformError, match=r"made\.once has 3 partitions, not 5"):
        topics.create(broker.bootstrap, ["made.once"], 5)


def test_leaders_of_topics_that_were_made_answer_at_once(broker: Broker) -> None:
    for attempt in range(10):
        names = [f"answers.{attempt}.{number}" for number in range(3)]
        topics.create(broker.bootstrap, names, 6)
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "answers"})
        # The last ones first: they were made last.
        for partition in (
            TopicPartition(name, number) for name in reversed(names) for number in range(5, -1, -1)
        ):
            assert consumer.get_watermark_offsets(partition, timeout=ANSWER_S) == (0, 0)
        consumer.close()


def test_the_topics_step_waits_for_a_broker_that_starts_later(broker: Broker) -> None:
    broker.kill()
    command = [sys.executable, "-m", "chaosp7.embedded.topics", "--brokers", broker.bootstrap]
    step = subprocess.Popen([*command, "--partitions", "2", "made.early"])
    try:
        time.sleep(0.5)
        broker.start()
        assert step.wait(PATIENCE_S) == 0
    finally:
        if step.poll() is None:
            step.kill()
            step.wait()


def test_no_broker_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(PlatformError, match=f"127.0.0.1:{port}"):
        topics.advertised(f"127.0.0.1:{port}", timeout_s=0.5)


def test_the_metadata_name_the_listener_that_was_asked(broker: Broker) -> None:
    assert topics.advertised(broker.bootstrap) == {broker.bootstrap}


def test_confirmed_messages_survive_a_kill_and_the_broker_is_back_within_10_s(broker: Broker) -> None:
    topics.create(broker.bootstrap, ["survives"], 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "log_level": 0})
    confirmed = []
    for number in range(100):
        producer.produce(
            "survives",
            json.dumps(number).encode(),
            on_delivery=lambda error, message: confirmed.append(message.value()) if error is None else None,
        )
    assert producer.flush(PATIENCE_S) == 0
    assert len(confirmed) == 100
    started = time.monotonic()
    broker.kill()
    broker.start()
    assert time.monotonic() - started < 10
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "survives",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe(["survives"])
    read: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(read) < 100 and time.monotonic() < deadline:
        read += [message.value() for message in consumer.consume(100, 0.5) if message.error() is None]
    consumer.close()
    assert read == confirmed
