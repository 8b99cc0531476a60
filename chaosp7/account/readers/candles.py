"""Read a candle tier: all its candles of all window lengths, from some moment on."""

from __future__ import annotations

from collections.abc import Sequence

from chaosp7.account.candles import Candle, CandleKey, candles_of_columns
from chaosp7.account.readers.table_rows import Query
from chaosp7.errors import ReaderError

__all__ = ["CandleReader"]

_VALUES = ("open_e8", "high_e8", "low_e8", "close_e8", "volume_e8", "quote_volume_e8", "trade_count")


class CandleReader:
    """Candles of one tier.

    Args:
        query: runs a SELECT and returns its columns; raises `ReaderError`.
        rows_sql: the tier's SELECT (see `chaosp7.platform.model.Tier.rows`).
        windows_s: lengths of the windows, seconds.
    """

    def __init__(self, query: Query, rows_sql: str, windows_s: Sequence[int]) -> None:
        self._query = query
        self._rows_sql = rows_sql
        self._windows_s = tuple(windows_s)

    def read(self, since_s: int) -> dict[int, dict[CandleKey, Candle]]:
        """Return window length in seconds -> the candles of windows that end after a moment.

        Args:
            since_s: the moment, Unix seconds.

        Raises:
            ReaderError: if the tier can't be read, or gives candles of a length nobody knows.
        """
        lengths, *columns = self._query(
            f"SELECT window_s, exchange, symbol, window_start_s, {', '.join(_VALUES)} "
            f"FROM ({self._rows_sql}) WHERE window_start_s + window_s > {since_s}",
            4 + len(_VALUES),
        )
        rows: dict[int, list[int]] = {length_s: [] for length_s in self._windows_s}
        for i, length_s in enumerate(lengths):
            if length_s not in rows:
                raise ReaderError(f"candles of {length_s} s, which the platform file doesn't list")
            rows[int(length_s)].append(i)
        result = {}
        for length_s, mine in rows.items():
            exchanges, symbols, starts, *values = ([column[i] for i in mine] for column in columns)
            result[length_s] = candles_of_columns(exchanges, symbols, starts, *values)
        return result
