"""Sets of sequences as ranges, for people and for evidence.

A set may hold millions of sequences: it is gone through in windows and never unpacked whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.sent import RunRecords
from chaosp7.account.sets import Sets, between
from chaosp7.errors import LedgerError

__all__ = [
    "BoundedRanges",
    "LocatedRange",
    "SequenceRange",
    "bounded",
    "from_ranges",
    "locate",
    "ranges",
    "text",
]

_WINDOW: Final = 1 << 18


class SequenceRange(NamedTuple):
    """Consecutive sequences, both ends inclusive."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many sequences."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class BoundedRanges(NamedTuple):
    """The first ranges of a set.

    Attributes:
        ranges: ascending, disjoint, not adjacent.
        left_out: how many ranges follow them.
        sequences: sequences in all, those left out included.
    """

    ranges: tuple[SequenceRange, ...]
    left_out: int
    sequences: int


def ranges(sequences: BitMap64) -> Iterator[SequenceRange]:
    """Go through the ranges of a set, ascending; no two of them touch."""
    open_first = open_last = -1
    for first, last in _pieces(sequences):
        if open_last >= 0 and first == open_last + 1:
            open_last = last
            continue
        if open_last >= 0:
            yield SequenceRange(open_first, open_last)
        open_first, open_last = first, last
    if open_last >= 0:
        yield SequenceRange(open_first, open_last)


def _pieces(sequences: BitMap64) -> Iterator[tuple[int, int]]:
    """Go through the ranges, cut at the edges of windows."""
    if not sequences:
        return
    start, highest = sequences.min(), sequences.max()
    while True:
        end = min(start + _WINDOW - 1, highest)
        inside = np.frombuffer(between(sequences, start, end).to_array(), dtype=np.uint64)
        breaks = np.flatnonzero(np.diff(inside) != 1)
        firsts = inside[np.concatenate(([0], breaks + 1))]
        lasts = inside[np.concatenate((breaks, [len(inside) - 1]))]
        yield from zip(firsts.tolist(), lasts.tolist(), strict=True)
        if end == highest:
            return
        start = sequences.next_set_bit(end + 1)


def from_ranges(parts: Iterable[tuple[int, int]]) -> BitMap64:
    """Return the set of all sequences in some ranges, both ends inclusive.

    Raises:
        ValueError: a range ends before it begins.
    """
    result = BitMap64()
    for first, last in parts:
        if last < first:
            raise ValueError(f"{first}-{last} is no range")
        result.add_range(first, last)  # its end is exclusive, and one more might not fit in 64 bits
        result.add(last)
    return result


def bounded(sequences: BitMap64, limit: int) -> BoundedRanges:
    """Return the first ranges of a set and how many there are beyond.

    Args:
        sequences: the set.
        limit: how many ranges to name.
    """
    kept: list[SequenceRange] = []
    left_out = 0
    for found in ranges(sequences):
        if len(kept) < limit:
            kept.append(found)
        else:
            left_out += 1
    return BoundedRanges(tuple(kept), left_out, len(sequences))


def text(sequences: BitMap64, limit: int = 10) -> str:
    """Return a set for people: ``1204-1210, 1300 and 2 more ranges (57 sequences)``.

    Args:
        sequences: the set.
        limit: how many ranges to name.
    """
    found = bounded(sequences, limit)
    if not found.sequences:
        return "none"
    named = ", ".join(map(str, found.ranges))
    if not found.left_out:
        return named
    more = f"{found.left_out} more range{'s' if found.left_out > 1 else ''}"
    return (
        f"{named} and {more} ({found.sequences} sequences)"
        if named
        else f"{more} ({found.sequences} sequences)"
    )


@dataclass(frozen=True, slots=True)
class LocatedRange:
    """A range of one feed's sequences and when they were sent.

    Attributes:
        feed: the feed.
        range: its sequences.
        sent_first_ns: when the first was sent, monotonic.
        sent_last_ns: when the last was sent.
    """

    feed: Feed
    range: SequenceRange
    sent_first_ns: int
    sent_last_ns: int


def locate(run: RunRecords, sets: Sets, limit: int) -> tuple[tuple[LocatedRange, ...], int]:
    """Name the first ranges of each feed with their send times, found in the ledger.

    Args:
        run: the ledger's records; gone through once, nothing of them is kept.
        sets: sent messages, such as ``account.lost``.
        limit: how many ranges to name per feed.

    Returns:
        The ranges in the order of the ledger's feeds, and how many were left out.

    Raises:
        LedgerError: a sequence isn't in the ledger.
    """
    for feed, found in sets.items():
        if found and feed not in run.feeds:
            raise LedgerError(f"{feed} isn't in the ledger")
    named = {feed: bounded(sets[feed], limit) for feed in run.feeds if feed in sets}
    wanted = {
        feed: np.array(sorted({edge for r in found.ranges for edge in r}), dtype=np.uint64)
        for feed, found in named.items()
    }
    times: dict[tuple[Feed, int], int] = {}
    if any(map(len, wanted.values())):
        for index, records in run.by_feed():
            feed = run.feeds[index]
            if feed not in wanted:
                continue
            begin, edges = records["sequence"][0], wanted[feed]
            inside = edges[(edges >= begin) & (edges < begin + np.uint64(len(records)))]
            sent = records["sent_ns"][(inside - begin).astype(np.intp)]
            times.update(((feed, edge), ns) for edge, ns in zip(inside.tolist(), sent.tolist(), strict=True))
    try:
        located = tuple(
            LocatedRange(feed, r, times[feed, r.first], times[feed, r.last])
            for feed, found in named.items()
            for r in found.ranges
        )
    except KeyError as error:
        raise LedgerError(f"{error.args[0]} isn't in the ledger") from error
    return located, sum(found.left_out for found in named.values())
