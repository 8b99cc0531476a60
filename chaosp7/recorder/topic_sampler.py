"""Watches the topic tier: a consumer of its own over all partitions, on the direct listener."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from confluent_kafka import Consumer, Message, TopicPartition

from chaosp7.account.readers.raw_formats import UndecodableError
from chaosp7.account.readers.topic import TopicDecoder, consumer_config
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.heads import Range, ranges_of
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.timeline import Timeline

__all__ = ["TopicSampler"]

_BATCH = 5000
#: More than the broker gathers while it may: an answer goes out when the time is over.
_GATHERED_BYTES = 10_000_000
#: More than a new consumer takes to get its first answer, also on a busy machine; a broker that is gone, and
#: not the opening, is why nothing comes for longer.
_OPENING_NS = 2_000_000_000


class TopicSampler(threading.Thread):
    """Consumes all raw topics from given offsets and notes which sequences arrived when.

    It reads the broker directly, not through a link: a cut link must not blind the recorder. At full
    attention it is told of each message at once; else the broker gathers them for a while, which
    costs both sides a tenth. Either takes a consumer of its own: librdkafka's settings are for good.

    Args:
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        decoder: of the messages.
        known: how many feeds the run has; the account sees to any others.
        timeline: to fill.
        pace: of the looks; at full attention one takes so long, else the broker gathers for ``rest_s``.
        attention: when it is full.
        spare_s: tells how long the tier stays fresh if nothing more comes, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(
        self,
        bootstrap: str,
        starts: list[TopicPartition],
        decoder: TopicDecoder,
        known: int,
        timeline: Timeline,
        pace: Pace,
        attention: Attention,
        spare_s: Callable[[], float],
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(name="topic-sampler", daemon=True)
        self._brokers = bootstrap
        self._starts = starts
        self._decoder = decoder
        self._known = known
        self._timeline = timeline
        self._pace = pace
        self._attention = attention
        self._spare_s = spare_s
        self._now_ns = now_ns
        self._ended = threading.Event()
        self.at_full = threading.Event()
        """Set while it looks at full attention."""

    def run(self) -> None:
        """Sample until `stop`."""
        full = self._attention.full
        consumer = self._open(self._starts, full=full)
        # For how long the broker may have kept back what was visible.
        kept_ns = self._kept_ns(full=full)
        try:
            before_ns = self._now_ns()
            # Since when a new consumer waits for its first answer: till then its silence tells nothing.
            waiting_ns: int | None = before_ns
            while not self._ended.is_set():
                if full is not self._attention.full:
                    full = not full
                    self.at_full.clear()
                    consumer = self._reopened(consumer, full=full)
                    kept_ns = max(kept_ns, self._kept_ns(full=full))
                    waiting_ns = before_ns
                messages = self._taken(consumer, full=full)
                after_ns = self._now_ns()
                if waiting_ns is not None and after_ns - waiting_ns >= _OPENING_NS:
                    waiting_ns = None
                self._note((before_ns if waiting_ns is None else waiting_ns) - kept_ns, after_ns, messages)
                before_ns = after_ns
                if messages:
                    waiting_ns = None
                    kept_ns = self._kept_ns(full=full)
                    if full:
                        self.at_full.set()
                if self._pace.away_s(self._spare_s()) is None:
                    self._attention.call()
        finally:
            consumer.close()

    def stop(self) -> None:
        """End sampling and wait until the thread has ended."""
        self._ended.set()
        self.join()

    def _open(self, starts: list[TopicPartition], *, full: bool) -> Consumer:
        wait_s, least_bytes = (self._pace.full_s, 1) if full else (self._pace.rest_s, _GATHERED_BYTES)
        consumer = Consumer(consumer_config(self._brokers, round(wait_s * 1000), least_bytes))
        consumer.assign(starts)
        return consumer

    def _reopened(self, consumer: Consumer, *, full: bool) -> Consumer:
        """Return another consumer that goes on where this one has come to."""
        starts = {(one.topic, one.partition): one for one in self._starts}
        for one in consumer.position(self._starts):
            if one.offset >= 0:
                starts[one.topic, one.partition] = TopicPartition(one.topic, one.partition, one.offset)
        self._starts = list(starts.values())
        consumer.close()
        return self._open(self._starts, full=full)

    def _kept_ns(self, *, full: bool) -> int:
        return 0 if full else round(self._pace.rest_s * 1e9)

    def _taken(self, consumer: Consumer, *, full: bool) -> list[Message[bytes, bytes]]:
        if full:
            return consumer.consume(num_messages=_BATCH, timeout=self._pace.full_s)
        # An answer's messages are there all at once.
        messages = consumer.consume(num_messages=1, timeout=self._pace.rest_s)
        return messages + consumer.consume(num_messages=_BATCH, timeout=0.0) if messages else messages

    def _note(self, before_ns: int, after_ns: int, messages: list[Message[bytes, bytes]]) -> None:
        by_feed: dict[int, list[int]] = defaultdict(list)
        for message in messages:
            if message.error() is not None:
                self._timeline.add_error(before_ns, after_ns, str(message.error()))
                continue
            try:
                feed, sequence = self._decoder.identify(message)
            except UndecodableError:
                continue  # the account counts it; here it is just nothing that was waited for
            by_feed[feed].append(sequence)
        ranges: list[Range] = []
        for feed, sequences in by_feed.items():
            if feed < self._known:
                ranges += ranges_of(feed, np.array(sequences, dtype=np.uint64))
        self._timeline.add(before_ns, after_ns, ranges, known_too=True)
