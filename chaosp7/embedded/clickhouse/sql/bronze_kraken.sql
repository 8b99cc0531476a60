-- K2 orders Kraken's bronze by (pair, timestamp, price) in a ReplacingMergeTree, which collapses
-- two real trades of one time and price into one. Here it is a plain MergeTree by sequence.
CREATE TABLE IF NOT EXISTS k2.bronze_trades_kraken (
    exchange LowCardinality(String) DEFAULT 'kraken',
    channel_id UInt64,
    pair LowCardinality(String),
    canonical_symbol LowCardinality(String),
    sequence UInt64,
    price String,
    volume String,
    timestamp String,
    side Enum8('b' = 1, 's' = 2),
    order_type Enum8('l' = 1, 'm' = 2),
    misc String,
    ingestion_timestamp DateTime64(6, 'UTC'),
    partition UInt16,
    offset UInt64,
    ingested_at DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
PARTITION BY (partition, intDiv(offset, 1000000))
ORDER BY (canonical_symbol, sequence)
TTL toDateTime(ingested_at) + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS k2.bronze_trades_kraken_mv TO k2.bronze_trades_kraken AS
WITH (
    SELECT mapFromArrays(groupArray(p), groupArray(n))
    FROM (SELECT partition AS p, max(offset) + 1 AS n FROM k2.bronze_trades_kraken GROUP BY partition)
) AS stored
SELECT
    'kraken' AS exchange,
    JSONExtractUInt(message, 'channel_id') AS channel_id,
    JSONExtractString(message, 'pair') AS pair,
    $symbol AS canonical_symbol,
    $sequence AS sequence,
    JSONExtractString(message, 'price') AS price,
    JSONExtractString(message, 'volume') AS volume,
    JSONExtractString(message, 'timestamp') AS timestamp,
    if(JSONExtractString(message, 'side') = 's', 's', 'b') AS side,
    if(JSONExtractString(message, 'order_type') = 'm', 'm', 'l') AS order_type,
    JSONExtractString(message, 'misc') AS misc,
    fromUnixTimestamp64Micro(JSONExtractInt(message, 'ingestion_timestamp'), 'UTC') AS ingestion_timestamp,
    partition,
    offset
FROM k2.trades_kraken_stream
WHERE offset >= stored[partition] AND JSONExtractString(message, 'pair') != '';
