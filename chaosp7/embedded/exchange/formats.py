"""The exchanges' WebSocket messages, as bytes built by hand: this is the load's hottest code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.symbols import native_symbol
from chaosp7.errors import ConfigError

__all__ = ["Answer", "Format", "format_of", "text_frame"]

_FIRST_CHANNEL: Final = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client's message leads to.

    Attributes:
        replies: messages to send back; like trades they may be templates, see `Format`.
        subscribe: positions of the feeds that the client gets from now on, beside earlier ones.
    """

    replies: tuple[bytes, ...] = ()
    subscribe: frozenset[int] = frozenset()


class Format(Protocol):
    """One exchange's protocol. Feeds are known by their position among the exchange's own."""

    numbered: bool
    """True if messages may hold a ``%d`` that each connection fills with its own count."""

    def greeting(self) -> Answer:
        """Return what happens when a client connects."""

    def answer(self, data: str | bytes) -> Answer:
        """Return what happens when a client sends something; anything may come."""

    def trade(
        self, feed: int, sequence: int, price_cents: int, quantity_micro: int, side: int, time_ms: int
    ) -> bytes:
        """Return a trade's message."""


def text_frame(payload: bytes) -> bytes:
    """Return an unmasked WebSocket text frame, as a server sends it (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def format_of(exchange: str, feeds: Sequence[Feed]) -> Format:
    """Return the protocol of an exchange.

    Args:
        exchange: its name.
        feeds: its feeds, in the order that positions count.

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


def _decoded(data: str | bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


class _Binance:
    """Raw trade stream: whoever connects gets every symbol."""

    numbered = False

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._all = frozenset(range(len(feeds)))
        self._templates = [
            b'{"e":"trade","E":%%d,"s":"%b","t":%%d,"p":"%%d.%%02d","q":"%%d.%%06d","T":%%d,"m":%%b,"M":true}'
            % native_symbol(feed).encode()
            for feed in feeds
        ]

    def greeting(self) -> Answer:
        return Answer(subscribe=self._all)

    def answer(self, data: str | bytes) -> Answer:
        request = _decoded(data)
        if request.get("method") == "SUBSCRIBE":
            return Answer((msgspec.json.encode({"result": None, "id": request.get("id")}),))
        return Answer((b'{"error":{"code":2,"msg":"Invalid request"}}',))

    def trade(
        self, feed: int, sequence: int, price_cents: int, quantity_micro: int, side: int, time_ms: int
    ) -> bytes:
        return self._templates[feed] % (
            time_ms,
            sequence,
            price_cents // 100,
            price_cents % 100,
            quantity_micro // 1_000_000,
            quantity_micro % 1_000_000,
            time_ms,
            b"true" if side else b"false",
        )


class _Kraken:
    """WebSocket API v1. It has no trade ids: the sequence goes into the field ``misc``."""

    numbered = False

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._pairs = {native_symbol(feed): position for position, feed in enumerate(feeds)}
        self._templates = [
            b'[%d,[["%%d.%%02d","%%d.%%06d","%%d.%%06d","%%b","%%b","%%d"]],"trade","%b"]'
            % (_FIRST_CHANNEL + position, pair.encode())
            for pair, position in self._pairs.items()
        ]

    def greeting(self) -> Answer:
        return Answer((b'{"connectionID":1,"event":"systemStatus","status":"online","version":"1.9.0"}',))

    def answer(self, data: str | bytes) -> Answer:
        request = _decoded(data)
        subscription = request.get("subscription")
        match request.get("event"):
            case "ping":
                return Answer((msgspec.json.encode({"event": "pong", "reqid": request.get("reqid")}),))
            case "subscribe" if isinstance(subscription, dict) and subscription.get("name") == "trade":
                pairs = _strings(request.get("pair"))
                return Answer(
                    tuple(self._status(pair) for pair in pairs),
                    frozenset(self._pairs[pair] for pair in pairs if pair in self._pairs),
                )
        return Answer((b'{"event":"error","errorMessage":"Unsupported event"}',))

    def _status(self, pair: str) -> bytes:
        status: dict[str, object] = {"event": "subscriptionStatus", "pair": pair}
        if pair in self._pairs:
            status |= {
                "channelID": _FIRST_CHANNEL + self._pairs[pair],
                "channelName": "trade",
                "status": "subscribed",
            }
        else:
            status |= {"errorMessage": f"Currency pair not supported {pair}", "status": "error"}
        return msgspec.json.encode(status | {"subscription": {"name": "trade"}})

    def trade(
        self, feed: int, sequence: int, price_cents: int, quantity_micro: int, side: int, time_ms: int
    ) -> bytes:
        return self._templates[feed] % (
            price_cents // 100,
            price_cents % 100,
            quantity_micro // 1_000_000,
            quantity_micro % 1_000_000,
            time_ms // 1_000,
            time_ms % 1_000 * 1_000,
            b"s" if side else b"b",
            b"l" if quantity_micro & 1 else b"m",
            sequence,
        )


class _Coinbase:
    """Advanced Trade, channel ``market_trades``: every message has the connection's own number."""

    numbered = True

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._products = {native_symbol(feed): position for position, feed in enumerate(feeds)}
        self._templates = [
            b'{"channel":"market_trades","client_id":"","timestamp":"%%b%%03d000Z","sequence_num":%%%%d,'
            b'"events":[{"type":"update","trades":[{"trade_id":"%%d","product_id":"%b","price":"%%d.%%02d",'
            b'"size":"%%d.%%06d","side":"%%b","time":"%%b%%03d000Z"}]}]}' % product.encode()
            for product in self._products
        ]
        self._second = -1
        self._prefix = b""

    def greeting(self) -> Answer:
        return Answer()

    def answer(self, data: str | bytes) -> Answer:
        request = _decoded(data)
        if request.get("type") != "subscribe" or request.get("channel") != "market_trades":
            return Answer((b'{"type":"error","message":"unsupported request"}',))
        asked = _strings(request.get("product_ids"))
        known = [product for product in asked if product in self._products]
        if not known or len(known) != len(asked):
            return Answer((b'{"type":"error","message":"unknown product_ids"}',))
        now_ms = time.time_ns() // 1_000_000
        reply = (
            b'{"channel":"subscriptions","client_id":"","timestamp":"%b%03d000Z","sequence_num":%%d,'
            b'"events":[{"subscriptions":{"market_trades":%b}}]}'
            % (self._iso_second(now_ms // 1_000), now_ms % 1_000, msgspec.json.encode(known))
        )
        return Answer((reply,), frozenset(self._products[product] for product in known))

    def trade(
        self, feed: int, sequence: int, price_cents: int, quantity_micro: int, side: int, time_ms: int
    ) -> bytes:
        prefix = self._iso_second(time_ms // 1_000)
        milliseconds = time_ms % 1_000
        return self._templates[feed] % (
            prefix,
            milliseconds,
            sequence,
            price_cents // 100,
            price_cents % 100,
            quantity_micro // 1_000_000,
            quantity_micro % 1_000_000,
            b"SELL" if side else b"BUY",
            prefix,
            milliseconds,
        )

    def _iso_second(self, second: int) -> bytes:
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second)).encode()
        return self._prefix
