"""A feed handler's planted bugs; see `chaosp7.embedded.planted`.

They stand between the connection and the producer. Each takes the messages of one feed; all others
go the honest way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from chaosp7.account.acks import AckWriter
from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.symbols import native_symbol
from chaosp7.embedded.feed_handler.producer import RawProducer
from chaosp7.embedded.feed_handler.raw import RawTrade
from chaosp7.embedded.planted import HitLog, Planted, damaged, refuse_unknown

__all__ = ["BUGS", "MakeProducer", "PlantedSink"]

#: Makes a producer of its own, from what its configuration has different, and with its own key.
MakeProducer = Callable[[dict[str, Any], str], RawProducer]

_Way = Callable[[RawTrade], Awaitable[None]]

_QUEUE_MAX: Final = 3
#: Where an exchange's raw message holds its sequence.
_SEQUENCE: Final = {
    "binance": re.compile(rb'(?<="t":)\d+'),
    "kraken": re.compile(rb'(?<="misc":")\d+'),
    "coinbase": re.compile(rb'(?<="trade_id":")\d+'),
}
_BINANCE_TIME: Final = re.compile(rb'(?<="T":)\d+')


class PlantedSink:
    """Takes what the connection reads, in the producer's place.

    Args:
        planted: the bugs.
        feeds: the handler's.
        honest: the producer of all other messages.
        make: makes producers that are set otherwise.
        journal: the ack journal.
        hits: where what was damaged goes.

    Raises:
        ConfigError: if there is no such bug.
    """

    def __init__(
        self,
        planted: Sequence[Planted],
        feeds: Sequence[Feed],
        honest: RawProducer,
        make: MakeProducer,
        journal: AckWriter,
        hits: HitLog,
    ) -> None:
        refuse_unknown(planted, BUGS)
        self.feeds = list(feeds)
        self.honest = honest
        self.journal = journal
        self.hits = hits
        self._make = make
        self._others: list[RawProducer] = []
        self._ways: dict[int, _Way] = {}
        for one in planted:
            for feed, way in zip(one.symbols, BUGS[one.name](self, one), strict=False):
                self._ways[self.feeds.index(Feed(one.exchange, feed))] = way

    async def produce(self, trades: list[RawTrade]) -> None:
        """Send what is honest on, and the rest wherever it goes."""
        await self.honest.produce([trade for trade in trades if trade.feed not in self._ways])
        for trade in trades:
            if trade.feed in self._ways:
                await self._ways[trade.feed](trade)

    def close(self, timeout_s: float) -> int:
        """Close all producers; return how many messages are left without an answer."""
        return sum(producer.close(timeout_s) for producer in (self.honest, *self._others))

    def producer(self, changes: dict[str, Any], key: str = "") -> RawProducer:
        """Return a producer with another configuration or key."""
        self._others.append(self._make(changes, key))
        return self._others[-1]

    def hit(self, one: Planted, trade: RawTrade) -> None:
        """Note a message as damaged."""
        self.hits(one.name, self.feeds[trade.feed], [trade.sequence])


def _drops_when_full(sink: PlantedSink, one: Planted) -> list[_Way]:
    producer = sink.producer({"linger.ms": 200})

    async def way(trade: RawTrade) -> None:
        if producer.queued < _QUEUE_MAX:
            await producer.produce([trade])
        else:
            sink.journal.received(trade.feed, trade.sequence)
            sink.hit(one, trade)

    return [way]


def _sends_without_acks(sink: PlantedSink, _: Planted) -> list[_Way]:
    producer = sink.producer({"acks": 0, "enable.idempotence": False, "linger.ms": 5})
    return [lambda trade: producer.produce([trade])]


def _sends_again(sink: PlantedSink, one: Planted) -> list[_Way]:
    """A retry after an answer that was lost, without idempotence."""

    async def way(trade: RawTrade) -> None:
        await sink.honest.produce([trade])
        if damaged(trade.sequence):
            sink.hit(one, trade)
            await sink.honest.produce([trade])

    return [way]


def _sends_late(sink: PlantedSink, one: Planted) -> list[_Way]:
    """A retry that is overtaken by what was sent after it."""
    held: list[RawTrade] = []

    async def way(trade: RawTrade) -> None:
        if damaged(trade.sequence):
            sink.hit(one, trade)
            held.append(trade)
            return
        await sink.honest.produce([trade, *held])
        held.clear()

    return [way]


def _changes_key(sink: PlantedSink, one: Planted) -> list[_Way]:
    producer = sink.producer({}, "b")  # lies in another partition than any exchange's name

    async def way(trade: RawTrade) -> None:
        if damaged(trade.sequence):
            sink.hit(one, trade)
            await producer.produce([trade])
        else:
            await sink.honest.produce([trade])

    return [way]


def _names_another_symbol(sink: PlantedSink, one: Planted) -> list[_Way]:
    right, wrong = (Feed(one.exchange, symbol) for symbol in one.symbols)
    names = [b'"%b"' % native_symbol(feed).encode() for feed in (right, wrong)]

    async def way(trade: RawTrade) -> None:
        if damaged(trade.sequence):
            sink.hits(one.name, right, [trade.sequence], "missing")
            sink.hits(one.name, wrong, [trade.sequence], "taken")
            trade = trade._replace(value=trade.value.replace(names[0], names[1]))
        await sink.honest.produce([trade])

    return [way]


def _mixes_sequences(sink: PlantedSink, one: Planted) -> list[_Way]:
    """One variable for two symbols: the second one's messages get the first one's last number."""
    last = 0
    second = Feed(one.exchange, one.symbols[1])

    async def first_way(trade: RawTrade) -> None:
        nonlocal last
        last = trade.sequence
        await sink.honest.produce([trade])

    async def second_way(trade: RawTrade) -> None:
        if damaged(trade.sequence) and last != trade.sequence:
            sink.hits(one.name, second, [trade.sequence], "missing")
            sink.hits(one.name, second, [last], "taken")
            value = _SEQUENCE[one.exchange].sub(b"%d" % last, trade.value)
            trade = trade._replace(value=value)
        await sink.honest.produce([trade])

    return [first_way, second_way]


def _stamps_its_own_time(sink: PlantedSink, one: Planted) -> list[_Way]:
    async def way(trade: RawTrade) -> None:
        if damaged(trade.sequence):
            value = _BINANCE_TIME.sub(b"%d" % (time.time_ns() // 1_000_000), trade.value)
            if value != trade.value:
                sink.hit(one, trade)
                trade = trade._replace(value=value)
        await sink.honest.produce([trade])

    return [way]


def _forwards_nothing(sink: PlantedSink, one: Planted) -> list[_Way]:
    async def way(trade: RawTrade) -> None:
        sink.hit(one, trade)

    return [way]


def _claims_acks(sink: PlantedSink, one: Planted) -> list[_Way]:
    async def way(trade: RawTrade) -> None:
        if damaged(trade.sequence):
            sink.hit(one, trade)
            sink.journal.received(trade.feed, trade.sequence)
            sink.journal.acknowledged(trade.feed, trade.sequence)
        else:
            await sink.honest.produce([trade])

    return [way]


#: Name -> what makes the ways of the symbols that it names, in their order.
BUGS: Final[dict[str, Callable[[PlantedSink, Planted], list[_Way]]]] = {
    "drops-when-full": _drops_when_full,
    "sends-without-acks": _sends_without_acks,
    "sends-again": _sends_again,
    "sends-late": _sends_late,
    "changes-key": _changes_key,
    "names-another-symbol": _names_another_symbol,
    "mixes-sequences": _mixes_sequences,
    "stamps-its-own-time": _stamps_its_own_time,
    "forwards-nothing": _forwards_nothing,
    "claims-acks": _claims_acks,
}
