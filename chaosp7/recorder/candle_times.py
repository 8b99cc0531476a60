"""When the first and the last trade of candles took place that were there before a run.

A candle doesn't show it, and it decides whose price is the open and the close once the run's trades come to
it: an earlier run's last trade may have a later time than this one's, where a clock was set in between.
The tier that the candles are made from has the trades.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.account.feeds import Feed
from chaosp7.account.readers.table_rows import Query
from chaosp7.platform.model import Platform, TierKind
from chaosp7.recorder.candle_baseline import CandleBaseline

__all__ = ["with_times"]


def with_times(baseline: CandleBaseline, platform: Platform, query: Query) -> CandleBaseline:
    """Return a baseline whose candles say when they were opened and closed.

    A candle of which the tier before has no trade any more stays as it is: earlier than all of the run.

    Args:
        baseline: what the candles hold; nothing must be on its way to them or to the tier before.
        platform: the system under test.
        query: runs a SELECT and returns its columns.

    Raises:
        ReaderError: if the tier before can't be read.
    """
    timed: dict[str, dict[int, dict[CandleKey, Candle]]] = {}
    before = ""
    for name, tier in platform.tiers.items():
        if tier.kind is TierKind.TABLE:
            before = tier.all_rows
        elif tier.kind is TierKind.CANDLES:
            timed[name] = _timed(baseline.candles[name], before, baseline.since_s, query)
    for name, original in platform.copies.items():
        timed[name] = {length_s: timed[original][length_s] for length_s in baseline.candles[name]}
    return replace(baseline, candles={**baseline.candles, **timed})


def _timed(
    held: Mapping[int, Mapping[CandleKey, Candle]], rows_sql: str, since_s: int, query: Query
) -> dict[int, dict[CandleKey, Candle]]:
    result = {length_s: dict(candles) for length_s, candles in held.items()}
    starts = [key.start_s for candles in held.values() for key in candles]
    if not starts or not rows_sql:
        return result
    # As the candles do it: by time, and at the same time by sequence. Damaged rows may lack either.
    trades = (
        "SELECT exchange, symbol, window_s, intDiv(time_ms, window_s * 1000) * window_s AS start_s, "
        "(time_ms, assumeNotNull(sequence)) AS at FROM (SELECT exchange, symbol, sequence, "
        f"assumeNotNull(toInt64(trade_time_ms)) AS time_ms FROM ({rows_sql}) "
        f"WHERE trade_time_ms >= {min(starts)} * 1000 AND sequence IS NOT NULL) "
        f"ARRAY JOIN {sorted(held)} AS window_s"
    )
    sql = (
        "SELECT window_s, exchange, symbol, start_s, toInt64(min(at).1), toUInt64(min(at).2), "
        f"toInt64(max(at).1), toUInt64(max(at).2) FROM ({trades}) WHERE start_s + window_s > {since_s} "
        "GROUP BY window_s, exchange, symbol, start_s"
    )
    for length_s, exchange, symbol, start_s, *times in zip(*query(sql, 8), strict=True):
        key = CandleKey(Feed(exchange, symbol), int(start_s))
        candle = result[int(length_s)].get(key)
        if candle is not None:
            first_ms, first, last_ms, last = map(int, times)
            opened, closed = (first_ms, first), (last_ms, last)
            result[int(length_s)][key] = replace(candle, opened=opened, closed=closed)
    return result
