SELECT
    window_s,
    exchange,
    canonical_symbol,
    toDateTime(intDiv(toUnixTimestamp(timestamp), window_s) * window_s, 'UTC') AS window_start,
    argMinState(price, (timestamp, source_sequence)) AS open,
    max(price) AS high,
    min(price) AS low,
    argMaxState(price, (timestamp, source_sequence)) AS close,
    sum(quantity) AS volume,
    sum(quote_volume) AS quote_volume,
    count() AS trade_count,
    max(batch) AS last_batch
FROM k2.silver_trades
ARRAY JOIN arrayMap(w -> toUInt32(w), $windows) AS window_s
