"""A scan of the topics gives every message once, or says that it can't."""

import gc
import json
import time
from typing import Any

import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers import topic
from chaosp7.account.readers.topic import TopicDecoder, TopicScan
from chaosp7.embedded import topics
from chaosp7.errors import ReaderError
from tests.waiting import ANSWER_S, PATIENCE_S, until

BTC = Feed("binance", "BTC/USDT")
STARTS = [TopicPartition("raw", 0, 5), TopicPartition("raw", 1, 0)]


def message(partition: int, offset: int, value: bytes | None = None) -> Message:
    trade = {
        "e": "trade",
        "E": 1,
        "s": "BTCUSDT",
        "t": 100 + offset,
        "p": "1.50",
        "q": "2",
        "T": 3,
        "m": True,
    }
    return Message(
        topic="raw", partition=partition, offset=offset, value=json.dumps(trade).encode() if value is None else value
    )  # fmt: skip


@pytest.fixture
def scan() -> TopicScan:
    return TopicScan("", STARTS, TopicDecoder({"binance": "raw"}, FeedIndex([BTC])))


@pytest.mark.parametrize("offsets", [[6], [5, 7], [5, 6, 6], [5, 6, 5], [4, 5], [5, 6, 8, 8]])
def test_an_offset_that_does_not_follow_is_an_error(scan: TopicScan, offsets: list[int]) -> None:
    with pytest.raises(ReaderError, match="can't be read"):
        scan._values(0, 5, [message(0, offset) for offset in offsets])


def test_a_message_without_an_offset_is_an_error(scan: TopicScan) -> None:
    with pytest.raises(ReaderError, match="without an offset"):
        scan._values(0, 5, [message(0, 5), Message(topic="raw", partition=0, value=b"")])


def test_a_partition_that_was_not_asked_for_is_an_error(scan: TopicScan) -> None:
    with pytest.raises(ReaderError, match="a message of"):
        scan._values(0, 5, [message(2, 5)])


def test_what_can_not_be_decoded_is_counted(scan: TopicScan) -> None:
    given = [message(0, 5), message(0, 6, b"?"), message(0, 7, b""), message(0, 8)]
    batch = scan._batch(0, scan._values(0, 5, given))
    assert (scan.undecodable, batch.sequences.tolist()) == (2, [105, 108])


def test_cycles_are_looked_for_again_after_messages_were_taken() -> None:
    for before in (True, False):
        (gc.enable if before else gc.disable)()
        try:
            with topic._no_collection():
                assert not gc.isenabled()
            assert gc.isenabled() == before
        finally:
            gc.enable()


def test_every_message_of_unequal_partitions_comes_once_and_in_order(
    broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"unequal-{time.time_ns()}"
    counts = {0: 0, 1: 1, 2: 2_500, 3: 37}  # empty, hardly anything, many batches, no whole one
    topics.create(broker.bootstrap, [name], len(counts))
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for partition, count in counts.items():
        for offset in range(count):
            producer.produce(name, message(partition, offset).value(), partition=partition)
    producer.produce(name, None, key=b"no value", partition=3)
    assert producer.flush(PATIENCE_S) == 0
    monkeypatch.setattr(topic, "_BATCH", 250)
    monkeypatch.setattr(topic, "_TAKE", 100)
    first = {0: 0, 1: 1, 2: 13, 3: 0}  # of partition 1 nothing is left
    starts = [TopicPartition(name, partition, offset) for partition, offset in first.items()]
    scan = TopicScan(broker.bootstrap, starts, TopicDecoder({"binance": name}, FeedIndex([BTC])))
    found: dict[int, list[int]] = {partition: [] for partition in counts}
    for batch in scan.batches(time.monotonic):
        for stream, sequence in zip(batch.streams.tolist(), batch.sequences.tolist(), strict=True):
            found[stream].append(sequence - 100)
    assert found == {partition: list(range(first[partition], counts[partition])) for partition in counts}
    assert scan.undecodable == 1


def test_what_lies_in_a_partition_that_was_added_since_the_start_counts_too(broker: Any) -> None:
    name = f"grown-{time.time_ns()}"
    topics.create(broker.bootstrap, [name], 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "topic.metadata.refresh.interval.ms": 100})
    producer.produce(name, message(0, 0).value(), partition=0)
    assert producer.flush(PATIENCE_S) == 0
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_partitions([NewPartitions(name, 2)])[name].result(PATIENCE_S)
    until(lambda: len(admin.list_topics(name, timeout=ANSWER_S).topics[name].partitions) == 2)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for offset in (1, 2, 0):
        producer.produce(name, message(1, offset).value(), partition=1)
    assert producer.flush(PATIENCE_S) == 0
    scan = TopicScan(
        broker.bootstrap, [TopicPartition(name, 0, 0)], TopicDecoder({"binance": name}, FeedIndex([BTC]))
    )
    found = [(b.streams.tolist(), b.sequences.tolist()) for b in scan.batches(time.monotonic)]
    assert found == [([0], [100]), ([1, 1, 1], [101, 102, 100])]


def test_a_start_behind_the_end_of_its_partition_is_an_error(broker: Any) -> None:
    name = f"short-{time.time_ns()}"
    topics.create(broker.bootstrap, [name], 1)
    for start in (TopicPartition(name, 0, 1), TopicPartition(name, 1, 0)):
        scan = TopicScan(broker.bootstrap, [start], TopicDecoder({"binance": name}, FeedIndex([BTC])))
        with pytest.raises(ReaderError, match="before the run's start"):
            list(scan.batches(time.monotonic))
