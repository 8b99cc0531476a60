"""Read a ClickHouse table tier: accounted inside ClickHouse, over chunks of sequences.

What comes back: digests per chunk; of chunks that differ their runs; of chunks that the runs don't
explain their rows. The same SQL is right on a Distributed table: counts, sums and XORs add up over
shards, and runs are made only of what all shards have given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from chaosp7.account import checksum
from chaosp7.account.digest import CHUNK, ChunkKey, Digest, DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.rows import Rows
from chaosp7.account.runs import ChunkRuns
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import literal

__all__ = ["TableReader"]

#: Runs a query with so many columns and returns one sequence per column.
Query = Callable[[str, int], Sequence[Any]]

#: Runs of one chunk that are told; where there are more of them, its rows are examined instead.
RUNS_MAX = 256

#: Chunks of one feed whose digests come in one row.
_PART = 256

_DIGESTS = (
    f"intDiv(sequence, {CHUNK}) AS chunk, count() AS rows, sum(checksum) AS sum, groupBitXor(checksum) AS xor"
)


@dataclass(frozen=True, slots=True)
class _Names:
    """Exchanges and symbols of the ledger as small numbers from 1; 0 is any other name."""

    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, index: FeedIndex) -> Self:
        feeds = [index[i] for i in range(index.known)]
        return cls(
            tuple(dict.fromkeys(feed.exchange for feed in feeds)),
            tuple(dict.fromkeys(feed.symbol for feed in feeds)),
        )

    def feed(self, exchange: object, symbol: object) -> Feed | None:
        """Return the feed of two numbers; None if one of them is 0."""
        if not (isinstance(exchange, int) and isinstance(symbol, int)):
            raise ReaderError(f"exchange and symbol must be text: {exchange!r}, {symbol!r}")
        return Feed(self.exchanges[exchange - 1], self.symbols[symbol - 1]) if exchange and symbol else None


class TableReader:
    """Digests and rows of one table tier.

    Args:
        query: runs a SELECT and returns its columns; raises `ReaderError`.
        rows_sql: the tier's SELECT (see `chaosp7.platform.model.Tier.rows`).
    """

    def __init__(self, query: Query, rows_sql: str) -> None:
        self._query = query
        self._checksums = (
            f"SELECT exchange, symbol, toUInt64(sequence) AS sequence, {checksum.SQL} AS checksum "
            f"FROM ({rows_sql})"
        )

    def digests(self, table: DigestTable) -> DigestTable:
        """Fill a table with the digests of everything at or above the run's first sequences.

        Args:
            table: an empty one of the run: ``expected(...).table()``.

        Returns:
            The same table.

        Raises:
            ReaderError: if the tier can't be read.
        """
        names = _Names.of(table.feeds)
        of_the_run = _of_the_run(table.first)
        # Strings as keys would cost a fifth of the time, and a third of the answer; so would columns
        # of 64 bits for each chunk's number.
        parts = self._query(
            f"SELECT exchange_number, symbol_number, intDiv(chunk, {_PART}) AS part, "
            f"groupArray((toUInt8(chunk % {_PART}), rows, sum, xor)) FROM ("
            f"SELECT {_number('exchange', names.exchanges)} AS exchange_number, "
            f"{_number('symbol', names.symbols)} AS symbol_number, {_DIGESTS} "
            f"FROM ({self._checksums}) WHERE {of_the_run} GROUP BY exchange_number, symbol_number, chunk"
            ") GROUP BY exchange_number, symbol_number, part",
            4,
        )
        nameless = 0
        for exchange, symbol, part, digests in zip(*parts, strict=True):
            places, counts, sums, xors = zip(*digests, strict=True)
            feed = names.feed(exchange, symbol)
            if feed is None:
                nameless += sum(counts)
                continue
            chunks = [int(part) * _PART + int(place) for place in places]
            table.add_digests(
                [feed.exchange] * len(chunks), [feed.symbol] * len(chunks), chunks, counts, sums, xors
            )
        if nameless:
            self._add_nameless(table, names, of_the_run, nameless)
        return table

    def _add_nameless(self, table: DigestTable, names: _Names, of_the_run: str, rows: int) -> None:
        """Add the digests of exchanges or symbols that the ledger has no name of."""
        answer = self._query(
            f"SELECT exchange, symbol, {_DIGESTS} FROM ({self._checksums}) "
            f"WHERE ({_number('exchange', names.exchanges)} = 0 OR {_number('symbol', names.symbols)} = 0) "
            f"AND {of_the_run} GROUP BY exchange, symbol, chunk",
            6,
        )
        if (found := sum(answer[3])) < rows:
            raise ReaderError(f"{rows} rows of unknown feeds were counted, but only {found} were found again")
        table.add_digests(*answer)

    def runs(self, keys: Sequence[ChunkKey], first: Mapping[Feed, int]) -> Iterable[ChunkRuns]:
        """Return what there is of some chunks, and how often.

        A chunk in more than `RUNS_MAX` pieces comes without its runs.

        Args:
            keys: the chunks.
            first: the run's first sequence per feed, the digests' ``table.first``.

        Raises:
            ReaderError: if the tier can't be read.
        """
        # The pair is what the order of a tier's table prunes by; the exchange is often no column.
        pairs = ", ".join(sorted({f"({literal(key.feed.symbol)}, {key.chunk})" for key in keys}))
        wanted = ", ".join(
            f"({literal(key.feed.exchange)}, {literal(key.feed.symbol)}, {key.chunk})" for key in keys
        )
        chunk = f"intDiv(sequence, {CHUNK})"
        gathered = (
            f"SELECT exchange, symbol, {_DIGESTS}, groupArray(toUInt16(sequence % {CHUNK})) AS places "
            f"FROM ({self._checksums}) WHERE (symbol, {chunk}) IN ({pairs}) "
            f"AND (exchange, symbol, {chunk}) IN ({wanted}) AND {_of_the_run(first)} "
            "GROUP BY exchange, symbol, chunk"
        )
        # Layers lie two chunks apart, so that none touches the next.
        layered = (
            "SELECT exchange, symbol, chunk, rows, sum, xor, arraySort(places) AS ordered, "
            f"arraySort(arrayMap((place, copy) -> toUInt64((copy - 1) * {2 * CHUNK} + place), ordered, "
            f"arrayEnumerateUniq(ordered))) AS layers, arrayDifference(layers) AS steps FROM ({gathered})"
        )
        runs = (
            "SELECT exchange, symbol, chunk, rows, sum, xor, "
            "arrayFilter((place, step) -> step != 1, layers, steps) AS firsts, "
            "arrayFilter((place, step) -> step != 1, layers, arrayPushBack(arrayPopFront(steps), 0)) "
            f"AS lasts FROM ({layered})"
        )
        answer = self._query(
            f"SELECT exchange, symbol, chunk, rows, sum, xor, {_places('firsts')}, {_places('lasts')} "
            f"FROM ({runs})",
            8,
        )
        for exchange, symbol, number, *digest, firsts, lasts in zip(*answer, strict=True):
            yield ChunkRuns(ChunkKey(Feed(exchange, symbol), number), Digest(*digest), firsts, lasts)

    def rows(self, index: FeedIndex, keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        """Return the rows of some chunks.

        Args:
            index: numbering of the feeds, that of the digests' table.
            keys: the chunks.

        Raises:
            ReaderError: if the tier can't be read.
        """
        wanted = " OR ".join(
            f"(exchange = {literal(key.feed.exchange)} AND symbol = {literal(key.feed.symbol)} "
            f"AND sequence BETWEEN {key.first} AND {key.last})"
            for key in keys
        )
        answer = self._query(
            f"SELECT exchange, symbol, sequence, checksum FROM ({self._checksums}) WHERE {wanted}",
            4,
        )
        exchanges, symbols, sequences, checksums = answer
        yield Rows.from_columns(index, exchanges, symbols, sequences, checksums)


def _of_the_run(first: Mapping[Feed, int]) -> str:
    """Exclude earlier runs' rows; those of feeds that nobody knows stay in, to be unexpected."""
    earlier = " OR ".join(
        f"(exchange = {literal(feed.exchange)} AND symbol = {literal(feed.symbol)} AND sequence < {sequence})"
        for feed, sequence in first.items()
    )
    return f"NOT ({earlier})"


def _number(column: str, names: Sequence[str]) -> str:
    listed = ", ".join(map(literal, names))
    return f"toUInt16(transform({column}, [{listed}], {list(range(1, len(names) + 1))}, 0))"


def _places(column: str) -> str:
    return f"if(length(firsts) > {RUNS_MAX}, [], arrayMap(place -> toUInt16(place % {2 * CHUNK}), {column}))"
