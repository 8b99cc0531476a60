"""Watches the topic tier: a consumer of its own over all partitions, on the direct listener."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from confluent_kafka import Consumer, Message, TopicPartition

from chaosp7.account.readers.raw_formats import UndecodableError
from chaosp7.account.readers.topic import TopicDecoder, consumer_config
from chaosp7.recorder.heads import Range, ranges_of
from chaosp7.recorder.timeline import Timeline

__all__ = ["TopicSampler"]

_BATCH = 5000


class TopicSampler(threading.Thread):
    """Consumes all raw topics from given offsets and notes which sequences arrived when.

    It reads the broker directly, not through a link: a cut link must not blind the recorder.

    Args:
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        decoder: of the messages.
        known: how many feeds the run has; the account sees to any others.
        timeline: to fill.
        interval_s: how long one look takes, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(
        self,
        bootstrap: str,
        starts: list[TopicPartition],
        decoder: TopicDecoder,
        known: int,
        timeline: Timeline,
        interval_s: float,
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(name="topic-sampler", daemon=True)
        self._brokers = bootstrap
        self._starts = starts
        self._decoder = decoder
        self._known = known
        self._timeline = timeline
        self._interval_s = interval_s
        self._now_ns = now_ns
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `stop`."""
        consumer = Consumer(consumer_config(self._brokers, fetch_wait_ms=int(self._interval_s * 1000)))
        try:
            consumer.assign(self._starts)
            before_ns = self._now_ns()
            while not self._ended.is_set():
                messages = consumer.consume(num_messages=_BATCH, timeout=self._interval_s)
                after_ns = self._now_ns()
                self._note(before_ns, after_ns, messages)
                before_ns = after_ns
        finally:
            consumer.close()

    def stop(self) -> None:
        """End sampling and wait until the thread has ended."""
        self._ended.set()
        self.join()

    def _note(self, before_ns: int, after_ns: int, messages: list[Message[bytes, bytes]]) -> None:
        by_feed: dict[int, list[int]] = defaultdict(list)
        for message in messages:
            if message.error() is not None:
                self._timeline.add_error(before_ns, after_ns, str(message.error()))
                continue
            try:
                feed, sequence, *_ = self._decoder.decode(message)
            except UndecodableError:
                continue  # the account counts it; here it is just nothing that was waited for
            by_feed[feed].append(sequence)
        ranges: list[Range] = []
        for feed, sequences in by_feed.items():
            if feed < self._known:
                ranges += ranges_of(feed, np.array(sequences, dtype=np.uint64))
        self._timeline.add(before_ns, after_ns, ranges)
