CREATE TABLE IF NOT EXISTS k2.bronze_trades_binance (
    exchange_timestamp DateTime64(3, 'UTC'),
    sequence_number UInt64,
    symbol LowCardinality(String),
    canonical_symbol LowCardinality(String),
    sequence UInt64,
    price Decimal(18, 8),
    quantity Decimal(18, 8),
    quote_volume Decimal(38, 8),
    side Enum8('BUY' = 1, 'SELL' = 2),
    event_time DateTime64(3, 'UTC'),
    partition UInt16,
    offset UInt64,
    ingestion_timestamp DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
PARTITION BY (partition, intDiv(offset, 1000000))
ORDER BY (canonical_symbol, sequence)
TTL toDateTime(ingestion_timestamp) + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS k2.bronze_trades_binance_mv TO k2.bronze_trades_binance AS
WITH (
    SELECT mapFromArrays(groupArray(p), groupArray(n))
    FROM (SELECT partition AS p, max(offset) + 1 AS n FROM k2.bronze_trades_binance GROUP BY partition)
) AS stored
SELECT
    fromUnixTimestamp64Milli(JSONExtractInt(message, 'T'), 'UTC') AS exchange_timestamp,
    JSONExtractUInt(message, 't') AS sequence_number,
    JSONExtractString(message, 's') AS symbol,
    $symbol AS canonical_symbol,
    $sequence AS sequence,
    toDecimal64OrZero(JSONExtractString(message, 'p'), 8) AS price,
    toDecimal64OrZero(JSONExtractString(message, 'q'), 8) AS quantity,
    CAST(toDecimal128(price, 8) * toDecimal128(quantity, 8) AS Decimal(38, 8)) AS quote_volume,
    if(JSONExtractBool(message, 'm'), 'SELL', 'BUY') AS side,
    fromUnixTimestamp64Milli(JSONExtractInt(message, 'E'), 'UTC') AS event_time,
    partition,
    offset
FROM k2.trades_binance_stream
WHERE offset >= stored[partition] AND JSONExtractString(message, 'e') = 'trade';
