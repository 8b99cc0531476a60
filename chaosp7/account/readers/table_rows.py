"""The rows of a ClickHouse tier as the account takes them: each with its checksum, and none without a number.

A value that is NULL is as wrong as any other that wasn't sent: a row without a sequence has one that nothing
was sent under, a row without a price has a checksum that no message has. Only columns that can be NULL are
wrapped for it: by a column that is wrapped ClickHouse can't leave out what it needn't read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from chaosp7.account import checksum
from chaosp7.platform.clickhouse import literal

__all__ = ["Query", "StrayRow", "TableRows"]

#: Runs a query with so many columns and returns one sequence per column.
Query = Callable[[str, int], Sequence[Any]]

#: Nothing is ever sent under it: a source would need a thousand years to come there.
_NO_SEQUENCE: Final = (1 << 64) - 1
#: By chance one message in 2^64 has it.
_NO_CHECKSUM: Final = 0

_FIELDS: Final = frozenset({"price_e8", "quantity_e8", "trade_time_ms", "side"})
_NULLABLE: Final = ("Nullable(", "LowCardinality(Nullable(")
_DESCRIBED: Final = 7


class StrayRow(NamedTuple):
    """A row that was there before the run where the run's own rows will be.

    Attributes:
        checksum: of its business fields.
    """

    exchange: str
    symbol: str
    sequence: int
    checksum: int


class TableRows:
    """The SELECT of a tier's rows: exchange, symbol, sequence, checksum.

    Args:
        query: runs a SELECT and returns its columns; raises `ReaderError`.
        rows_sql: the tier's SELECT (see `chaosp7.platform.model.Tier.rows`).
        strays: rows that are left out.
    """

    def __init__(self, query: Query, rows_sql: str, strays: Collection[StrayRow] = ()) -> None:
        self._query = query
        self._rows_sql = rows_sql
        self._strays = strays

    @cached_property
    def sql(self) -> str:
        """The SELECT. The first time it is asked for, the server is asked for the columns' types.

        Raises:
            ReaderError: if it doesn't tell them.
        """
        names, types = self._query(f"DESCRIBE TABLE ({self._rows_sql})", _DESCRIBED)[:2]
        nullable = {name for name, kind in zip(names, types, strict=True) if kind.startswith(_NULLABLE)}
        exchange, symbol = (f"ifNull({n}, '')" if n in nullable else n for n in ("exchange", "symbol"))
        sequence, mixed = "toUInt64(sequence)", checksum.SQL
        if "sequence" in nullable:
            sequence = f"ifNull({sequence}, toUInt64({_NO_SEQUENCE}))"
        if nullable & {"sequence", *_FIELDS}:
            mixed = f"ifNull({mixed}, toUInt64({_NO_CHECKSUM}))"
        everything = (
            f"SELECT {exchange} AS exchange, {symbol} AS symbol, {sequence} AS sequence, {mixed} AS checksum "
            f"FROM ({self._rows_sql})"
        )
        if not self._strays:
            return everything
        # Most rows are told by their sequence alone.
        sequences = ", ".join(map(str, sorted({stray.sequence for stray in self._strays})))
        rows = ", ".join(
            f"({literal(s.exchange)}, {literal(s.symbol)}, {s.sequence}, {s.checksum})" for s in self._strays
        )
        strays = f"sequence IN ({sequences}) AND (exchange, symbol, sequence, checksum) IN ({rows})"
        return f"SELECT * FROM ({everything}) WHERE NOT ({strays})"
