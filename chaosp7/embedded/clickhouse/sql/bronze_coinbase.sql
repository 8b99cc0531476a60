CREATE TABLE IF NOT EXISTS k2.bronze_trades_coinbase (
    exchange_timestamp DateTime64(6, 'UTC'),
    sequence_number UInt64,
    symbol LowCardinality(String),
    canonical_symbol LowCardinality(String),
    trade_id String,
    sequence UInt64,
    price Decimal(18, 8),
    quantity Decimal(18, 8),
    quote_volume Decimal(38, 8),
    side Enum8('BUY' = 1, 'SELL' = 2),
    event_time DateTime64(6, 'UTC'),
    partition UInt16,
    offset UInt64,
    ingestion_timestamp DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
PARTITION BY (partition, intDiv(offset, 1000000))
ORDER BY (canonical_symbol, sequence)
TTL toDateTime(ingestion_timestamp) + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS k2.bronze_trades_coinbase_mv TO k2.bronze_trades_coinbase AS
WITH (
    SELECT mapFromArrays(groupArray(p), groupArray(n))
    FROM (SELECT partition AS p, max(offset) + 1 AS n FROM k2.bronze_trades_coinbase GROUP BY partition)
) AS stored
SELECT
    parseDateTime64BestEffortOrZero(JSONExtractString(message, 'time'), 6, 'UTC') AS exchange_timestamp,
    JSONExtractUInt(message, 'sequence_num') AS sequence_number,
    replaceAll(JSONExtractString(message, 'product_id'), '-', '') AS symbol,
    $symbol AS canonical_symbol,
    JSONExtractString(message, 'trade_id') AS trade_id,
    $sequence AS sequence,
    toDecimal64OrZero(JSONExtractString(message, 'price'), 8) AS price,
    toDecimal64OrZero(JSONExtractString(message, 'size'), 8) AS quantity,
    CAST(toDecimal128(price, 8) * toDecimal128(quantity, 8) AS Decimal(38, 8)) AS quote_volume,
    if(JSONExtractString(message, 'side') = 'SELL', 'SELL', 'BUY') AS side,
    exchange_timestamp AS event_time,
    partition,
    offset
FROM k2.trades_coinbase_stream
WHERE offset >= stored[partition]
    AND JSONExtractString(message, 'trade_id') != '' AND JSONExtractString(message, 'product_id') != '';
