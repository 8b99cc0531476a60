"""Seeded trades as the raw topics hold them, and what each tier is to make of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from typing import NamedTuple, TypeAlias

from clickhouse_connect.driver.client import Client

from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.formats import Format, format_of
from chaosp7.embedded.feed_handler.raw import Decoder, decoder_of
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.loader import load
from tests.clickhouse_process import ClickHouseProcess

__all__ = [
    "PLATFORM", "Candles", "Message", "Trade", "candles_of", "emptied", "gold", "make_trades", "messages_of", "put",
    "raw_message", "trades_in",
]  # fmt: skip

PLATFORM = load("embedded")
#: Per exchange and partition. Bronze's partition key changes at 1,000,000: the first rows cross it.
FIRST_OFFSET = 999_900
PARTITIONS = 3

_COLUMNS = ("message", "topic", "partition", "offset")
#: Milliseconds between two trades of a feed: many at one moment, some windows with only one.
_GAPS_MS = (0, 0, 0, 1, 250, 9_000, 55_000, 1_400_000)


class Trade(NamedTuple):
    """One trade; the order of the fields is that of the tiers' SELECTs in the platform file."""

    exchange: str
    symbol: str
    sequence: int
    price_e8: int
    quantity_e8: int
    side: int
    time_ms: int


class Message(NamedTuple):
    """One message of a raw topic."""

    exchange: str
    partition: int
    offset: int
    value: bytes


#: (exchange, symbol, window's start in Unix seconds) -> open, high, low, close, volume, quote volume, count.
Candles: TypeAlias = dict[tuple[str, str, int], tuple[int, ...]]


def make_trades(count: int, seed: int, begin_ms: int) -> list[Trade]:
    """Make so many trades, of all feeds of the platform in turn.

    Args:
        count: how many.
        seed: the same one gives the same trades.
        begin_ms: time of the earliest ones, Unix milliseconds; not longer ago than gold keeps.
    """
    random = Random(seed)  # noqa: S311 - data
    feeds = [Feed(exchange, symbol) for exchange, symbols in PLATFORM.feeds.items() for symbol in symbols]
    clock = dict.fromkeys(feeds, begin_ms)
    result = []
    for number in range(count):
        feed = feeds[number % len(feeds)]
        clock[feed] += random.choice(_GAPS_MS)
        result.append(
            Trade(
                exchange=feed.exchange,
                symbol=feed.symbol,
                sequence=1 + number // len(feeds),
                price_e8=random.randint(1, 9_999_999) * 1_000_000,
                quantity_e8=random.randint(1, 5_000_000) * 100,
                side=random.randrange(2),
                # Some are a little older than the one before them.
                time_ms=clock[feed] - random.choice((0, 0, 0, 3, 20_000)),
            )
        )
    return result


@cache
def _protocol(exchange: str) -> tuple[list[Feed], Format, Decoder]:
    feeds = [Feed(exchange, symbol) for symbol in PLATFORM.feeds[exchange]]
    decoder = decoder_of(exchange, feeds)
    decoder.connected()
    return feeds, format_of(exchange, feeds), decoder


def raw_message(trade: Trade) -> bytes:
    """Return a trade as the exchange simulator sends it and the feed handler forwards it."""
    feeds, made, decoder = _protocol(trade.exchange)
    sent = made.trade(
        feeds.index(Feed(trade.exchange, trade.symbol)),
        trade.sequence,
        trade.price_e8 // 1_000_000,
        trade.quantity_e8 // 100,
        trade.side,
        trade.time_ms,
    )
    (raw,) = decoder.decode(sent % 77 if made.numbered else sent)
    return raw.value


def messages_of(trades: Iterable[Trade]) -> list[Message]:
    """Return the trades as messages; each symbol has a partition, each partition its offsets."""
    following: dict[tuple[str, int], int] = defaultdict(lambda: FIRST_OFFSET)
    result = []
    for trade in trades:
        partition = PLATFORM.feeds[trade.exchange].index(trade.symbol) % PARTITIONS
        offset = following[trade.exchange, partition]
        following[trade.exchange, partition] = offset + 1
        result.append(Message(trade.exchange, partition, offset, raw_message(trade)))
    return result


def put(client: Client, messages: Sequence[Message]) -> None:
    """Put messages in front of the views, one block per exchange, as the Kafka engine does."""
    for exchange in PLATFORM.feeds:
        rows = [
            (m.value, PLATFORM.topics[exchange], m.partition, m.offset)
            for m in messages
            if m.exchange == exchange
        ]
        if rows:
            client.insert(f"k2.trades_{exchange}_stream", rows, column_names=_COLUMNS)


def trades_in(clickhouse: ClickHouse, tier: str) -> list[Trade]:
    """Return all rows of a tier, sorted, by its SELECTs in the platform file."""
    result = []
    for sql in PLATFORM.tiers[tier].rows.values():
        columns = clickhouse.columns(sql, len(Trade._fields))
        result += [Trade(*row) for row in zip(*columns, strict=True)]
    return sorted(result)


def gold(clickhouse: ClickHouse, window_s: int) -> Candles:
    """Return the candles of one length by gold's SELECT in the platform file."""
    (sql,) = PLATFORM.tiers["gold"].rows.values()
    columns = clickhouse.columns(f"SELECT * FROM ({sql}) WHERE window_s = {window_s}", 11)
    rows = list(zip(*columns[1:], strict=True))
    result = {(exchange, symbol, start_s): tuple(values) for exchange, symbol, start_s, *values in rows}
    assert len(result) == len(rows), "a candle comes twice"
    return result


def candles_of(trades: Iterable[Trade], window_s: int) -> Candles:
    """Compute candles in the plainest way."""
    windows: dict[tuple[str, str, int], list[Trade]] = defaultdict(list)
    for trade in trades:
        start_s = trade.time_ms // 1000 // window_s * window_s
        windows[trade.exchange, trade.symbol, start_s].append(trade)
    result: Candles = {}
    for key, inside in windows.items():
        inside.sort(key=lambda trade: (trade.time_ms, trade.sequence))
        prices = [trade.price_e8 for trade in inside]
        volume = sum(trade.quantity_e8 for trade in inside)
        quote = sum(trade.price_e8 * trade.quantity_e8 // 10**8 for trade in inside)
        result[key] = (prices[0], max(prices), min(prices), prices[-1], volume, quote, len(inside))
    return result


def emptied(process: ClickHouseProcess) -> ClickHouseProcess:
    """Take all rows out of the platform's tables."""
    tables = process.client().tsv(
        "SELECT name FROM system.tables WHERE database = 'k2' AND engine LIKE '%MergeTree'"
    )
    process.run(*(f"TRUNCATE TABLE k2.{name}" for name in tables.decode().split()))
    return process
