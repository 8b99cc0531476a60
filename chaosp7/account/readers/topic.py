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
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from chaosp7.account.checksum import checksum
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.raw_batch import FIELDS, BatchDecoder
from chaosp7.account.readers.raw_formats import UndecodableError, canonical_symbol, decoder
from chaosp7.errors import ReaderError

__all__ = ["TopicBatch", "TopicDecoder", "TopicScan", "consumer_config", "end_offsets"]

#: Decoded at once: what an array's operation costs by itself is shared by so many.
_BATCH = 12_000
#: Taken from the client at once. Its message objects are freed before the next ones come, into memory
#: that the processor still has in its cache.
_TAKE = 3000
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
        self._batches: dict[str, BatchDecoder] = {}

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


class _Taken(NamedTuple):
    """What is wanted of some messages: of each the number of its partition, offset and value."""

    streams: npt.NDArray[np.intp]
    offsets: npt.NDArray[np.int64]
    values: list[bytes]


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

    Args:
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        decoder: of the messages.
    """

    def __init__(self, bootstrap: str, starts: Sequence[TopicPartition], decoder: TopicDecoder) -> None:
        self._bootstrap = bootstrap
        self._starts = starts
        self._decoder = decoder
        self._by_topic: dict[str, dict[int, int]] = {}
        for i, start in enumerate(starts):
            self._by_topic.setdefault(start.topic, {})[start.partition] = i
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
            while left := sum(ends[key] - next_offset[key] for key in next_offset):
                taken = self._take(consumer, left)
                if taken:
                    progress_s = now_s()
                    yield self._batch(taken, next_offset, ends)
                elif now_s() - progress_s > _TIMEOUT_S:
                    raise ReaderError(
                        f"topic tier: no message for {_TIMEOUT_S:g} s before the end of the log"
                    )
        except KafkaException as error:
            raise ReaderError(f"topic tier: {error}") from error
        finally:
            consumer.close()

    def _take(self, consumer: Consumer, left: int) -> list[_Taken]:
        """Take messages until there are enough to decode, none are left, or none come."""
        found: list[_Taken] = []
        wanted = min(_BATCH, left)
        with _no_collection():
            while wanted > 0:
                asked = min(_TAKE, wanted)  # for more, the client would wait until the time is over
                messages = consumer.consume(num_messages=asked, timeout=0.2)
                if messages:
                    found.append(self._taken(messages))
                if len(messages) < asked:
                    break
                wanted -= asked
        return found

    def _taken(self, messages: list[Message[bytes, bytes]]) -> _Taken:
        if any(map(Message.error, messages)):
            raise ReaderError(f"topic tier: {next(filter(None, map(Message.error, messages)))}")
        topics, partitions = list(map(Message.topic, messages)), list(map(Message.partition, messages))
        count = len(messages)
        places_of = self._by_topic
        try:
            if topics.count(topics[0]) == partitions.count(partitions[0]) == count:
                # All of one partition, as the client mostly gives them.
                streams = np.full(count, places_of[topics[0]][partitions[0]], dtype=np.intp)  # type: ignore[index]  # a missing one is an error below
            else:
                found = [
                    places_of[topic][partition]  # type: ignore[index]
                    for topic, partition in zip(topics, partitions, strict=True)
                ]
                streams = np.array(found, dtype=np.intp)
            offsets = np.fromiter(map(Message.offset, messages), np.int64, count)
        except (KeyError, TypeError, ValueError):
            raise ReaderError("topic tier: a message without topic, partition or offset") from None
        # A message without a value is as undecodable as an empty one.
        return _Taken(streams, offsets, [value or b"" for value in map(Message.value, messages)])

    def _batch(
        self,
        taken: Sequence[_Taken],
        next_offset: dict[tuple[str, int], int],
        ends: dict[tuple[str, int], int],
    ) -> TopicBatch:
        streams = np.concatenate([found.streams for found in taken])
        offsets = np.concatenate([found.offsets for found in taken])
        all_values = [value for found in taken for value in found.values]
        places: dict[str, list[npt.NDArray[np.intp]]] = {}
        for stream in np.flatnonzero(np.bincount(streams)).tolist():
            mine = np.flatnonzero(streams == stream)
            key = (self._starts[stream].topic, self._starts[stream].partition)
            mine = mine[offsets[mine] < ends[key]]  # the others were written after the scan began
            following = next_offset[key]
            wrong = np.flatnonzero(offsets[mine] != np.arange(following, following + len(mine)))
            if len(wrong):
                missing = f"{following + int(wrong[0])}..{int(offsets[mine[wrong[0]]]) - 1}"
                raise ReaderError(f"{key[0]}[{key[1]}]: offsets {missing} can't be read")
            next_offset[key] = following + len(mine)
            places.setdefault(key[0], []).append(mine)
        decoded = [np.empty(0, dtype=np.intp)]
        parts = [np.empty((FIELDS, 0), dtype=np.int64)]
        for topic, found in places.items():
            wanted = np.concatenate(found)
            values = all_values
            if len(wanted) < len(all_values) or len(found) > 1:
                values = [all_values[place] for place in wanted.tolist()]
            fields, right = self._decoder.decode_values(topic, values)
            if not right.all():
                self.undecodable += len(right) - int(right.sum())
                fields, wanted = fields[:, right], wanted[right]
            parts.append(fields)
            decoded.append(wanted)
        return TopicBatch.of(streams[np.concatenate(decoded)], np.concatenate(parts, axis=1))
