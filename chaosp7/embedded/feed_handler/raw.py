"""From an exchange's WebSocket messages to the messages of its raw topic.

Whatever an exchange sends, decoding never fails: what is no trade is counted by why it was not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.symbols import native_symbol
from chaosp7.errors import ConfigError

__all__ = ["Decoder", "RawTrade", "decoder_of"]

SEQUENCE_MAX: Final = (1 << 63) - 1


class RawTrade(NamedTuple):
    """One trade for the raw topic; `feed` is its position among the handler's feeds."""

    feed: int
    sequence: int
    value: bytes


class Decoder(Protocol):
    """One exchange's protocol, from the client's side. It has the state of one connection.

    Attributes:
        subscribed: True once the exchange has confirmed every symbol.
        refusal: what the exchange said if it refused a subscription.
        ignored: messages or trades that were not forwarded, by reason: `control`, `other`
            (a type that isn't known), `malformed`, `unknown_symbol`.
        gaps: messages that the exchange's own numbering says are missing.
    """

    subscribed: bool
    refusal: str | None
    ignored: Counter[str]
    gaps: int

    def connected(self) -> bytes | None:
        """Begin a connection; return what to send to subscribe, if anything."""

    def decode(self, data: bytes) -> list[RawTrade]:
        """Return the trades in a message, in their order; never raises."""


def decoder_of(exchange: str, feeds: Sequence[Feed]) -> Decoder:
    """Return an exchange's decoder.

    Args:
        exchange: its name.
        feeds: the feeds to subscribe to; positions count in this order.

    Raises:
        ConfigError: there is no such exchange.
    """
    match exchange:
        case "binance":
            return _Binance(feeds)
        case "kraken":
            return _Kraken(feeds)
        case "coinbase":
            return _Coinbase(feeds)
    raise ConfigError(f"unknown exchange {exchange!r}")


class _BinanceTrade(msgspec.Struct):
    e: str
    s: str
    t: int
    p: str
    q: str


#: price, volume, time, side, order type, misc
_KrakenTrade = tuple[str, str, str, str, str, str]
_KrakenMessage = tuple[int, list[_KrakenTrade], str, str]


class _KrakenRaw(msgspec.Struct):
    channel_id: int
    pair: str
    price: str
    volume: str
    timestamp: str
    side: str
    order_type: str
    misc: str
    ingestion_timestamp: int


class _CoinbaseTrade(msgspec.Struct):
    trade_id: str
    product_id: str
    price: str
    size: str
    side: str
    time: str


class _CoinbaseEvent(msgspec.Struct):
    type: str
    trades: list[_CoinbaseTrade]


class _CoinbaseMessage(msgspec.Struct):
    channel: str
    sequence_num: int
    events: list[_CoinbaseEvent]


class _CoinbaseRaw(msgspec.Struct):
    product_id: str
    price: str
    size: str
    time: str
    side: str
    trade_id: str
    sequence_num: int


class _Base:
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.positions = {native_symbol(feed): position for position, feed in enumerate(feeds)}
        self.subscribed = False
        self.refusal: str | None = None
        self.ignored: Counter[str] = Counter()
        self.gaps = 0

    def decode(self, data: bytes) -> list[RawTrade]:
        try:
            return self.trades(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
        try:
            message = msgspec.json.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.ignored["malformed"] += 1
            return []
        self.ignored[self.control(message) if isinstance(message, dict) else self.unusual(message)] += 1
        return []

    def trades(self, data: bytes) -> list[RawTrade]:
        """Decode a message of trades; raise ValueError or MsgspecError if it isn't one."""
        raise NotImplementedError

    def control(self, message: dict[str, Any]) -> str:
        """Take in a message that is no list of trades; return the reason to count it under."""
        raise NotImplementedError

    def unusual(self, message: object) -> str:
        """Return the reason for what isn't even a JSON object."""
        return "other" if isinstance(message, list) else "malformed"

    def trade(self, symbol: str, sequence: int, value: bytes) -> list[RawTrade]:
        position = self.positions.get(symbol)
        if position is None:
            self.ignored["unknown_symbol"] += 1
        elif 0 <= sequence <= SEQUENCE_MAX:
            return [RawTrade(position, sequence, value)]
        else:
            self.ignored["malformed"] += 1
        return []

    def sequence(self, text: str) -> int:
        """Return the number, or -1 if it isn't one."""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


class _Binance(_Base):
    _decoder = msgspec.json.Decoder(_BinanceTrade)

    def connected(self) -> bytes | None:
        self.subscribed = True  # the URL is the subscription
        return None

    def trades(self, data: bytes) -> list[RawTrade]:
        trade = self._decoder.decode(data)
        if trade.e != "trade":
            raise ValueError(trade.e)
        return self.trade(trade.s, trade.t, data)

    def control(self, message: dict[str, Any]) -> str:
        if message.get("e") == "trade":
            return "malformed"
        return "control" if "result" in message or "error" in message else "other"


class _Kraken(_Base):
    _decoder = msgspec.json.Decoder(_KrakenMessage)
    _encode = staticmethod(msgspec.json.Encoder().encode)

    def connected(self) -> bytes | None:
        self.subscribed, self.refusal = False, None
        self._missing = set(self.positions)
        return msgspec.json.encode(
            {"event": "subscribe", "pair": list(self.positions), "subscription": {"name": "trade"}}
        )

    def trades(self, data: bytes) -> list[RawTrade]:
        channel_id, rows, channel, pair = self._decoder.decode(data)
        if channel != "trade":
            raise ValueError(channel)
        now_us = time.time_ns() // 1_000
        result: list[RawTrade] = []
        for price, volume, stamp, side, order_type, misc in rows:
            raw = _KrakenRaw(channel_id, pair, price, volume, stamp, side, order_type, misc, now_us)
            result += self.trade(pair, self.sequence(misc), self._encode(raw))
        return result

    def unusual(self, message: object) -> str:
        is_trade = isinstance(message, list) and len(message) == 4 and message[2] == "trade"
        return "malformed" if is_trade else super().unusual(message)

    def control(self, message: dict[str, Any]) -> str:
        match message.get("event"):
            case "subscriptionStatus":
                if message.get("status") == "error":
                    self.refusal = str(message.get("errorMessage"))
                elif message.get("status") == "subscribed":
                    self._missing.discard(str(message.get("pair")))
                    self.subscribed = not self._missing
            case "systemStatus" | "heartbeat" | "pong":
                pass
            case _:
                return "other"
        return "control"


class _Coinbase(_Base):
    _decoder = msgspec.json.Decoder(_CoinbaseMessage)
    _encode = staticmethod(msgspec.json.Encoder().encode)

    def connected(self) -> bytes | None:
        self.subscribed, self.refusal = False, None
        self._number: int | None = None
        return msgspec.json.encode(
            {"type": "subscribe", "product_ids": list(self.positions), "channel": "market_trades"}
        )

    def trades(self, data: bytes) -> list[RawTrade]:
        message = self._decoder.decode(data)
        if message.channel != "market_trades":
            raise ValueError(message.channel)
        self._count(message.sequence_num)
        result: list[RawTrade] = []
        for event in message.events:
            if event.type != "update":  # a snapshot repeats trades of before the subscription
                self.ignored["other"] += len(event.trades)
                continue
            for trade in event.trades:
                raw = _CoinbaseRaw(
                    trade.product_id,
                    trade.price,
                    trade.size,
                    trade.time,
                    trade.side,
                    trade.trade_id,
                    message.sequence_num,
                )
                result += self.trade(trade.product_id, self.sequence(trade.trade_id), self._encode(raw))
        return result

    def control(self, message: dict[str, Any]) -> str:
        number = message.get("sequence_num")
        if isinstance(number, int):
            self._count(number)
        if message.get("type") == "error":
            self.refusal = str(message.get("message"))
            return "control"
        match message.get("channel"):
            case "subscriptions":
                self.subscribed = self.subscribed or self._confirmed(message)
                return "control"
            case "heartbeats":
                return "control"
            case "market_trades":
                return "malformed"
        return "other"

    def _confirmed(self, message: dict[str, Any]) -> bool:
        try:
            products = message["events"][0]["subscriptions"]["market_trades"]
            return set(self.positions) <= set(products)
        except (KeyError, IndexError, TypeError):
            return False

    def _count(self, number: int) -> None:
        if self._number is not None and number > self._number + 1:
            self.gaps += number - self._number - 1
        self._number = number
