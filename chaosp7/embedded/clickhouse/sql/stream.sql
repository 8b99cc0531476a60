-- The view that makes the queue stream. It lies in a database without a disk, so that after any
-- restart nothing is read before the rest of the chain is up: a block that came before a view was
-- attached would pass that view by, and its offset would be committed.
CREATE MATERIALIZED VIEW k2_stream.${exchange}_mv TO k2.trades_${exchange}_stream AS
SELECT
    message,
    _topic AS topic,
    toUInt16(_partition) AS partition,
    _offset AS offset,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) AS kafka_timestamp
FROM k2.trades_${exchange}_queue;
