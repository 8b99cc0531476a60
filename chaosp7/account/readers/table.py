"""Read a ClickHouse table tier: accounted inside ClickHouse, over chunks of sequences.

What comes back: digests per chunk; of chunks that differ their runs, for which only sequences are
read; of chunks that the runs don't explain XORs of their pieces; rows only of those that these don't
explain either. The same SQL is right on a Distributed table: counts, sums and XORs add up over shards,
and runs are made only of what all shards have given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.pieces import BITS, PIECE, PIECES, ChunkPieces
from chaosp7.account.readers.feed_numbers import FeedNumbers
from chaosp7.account.readers.table_rows import Query, StrayRow, TableRows
from chaosp7.account.rows import Rows
from chaosp7.account.runs import ChunkRuns
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import literal

__all__ = ["TableReader"]

#: Runs of one chunk that are told; where there are more of them, its rows are examined instead.
RUNS_MAX = 256

#: Of all rows: larger blocks than usual save a tenth of the time.
_BLOCK_BYTES = 16_000_000

#: Chunks of one feed whose digests come in one row.
_PART = 256

_DIGEST = "count() AS rows, sum(checksum) AS sum, groupBitXor(checksum) AS xor"
_DIGESTS = f"intDiv(sequence, {CHUNK}) AS chunk, {_DIGEST}"


class TableReader:
    """Digests and rows of one table tier.

    Args:
        query: runs a SELECT and returns its columns; raises `ReaderError`.
        rows_sql: the tier's SELECT (see `chaosp7.platform.model.Tier.rows`).
        strays: rows that are left out: they were there before the run.
    """

    def __init__(self, query: Query, rows_sql: str, strays: Collection[StrayRow] = ()) -> None:
        self._query = query
        self._rows = TableRows(query, rows_sql, strays)

    def digests(self, table: DigestTable) -> DigestTable:
        """Fill a table with the digests of everything at or above the run's first sequences.

        Args:
            table: an empty one of the run: ``expected(...).table()``.

        Returns:
            The same table.

        Raises:
            ReaderError: if the tier can't be read.
        """
        numbers = FeedNumbers.of(table.first)
        pair, chunk = numbers.unpacked("key")
        # Strings as keys, or several, would cost a third of the time; columns of 64 bits for each
        # chunk's number and count half of the answer. Of four billion rows or more in a chunk the
        # count is too low: it is none of the ledger's, and what comes after it will not agree.
        parts = self._query(
            f"SELECT {pair} AS pair, intDiv({chunk}, {_PART}) AS part, "
            f"groupArray((toUInt8({chunk} % {_PART}), toUInt32(least(rows, 4294967295)), sum, xor)) FROM ("
            f"SELECT {numbers.key} AS key, {_DIGEST} FROM ({self._rows.sql}) "
            f"WHERE {numbers.since(table.first)} GROUP BY key"
            f") GROUP BY pair, part SETTINGS preferred_block_size_bytes = {_BLOCK_BYTES}",
            3,
        )
        nameless = 0
        for number, part, digests in zip(*parts, strict=True):
            places, counts, sums, xors = zip(*digests, strict=True)
            feed = numbers.feed(number)
            if feed is None:
                nameless += sum(counts)
                continue
            chunks = [int(part) * _PART + int(place) for place in places]
            table.add_digests(
                [feed.exchange] * len(chunks), [feed.symbol] * len(chunks), chunks, counts, sums, xors
            )
        if nameless:
            self._add_nameless(table, numbers, nameless)
        return table

    def _add_nameless(self, table: DigestTable, numbers: FeedNumbers, rows: int) -> None:
        """Add the digests of exchanges or symbols that the ledger has no name of."""
        answer = self._query(
            f"SELECT exchange, symbol, {_DIGESTS} FROM ({self._rows.sql}) "
            f"WHERE {numbers.nameless()} GROUP BY exchange, symbol, chunk",
            6,
        )
        if (found := sum(answer[3])) < rows:
            raise ReaderError(f"{rows} rows of unknown feeds were counted, but only {found} were found again")
        table.add_digests(*answer)

    def strays(self, first: Mapping[Feed, int], most: int) -> tuple[list[StrayRow], list[StrayRow]]:
        """Return rows that the run's own can't be told from: ask before it sends anything.

        Args:
            first: the first sequence that the run will send of each feed.
            most: how many unlike rows are told of either kind; one more says that there are more.

        Returns:
            Rows at or above the run's first sequences, and rows of what are none of its feeds.

        Raises:
            ReaderError: if the tier can't be read.
        """
        numbers = FeedNumbers.of(first)
        return self._rows.strays(numbers.of_run(first), most), self._rows.strays(
            f"NOT ({numbers.among(first)})", most
        )

    def more_strays(self) -> int:
        """Return how many rows came since that are like those left out; see `TableRows.more_strays`."""
        return self._rows.more_strays()

    def runs(self, keys: Sequence[ChunkKey], first: Mapping[Feed, int]) -> Iterable[ChunkRuns]:
        """Return what there is of some chunks, and how often.

        A chunk in more than `RUNS_MAX` pieces comes without its runs.

        Args:
            keys: the chunks.
            first: the run's first sequence per feed, the digests' ``table.first``.

        Raises:
            ReaderError: if the tier can't be read.
        """
        numbers, of_chunks = _of_chunks(keys, first)
        gathered = (
            f"SELECT {numbers.key} AS key, groupArray(toUInt16(sequence % {CHUNK})) AS places "
            f"FROM ({self._rows.sql}) WHERE {of_chunks} GROUP BY key"
        )
        # Layers lie two chunks apart, so that none touches the next.
        layered = (
            "SELECT key, arraySort(places) AS ordered, "
            f"arraySort(arrayMap((place, copy) -> toUInt64((copy - 1) * {2 * CHUNK} + place), ordered, "
            f"arrayEnumerateUniq(ordered))) AS layers, arrayDifference(layers) AS steps FROM ({gathered})"
        )
        runs = (
            "SELECT key, length(ordered) AS rows, "
            "arrayFilter((place, step) -> step != 1, layers, steps) AS firsts, "
            "arrayFilter((place, step) -> step != 1, layers, arrayPushBack(arrayPopFront(steps), 0)) "
            f"AS lasts FROM ({layered})"
        )
        answer = self._query(
            f"SELECT key, rows, {_places('firsts')}, {_places('lasts')} FROM ({runs})",
            4,
        )
        for key, rows, firsts, lasts in zip(*answer, strict=True):
            yield ChunkRuns(numbers.chunk_of(key), rows, firsts, lasts)

    def pieces(self, keys: Sequence[ChunkKey], first: Mapping[Feed, int]) -> Iterable[ChunkPieces]:
        """Return the XORs of some chunks' pieces.

        Args:
            keys: the chunks.
            first: the run's first sequence per feed, the digests' ``table.first``.

        Raises:
            ReaderError: if the tier can't be read.
        """
        with_bit = [f"groupBitXor(checksum * bitTest(sequence, {bit})) AS xor_{bit}" for bit in range(BITS)]
        xors = ["xor", *(f"xor_{bit}" for bit in range(BITS))]
        numbers, of_chunks = _of_chunks(keys, first)
        answer = self._query(
            f"SELECT key, groupArray((piece, {', '.join(xors)})) FROM ("
            f"SELECT {numbers.key} AS key, toUInt8(intDiv(sequence, {PIECE}) % {PIECES}) AS piece, "
            f"groupBitXor(checksum) AS xor, {', '.join(with_bit)} FROM ({self._rows.sql}) "
            f"WHERE {of_chunks} GROUP BY key, piece) GROUP BY key",
            2,
        )
        for key, pieces in zip(*answer, strict=True):
            found = np.zeros((PIECES, 1 + BITS), dtype=np.uint64)
            for piece, *values in pieces:
                found[piece] = values
            yield ChunkPieces(numbers.chunk_of(key), found)

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
            f"SELECT exchange, symbol, sequence, checksum FROM ({self._rows.sql}) WHERE {wanted}",
            4,
        )
        exchanges, symbols, sequences, checksums = answer
        yield Rows.from_columns(index, exchanges, symbols, sequences, checksums)


def _of_chunks(keys: Sequence[ChunkKey], first: Mapping[Feed, int]) -> tuple[FeedNumbers, str]:
    """Return the numbers of all feeds, and the condition that a row is of one of the chunks."""
    chunks: dict[str, set[int]] = {}
    for key in keys:
        chunks.setdefault(key.feed.symbol, set()).add(key.chunk)
    # This is what the order of a tier's table prunes by; the exchange is often no column. Symbols
    # and chunks in pairs would prune as well, but be compared as text, row by row.
    prunes = " OR ".join(
        f"(symbol = {literal(symbol)} "
        f"AND intDiv(sequence, {CHUNK}) IN ({', '.join(map(str, sorted(wanted)))}))"
        for symbol, wanted in chunks.items()
    )
    numbers = FeedNumbers.of([*first, *(key.feed for key in keys)])
    wanted_keys = f"{numbers.key} IN ({numbers.keys_of(keys)})"
    return numbers, f"({prunes}) AND {wanted_keys} AND {numbers.since(first)}"


def _places(column: str) -> str:
    return f"if(length(firsts) > {RUNS_MAX}, [], arrayMap(place -> toUInt16(place % {2 * CHUNK}), {column}))"
