"""The processor's SQL: bronze's rows as silver's, its looks, and the repair of the candles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chaosp7.embedded.clickhouse.schema import CANDLES_SQL

__all__ = [
    "CANDLES_SQL", "CURSORS", "EXCHANGES", "GOLD_BATCH", "REPAIR_GOLD", "SILVER_BATCH", "Span", "bound",
    "bronze", "insert", "look",
]  # fmt: skip

_COLUMNS: Final = (
    "message_id, trade_id, exchange, symbol, canonical_symbol, asset_class, currency, price, quantity, "
    "quote_volume, side, trade_conditions, timestamp, ingestion_timestamp, source_sequence, "
    "platform_sequence, platform_partition, batch, vendor_data, is_valid, validation_errors"
)

#: Each exchange's bronze in terms that silver shares. `us` is the trade's time in microseconds; it
#: must not fail whatever the exchange has sent, for a row that can't be written is tried for ever.
_BRONZE: Final = {
    "binance": {
        "native": "symbol",
        "p": "toDecimal128(price, 8)",
        "q": "toDecimal128(quantity, 8)",
        "s": "toString(side)",
        "us": "toInt128(toUnixTimestamp64Milli(exchange_timestamp)) * 1000",
        "ingested": "ingestion_timestamp",
    },
    "kraken": {
        "native": "pair",
        "p": "toDecimal128OrZero(price, 8)",
        "q": "toDecimal128OrZero(volume, 8)",
        "s": "if(side = 's', 'SELL', 'BUY')",
        "us": "toInt128(toDecimal128(toDecimal64OrZero(timestamp, 6), 6) * 1000000)",
        "ingested": "ingested_at",
    },
    "coinbase": {
        "native": "symbol",
        "p": "toDecimal128(price, 8)",
        "q": "toDecimal128(quantity, 8)",
        "s": "toString(side)",
        "us": "toInt128(toUnixTimestamp64Micro(exchange_timestamp))",
        "ingested": "ingestion_timestamp",
    },
}

#: Behind the last microsecond that a candle's window can begin with or contain: DateTime ends in 2106.
_US_END: Final = (1 << 32) * 1_000_000

#: The exchanges whose bronze can be read.
EXCHANGES: Final = tuple(_BRONZE)

#: The numbers of the newest batch of silver and of gold; 0 where nothing is.
SILVER_BATCH: Final = "SELECT max(batch) FROM k2.silver_trades"
GOLD_BATCH: Final = "SELECT max(last_batch) FROM k2.ohlcv_state"

#: Next offset per exchange and partition, as silver itself has it.
CURSORS: Final = (
    "SELECT exchange, platform_partition, max(platform_sequence) + 1 FROM k2.silver_trades "
    "GROUP BY exchange, platform_partition"
)

#: Gives the candles those batches of silver that they lack. It asks gold itself what it has, in
#: the statement that writes, so it may be repeated at will.
REPAIR_GOLD: Final = (
    f"INSERT INTO k2.ohlcv_state {CANDLES_SQL} "
    f"WHERE is_valid AND batch > ({GOLD_BATCH}) GROUP BY window_s, exchange, canonical_symbol, window_start"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets ``first`` to ``end - 1`` of one partition of an exchange's topic."""

    exchange: str
    partition: int
    first: int
    end: int


def look(exchanges: Iterable[str], batch: int) -> str:
    """Return the query for what bronze has, and what is in one batch of silver.

    Bronze's answer comes from its parts' metadata and reads no row.

    Args:
        exchanges: whose bronze.
        batch: number of the batch.

    Returns:
        A SELECT of kind ('bronze' or 'silver'), exchange, partition, next offset, rows (silver).
    """
    looks = [
        f"SELECT 'bronze', '{exchange}', partition, max(offset) + 1, toUInt64(0) "
        f"FROM k2.bronze_trades_{exchange} GROUP BY partition"
        for exchange in exchanges
    ]
    looks.append(
        "SELECT 'silver', toString(exchange), platform_partition, max(platform_sequence) + 1, count() "
        f"FROM k2.silver_trades WHERE batch = {batch} GROUP BY exchange, platform_partition"
    )
    return " UNION ALL ".join(looks)


def bound(exchange: str, partition: int, first: int, rows: int) -> str:
    """Return the query for the offset behind the next so many rows; offsets may have holes."""
    return (
        f"SELECT max(offset) + 1 FROM (SELECT offset FROM k2.bronze_trades_{exchange} "
        f"WHERE partition = {partition} AND offset >= {first} ORDER BY offset LIMIT {rows})"
    )


def insert(spans: Iterable[Span], batch: int, after: int) -> str:
    """Return the statement that writes one batch of silver.

    It writes only if the newest batch is still `after`: a statement that was held up somewhere and
    arrives late does nothing once another one has been written.

    Args:
        spans: what is to be written.
        batch: number of the batch.
        after: number of the newest batch at present.
    """
    return (
        f"INSERT INTO k2.silver_trades ({_COLUMNS}) SELECT "
        "reinterpretAsUUID(sipHash128(exchange, partition, offset)), "
        "concat(upper(exchange), '-', toString(sequence)), exchange, native, canonical_symbol, 'crypto', "
        "splitByChar('/', canonical_symbol)[2], p, q, CAST(p * q AS Decimal128(8)), s, [], "
        f"fromUnixTimestamp64Micro(if((us > 0 AND us < {_US_END}) AS timely, toInt64(us), 0), 'UTC'), ingested, "
        f"sequence, offset, partition, {batch}, "
        "map('kafka_offset', toString(offset), 'kafka_partition', toString(partition)), "
        "p > 0 AND q > 0 AND timely, arrayConcat(if(p > 0, [], ['invalid_price']), "
        "if(q > 0, [], ['invalid_volume']), if(timely, [], ['invalid_timestamp'])) "
        f"FROM ({bronze(spans)}) WHERE ({SILVER_BATCH}) = {after}"
    )


def bronze(spans: Iterable[Span]) -> str:
    """Return the SELECT of some spans of bronze, in terms that all exchanges share."""
    by_exchange: dict[str, list[Span]] = {}
    for span in spans:
        by_exchange.setdefault(span.exchange, []).append(span)
    return " UNION ALL ".join(_select(exchange, own) for exchange, own in by_exchange.items())


def _select(exchange: str, spans: Iterable[Span]) -> str:
    columns = ", ".join(f"{expression} AS {name}" for name, expression in _BRONZE[exchange].items())
    wanted = " OR ".join(
        f"(partition = {span.partition} AND offset >= {span.first} AND offset < {span.end})" for span in spans
    )
    return (
        f"SELECT '{exchange}' AS exchange, canonical_symbol, sequence, partition, offset, {columns} "
        f"FROM k2.bronze_trades_{exchange} WHERE {wanted}"
    )
