"""The tables of the cold tier: how they look, and how they are made when they aren't there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import DecimalType, IcebergType, LongType, NestedField, StringType, TimestamptzType

__all__ = ["NAMESPACE", "OHLCV", "SILVER", "ColdTable", "load_or_create"]

NAMESPACE: Final = "cold"

_AMOUNT: Final = DecimalType(38, 8)

#: Exact bounds of every column in each file's statistics, and no second try of a commit: see `commit`.
_PROPERTIES: Final = {
    "format-version": "2",
    "write.metadata.metrics.default": "full",
    "write.parquet.compression-codec": "zstd",
    "commit.retry.num-retries": "0",
}


@dataclass(frozen=True, slots=True)
class ColdTable:
    """One table.

    Attributes:
        name: in its namespace, and of its watermark.
        schema: its columns.
        order: columns by which each file's rows are sorted.
    """

    name: str
    schema: Schema
    order: tuple[str, ...]


def _schema(*columns: tuple[str, IcebergType]) -> Schema:
    return Schema(
        *(NestedField(i, name, kind, required=False) for i, (name, kind) in enumerate(columns, start=1))
    )


SILVER: Final = ColdTable(
    "silver_trades",
    _schema(
        ("exchange", StringType()),
        ("symbol", StringType()),
        ("source_sequence", LongType()),
        ("price", _AMOUNT),
        ("quantity", _AMOUNT),
        ("side", StringType()),
        ("trade_time", TimestamptzType()),
        ("batch", LongType()),
        ("processed_at", TimestamptzType()),
    ),
    ("exchange", "symbol", "source_sequence"),
)

#: Versions of candles: of each candle the one with the highest `last_batch` counts.
OHLCV: Final = ColdTable(
    "ohlcv",
    _schema(
        ("window_s", LongType()),
        ("exchange", StringType()),
        ("symbol", StringType()),
        ("window_start", TimestamptzType()),
        ("open", _AMOUNT),
        ("high", _AMOUNT),
        ("low", _AMOUNT),
        ("close", _AMOUNT),
        ("volume", _AMOUNT),
        ("quote_volume", _AMOUNT),
        ("trade_count", LongType()),
        ("last_batch", LongType()),
    ),
    ("exchange", "symbol", "window_s", "window_start"),
)


def load_or_create(catalog: Catalog, table: ColdTable) -> Table:
    """Return a table as it is now; made first if it isn't there."""
    identifier = (NAMESPACE, table.name)
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        pass
    with suppress(NamespaceAlreadyExistsError):
        catalog.create_namespace(NAMESPACE)
    try:
        return catalog.create_table(identifier, table.schema, properties=_PROPERTIES)
    except TableAlreadyExistsError:
        return catalog.load_table(identifier)
