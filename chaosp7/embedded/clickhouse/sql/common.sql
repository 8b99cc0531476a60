-- Tables that all exchanges share. Statements end with a semicolon at the end of a line.
-- Everything may be repeated: the schema is applied at each start.

CREATE DATABASE IF NOT EXISTS k2;

CREATE DATABASE IF NOT EXISTS k2_stream ENGINE = Memory;

-- Silver: K2's columns, and three more that make the processor's writes exactly-once: `batch`
-- numbers its inserts, `platform_partition` with `platform_sequence` (the offset) is its cursor.
-- The partition key is a range of batches, so max(batch) is answered from the parts' metadata.
CREATE TABLE IF NOT EXISTS k2.silver_trades (
    message_id UUID,
    trade_id String,
    exchange LowCardinality(String),
    symbol LowCardinality(String),
    canonical_symbol LowCardinality(String),
    asset_class Enum8('equities' = 1, 'crypto' = 2, 'futures' = 3, 'options' = 4),
    currency LowCardinality(String),
    price Decimal128(8),
    quantity Decimal128(8),
    quote_volume Decimal128(8),
    side Enum8('BUY' = 1, 'SELL' = 2, 'SELL_SHORT' = 3, 'UNKNOWN' = 4),
    trade_conditions Array(String),
    timestamp DateTime64(6, 'UTC'),
    ingestion_timestamp DateTime64(6, 'UTC'),
    processed_at DateTime64(6, 'UTC') DEFAULT now64(6),
    source_sequence UInt64,
    platform_sequence UInt64,
    platform_partition UInt16,
    batch UInt64,
    vendor_data Map(String, String),
    is_valid Boolean DEFAULT true,
    validation_errors Array(String) DEFAULT []
) ENGINE = MergeTree
PARTITION BY intDiv(batch, 100000)
ORDER BY (exchange, canonical_symbol, source_sequence)
TTL toDateTime(processed_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Gold: the candles of all six windows in one table, so that one insert is one part (atomic) and
-- not six; `last_batch` says up to which batch of silver they are complete.
CREATE TABLE IF NOT EXISTS k2.ohlcv_state (
    window_s UInt32,
    exchange LowCardinality(String),
    canonical_symbol LowCardinality(String),
    window_start DateTime('UTC'),
    open AggregateFunction(argMin, Decimal128(8), Tuple(DateTime64(6, 'UTC'), UInt64)),
    high SimpleAggregateFunction(max, Decimal128(8)),
    low SimpleAggregateFunction(min, Decimal128(8)),
    close AggregateFunction(argMax, Decimal128(8), Tuple(DateTime64(6, 'UTC'), UInt64)),
    volume SimpleAggregateFunction(sum, Decimal128(8)),
    quote_volume SimpleAggregateFunction(sum, Decimal128(8)),
    trade_count SimpleAggregateFunction(sum, UInt64),
    last_batch SimpleAggregateFunction(max, UInt64)
) ENGINE = AggregatingMergeTree
ORDER BY (window_s, exchange, canonical_symbol, window_start)
TTL window_start + INTERVAL 365 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS k2.ohlcv_mv TO k2.ohlcv_state AS
$candles
WHERE is_valid
GROUP BY window_s, exchange, canonical_symbol, window_start;
