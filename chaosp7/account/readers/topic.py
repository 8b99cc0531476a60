"""Read the topic tier: every message from the run's first offsets to the logs' ends.

The scan proves its own completeness: each partition's offsets must follow one another without a
hole from the start to the high watermark, or it raises. What it can't read is never "not lost".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from chaosp7.account.checksum import checksum
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.raw_formats import UndecodableError, canonical_symbol, decoder
from chaosp7.errors import ReaderError

__all__ = ["TopicBatch", "TopicDecoder", "TopicScan", "consumer_config", "end_offsets"]

_BATCH = 20_000
_TIMEOUT_S = 10.0


def consumer_config(bootstrap: str, fetch_wait_ms: int) -> dict[str, Any]:
    """Return the settings of a consumer that only looks.

    It belongs to no group that commits, so it moves nobody's offsets. Back-offs are short, since
    the reader's own reconnecting must not pass for the platform's recovery. It fetches ahead some
    thousand messages per partition; unbounded, that is 100,000, some 500 MB for nine partitions.
    """
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "chaosp7-recorder",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": fetch_wait_ms,
        "queued.min.messages": 10_000,
        "queued.max.messages.kbytes": 4096,
        "fetch.error.backoff.ms": 10,
        "fetch.queue.backoff.ms": 10,
        "reconnect.backoff.ms": 10,
        "reconnect.backoff.max.ms": 20,
        "retry.backoff.ms": 10,
        "topic.metadata.refresh.fast.interval.ms": 10,
        "socket.connection.setup.timeout.ms": 1000,
        "log_level": 2,  # broker down is what we expect to see, not news for the terminal
    }


def end_offsets(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Return each partition's high watermark.

    Raises:
        ReaderError: if the broker doesn't answer, or a topic isn't there.
    """
    consumer = Consumer(consumer_config(bootstrap, fetch_wait_ms=10))
    try:
        result = []
        for topic in topics:
            metadata = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if metadata.error is not None:
                raise ReaderError(f"topic {topic}: {metadata.error}")
            for partition in sorted(metadata.partitions):
                end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)[1]
                result.append(TopicPartition(topic, partition, end))
    except KafkaException as error:
        raise ReaderError(f"topic tier: {error}") from error
    else:
        return result
    finally:
        consumer.close()


class TopicDecoder:
    """Decodes messages of several exchanges' topics into feed indices and fields.

    Args:
        topics: exchange -> topic.
        feeds: numbering of the feeds; one that it doesn't know gets a number of its own.
    """

    def __init__(self, topics: Mapping[str, str], feeds: FeedIndex) -> None:
        self._exchanges = {topic: exchange for exchange, topic in topics.items()}
        self._decoders = {topic: decoder(exchange) for exchange, topic in topics.items()}
        self._feeds = feeds
        self._indices: dict[tuple[str, str], int] = {}

    def decode(self, message: Message[bytes, bytes]) -> tuple[int, int, int, int, int, int]:
        """Return (feed index, sequence, price_e8, quantity_e8, side, trade_time_ms).

        Raises:
            UndecodableError: if the message isn't of its exchange's shape.
        """
        topic, payload = message.topic(), message.value()
        if topic is None or payload is None:
            raise UndecodableError("no value")
        native, sequence, price_e8, quantity_e8, side, time_ms = self._decoders[topic](payload)
        key = (topic, native)
        index = self._indices.get(key)
        if index is None:
            index = self._indices[key] = self._find(self._exchanges[topic], native)
        return index, sequence, price_e8, quantity_e8, side, time_ms

    def _find(self, exchange: str, native: str) -> int:
        known = [self._feeds[i] for i in range(self._feeds.known)]
        symbols = [feed.symbol for feed in known if feed.exchange == exchange]
        return self._feeds.index(Feed(exchange, canonical_symbol(exchange, native, symbols)))


class TopicBatch:
    """Some messages; those of one partition are in its order.

    Attributes:
        feeds: feed index of each, shape ``(n,)`` like all others.
        sequences: sequence of each.
        checksums: of the business fields.
        streams: number of the partition that each came from.
    """

    __slots__ = ("checksums", "feeds", "sequences", "streams")

    def __init__(self, rows: list[tuple[int, int, int, int, int, int, int]]) -> None:
        columns = np.array(rows, dtype=np.int64).reshape(-1, 7).T
        self.streams: npt.NDArray[np.intp] = columns[0].astype(np.intp)
        self.feeds: npt.NDArray[np.intp] = columns[1].astype(np.intp)
        self.sequences: npt.NDArray[np.uint64] = columns[2].astype(np.uint64)
        self.checksums = checksum(self.sequences, columns[3], columns[4], columns[6], columns[5])


class TopicScan:
    """One pass over the topics from the run's first offsets to their ends as they are now.

    Args:
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        decoder: of the messages.
    """

    def __init__(self, bootstrap: str, starts: Sequence[TopicPartition], decoder: TopicDecoder) -> None:
        self._bootstrap = bootstrap
        self._starts = starts
        self._decoder = decoder
        self._streams = {(p.topic, p.partition): i for i, p in enumerate(starts)}
        self.undecodable = 0
        """Messages that aren't of their exchange's shape."""

    def batches(self, now_s: Callable[[], float]) -> Iterator[TopicBatch]:
        """Yield every message once, in each partition's order.

        Args:
            now_s: a monotonic clock, seconds; a scan that makes no progress for ten of them ends.

        Raises:
            ReaderError: if not every offset up to the high watermarks could be read.
        """
        topics = sorted({start.topic for start in self._starts})
        ends = {(p.topic, p.partition): p.offset for p in end_offsets(self._bootstrap, topics)}
        next_offset = {(p.topic, p.partition): p.offset for p in self._starts}
        for key, start in next_offset.items():
            if ends.get(key, -1) < start:
                raise ReaderError(
                    f"{key[0]}[{key[1]}] ends at {ends.get(key)}, before the run's start {start}"
                )
        consumer = Consumer(consumer_config(self._bootstrap, fetch_wait_ms=50))
        try:
            consumer.assign(list(self._starts))
            progress_s = now_s()
            while any(next_offset[key] < ends[key] for key in next_offset):
                messages = consumer.consume(num_messages=_BATCH, timeout=0.2)
                if messages:
                    progress_s = now_s()
                    yield self._batch(messages, next_offset, ends)
                elif now_s() - progress_s > _TIMEOUT_S:
                    raise ReaderError(
                        f"topic tier: no message for {_TIMEOUT_S:g} s before the end of the log"
                    )
        except KafkaException as error:
            raise ReaderError(f"topic tier: {error}") from error
        finally:
            consumer.close()

    def _batch(
        self,
        messages: list[Message[bytes, bytes]],
        next_offset: dict[tuple[str, int], int],
        ends: dict[tuple[str, int], int],
    ) -> TopicBatch:
        rows = []
        for message in messages:
            if message.error() is not None:
                raise ReaderError(f"topic tier: {message.error()}")
            key, offset = _place(message)
            if offset >= ends[key]:
                continue  # written after the scan began
            if offset != next_offset[key]:
                missing = f"{next_offset[key]}..{offset - 1}"
                raise ReaderError(f"{key[0]}[{key[1]}]: offsets {missing} can't be read")
            next_offset[key] = offset + 1
            try:
                feed, sequence, price_e8, quantity_e8, side, time_ms = self._decoder.decode(message)
            except UndecodableError:
                self.undecodable += 1
                continue
            rows.append((self._streams[key], feed, sequence, price_e8, quantity_e8, side, time_ms))
        return TopicBatch(rows)


def _place(message: Message[bytes, bytes]) -> tuple[tuple[str, int], int]:
    """Return a message's topic and partition, and its offset."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ReaderError("topic tier: a message without topic, partition or offset")
    return (topic, partition), offset
