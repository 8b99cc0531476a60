"""A scan of the topics gives every message once, or says that it can't."""

import json

import pytest
from confluent_kafka import Message, TopicPartition

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.topic import TopicDecoder, TopicScan
from chaosp7.errors import ReaderError

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
    return TopicScan("", STARTS, TopicDecoder({"binance": "raw"}, FeedIndex([Feed("binance", "BTC/USDT")])))


def test_messages_come_in_the_order_of_their_partitions_up_to_the_end_at_the_beginning(
    scan: TopicScan,
) -> None:
    following = {("raw", 0): 5, ("raw", 1): 0}
    given = [message(0, 5), message(1, 0), message(0, 6), message(1, 1), message(0, 7)]
    batch = scan._batch([scan._taken(given)], following, {("raw", 0): 7, ("raw", 1): 2})
    assert following == {("raw", 0): 7, ("raw", 1): 2}
    assert batch.sequences[batch.streams == 0].tolist() == [105, 106]
    assert batch.sequences[batch.streams == 1].tolist() == [100, 101]
    assert not batch.feeds.any()


@pytest.mark.parametrize("offsets", [[6], [5, 7], [5, 6, 6], [5, 6, 5], [4, 5]])
def test_an_offset_that_does_not_follow_is_an_error(scan: TopicScan, offsets: list[int]) -> None:
    with pytest.raises(ReaderError, match="can't be read"):
        scan._batch([scan._taken([message(0, offset) for offset in offsets])], {("raw", 0): 5, ("raw", 1): 0}, {("raw", 0): 9, ("raw", 1): 9})  # fmt: skip


def test_a_partition_that_was_not_asked_for_is_an_error(scan: TopicScan) -> None:
    with pytest.raises(ReaderError):
        scan._batch(
            [scan._taken([message(2, 0)])], {("raw", 0): 5, ("raw", 1): 0}, {("raw", 0): 9, ("raw", 1): 9}
        )


def test_what_can_not_be_decoded_is_counted(scan: TopicScan) -> None:
    given = [message(0, 5), message(0, 6, b"?"), message(0, 7, b""), message(0, 8)]
    batch = scan._batch([scan._taken(given)], {("raw", 0): 5, ("raw", 1): 0}, {("raw", 0): 9, ("raw", 1): 9})
    assert (scan.undecodable, batch.sequences.tolist()) == (2, [105, 108])


def test_a_batch_of_nothing_but_later_messages_is_empty(scan: TopicScan) -> None:
    batch = scan._batch(
        [scan._taken([message(0, 5)])], {("raw", 0): 5, ("raw", 1): 0}, {("raw", 0): 5, ("raw", 1): 0}
    )
    assert not len(batch.sequences)
