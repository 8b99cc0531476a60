"""Read the topic tier: every message from the run's first offsets to the logs' ends.

The scan proves its own completeness: each partition's offsets must follow one another without a
hole from the start to the high watermark, or it raises. What it can't read is never "not lost".
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from chaosp7.account.checksum import checksum
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.raw_batch import BatchDecoder
from chaosp7.account.readers.raw_formats import UndecodableError, canonical_symbol
from chaosp7.account.readers.raw_identity import identifier
from chaosp7.errors import ReaderError
from chaosp7.platform.kafka_patience import patiently

__all__ = ["TopicBatch", "TopicDecoder", "TopicScan", "consumer_config", "end_offsets"]

#: Decoded at once: what an array's operation costs by itself is shared by so many.
_BATCH = 12_000
#: Taken from the client at once. Its message objects are freed before the next ones come, into memory
#: that the processor still has in its cache.
_TAKE = 3000
#: Of the one partition that is being read; so many that the client doesn't run dry during a decoding.
_FETCH_AHEAD = {"queued.min.messages": 20_000, "queued.max.messages.kbytes": 8192}
_TIMEOUT_S = 10.0


def consumer_config(bootstrap: str, fetch_wait_ms: int, fetch_min_bytes: int = 1) -> dict[str, Any]:
    """Return the settings of a consumer that only looks.

    Args:
        bootstrap: the broker's listener.
        fetch_wait_ms: how long the broker may keep an answer back, milliseconds ...
        fetch_min_bytes: ... until it has so much, bytes.

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
        "fetch.min.bytes": fetch_min_bytes,
        "queued.min.messages": 10_000,
        "queued.max.messages.kbytes": 4096,
        "fetch.error.backoff.ms": 10,
        "fetch.queue.backoff.ms": 10,
        "reconnect.backoff.ms": 10,
        "reconnect.backoff.max.ms": 20,
        "retry.backoff.ms": 10,
        # Up to it doubles what a reader waits that asks who leads a partition now.
        "retry.backoff.max.ms": 20,
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
            result += patiently(partial(_ends, consumer, topic))
    except KafkaException as error:
        raise ReaderError(f"topic tier: {error}") from error
    else:
        return result
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str) -> list[TopicPartition]:
    metadata = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(KafkaError(metadata.error.code(), f"{topic}: {metadata.error.str()}"))
    partitions = [TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]
    ends = [consumer.get_watermark_offsets(partition, timeout=_TIMEOUT_S)[1] for partition in partitions]
    return [TopicPartition(topic, one.partition, end) for one, end in zip(partitions, ends, strict=True)]


class TopicDecoder:
    """Decodes messages of several exchanges' topics into feed indices and fields.

    Args:
        topics: exchange -> topic.
        feeds: numbering of the feeds; one that it doesn't know gets a number of its own.
    """

    def __init__(self, topics: Mapping[str, str], feeds: FeedIndex) -> None:
        self._exchanges = {topic: exchange for exchange, topic in topics.items()}
        self._identifiers = {topic: identifier(exchange) for exchange, topic in topics.items()}
        self._feeds = feeds
        self._indices: dict[tuple[str, str], int] = {}
        self._batches: dict[str, BatchDecoder] = {}

    def identify(self, message: Message[bytes, bytes]) -> tuple[int, int]:
        """Return (feed index, sequence) of a message, whatever else is in it.

        Raises:
            UndecodableError: if it doesn't say so in its exchange's shape.
        """
        topic, payload = message.topic(), message.value()
        if topic is None or payload is None:
            raise UndecodableError("no value")
        native, sequence = self._identifiers[topic](payload)
        key = (topic, native)
        index = self._indices.get(key)
        if index is None:
            index = self._indices[key] = self._find(self._exchanges[topic], native)
        return index, sequence

    def decode_values(
        self, topic: str, values: Sequence[bytes]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Decode many messages of a topic at once; see `BatchDecoder.decode`."""
        batch = self._batches.get(topic)
        if batch is None:
            exchange = self._exchanges[topic]
            batch = self._batches[topic] = BatchDecoder(exchange, partial(self._find, exchange))
        return batch.decode(values)

    def _find(self, exchange: str, native: str) -> int:
        known = [self._feeds[i] for i in range(self._feeds.known)]
        symbols = [feed.symbol for feed in known if feed.exchange == exchange]
        return self._feeds.index(Feed(exchange, canonical_symbol(exchange, native, symbols)))


@dataclass(frozen=True, slots=True)
class TopicBatch:
    """Some messages; those of one partition are in its order.

    Attributes:
        streams: number of the partition that each came from, shape ``(n,)`` like all others.
        feeds: feed index of each.
        sequences: sequence of each.
        checksums: of the business fields.
    """

    streams: npt.NDArray[np.intp]
    feeds: npt.NDArray[np.intp]
    sequences: npt.NDArray[np.uint64]
    checksums: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, streams: npt.NDArray[np.intp], fields: npt.NDArray[np.int64]) -> Self:
        """Take decoded messages.

        Args:
            streams: number of the partition of each.
            fields: rows as `BatchDecoder` gives them.
        """
        sequences = fields[1].view(np.uint64)
        checksums = checksum(sequences, fields[2], fields[3], fields[5], fields[4])
        return cls(streams, fields[0].astype(np.intp, copy=False), sequences, checksums)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles among thousands of messages that have none, time and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class TopicScan:
    """One pass over the topics from the run's first offsets to their ends as they are now.

    One partition is read after the other, by a client that is assigned no other: no message need be
    asked where it comes from, and only one partition's messages are fetched ahead.

    Args:
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        decoder: of the messages.
    """

    def __init__(self, bootstrap: str, starts: Sequence[TopicPartition], decoder: TopicDecoder) -> None:
        self._bootstrap = bootstrap
        self._starts = list(starts)
        self._decoder = decoder
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
        for start in self._starts:
            end = ends.get((start.topic, start.partition), -1)
            if end < start.offset:
                raise ReaderError(
                    f"{start.topic}[{start.partition}] ends at {end}, before the run's start {start.offset}"
                )
        # What was added since the run began is of the run from its beginning.
        known = {(start.topic, start.partition) for start in self._starts}
        self._starts += [TopicPartition(*added, 0) for added in sorted(ends.keys() - known)]
        for stream, start in enumerate(self._starts):
            yield from self._partition(stream, ends[start.topic, start.partition], now_s)

    def _partition(self, stream: int, end: int, now_s: Callable[[], float]) -> Iterator[TopicBatch]:
        """Yield the messages of one partition from its start up to an offset, exclusive."""
        start = self._starts[stream]
        following = start.offset
        if following == end:
            return
        consumer = Consumer(consumer_config(self._bootstrap, fetch_wait_ms=50) | _FETCH_AHEAD)
        try:
            consumer.assign([start])
            progress_s = now_s()
            while following < end:
                values = self._take(consumer, stream, following, end)
                if values:
                    progress_s = now_s()
                    following += len(values)
                    yield self._batch(stream, values)
                elif now_s() - progress_s > _TIMEOUT_S:
                    raise ReaderError(
                        f"topic tier: no message for {_TIMEOUT_S:g} s before the end of the log"
                    )
        except KafkaException as error:
            raise ReaderError(f"topic tier: {error}") from error
        finally:
            consumer.close()

    def _take(self, consumer: Consumer, stream: int, following: int, end: int) -> list[bytes]:
        """Take values until there are enough to decode, the end is reached, or none come."""
        values: list[bytes] = []
        enough = min(_BATCH, end - following)
        with _no_collection():
            while len(values) < enough:
                # For more than there are, the client would wait until the time is over.
                asked = min(_TAKE, enough - len(values))
                messages = consumer.consume(num_messages=asked, timeout=0.2)
                values += self._values(stream, following + len(values), messages)
                if len(messages) < asked:
                    break
        return values

    def _values(self, stream: int, following: int, messages: list[Message[bytes, bytes]]) -> list[bytes]:
        """Return the values of messages that must be a partition's next ones."""
        if any(map(Message.error, messages)):
            raise ReaderError(f"topic tier: {next(filter(None, map(Message.error, messages)))}")
        start = self._starts[stream]
        for message in (messages[0], messages[-1]) if messages else ():
            if (message.topic(), message.partition()) != (start.topic, start.partition):
                raise ReaderError(f"topic tier: a message of {message.topic()}[{message.partition()}]")
        try:
            offsets = np.fromiter(map(Message.offset, messages), np.int64, len(messages))
        except TypeError:
            raise ReaderError("topic tier: a message without an offset") from None
        wrong = np.flatnonzero(offsets != np.arange(following, following + len(offsets)))
        if len(wrong):
            missing = f"{following + int(wrong[0])}..{int(offsets[wrong[0]]) - 1}"
            raise ReaderError(f"{start.topic}[{start.partition}]: offsets {missing} can't be read")
        # A message without a value is as undecodable as an empty one.
        return [value or b"" for value in map(Message.value, messages)]

    def _batch(self, stream: int, values: Sequence[bytes]) -> TopicBatch:
        fields, right = self._decoder.decode_values(self._starts[stream].topic, values)
        if not right.all():
            self.undecodable += len(right) - int(right.sum())
            fields = fields[:, right]
        return TopicBatch.of(np.full(fields.shape[1], stream, dtype=np.intp), fields)
