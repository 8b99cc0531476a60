"""The sampler of a real topic sees what comes of the run, and that something came again."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.topic import TopicDecoder, end_offsets
from chaosp7.embedded import topics
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.timeline import Timeline
from chaosp7.recorder.topic_sampler import TopicSampler
from tests.binance import trade
from tests.waiting import until

TOPIC = "sampled.binance.raw"
FEEDS = [Feed("binance", "BTC/USDT")]


class SlowToOpen(TopicSampler):
    """One whose consumers tell nothing for a while after they were opened, as on a busy machine."""

    SILENT_S = 0.6
    opened = 0

    def _open(self, starts: list[TopicPartition], *, full: bool) -> Consumer:
        self._silent_until_s = time.monotonic() + self.SILENT_S
        self.opened += 1
        return super()._open(starts, full=full)

    def _taken(self, consumer: Consumer, *, full: bool) -> list["Message[bytes, bytes]"]:
        if time.monotonic() < self._silent_until_s:
            time.sleep(0.02)
            return []
        return super()._taken(consumer, full=full)


class Watched:
    """A sampler at work on one topic; messages from 11 on are of the run."""

    def __init__(self, bootstrap: str, kind: type[TopicSampler] = TopicSampler, spare_s: float = 0.0) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap})
        self.timeline = Timeline("topic", [11], time.monotonic_ns())
        self.attention = Attention(0.5, time.monotonic_ns)
        self.sampler = kind(
            bootstrap,
            end_offsets(bootstrap, [TOPIC]),
            TopicDecoder({"binance": TOPIC}, FeedIndex(FEEDS)),
            len(FEEDS),
            self.timeline,
            Pace(0.02, 0.2, 0.1),
            self.attention,
            lambda: spare_s,
            time.monotonic_ns,
        )
        self.sampler.start()

    def send(self, *values: bytes) -> None:
        for value in values:
            self._producer.produce(TOPIC, value)
        self._producer.flush()


@pytest.fixture
def watched(broker: Any) -> Iterator[Watched]:
    topics.create(broker.bootstrap, [TOPIC], 2)
    found = Watched(broker.bootstrap)
    yield found
    found.sampler.stop()


def test_what_comes_again_is_movement(watched: Watched) -> None:
    watched.send(trade(11), trade(12))
    until(lambda: watched.timeline.heads() == [12])
    moved_ns = watched.timeline.last_moved_ns
    watched.send(trade(12))
    until(lambda: watched.timeline.last_moved_ns > moved_ns)
    assert watched.timeline.heads() == [12]


def test_what_is_not_of_the_run_is_no_movement(watched: Watched) -> None:
    watched.send(trade(11), trade(12))
    until(lambda: watched.timeline.heads() == [12])
    moved_ns = watched.timeline.last_moved_ns
    watched.send(trade(5), trade(7).replace(b"BTCUSDT", b"DOGEUSDT"), b"no trade at all")
    watched.send(trade(13))
    until(lambda: watched.timeline.heads() == [13])
    (before, after) = [sample.after_ns for sample in watched.timeline.samples if sample.new][-2:]
    assert before == moved_ns
    assert watched.timeline.last_moved_ns == after


def test_where_nothing_comes_nothing_moves_however_often_it_looks(watched: Watched) -> None:
    watched.send(trade(11))
    until(lambda: watched.timeline.heads() == [11])
    moved_ns, looked_ns = watched.timeline.last_moved_ns, watched.timeline.looked_ns
    until(lambda: watched.timeline.looked_ns > looked_ns + 300_000_000)
    assert watched.timeline.last_moved_ns == moved_ns


def test_the_silence_of_a_consumer_that_is_being_opened_tells_nothing(broker: Any) -> None:
    topics.create(broker.bootstrap, [TOPIC], 2)
    watched = Watched(broker.bootstrap, SlowToOpen, spare_s=60.0)
    try:
        watched.send(trade(11))
        until(lambda: watched.timeline.heads() == [11])
        with watched.attention.held():
            until(lambda: getattr(watched.sampler, "opened", 0) == 2)
            watched.send(trade(12))
            sent_ns = time.monotonic_ns()
            until(lambda: watched.timeline.heads() == [12])
        (shown,) = [sample for sample in watched.timeline.samples if sample.new == ((0, 12, 12),)]
        silent = [s for s in watched.timeline.samples if sent_ns < s.after_ns < shown.after_ns]
        assert len(silent) > 5
        # It was visible from the moment on when it was sent, so no look may say that it wasn't.
        assert all(sample.before_ns < sent_ns for sample in (*silent, shown))
        # A consumer that has had its first answer speaks for each of its looks again.
        looked_ns = watched.timeline.looked_ns
        until(lambda: watched.timeline.looked_ns > max(looked_ns, shown.after_ns))
    finally:
        watched.sampler.stop()
