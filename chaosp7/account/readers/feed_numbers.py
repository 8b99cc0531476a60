"""Feeds as numbers, made in SQL: ClickHouse groups by one integer far faster than by names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import literal

__all__ = ["FeedNumbers"]

_SEQUENCE_BITS: Final = 64
_CHUNK_BITS: Final = _SEQUENCE_BITS - (CHUNK.bit_length() - 1)


@dataclass(frozen=True, slots=True)
class FeedNumbers:
    """Numbers of some feeds' exchanges and symbols, from 1, and of their pairs; 0 is any other name.

    ``pair = exchange * (symbols + 1) + symbol``.
    """

    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, feeds: Collection[Feed]) -> Self:
        """Number feeds: the ledger's, and others whose rows must be told apart too."""
        return cls(
            tuple(dict.fromkeys(feed.exchange for feed in feeds)),
            tuple(dict.fromkeys(feed.symbol for feed in feeds)),
        )

    def feed(self, pair: int) -> Feed | None:
        """Return the feed of a pair's number; None if either name is unknown."""
        exchange, symbol = divmod(pair, len(self.symbols) + 1)
        return Feed(self.exchanges[exchange - 1], self.symbols[symbol - 1]) if exchange and symbol else None

    @property
    def key(self) -> str:
        """An SQL expression over exchange, symbol and sequence: the pair and the chunk in one."""
        wide = "toUInt128" if self._wide else "toUInt64"
        return f"bitShiftLeft({wide}({self._pair_sql}), {_CHUNK_BITS}) + intDiv(sequence, {CHUNK})"

    def since(self, first: Mapping[Feed, int]) -> str:
        """Return an SQL condition that excludes rows below a sequence of their feed.

        As a condition it is tried before anything else is read of them. Rows of other feeds stay in.

        Args:
            first: the first sequence that is wanted of each feed; all of them have numbers.
        """
        numbers = [self._pair(feed) for feed in first]
        return f"sequence >= transform({self._pair_sql}, {numbers}, {list(map(int, first.values()))}, 0)"

    def among(self, feeds: Collection[Feed]) -> str:
        """Return an SQL condition over exchange and symbol: they are a feed of these, which have numbers."""
        return f"{self._pair_sql} IN ({', '.join(str(self._pair(feed)) for feed in feeds)})"

    def of_run(self, first: Mapping[Feed, int]) -> str:
        """Return an SQL condition: a row is of one of the feeds, at or above its first sequence."""
        return f"{self.among(first)} AND {self.since(first)}"

    def nameless(self) -> str:
        """Return an SQL condition over exchange and symbol: one of them has no number."""
        return f"({_number('exchange', self.exchanges)} = 0 OR {_number('symbol', self.symbols)} = 0)"

    def keys_of(self, chunks: Collection[ChunkKey]) -> str:
        """Return the keys of some chunks as an SQL list."""
        keys = [(self._pair(chunk.feed) << _CHUNK_BITS) + chunk.chunk for chunk in chunks]
        return ", ".join(f"toUInt128('{key}')" if self._wide else str(key) for key in keys)

    def chunk_of(self, key: int) -> ChunkKey:
        """Return the chunk of one of `keys_of`."""
        feed = self.feed(key >> _CHUNK_BITS)
        if feed is None:
            raise ReaderError(f"key {key} of a chunk of no feed came")
        return ChunkKey(feed, key & ((1 << _CHUNK_BITS) - 1))

    def unpacked(self, key: str) -> tuple[str, str]:
        """Return SQL expressions of a key's pair and chunk."""
        return (
            f"toUInt32(bitShiftRight({key}, {_CHUNK_BITS}))",
            f"toUInt64(bitAnd({key}, {(1 << _CHUNK_BITS) - 1}))",
        )

    def _pair(self, feed: Feed) -> int:
        exchange, symbol = self.exchanges.index(feed.exchange), self.symbols.index(feed.symbol)
        return (exchange + 1) * (len(self.symbols) + 1) + symbol + 1

    @property
    def _wide(self) -> bool:
        # So many feeds that pair and chunk don't fit into 64 bits are rare: 128 are slower.
        return (len(self.exchanges) + 1) * (len(self.symbols) + 1) > 1 << (_SEQUENCE_BITS - _CHUNK_BITS)

    @property
    def _pair_sql(self) -> str:
        exchange = f"CAST({_number('exchange', self.exchanges)} AS UInt32)"
        symbol = f"CAST({_number('symbol', self.symbols)} AS UInt32)"
        return f"({exchange} * {len(self.symbols) + 1} + {symbol})"


def _number(column: str, names: Sequence[str]) -> str:
    listed = ", ".join(map(literal, names))
    return f"transform({column}, [{listed}], {list(range(1, len(names) + 1))}, 0)"
