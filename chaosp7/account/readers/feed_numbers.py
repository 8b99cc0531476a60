"""Feeds as numbers, made in SQL: ClickHouse groups by one integer far faster than by names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import literal

__all__ = ["FeedNumbers", "of_the_run"]

_SEQUENCE_BITS: Final = 64
_CHUNK_BITS: Final = _SEQUENCE_BITS - (CHUNK.bit_length() - 1)


@dataclass(frozen=True, slots=True)
class FeedNumbers:
    """Numbers of some feeds' exchanges and symbols, from 1, and of their pairs; 0 is any other name.

    ``pair = exchange * (symbols + 1) + symbol``; the first number that no pair has is for what is
    below the run's first sequences.
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

    @property
    def earlier(self) -> int:
        """The number of all that earlier runs have left, whatever its feed."""
        return (len(self.exchanges) + 1) * (len(self.symbols) + 1)

    def feed(self, pair: int) -> Feed | None:
        """Return the feed of a pair's number; None if either name is unknown."""
        exchange, symbol = divmod(pair, len(self.symbols) + 1)
        return Feed(self.exchanges[exchange - 1], self.symbols[symbol - 1]) if exchange and symbol else None

    def key(self, first: Mapping[Feed, int]) -> str:
        """Return an SQL expression over exchange, symbol and sequence: the pair and the chunk in one.

        Rows below a feed's first sequence get one key of their own. A condition instead would have
        ClickHouse read the columns in two steps, which costs a fifth of the time.

        Args:
            first: the run's first sequence per feed.
        """
        exchange = f"CAST({_number('exchange', self.exchanges)} AS UInt32)"
        symbol = f"CAST({_number('symbol', self.symbols)} AS UInt32)"
        pair = f"({exchange} * {len(self.symbols) + 1} + {symbol})"
        numbers = [self._pair(feed) for feed in first]
        wide = "toUInt128" if self._wide else "toUInt64"
        return (
            f"if(sequence < transform({pair}, {numbers}, {list(map(int, first.values()))}, 0), "
            f"bitShiftLeft({wide}({self.earlier}), {_CHUNK_BITS}), "
            f"bitShiftLeft({wide}({pair}), {_CHUNK_BITS}) + intDiv(sequence, {CHUNK}))"
        )

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
        return self.earlier >= 1 << (_SEQUENCE_BITS - _CHUNK_BITS)

    def nameless(self) -> str:
        """Return an SQL condition over exchange and symbol: one of them has no number."""
        return f"({_number('exchange', self.exchanges)} = 0 OR {_number('symbol', self.symbols)} = 0)"


def of_the_run(first: Mapping[Feed, int]) -> str:
    """Return an SQL condition that excludes earlier runs' rows.

    Those of feeds that nobody knows stay in, to be unexpected.

    Args:
        first: the run's first sequence per feed.
    """
    earlier = " OR ".join(
        f"(exchange = {literal(feed.exchange)} AND symbol = {literal(feed.symbol)} AND sequence < {sequence})"
        for feed, sequence in first.items()
    )
    return f"NOT ({earlier})"


def _number(column: str, names: Sequence[str]) -> str:
    listed = ", ".join(map(literal, names))
    return f"transform({column}, [{listed}], {list(range(1, len(names) + 1))}, 0)"
