"""Layouts of raw messages: where the numbers stand, learned from one message for all like it.

Messages of one feed differ in little but their digits. The **skeleton** of a message is the message
with every digit replaced by ``0``. Two messages with the same skeleton have the same structure, the
same keys and the same text around the same places of digits, so that what was found out about one
holds for the other, but for two things: a number of JSON must not begin with a needless zero (those
places are in the layout, to be looked at), and a key, a symbol or a side with digits in it would
differ unseen (such a message has no layout). Whatever has no layout is decoded one by one.

A layout says by which words the numbers are read: up to eight digits each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chaosp7.account.readers.raw_formats import Fields

__all__ = ["SHAPES", "Layout", "Shape", "Word", "learn"]

_DIGITS_PER_WORD: Final = 8
_PAIR: Final = re.compile(
    rb"""[{,]"(?P<key>[A-Za-z_]+)":(?:"(?P<text>[\x20\x21\x23-\x5b\x5d-\x7e]*)"|(?P<number>[0-9]+)|(?:true|false|null))"""
)
_INTEGER: Final = re.compile(rb"([0-9]{0,8}?)([0-9]{1,8})")
_DECIMAL: Final = re.compile(rb"([0-9]{1,8})(?:\.([0-9]{1,8}))?")
_UNIX: Final = re.compile(rb"([0-9]{0,8}?)([0-9]{1,8})\.([0-9]{1,3})[0-9]*")
_ISO: Final = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{3})(?:[0-9]{3})?Z"
)
#: How far each group of a pattern is moved to the right in its word of eight: None: to its end.
_TO_END: Final = None
_TO_START: Final = 0
_MILLISECONDS: Final = 5  # a fraction of one to three digits: the last three places


@dataclass(frozen=True, slots=True)
class Word:
    """Up to eight digits.

    Attributes:
        offset: where they begin in the message.
        digits: how many.
        shift: by how many places they stand further right in a number of eight digits.
    """

    offset: int
    digits: int
    shift: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What all messages with one skeleton have in common.

    Attributes:
        symbol: the native symbol.
        side: 0 for a buy, 1 for a sell.
        words: where the numbers are, in the order of the shape.
        nonzero: offsets at which a ``0`` would make it no JSON.
    """

    symbol: str
    side: int
    words: tuple[Word, ...]
    nonzero: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    key: str
    pattern: re.Pattern[bytes]
    shifts: tuple[int | None, ...]
    bare: bool = False  # a number of JSON, not text


@dataclass(frozen=True, slots=True)
class Shape:
    """An exchange's raw message.

    Attributes:
        symbol: the key of the symbol.
        fields: sequence, price, quantity and time, in this order.
        iso: whether the time is a date (seven words); else seconds or milliseconds.
    """

    symbol: str
    fields: tuple[_Field, ...]
    iso: bool = False

    @property
    def words(self) -> int:
        """How many words a layout of this shape has."""
        return sum(len(found.shifts) for found in self.fields)


_PLAIN = (_TO_END, _TO_END)
_FRACTION = (_TO_END, _TO_START)

#: Exchange -> the shape of its raw messages.
SHAPES: Final = {
    "binance": Shape(
        "s",
        (
            _Field("t", _INTEGER, _PLAIN, bare=True),
            _Field("p", _DECIMAL, _FRACTION),
            _Field("q", _DECIMAL, _FRACTION),
            _Field("T", _INTEGER, _PLAIN, bare=True),
        ),
    ),
    "kraken": Shape(
        "pair",
        (
            _Field("misc", _INTEGER, _PLAIN),
            _Field("price", _DECIMAL, _FRACTION),
            _Field("volume", _DECIMAL, _FRACTION),
            _Field("timestamp", _UNIX, (_TO_END, _TO_END, _MILLISECONDS)),
        ),
    ),
    "coinbase": Shape(
        "product_id",
        (
            _Field("trade_id", _INTEGER, _PLAIN),
            _Field("price", _DECIMAL, _FRACTION),
            _Field("size", _DECIMAL, _FRACTION),
            _Field("time", _ISO, (*(_TO_END,) * 6, _MILLISECONDS)),
        ),
        iso=True,
    ),
}


def learn(shape: Shape, payload: bytes, decode: Callable[[bytes], Fields]) -> Layout | None:
    """Return the layout of a message and of all with its skeleton.

    Args:
        shape: of the exchange.
        payload: the message.
        decode: the exchange's exact decoder, which has the last word.

    Returns:
        None if it is anything but a flat object in ASCII without spaces, escapes, keys that come
        twice, or numbers that don't fit into words.

    Raises:
        UndecodableError: the exact decoder refuses the message.
    """
    found: dict[str, tuple[bool, int, int]] = {}
    nonzero: list[int] = []
    position = 0
    while (pair := _PAIR.match(payload, position)) is not None:
        key = pair["key"].decode()
        if payload[position : position + 1] != (b"," if position else b"{") or key in found:
            return None
        bare = pair["number"] is not None
        group = "number" if bare else "text"
        found[key] = (bare, *pair.span(group))
        if bare and len(pair["number"]) > 1:
            nonzero.append(pair.start("number"))
        position = pair.end()
    if payload[position:] != b"}":
        return None
    symbol, _, _, _, side, _ = decode(payload)
    if shape.symbol not in found or re.search(r"[0-9]", symbol):
        return None
    words: list[Word] = []
    for wanted in shape.fields:
        if wanted.key not in found:
            return None
        bare, begin, end = found[wanted.key]
        match = wanted.pattern.fullmatch(payload, begin, end)
        if match is None or bare != wanted.bare:
            return None
        for number, shift in enumerate(wanted.shifts, 1):
            start, stop = match.span(number)
            digits = stop - start
            words.append(Word(max(start, 0), digits, _DIGITS_PER_WORD - digits if shift is None else shift))
    return Layout(symbol, side, tuple(words), tuple(nonzero))
