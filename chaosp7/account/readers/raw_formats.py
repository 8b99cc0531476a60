"""Decode the raw topics' JSON messages into the business fields that the account compares.

The shapes are K2's (one per exchange). This is written apart from the embedded feed handlers'
encoding on purpose: a mistake common to both would hide itself.

Kraken's public trades carry no trade id: there the sequence stands in ``misc``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

__all__ = [
    "EXCHANGES",
    "INT64_MAX",
    "Fields",
    "UndecodableError",
    "canonical_symbol",
    "decoder",
    "native_symbol",
    "natural",
]

#: (native symbol, sequence, price_e8, quantity_e8, side, trade_time_ms)
Fields = tuple[str, int, int, int, int, int]

_SCALE_DIGITS = 8
#: The greatest number that a ledger holds.
INT64_MAX = (1 << 63) - 1


class UndecodableError(ValueError):
    """A message isn't of its exchange's shape, or holds a value that no ledger could hold."""


class _Binance(msgspec.Struct):
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


class _Kraken(msgspec.Struct):
    pair: str
    price: str
    volume: str
    timestamp: str
    side: str
    misc: str


class _Coinbase(msgspec.Struct):
    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


def e8(text: str) -> int:
    """Return a decimal number as an integer of 1e-8 units, exactly.

    Raises:
        UndecodableError: if it isn't a plain decimal number, or is finer than 1e-8: rounding it
            would take a damaged price for the right one.
    """
    negative = text.startswith("-")
    whole, dot, fraction = text[negative:].partition(".")
    # int() alone would also take spaces, underscores and other alphabets' digits, and with them a
    # damaged number for another one.
    if not _is_digits(whole) or (dot and not _is_digits(fraction)):
        raise UndecodableError(f"not a decimal number: {text!r}")
    digits = fraction.rstrip("0")
    if len(digits) > _SCALE_DIGITS:
        raise UndecodableError(f"finer than 1e-8: {text!r}")
    units = int(whole + digits.ljust(_SCALE_DIGITS, "0"))
    return -units if negative else units


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def natural(text: str) -> int:
    """Return what digits spell.

    Raises:
        UndecodableError: if there is anything else.
    """
    if not _is_digits(text):
        raise UndecodableError(f"not a natural number: {text!r}")
    return int(text)


def _binance(decode: Callable[[bytes], _Binance], payload: bytes) -> Fields:
    m = decode(payload)
    return m.s, m.t, e8(m.p), e8(m.q), int(m.m), m.T


def _kraken(decode: Callable[[bytes], _Kraken], payload: bytes) -> Fields:
    m = decode(payload)
    seconds, dot, fraction = m.timestamp.partition(".")
    if dot and not _is_digits(fraction):
        raise UndecodableError(f"not a time: {m.timestamp!r}")
    time_ms = natural(seconds) * 1000 + int(fraction.ljust(3, "0")[:3])
    return m.pair, natural(m.misc), e8(m.price), e8(m.volume), _side(m.side, "b", "s"), time_ms


def _coinbase(decode: Callable[[bytes], _Coinbase], payload: bytes) -> Fields:
    m = decode(payload)
    time_ms = _iso_ms(m.time)
    return m.product_id, natural(m.trade_id), e8(m.price), e8(m.size), _side(m.side, "BUY", "SELL"), time_ms


def _iso_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:  # it would be taken for this machine's own
        raise UndecodableError(f"a time without a zone: {text!r}")
    # Not timestamp() * 1000: a float would round some milliseconds down.
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


def _refuse_beyond_the_ledger(fields: Fields) -> None:
    if not all(0 <= number <= INT64_MAX for number in fields[1:]):
        raise UndecodableError("a number beyond any ledger's")


def _side(value: str, buy: str, sell: str) -> int:
    if value == buy:
        return 0
    if value == sell:
        return 1
    raise UndecodableError(f"unknown side {value!r}")


_SHAPES: dict[str, tuple[type[msgspec.Struct], Callable[..., Fields]]] = {
    "binance": (_Binance, _binance),
    "kraken": (_Kraken, _kraken),
    "coinbase": (_Coinbase, _coinbase),
}
#: Those whose messages can be read.
EXCHANGES = tuple(_SHAPES)


def decoder(exchange: str) -> Callable[[bytes], Fields]:
    """Return the function that decodes one message of an exchange's raw topic.

    Args:
        exchange: ``binance``, ``kraken`` or ``coinbase``.

    Returns:
        A function from a message's payload to its `Fields`; it raises `UndecodableError`.

    Raises:
        KeyError: if the exchange's shape isn't known.
    """
    shape, extract = _SHAPES[exchange]
    decode = msgspec.json.Decoder(shape).decode

    def decode_one(payload: bytes) -> Fields:
        try:
            fields = extract(decode, payload)
            _refuse_beyond_the_ledger(fields)
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise UndecodableError(f"{error}: {payload[:200]!r}") from error
        else:
            return fields

    return decode_one


def canonical_symbol(exchange: str, native: str, known: Iterable[str]) -> str:
    """Return the canonical symbol of an exchange's native one.

    Args:
        exchange: the exchange.
        native: such as ``BTCUSDT`` (Binance), ``XBT/USD`` (Kraken), ``BTC-USD`` (Coinbase).
        known: the exchange's canonical symbols in the platform file.

    Returns:
        The canonical symbol, or where none fits the native one: an unknown feed then. One that is spelled as
        the canonical symbol of another spelling gets a mark: nobody may take it for that feed.
    """
    symbols = list(known)
    for symbol in symbols:
        if native_symbol(exchange, symbol) == native:
            return symbol
    return f"{native} (not as {exchange} spells it)" if native in symbols else native


def native_symbol(exchange: str, symbol: str) -> str | None:
    """Return a canonical symbol as an exchange writes it; None: of that exchange nobody knows how."""
    base, _, quote = symbol.partition("/")
    spellings = {
        "binance": f"{base}{quote}",
        "kraken": f"{'XBT' if base == 'BTC' else base}/{quote}",
        "coinbase": f"{base}-{quote}",
    }
    return spellings.get(exchange)
