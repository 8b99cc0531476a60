"""Digests of chunks of sequences: how a tier is compared without fetching its messages.

A chunk is `CHUNK` consecutive sequences of one feed, numbered absolutely (``sequence // CHUNK``),
so that a tier computes the same chunks without knowing where a run begins. A chunk's digest is
the number of its rows, the sum (mod 2^64) and the XOR of their checksums. XOR alone would not
see a message that is there three times or a pair that is there twice; the sum and the count do.

**A tier's digests are computed only over sequences at or above the run's first of the feed**:
a run begins in mid-chunk, and what lies below belongs to earlier runs. In SQL::

    SELECT exchange, symbol, intDiv(sequence, 4096) AS chunk, count() AS count,
           sum(checksum) AS sum, groupBitXor(checksum) AS xor
    FROM (<rows>) WHERE NOT (exchange = 'binance' AND symbol = 'BTC/USDT' AND sequence < 1234 OR ...)
    GROUP BY exchange, symbol, chunk

The condition excludes, it doesn't select: rows of feeds that the ledger doesn't know, and those
above the last sequence, must come back too, for they were never sent.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from chaosp7.account.digest_columns import DigestColumns, merge_equal
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.errors import ReaderError

__all__ = ["CHUNK", "ChunkKey", "Digest", "DigestTable", "Groups", "group_by_chunk"]

#: Sequences per chunk.
CHUNK: Final = 4096

_U64: Final = (1 << 64) - 1
_CHUNK_MAX: Final = _U64 // CHUNK
#: More rows in one chunk than any table has; so many such counts don't overflow when they are added.
_COUNT_MAX: Final = 1 << 40


class ChunkKey(NamedTuple):
    """One chunk of one feed."""

    feed: Feed
    chunk: int

    @property
    def first(self) -> int:
        """First sequence of the chunk."""
        return self.chunk * CHUNK

    @property
    def last(self) -> int:
        """Last sequence of the chunk, inclusive."""
        return self.chunk * CHUNK + CHUNK - 1


@dataclass(frozen=True, slots=True)
class Digest:
    """Count, sum mod 2^64 and XOR of checksums. Commutative monoid under `merged`."""

    count: int
    sum: int
    xor: int

    def merged(self, other: Digest) -> Digest:
        """Return the digest of both multisets together."""
        return Digest(self.count + other.count, (self.sum + other.sum) & _U64, self.xor ^ other.xor)


_NOTHING: Final = Digest(0, 0, 0)


class Groups(NamedTuple):
    """Rows sorted by feed and chunk (stable: their order within a chunk is kept).

    Attributes:
        order: permutation that sorts the rows.
        starts: where each group begins in the sorted rows.
        feeds: feed index of each group.
        chunks: chunk number of each group.
    """

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    feeds: npt.NDArray[np.intp]
    chunks: npt.NDArray[np.uint64]


def group_by_chunk(feeds: npt.NDArray[np.integer], sequences: npt.NDArray[np.uint64]) -> Groups:
    """Group rows by feed and chunk.

    Args:
        feeds: feed index of each row, shape ``(n,)``.
        sequences: sequence of each row, shape ``(n,)``.
    """
    chunks = sequences // np.uint64(CHUNK)
    order = _order(feeds, chunks)
    sorted_feeds, sorted_chunks = feeds[order].astype(np.intp), chunks[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (sorted_feeds[1:] != sorted_feeds[:-1]) | (sorted_chunks[1:] != sorted_chunks[:-1])
    starts = np.flatnonzero(fresh)
    return Groups(order, starts, sorted_feeds[starts], sorted_chunks[starts])


def _order(feeds: npt.NDArray[np.integer], chunks: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """Return what sorts by feed, then by chunk; stable."""
    if len(feeds):
        lowest = chunks.min()
        span = int(chunks.max() - lowest) + 1
        if span * (int(feeds.max()) + 1) <= 1 << 16:
            # Small numbers are sorted by counting: ten times faster.
            keys = feeds.astype(np.uint16) * np.uint16(span % (1 << 16)) + (chunks - lowest).astype(np.uint16)
            return np.argsort(keys, kind="stable")
    return np.lexsort((chunks, feeds))


class DigestTable:
    """Digests per feed and chunk, gathered row by row or from results that are digests already.

    Args:
        feeds: numbering of the feeds: that of the ledger, or ``expected(...).table()``.
        first: the run's first sequence per feed; rows below it are earlier runs' and ignored.
    """

    __slots__ = ("_columns", "_first", "feeds", "first")

    def __init__(self, feeds: Iterable[Feed], first: Mapping[Feed, int]) -> None:
        self.feeds = FeedIndex(feeds)
        self.first = dict(first)
        self._first = np.array([first[self.feeds[i]] for i in range(len(self.feeds))], dtype=np.uint64)
        self._columns: dict[Feed, DigestColumns] = {}

    def __len__(self) -> int:
        return sum(map(len, self._columns.values()))

    def __contains__(self, key: ChunkKey) -> bool:
        return self.get(key) is not _NOTHING

    def items(self) -> Iterator[tuple[ChunkKey, Digest]]:
        """Go through all chunks that hold anything, feed by feed."""
        for feed, columns in self._columns.items():
            for chunk, *digest in columns.rows.T.tolist():
                yield ChunkKey(feed, chunk), Digest(*digest)

    def get(self, key: ChunkKey) -> Digest:
        """Return a chunk's digest, that of nothing for a chunk without rows."""
        columns = self._columns.get(key.feed)
        found = None if columns is None or not 0 <= key.chunk <= _CHUNK_MAX else columns.get(key.chunk)
        return _NOTHING if found is None else Digest(*found)

    def differing(self, other: DigestTable) -> Iterator[ChunkKey]:
        """Go through the chunks held here of which another table has another digest, or none."""
        for feed, columns in self._columns.items():
            for chunk in columns.differing(other._columns.get(feed) or DigestColumns()).tolist():
                yield ChunkKey(feed, chunk)

    @property
    def rows(self) -> int:
        """Rows digested in all."""
        return sum(int(columns.rows[1].sum()) for columns in self._columns.values())

    def add(
        self,
        feeds: npt.NDArray[np.integer],
        sequences: npt.NDArray[np.uint64],
        checksums: npt.NDArray[np.uint64],
    ) -> None:
        """Add rows, in any order and in as many calls as one likes.

        Args:
            feeds: index of each row's feed in `feeds`, shape ``(n,)``.
            sequences: shape ``(n,)``.
            checksums: of the business fields (`chaosp7.account.checksum`), shape ``(n,)``.

        Raises:
            ReaderError: the columns differ in length, or hold no unsigned integers.
        """
        if not len(feeds) == len(sequences) == len(checksums):
            raise ReaderError(f"{len(feeds)} feeds, {len(sequences)} sequences, {len(checksums)} checksums")
        if not len(feeds):
            return
        if sequences.dtype != np.uint64 or checksums.dtype != np.uint64:
            raise ReaderError("sequences and checksums must be unsigned 64-bit integers")
        if int(feeds.min()) < 0 or int(feeds.max()) >= len(self.feeds):
            raise ReaderError(f"feed index {int(feeds.min())}..{int(feeds.max())} of {len(self.feeds)}")
        first = np.zeros(len(self.feeds), dtype=np.uint64)
        first[: len(self._first)] = self._first
        keep = sequences >= first[feeds]
        if not keep.all():
            feeds, sequences, checksums = feeds[keep], sequences[keep], checksums[keep]
            if not len(feeds):
                return
        groups = group_by_chunk(feeds, sequences)
        ordered = checksums[groups.order]
        counts = np.diff(groups.starts, append=len(ordered))
        sums = np.add.reduceat(ordered, groups.starts)
        xors = np.bitwise_xor.reduceat(ordered, groups.starts)
        digests = np.stack((groups.chunks, counts.astype(np.uint64), sums, xors))
        edges = [0, *(np.flatnonzero(np.diff(groups.feeds)) + 1).tolist(), len(groups.feeds)]
        for begin, end in pairwise(edges):
            self._of(self.feeds[int(groups.feeds[begin])]).merge(digests[:, begin:end])

    def add_digests(
        self,
        exchanges: Sequence[str],
        symbols: Sequence[str],
        chunks: Sequence[int] | npt.NDArray[Any],
        counts: Sequence[int] | npt.NDArray[Any],
        sums: Sequence[int] | npt.NDArray[Any],
        xors: Sequence[int] | npt.NDArray[Any],
    ) -> None:
        """Add the columns of a result that holds one digest per feed and chunk.

        A chunk that comes more than once (one row per partition, say) is merged. Sums may come
        wrapped, unwrapped or as signed 64-bit integers: all are taken mod 2^64.

        Raises:
            ReaderError: a column is shorter than another or holds something that isn't a whole
                number (a NULL, a float that has lost its last digits).
        """
        names = ("chunk", "count", "sum", "xor")
        columns = [_integers(c, name) for name, c in zip(names, (chunks, counts, sums, xors), strict=True)]
        feeds = self.feeds.indices(exchanges, symbols).tolist()
        if any(len(column) != len(feeds) for column in columns):
            raise ReaderError(f"columns of different length: {len(feeds)}, {[len(c) for c in columns]}")
        found: dict[int, list[tuple[int, int, int, int]]] = {}
        for feed, chunk, count, sum_, xor in zip(feeds, *columns, strict=True):
            if not 0 <= chunk <= _CHUNK_MAX or not 0 <= count <= _COUNT_MAX:
                raise ReaderError(f"{self.feeds[feed]}: chunk {chunk} with {count} rows can't be")
            if count:
                found.setdefault(feed, []).append((chunk, count, sum_ & _U64, xor & _U64))
        for feed, digests in found.items():
            self._of(self.feeds[feed]).merge(merge_equal(np.array(digests, dtype=np.uint64).T))

    def merge(self, other: DigestTable) -> Self:
        """Add everything that is in another table (another partition's, say); returns itself."""
        for feed, columns in other._columns.items():
            self.feeds.index(feed)
            self._of(feed).merge(columns.rows)
        return self

    def _of(self, feed: Feed) -> DigestColumns:
        columns = self._columns.get(feed)
        if columns is None:
            columns = self._columns[feed] = DigestColumns()
        return columns


def _integers(column: Sequence[int] | npt.NDArray[Any], name: str) -> list[int]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    try:
        return [operator.index(value) for value in values]
    except TypeError as error:
        raise ReaderError(f"column {name!r} must hold whole numbers: {error}") from error
