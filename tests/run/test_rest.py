"""How far consumers are behind a run's own messages, on a real broker."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from chaosp7.embedded import topics
from chaosp7.platform.model import ConsumerGroup
from chaosp7.recorder.lag import ConsumerLag
from chaosp7.recorder.timeline import Timeline
from chaosp7.run.rest import Behind
from tests.waiting import ANSWER_S

ONE, OTHER = "rest.one", "rest.other"
GROUP = "rest-group"
GROUPS = [ConsumerGroup(group=GROUP, topic=topic, service="clickhouse") for topic in (ONE, OTHER)]


class Topics:
    """Two topics that one group consumes, as far as it is told to."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        topics.create(bootstrap, [ONE, OTHER], 1)
        self._producer = Producer({"bootstrap.servers": bootstrap})
        self.lag = ConsumerLag(bootstrap, GROUPS)
        self.take_all()

    def send(self, topic: str, messages: int) -> None:
        for _ in range(messages):
            self._producer.produce(topic, b"x")
        self._producer.flush()

    def take_all(self, *, but_of_one: int = 0) -> None:
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": GROUP})
        left = {ONE: but_of_one, OTHER: 0}
        offsets = [
            TopicPartition(
                t, 0, consumer.get_watermark_offsets(TopicPartition(t, 0), timeout=ANSWER_S)[1] - left[t]
            )
            for t in (ONE, OTHER)
        ]
        consumer.commit(offsets=offsets, asynchronous=False)
        consumer.close()


@pytest.fixture
def both(broker: Any) -> Iterator[Topics]:
    found = Topics(broker.bootstrap)
    yield found
    found.lag.close()


def test_a_group_of_several_topics_lags_by_all_of_them(both: Topics) -> None:
    both.send(ONE, 7)
    both.send(OTHER, 5)
    assert both.lag.read() == {GROUP: 12}
    assert both.lag.total() == 12


def test_what_came_after_the_runs_last_message_is_not_waited_for(both: Topics) -> None:
    topic = Timeline("topic", [1], 0)
    both.send(ONE, 7)
    both.send(OTHER, 5)
    behind = Behind(both.lag, [topic], lambda: 1000)
    assert (behind(), behind.messages) == (12, 12)
    both.send(ONE, 100)  # somebody else's
    assert behind() == 12
    both.take_all(but_of_one=98)
    assert behind() == 0


def test_a_message_of_the_run_that_comes_later_is_waited_for(both: Topics) -> None:
    topic = Timeline("topic", [1], 0)
    now_ns = iter((1000, 2000))
    behind = Behind(both.lag, [topic], lambda: next(now_ns))
    assert behind() == 0
    both.send(ONE, 3)
    assert behind() == 0
    topic.add(1400, 1500, [(0, 1, 1)], known_too=True)
    assert behind() == 3


def test_a_platform_without_a_topic_tier_waits_for_all(both: Topics) -> None:
    behind = Behind(both.lag, [], lambda: 0)
    assert behind() == 0
    both.send(OTHER, 3)
    assert behind() == 3
