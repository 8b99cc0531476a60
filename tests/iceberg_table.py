"""A real Iceberg table in a folder: an SQLite catalog, and Parquet files beside it."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from chaosp7.account.ledger import Records
from chaosp7.platform.iceberg import IcebergStart, open_catalog
from chaosp7.platform.model import IcebergSource

SCHEMA = pa.schema(
    [
        ("exchange", pa.string()),
        ("symbol", pa.string()),
        ("source_sequence", pa.int64()),
        ("price", pa.decimal128(38, 8)),
        ("quantity", pa.decimal128(38, 8)),
        ("side", pa.string()),
        ("trade_time", pa.timestamp("us", tz="UTC")),
    ]
)
COLUMNS = {name: name for name in ("exchange", "symbol", "price", "quantity", "side", "trade_time")}


class IcebergTable:
    """One table.

    Args:
        folder: where it is made.
        properties: of the table.
    """

    def __init__(self, folder: Path, properties: dict[str, str] | None = None) -> None:
        self.source = IcebergSource(
            table="cold.trades",
            catalog={
                "type": "sql",
                "uri": f"sqlite:///{folder / 'catalog.db'}",
                "warehouse": f"file://{folder / 'warehouse'}",
            },
            columns=COLUMNS | {"sequence": "source_sequence"},
        )
        self._catalog = open_catalog(self.source.catalog)
        self._catalog.create_namespace("cold")
        self.table = self._catalog.create_table("cold.trades", SCHEMA, properties=properties or {})

    def make_anew(self) -> None:
        """Drop it and make it again: by the same name, and empty."""
        self._catalog.drop_table("cold.trades")
        self.table = self._catalog.create_table("cold.trades", SCHEMA)

    def start(self) -> IcebergStart:
        """Return it as it is now."""
        return IcebergStart.of(self.source, lambda service: service)

    def append(self, records: Records, feeds: Sequence[Any], **changed: list[Any]) -> None:
        """Commit messages of a ledger; columns can be given anew."""
        self.table.append(self.rows(records, feeds, **changed))

    def rows(self, records: Records, feeds: Sequence[Any], **changed: list[Any]) -> pa.Table:
        """Return messages of a ledger as the table holds them."""
        columns: dict[str, list[Any]] = {
            "exchange": [feeds[i].exchange for i in records["feed"].tolist()],
            "symbol": [feeds[i].symbol for i in records["feed"].tolist()],
            "source_sequence": records["sequence"].tolist(),
            "price": [Decimal(value).scaleb(-8) for value in records["price_e8"].tolist()],
            "quantity": [Decimal(value).scaleb(-8) for value in records["quantity_e8"].tolist()],
            "side": [("BUY", "SELL")[side] for side in records["side"].tolist()],
            "trade_time": [1000 * ms for ms in records["trade_time_ms"].tolist()],
        }
        return pa.table(columns | changed, schema=SCHEMA)
