"""The account of a real topic: what is wrong with one message is no other message's fault."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from confluent_kafka import Producer, TopicPartition
from pyroaring import BitMap64

from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.readers.topic_account import TopicReader, account_topic
from chaosp7.account.sent import RunRecords, expected
from chaosp7.embedded import topics
from tests.binance import trade
from tests.waiting import PATIENCE_S

BTC = Feed("binance", "BTC/USDT")
FIRST, COUNT = 100, 400
E8 = 100_000_000
#: (the number it comes under, the message's own)
Sent = tuple[int, int]


def run() -> RunRecords:
    records = np.zeros(COUNT, dtype=RECORD)
    records["sequence"] = FIRST + np.arange(COUNT)
    records["sent_ns"], records["trade_time_ms"], records["reached"] = np.arange(COUNT), 3, 1
    records["price_e8"], records["quantity_e8"] = records["sequence"] * E8, 2 * E8
    records["side"] = 1
    return RunRecords((BTC,), (FIRST,), lambda: [records])


def account_of(broker: Any, messages: Sequence[Sent]) -> TierAccount:
    name = f"accounted-{time.time_ns()}"
    topics.create(broker.bootstrap, [name], 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for number, own in messages:
        producer.produce(name, trade(number, price=own))
    assert producer.flush(PATIENCE_S) == 0
    reader = TopicReader(broker.bootstrap, {"binance": name}, [TopicPartition(name, 0, 0)])
    return account_topic("topic", reader, run(), expected(run()))


def everything() -> list[Sent]:
    return [(number, number) for number in range(FIRST, FIRST + COUNT)]


def test_a_message_under_anothers_number_makes_no_others_reordered(broker: Any) -> None:
    messages = everything()
    messages[10] = (450, 110)
    account = account_of(broker, messages)
    assert account.lost == {BTC: BitMap64([110])}
    assert account.corrupted == {BTC: BitMap64([450])}
    assert account.reordered == {}


def test_what_is_reordered_beside_it_stays_so(broker: Any) -> None:
    messages = everything()
    messages[10] = (450, 110)
    messages.insert(300, messages.pop(280))
    messages.insert(395, messages.pop(390))
    account = account_of(broker, messages)
    assert account.reordered == {BTC: BitMap64([380, 490])}
    assert (account.lost, account.corrupted) == ({BTC: BitMap64([110])}, {BTC: BitMap64([450])})
