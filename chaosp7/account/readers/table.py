"""Read a ClickHouse table tier: accounted inside ClickHouse, over chunks of sequences.

Only digests come back, one row per feed and chunk; rows are fetched for the chunks that differ.
The same SQL is right on a Distributed table: counts, sums and XORs add up over shards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chaosp7.account import checksum
from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.rows import Rows
from chaosp7.platform.clickhouse import literal

__all__ = ["TableReader"]

#: Runs a query with so many columns and returns one sequence per column.
Query = Callable[[str, int], Sequence[Any]]


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
        answer = self._query(
            f"SELECT exchange, symbol, intDiv(sequence, {CHUNK}) AS chunk, count(), sum(checksum), "
            f"groupBitXor(checksum) FROM ({self._checksums}) WHERE {_of_the_run(table.first)} "
            "GROUP BY exchange, symbol, chunk",
            6,
        )
        exchanges, symbols, chunks, counts, sums, xors = answer
        table.add_digests(exchanges, symbols, chunks, counts, sums, xors)
        return table

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
