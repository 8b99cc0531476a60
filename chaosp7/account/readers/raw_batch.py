"""Decode many raw messages at once, exactly as one by one.

Messages of the same length are laid under each other, their skeletons are told apart by a hash and
then compared byte by byte with that of a known layout (`raw_layouts`), and the numbers of all of them
are read together, as integers. What differs in anything, what has no layout, and what a layout's
numbers can't be sure of goes to the exact decoder, whose word counts: this only saves time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from chaosp7.account.readers.raw_formats import UndecodableError, decoder
from chaosp7.account.readers.raw_layouts import SHAPES, Layout, learn

__all__ = ["FIELDS", "BatchDecoder"]

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]

#: Rows of a decoded batch: feed index, sequence, price_e8, quantity_e8, side, trade_time_ms.
FIELDS: Final = 6
#: Longer ones go one by one.
_MESSAGE_BYTES_MAX: Final = 1024
#: Fewer of one length aren't worth it.
_ROWS_MIN: Final = 16
#: At once: what they need stays in the processor's cache.
_ROWS_MAX: Final = 4096
#: Of one exchange: feeds x sides x lengths of numbers. Whoever sends more shapes is decoded one by one.
_LAYOUTS_MAX: Final = 4096
#: Skeletons without a layout that are kept in mind, so that they aren't tried again and again.
_HOPELESS_MAX: Final = 4096
_LEARNT_PER_GROUP_MAX: Final = 64

_ZERO: Final = np.uint8(48)
_NINE: Final = np.uint8(9)
_MARGIN_BYTES: Final = 8
_E8: Final = 10**8


@dataclass(slots=True)
class _Known:
    """The layouts of one length of messages, as columns sorted by hash."""

    hashes: U64
    skeletons: U64
    feeds: I64
    sides: I64
    offsets: I64
    masks: U64
    shifts: U64
    nonzero: I64

    def nearest(self, hashes: U64) -> Places:
        """Return the place of each hash, of any other one if it isn't there."""
        return np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)


class BatchDecoder:
    """Decodes the messages of one exchange's topic.

    Args:
        exchange: ``binance``, ``kraken`` or ``coinbase``.
        feed_of: native symbol -> feed index.

    Raises:
        KeyError: if the exchange's shape isn't known.
    """

    def __init__(self, exchange: str, feed_of: Callable[[str], int]) -> None:
        self._shape = SHAPES[exchange]
        self._exact = decoder(exchange)
        self._feed_of = feed_of
        self._layouts: dict[int, dict[int, tuple[bytes, Layout]]] = {}
        self._known: dict[int, _Known] = {}
        self._hopeless: set[tuple[int, int]] = set()
        self._count = 0
        self._days: dict[int, int] = {}
        self.one_by_one = 0
        """Messages that the exact decoder has decoded or refused so far, those learnt from left out."""

    def decode(self, payloads: Sequence[bytes]) -> tuple[I64, npt.NDArray[np.bool_]]:
        """Decode messages.

        Args:
            payloads: their values, in any order.

        Returns:
            The rows `FIELDS` with a column for each message, and whether it could be decoded.
        """
        count = len(payloads)
        result = np.zeros((FIELDS, count), dtype=np.int64)
        done = np.zeros(count, dtype=np.bool_)
        sizes = np.fromiter(map(len, payloads), np.int64, count)
        order = np.argsort(np.minimum(sizes, _MESSAGE_BYTES_MAX + 1).astype(np.uint16), kind="stable")
        ordered = sizes[order]
        edges = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), count] if count else []
        # Whole rows are taken from where the messages begin, and reach over the last one's end.
        raw = np.frombuffer(b"".join([*payloads, bytes(_MARGIN_BYTES)]), dtype=np.uint8)
        starts = np.cumsum(sizes) - sizes
        for begin, end in pairwise(edges):
            if end - begin >= _ROWS_MIN and 0 < ordered[begin] <= _MESSAGE_BYTES_MAX:
                for first in range(begin, end - 1, _ROWS_MAX):  # a last single one goes by itself
                    places = order[first : min(end, first + _ROWS_MAX)]
                    self._group(raw, starts[places], places, int(ordered[begin]), result, done)
        failed = np.zeros(count, dtype=np.bool_)
        for place in np.flatnonzero(~done).tolist():
            self.one_by_one += 1
            try:
                native, *numbers = self._exact(payloads[place])
            except UndecodableError:
                failed[place] = True
            else:
                result[:, place] = (self._feed_of(native), *numbers)
        return result, ~failed

    def _group(
        self, raw: U8, starts: I64, places: Places, size: int, result: I64, done: npt.NDArray[np.bool_]
    ) -> None:
        """Decode messages of one size, as far as their layouts are known or can be learnt."""
        words = self._skeletons(raw, starts, size)
        hashes = words @ _multipliers(words.shape[1])
        found = self._layouts_for(size, hashes, raw, starts, words)
        if found is None:
            return
        known, which = found
        same = (raw[known.nonzero.take(which, axis=1) + starts] != _ZERO).all(axis=0)
        equal = words == known.skeletons.take(which, axis=0)
        if not equal.all():  # along the rows it takes ten times as long
            same &= equal.all(axis=1)
        if not same.all():
            kept = np.flatnonzero(same)
            which, starts, places = which[kept], starts[kept], places[kept]
        values = _numbers(raw, starts, known, which)
        time_ms, sure = self._times(values[6:])
        columns = (
            known.feeds[which],
            values[0] * _E8 + values[1],
            values[2] * _E8 + values[3],
            values[4] * _E8 + values[5],
            known.sides[which],
            time_ms,
        )
        for row, column in zip(result, columns, strict=True):
            row[places] = column
        done[places] = sure

    def _skeletons(self, raw: U8, starts: I64, size: int) -> U64:
        """Return the messages with the same byte for every digit, each filled up to whole words."""
        width = -(-size // 8) * 8
        rows = _loads(raw, width)[starts].view(np.uint8).reshape(len(starts), width)
        rows[:, size:] = 0  # there the next message begins
        # Digits become 0 to 9, all others are above; the ten are made one.
        np.subtract(rows, _ZERO, out=rows)
        np.maximum(rows, np.full_like(rows, _NINE), out=rows)  # ten times faster than with a single 9
        return rows.view(np.uint64)

    def _layouts_for(
        self, size: int, hashes: U64, raw: U8, starts: I64, words: U64
    ) -> tuple[_Known, Places] | None:
        """Return the known layouts of a size and which may be whose; learn those that are new."""
        known = self._known.get(size)
        if known is None:
            new = np.ones(len(hashes), dtype=np.bool_)
        else:
            which = known.nearest(hashes)
            new = known.hashes[which] != hashes
            if not new.any():
                return known, which
        fresh, first = np.unique(hashes[new], return_index=True)
        where = np.flatnonzero(new)[first]
        learnt = False
        for number, row in list(zip(fresh.tolist(), where.tolist(), strict=True))[:_LEARNT_PER_GROUP_MAX]:
            payload = raw[starts[row] : starts[row] + size].tobytes()
            learnt |= self._learn(size, number, payload, words[row].tobytes())
        if learnt:
            known = self._known[size] = self._table(size)
        return None if known is None else (known, known.nearest(hashes))

    def _learn(self, size: int, number: int, payload: bytes, skeleton: bytes) -> bool:
        if self._count >= _LAYOUTS_MAX or (size, number) in self._hopeless:
            return False
        try:
            layout = learn(self._shape, payload, self._exact)
        except UndecodableError:
            return False  # with other digits it might be right
        if layout is None:
            if len(self._hopeless) < _HOPELESS_MAX:
                self._hopeless.add((size, number))
            return False
        self._layouts.setdefault(size, {})[number] = (skeleton, layout)
        self._count += 1
        return True

    def _table(self, size: int) -> _Known:
        layouts = sorted(self._layouts[size].items())
        found = [layout for _, (_, layout) in layouts]
        most = max(len(layout.nonzero) for layout in found)
        words = np.array(
            [[(w.offset, w.digits, w.shift) for w in layout.words] for layout in found], dtype=np.int64
        )
        digits = words[:, :, 1]
        masks = [(1 << (8 * n)) - 1 for n in range(9)]
        return _Known(
            hashes=np.array([number for number, _ in layouts], dtype=np.uint64),
            skeletons=np.stack([np.frombuffer(text, dtype=np.uint64) for _, (text, _) in layouts]),
            feeds=np.array([self._feed_of(layout.symbol) for layout in found], dtype=np.int64),
            sides=np.array([layout.side for layout in found], dtype=np.int64),
            offsets=np.ascontiguousarray(words[:, :, 0].T),
            masks=np.array(masks, dtype=np.uint64)[digits.T],
            # A word without digits has the mask 0; a shift by 64 would be undefined.
            shifts=(8 * words[:, :, 2].T % 64).astype(np.uint64),
            # Filled up with a message's first byte, a brace.
            nonzero=np.array(
                [[*x.nonzero, *(0 for _ in range(most - len(x.nonzero)))] for x in found], dtype=np.int64
            )
            .reshape(len(found), most)
            .T.copy(),
        )

    def _times(self, words: I64) -> tuple[I64, npt.NDArray[np.bool_]]:
        """Return Unix milliseconds, and whether they are sure to be right."""
        if not self._shape.iso:
            time_ms = words[0] * _E8 + words[1]
            sure = np.ones(len(time_ms), dtype=np.bool_)
            return (time_ms * 1000 + words[2] if len(words) > 2 else time_ms), sure
        year, month, day, hour, minute, second, millisecond = words
        sure = (hour < 24) & (minute < 60) & (second < 60)
        dates = (year * 100 + month) * 100 + day
        days = np.empty(len(dates), dtype=np.int64)
        changes = [0, *(np.flatnonzero(dates[1:] != dates[:-1]) + 1).tolist(), len(dates)]
        if len(changes) > 100:  # not the order of time
            distinct, back = np.unique(dates, return_inverse=True)
            days = np.array([self._day(number) for number in distinct.tolist()], dtype=np.int64)[back]
        else:
            for begin, end in pairwise(changes):
                days[begin:end] = self._day(int(dates[begin])) if begin < end else -1
        sure &= days >= 0
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millisecond, sure

    def _day(self, number: int) -> int:
        """Return the days since 1970 of a date such as 20260202; -1 if it is none, or before."""
        found = self._days.get(number)
        if found is None:
            try:
                day = date(number // 10_000, number // 100 % 100, number % 100)
                found = (day - date(1970, 1, 1)).days
            except ValueError:
                found = -1
            if len(self._days) < _HOPELESS_MAX:
                self._days[number] = found
        return found


_RANDOM: Final = np.random.default_rng(20_260_202).integers(
    1, 1 << 63, _MESSAGE_BYTES_MAX // 8 + 1, dtype=np.uint64
) * np.uint64(2) + np.uint64(1)


def _multipliers(words: int) -> U64:
    return _RANDOM[:words]


def _loads(raw: U8, size: int) -> npt.NDArray[np.void]:
    """Return what begins at each byte: as bytes without an alignment."""
    return np.ndarray((len(raw) - size + 1,), dtype=f"V{size}", buffer=raw, strides=(1,))


def _numbers(raw: U8, starts: I64, known: _Known, which: Places) -> I64:
    """Return the words' values: a row for each word, a column for each message."""
    at = known.offsets.take(which, axis=1)
    at += starts
    v = _loads(raw, 8)[at].view("<u8")
    v ^= np.uint64(0x3030303030303030)
    v &= known.masks.take(which, axis=1)
    v <<= known.shifts.take(which, axis=1)
    # Neighbouring digits, then pairs, then fours are put together.
    v *= np.uint64(2561)
    v >>= np.uint64(8)
    v &= np.uint64(0x00FF00FF00FF00FF)
    v *= np.uint64(6553601)
    v >>= np.uint64(16)
    v &= np.uint64(0x0000FFFF0000FFFF)
    v *= np.uint64(42949672960001)
    v >>= np.uint64(32)
    values: I64 = v.view(np.int64)
    return values
