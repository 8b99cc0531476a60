"""A consumer group lags by what it hasn't taken of all of its topics, on a real broker."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from chaosp7.embedded import topics
from chaosp7.platform.model import ConsumerGroup
from chaosp7.recorder.lag import ConsumerLag
from probes import lag as probe

TOPICS = ("lag.one", "lag.two", "lag.three")
SEVERAL, SINGLE = "lag-several", "lag-single"
GROUPS = [ConsumerGroup(group=SEVERAL, topic=topic, service="clickhouse") for topic in TOPICS]
GROUPS.insert(1, ConsumerGroup(group=SINGLE, topic=TOPICS[1], service="clickhouse"))


@pytest.fixture(scope="module")
def bootstrap(broker: Any) -> str:
    """The broker, with 5, 3 and no messages in the topics; of the second, 2 were taken by the single group."""
    topics.create(broker.bootstrap, TOPICS, 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for topic, messages in zip(TOPICS, (5, 3, 0), strict=True):
        for _ in range(messages):
            producer.produce(topic, b"x")
    producer.flush()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": SINGLE})
    consumer.commit(offsets=[TopicPartition(TOPICS[1], 0, 2)], asynchronous=False)
    consumer.close()
    found: str = broker.bootstrap
    return found


@pytest.fixture
def lag(bootstrap: str) -> Iterator[ConsumerLag]:
    found = ConsumerLag(bootstrap, GROUPS)
    yield found
    found.close()


def test_a_group_lags_by_all_of_its_topics_and_the_last_one_hides_nothing(lag: ConsumerLag) -> None:
    assert lag.read() == {SEVERAL: 8, SINGLE: 1}
    assert lag.total() == 9


def test_one_that_was_closed_asks_anew(lag: ConsumerLag) -> None:
    assert lag.total() == 9
    assert len(lag._consumers) == 2  # a connection for each group, whatever it consumes
    lag.close()
    assert not lag._consumers
    assert lag.total() == 9


def test_the_probe_takes_a_group_by_its_name(bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(
        model=SimpleNamespace(consumer_groups=GROUPS), driver=SimpleNamespace(bootstrap=bootstrap)
    )
    monkeypatch.setattr(probe, "current_run", lambda: run)
    assert (probe.consumer_lag(SEVERAL), probe.consumer_lag(SINGLE), probe.consumer_lag()) == (8, 1, 9)
    assert not probe.consumer_lag_within(7, SEVERAL, timeout_s=0.0)
