"""The rows of a ClickHouse tier as the account takes them: each with its checksum, and none without a number.

A value that is NULL is as wrong as any other that wasn't sent: a row without a sequence has one that nothing
was sent under, a row without a price a checksum that its message hasn't. Only columns that can be NULL are
wrapped for it: by a column that is wrapped ClickHouse can't leave out what it needn't read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from chaosp7.account import checksum
from chaosp7.errors import ReaderError

__all__ = ["Query", "StrayRow", "TableRows"]

#: Runs a query with so many columns and returns one sequence per column.
Query = Callable[[str, int], Sequence[Any]]

#: Nothing is ever sent under it: a source would need a thousand years to come there.
_NO_SEQUENCE: Final = (1 << 64) - 1
#: What stands for a checksum of NULL: by chance one message in 2^64 has it.
_NO_CHECKSUM: Final = 0

_NUMBERS: Final = ("sequence", "price_e8", "quantity_e8", "trade_time_ms", "side")
#: Types of whole numbers, and what they can be wrapped in without being others. Not the wider ones: cut to 64
#: bits a wrong number could be the message's.
_WHOLE: Final = re.compile(
    r"(?:SimpleAggregateFunction\(\w+, )?(?:LowCardinality\()?(?:Nullable\()?"
    r"(?:U?Int(?:8|16|32|64)|Bool|Enum(?:8|16)\(.*\))\)*"
)

#: A row as one number: names may be long, or no text at all.
_HASH: Final = "cityHash64(exchange, symbol, sequence, checksum)"


class StrayRow(NamedTuple):
    """Rows that were there before the run where the run's own rows will be, all of them alike.

    Attributes:
        hash: of names, sequence and checksum.
        rows: how many there were.
        exchange, symbol, sequence: to tell them by.
    """

    hash: int
    rows: int
    exchange: str
    symbol: str
    sequence: int


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
        """The SELECT, without the strays.

        Raises:
            ReaderError: the server doesn't tell the columns' types, or a number isn't a whole one.
        """
        if not self._strays:
            return self._everything
        return f"SELECT * FROM ({self._everything}) WHERE NOT ({self._among_strays})"

    def strays(self, condition: str, most: int) -> list[StrayRow]:
        """Return the rows of a condition, alike ones together.

        Args:
            condition: over exchange, symbol, sequence and checksum.
            most: how many kinds are told; one more says that there are more.

        Raises:
            ReaderError: if the tier can't be read.
        """
        kinds = self._query(
            f"SELECT {_HASH} AS hash, count() AS rows, any(exchange), any(symbol), any(sequence) "
            f"FROM ({self._everything}) WHERE {condition} GROUP BY hash LIMIT {most + 1} "
            # As soon as there are more: of a hundred million rows none need be kept.
            f"SETTINGS max_rows_to_group_by = {most}, group_by_overflow_mode = 'break'",
            5,
        )
        return [StrayRow(*kind) for kind in zip(*kinds, strict=True)]

    def more_strays(self) -> int:
        """Return how many rows there are by now beyond those that are left out, though they are like them.

        Raises:
            ReaderError: if the tier can't be read.
        """
        if not self._strays:
            return 0
        before = {stray.hash: stray.rows for stray in self._strays}
        now = self._query(
            f"SELECT {_HASH} AS hash, count() FROM ({self._everything}) "
            # Most rows ever stored are told by their sequence alone: nothing else need be read of them.
            f"WHERE sequence IN ({_listed({stray.sequence for stray in self._strays})}) "
            f"AND {self._among_strays} GROUP BY hash",
            2,
        )
        return sum(max(0, rows - before[kind]) for kind, rows in zip(*now, strict=True))

    @property
    def _among_strays(self) -> str:
        return f"{_HASH} IN ({_listed(stray.hash for stray in self._strays)})"

    @cached_property
    def _everything(self) -> str:
        types = self._types
        for name in _NUMBERS:
            if not _WHOLE.fullmatch(types[name]):
                # Cut to one it could be that of the message, though it isn't what is there.
                raise ReaderError(f"column {name!r} must be of whole numbers of 64 bits, not {types[name]}")
        nullable = {name for name, kind in types.items() if "Nullable(" in kind}
        exchange, symbol = (
            f"ifNull(toString({n}), '')" if n in nullable else n for n in ("exchange", "symbol")
        )
        sequence, mixed = "toUInt64(sequence)", checksum.SQL
        if "sequence" in nullable:
            sequence = f"ifNull({sequence}, toUInt64({_NO_SEQUENCE}))"
        if nullable.intersection(_NUMBERS):
            mixed = f"ifNull({mixed}, toUInt64({_NO_CHECKSUM}))"
        return (
            f"SELECT {exchange} AS exchange, {symbol} AS symbol, {sequence} AS sequence, {mixed} AS checksum "
            f"FROM ({self._rows_sql})"
        )

    @cached_property
    def _types(self) -> dict[str, str]:
        names = ("exchange", "symbol", *_NUMBERS)
        # An aggregate of no rows: one row comes, and none is read. DESCRIBE has settings of the user's.
        columns = ", ".join(f"toTypeName(any({name}))" for name in names)
        answer = self._query(
            f"SELECT {columns} FROM ({self._rows_sql}) WHERE 0 "
            "SETTINGS empty_result_for_aggregation_by_empty_set = 0",
            len(names),
        )
        return {name: str(column[0]) for name, column in zip(names, answer, strict=True)}


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
