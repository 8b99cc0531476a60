"""Read candles of an Iceberg table that holds versions of them: of each the highest one counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.types import TimestampType, TimestamptzType

from chaosp7.account.candles import Candle, CandleKey, candles_of_columns
from chaosp7.account.feeds import Feed
from chaosp7.account.readers.iceberg import batches, can_hold
from chaosp7.account.readers.iceberg_columns import coded, integers, sums_e8, times_ms
from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg import data_files_after
from chaosp7.platform.model import IcebergSource

__all__ = ["CandleVersions", "IcebergCandleReader"]

#: What a candle shows, in the order of `candles_of_columns`.
VALUES: Final = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count")
#: Of these, what isn't an amount.
_COUNT: Final = "trade_count"
_KEYS: Final = ("exchange", "symbol", "window_start", "version")
#: A time's largest value in microseconds.
_END_US: Final = (1 << 63) - 1


class CandleVersions:
    """Of each candle that ends after some moment the version that counts, from the files read so far.

    Args:
        source: says what the table's columns are called.
        windows_s: lengths of the windows that are wanted, seconds.
        since_s: the moment, Unix seconds.
        values: which of a candle's values are read.
    """

    def __init__(
        self, source: IcebergSource, windows_s: Sequence[int], since_s: int, values: Sequence[str] = VALUES
    ) -> None:
        self._source = source
        self._windows_s = tuple(windows_s)
        self._since_s = since_s
        self._values = tuple(values)
        self._versions: dict[tuple[int, CandleKey], tuple[int, tuple[int, ...]]] = {}
        self.others: set[int] = set()
        """Lengths of other candles, seconds."""

    def add(self, table: Table, files: Sequence[DataFile]) -> None:
        """Take in what some data files hold.

        Args:
            table: of the snapshot that has them.
            files: the data files; what was read already may come again.

        Raises:
            ReaderError: if they can't be read, or a candle has two rows of one version that differ.
        """
        with_length = "window_s" in self._source.columns
        names = (*_KEYS, *(("window_s",) if with_length else ()), *self._values)
        files = [file for file in files if self._can_hold(table, file)]
        for batch in batches(table, self._source, files, names):
            self._add(batch, with_length=with_length)

    def values(self) -> Iterator[tuple[int, CandleKey, tuple[int, ...]]]:
        """Yield window length, key and the values that count of each candle."""
        for (length_s, key), (_, values) in self._versions.items():
            yield length_s, key, values

    def _can_hold(self, table: Table, file: DataFile) -> bool:
        """Return whether a file can have windows that end after the moment, by its statistics."""
        column = self._source.columns["window_start"]
        if column not in table.schema().column_names:
            return True  # whoever reads it says what is wrong
        if not isinstance(table.schema().find_type(column), TimestampType | TimestamptzType):
            return True
        return can_hold(table, column, file, [((self._since_s - max(self._windows_s)) * 1_000_000, _END_US)])

    def _add(self, batch: pa.RecordBatch, *, with_length: bool) -> None:
        for name in batch.schema.names:
            if nulls := batch.column(name).null_count:
                raise ReaderError(f"Iceberg table {self._source.table}: {nulls} candles without {name!r}")
        exchanges, exchange_names = coded(batch.column("exchange"))
        symbols, symbol_names = coded(batch.column("symbol"))
        starts = (times_ms(batch.column("window_start"), "window_start") // 1000).tolist()
        lengths = (
            integers(batch.column("window_s"), "window_s").tolist()
            if with_length
            else [self._windows_s[0]] * batch.num_rows
        )
        rows = zip(
            lengths,
            exchanges.tolist(),
            symbols.tolist(),
            starts,
            integers(batch.column("version"), "version").tolist(),
            zip(*(_values(batch, name) for name in self._values), strict=True),
            strict=True,
        )
        for length_s, exchange, symbol, start_s, version, values in rows:
            if start_s + length_s <= self._since_s:
                continue
            if length_s not in self._windows_s:
                self.others.add(length_s)
                continue
            feed = Feed(exchange_names[exchange].lower(), symbol_names[symbol])
            self._take(length_s, CandleKey(feed, start_s), version, values)

    def _take(self, length_s: int, key: CandleKey, version: int, values: tuple[int, ...]) -> None:
        known = self._versions.get((length_s, key))
        if known is None or version > known[0]:
            self._versions[length_s, key] = version, values
        elif version == known[0] and values != known[1]:
            which = f"the candle of {key.feed} at {key.start_s}, {length_s} s"
            raise ReaderError(
                f"Iceberg table {self._source.table}: {which}, has two rows of version {version} that differ"
            )


def _values(batch: pa.RecordBatch, name: str) -> list[int]:
    column = batch.column(name)
    if name != _COUNT:
        return sums_e8(column, name)
    counts: list[int] = integers(column, name).tolist()
    return counts


class IcebergCandleReader:
    """Candles of one snapshot of a table.

    Args:
        table: as it was loaded.
        source: says what its columns are called.
        windows_s: lengths of the windows, seconds.
    """

    def __init__(self, table: Table, source: IcebergSource, windows_s: Sequence[int]) -> None:
        self._table = table
        self._source = source
        self._windows_s = tuple(windows_s)

    def read(self, since_s: int) -> dict[int, dict[CandleKey, Candle]]:
        """Return window length in seconds -> the candles of windows that end after a moment.

        Args:
            since_s: the moment, Unix seconds.

        Raises:
            ReaderError: if not every file could be read, or it has candles of a length nobody knows.
        """
        versions = CandleVersions(self._source, self._windows_s, since_s)
        versions.add(self._table, data_files_after(self._table, 0))
        if versions.others:
            raise ReaderError(f"candles of {min(versions.others)} s, which the platform file doesn't list")
        rows: dict[int, list[tuple[CandleKey, tuple[int, ...]]]] = {size: [] for size in self._windows_s}
        for length_s, key, values in versions.values():
            rows[length_s].append((key, values))
        return {
            length_s: candles_of_columns(
                [key.feed.exchange for key, _ in mine],
                [key.feed.symbol for key, _ in mine],
                [key.start_s for key, _ in mine],
                *([values[i] for _, values in mine] for i in range(len(VALUES))),
            )
            for length_s, mine in rows.items()
        }
