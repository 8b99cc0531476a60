-- One window size as K2 has it: a table to read with a plain SELECT.
CREATE VIEW IF NOT EXISTS k2.ohlcv_$name AS
SELECT
    exchange,
    canonical_symbol,
    window_start,
    argMinMerge(s.open) AS open,
    max(s.high) AS high,
    min(s.low) AS low,
    argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume,
    sum(s.quote_volume) AS quote_volume,
    sum(s.trade_count) AS trade_count
FROM k2.ohlcv_state AS s
WHERE window_s = $seconds
GROUP BY exchange, canonical_symbol, window_start;
