-- One exchange's topic -> raw and bronze:
--   trades_x_queue (Kafka) -> trades_x_stream (Null) -> raw_trades_x, bronze_trades_x
-- The Kafka engine is at-least-once: it commits an offset only after every view has written the
-- block, so after a kill it reads some messages again. Each of the two views therefore skips what
-- its own table has: an offset is stored in the same atomic part as its row, and the partition key
-- makes the highest one per partition a matter of the parts' metadata. Neither view reads the
-- other's table, for a kill between the two writes would otherwise leave a hole in the second.
-- RawBLOB instead of JSONAsString: a message that isn't JSON must not stop the stream.
DROP TABLE IF EXISTS k2.trades_${exchange}_queue;

CREATE TABLE k2.trades_${exchange}_queue (message String)
ENGINE = Kafka SETTINGS
    kafka_broker_list = '$brokers',
    kafka_topic_list = 'market.crypto.trades.$exchange.raw',
    kafka_group_name = 'clickhouse_bronze_${exchange}_consumer',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = 1,
    kafka_thread_per_consumer = 1,
    kafka_max_block_size = 20000,
    kafka_poll_max_batch_size = 20000,
    kafka_flush_interval_ms = $flush_interval_ms,
    kafka_poll_timeout_ms = $poll_timeout_ms,
    kafka_consumer_reschedule_ms = $reschedule_ms,
    kafka_client_id = 'clickhouse-$exchange';

CREATE TABLE IF NOT EXISTS k2.trades_${exchange}_stream (
    message String,
    topic LowCardinality(String),
    partition UInt16,
    offset UInt64,
    kafka_timestamp DateTime64(3, 'UTC')
) ENGINE = Null;

CREATE TABLE IF NOT EXISTS k2.raw_trades_$exchange (
    message String,
    symbol LowCardinality(String),
    sequence UInt64,
    topic LowCardinality(String),
    partition UInt16,
    offset UInt64,
    kafka_timestamp DateTime64(3, 'UTC'),
    ingested_at DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
PARTITION BY (partition, intDiv(offset, 1000000))
ORDER BY (symbol, sequence)
TTL toDateTime(ingested_at) + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS k2.raw_trades_${exchange}_mv TO k2.raw_trades_$exchange AS
WITH (
    SELECT mapFromArrays(groupArray(p), groupArray(n))
    FROM (SELECT partition AS p, max(offset) + 1 AS n FROM k2.raw_trades_$exchange GROUP BY partition)
) AS stored
SELECT
    message,
    $symbol AS symbol,
    $sequence AS sequence,
    topic,
    partition,
    offset,
    kafka_timestamp
FROM k2.trades_${exchange}_stream
WHERE offset >= stored[partition];
