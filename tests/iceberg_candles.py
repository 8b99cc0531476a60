"""A real Iceberg table of versions of candles, in a folder."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.platform.iceberg import data_files_after, open_catalog, opened
from chaosp7.platform.model import IcebergSource

_AMOUNT = pa.decimal128(38, 8)
_VALUES = ("open", "high", "low", "close", "volume", "quote_volume")
_COLUMNS = ("exchange", "symbol", "window_s", "window_start", *_VALUES, "trade_count")
SCHEMA = pa.schema(
    [
        ("exchange", pa.string()),
        ("symbol", pa.string()),
        ("window_s", pa.int64()),
        ("window_start", pa.timestamp("us", tz="UTC")),
        *((name, _AMOUNT) for name in _VALUES),
        ("trade_count", pa.int64()),
        ("last_batch", pa.int64()),
    ]
)

#: Window length in seconds, key, version, candle.
Row = tuple[int, CandleKey, int, Candle]


class IcebergCandles:
    """One table.

    Args:
        folder: where it is made.
        without: a column that the source doesn't name.
    """

    def __init__(self, folder: Path, without: str = "") -> None:
        self.source = IcebergSource(
            table="cold.ohlcv",
            catalog={
                "type": "sql",
                "uri": f"sqlite:///{folder / 'catalog.db'}",
                "warehouse": f"file://{folder / 'warehouse'}",
            },
            columns={name: name for name in _COLUMNS if name != without} | {"version": "last_batch"},
        )
        catalog = open_catalog(self.source.catalog)
        catalog.create_namespace("cold")
        self._table = catalog.create_table("cold.ohlcv", SCHEMA)

    def append(self, rows: Iterable[Row], **changed: list[Any]) -> None:
        """Commit versions of candles; columns can be given anew."""
        rows = list(rows)
        columns: dict[str, list[Any]] = {
            "exchange": [key.feed.exchange for _, key, _, _ in rows],
            "symbol": [key.feed.symbol for _, key, _, _ in rows],
            "window_s": [length_s for length_s, _, _, _ in rows],
            "window_start": [datetime.fromtimestamp(key.start_s, UTC) for _, key, _, _ in rows],
            "trade_count": [candle.trade_count for *_, candle in rows],
            "last_batch": [version for _, _, version, _ in rows],
        }
        for name in _VALUES:
            columns[name] = [Decimal(getattr(candle, f"{name}_e8")).scaleb(-8) for *_, candle in rows]
        self._table.append(pa.table(columns | changed, schema=SCHEMA))

    def now(self) -> Table:
        """Return the table as a reader finds it."""
        return opened(open_catalog(self.source.catalog), self.source.table)

    def folder_of_files(self) -> list[Path]:
        """Return where its data files lie."""
        return [Path(file.file_path.removeprefix("file://")) for file in data_files_after(self.now(), 0)]
