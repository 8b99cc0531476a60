"""A topic that is made anew during a run is read from its beginning."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.topic import TopicDecoder, TopicScan, end_offsets
from chaosp7.embedded import provision, topics
from chaosp7.errors import ReaderError
from chaosp7.platform.loader import load
from chaosp7.platform.topic_ids import UNKNOWN, topic_ids
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.run import origin as of_run
from chaosp7.run.journals import Journals
from chaosp7.run.origin import Origin
from tests.binance import trade
from tests.chaos import PLATFORM
from tests.conftest import Broker
from tests.waiting import ANSWER_S, PATIENCE_S, until

TOPIC, OTHER = "origin.binance.raw", "origin.kraken.raw"


def produce(bootstrap: str, sequences: range) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for sequence in sequences:
        producer.produce(TOPIC, trade(sequence), partition=sequence % 2)
    producer.flush()


def make_anew(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([TOPIC])[TOPIC].result(PATIENCE_S)
    until(lambda: TOPIC not in admin.list_topics(timeout=ANSWER_S).topics)
    topics.create(bootstrap, [TOPIC], 2)


@pytest.fixture(scope="module")
def bootstrap(parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = Broker(parts, tmp_path_factory.mktemp("origin"), deletes=True)
    try:
        topics.create(broker.bootstrap, [TOPIC, OTHER], 2)
        yield broker.bootstrap
    finally:
        broker.close()


def origin_of(bootstrap: str) -> Origin:
    names = [TOPIC, OTHER]
    return Origin(
        offsets=end_offsets(bootstrap, names), topic_ids=topic_ids(bootstrap, names),
        candles=CandleBaseline(0, {}), icebergs={}, strays={}, watched=load(PLATFORM), journals=Journals({}),
    )  # fmt: skip


def sequences_of(bootstrap: str, origin: Origin) -> list[int]:
    decoder = TopicDecoder({"binance": TOPIC, "kraken": OTHER}, FeedIndex([Feed("binance", "BTC/USDT")]))
    scan = TopicScan(bootstrap, origin.offsets_now(bootstrap), decoder)
    return sorted(s for batch in scan.batches(time.monotonic) for s in batch.sequences.tolist())


def test_a_topic_made_anew_is_read_whole_though_it_is_longer_than_the_old_one_was(bootstrap: str) -> None:
    produce(bootstrap, range(1, 11))
    origin = origin_of(bootstrap)
    produce(bootstrap, range(11, 15))
    assert sequences_of(bootstrap, origin) == [11, 12, 13, 14]
    make_anew(bootstrap)
    produce(bootstrap, range(15, 45))
    assert sequences_of(bootstrap, origin) == list(range(15, 45))


def test_ids_tell_topics_apart_and_stay(bootstrap: str) -> None:
    one, again = topic_ids(bootstrap, [TOPIC, OTHER]), topic_ids(bootstrap, [TOPIC, OTHER])
    assert one == again
    assert len(set(one.values())) == 2
    assert UNKNOWN not in one.values()


def test_a_topic_that_is_not_there_is_an_error(bootstrap: str) -> None:
    with pytest.raises(ReaderError, match="can't be described"):
        topic_ids(bootstrap, ["origin.nobody"])


def test_a_broker_without_ids_has_its_topics_read_on_from_the_start(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_run, "topic_ids", lambda _, names: dict.fromkeys(names, UNKNOWN))
    origin = Origin(
        end_offsets(bootstrap, [TOPIC]),
        {TOPIC: UNKNOWN},
        CandleBaseline(0, {}),
        {},
        {},
        load(PLATFORM),
        Journals({}),
    )
    assert [str(one) for one in origin.offsets_now(bootstrap)] == [str(one) for one in origin.offsets]
