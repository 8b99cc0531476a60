"""Candles from before a run say when they were opened and closed, so that later trades come in rightly."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.account.candles import Candle, CandleKey, merged
from chaosp7.account.feeds import Feed
from chaosp7.platform.clickhouse import ClickHouse, literal
from chaosp7.platform.loader import load
from chaosp7.platform.model import Platform
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.candle_times import with_times

FEEDS = (Feed("kraken", "BTC/USD"), Feed("binance", "it's \\ odd"))
SIZES_S = (60, 300)
#: Of 60 s from here on; the one of 300 s has begun before it.
SINCE_S = 1260
SEEN_FROM_MS, SEEN_TO_MS = 1_200_000, 1_500_000


class Trade(NamedTuple):
    feed: Feed
    time_ms: int
    sequence: int
    price_e8: int


def candles_of(trades: list[Trade], *, as_shown: bool) -> dict[int, dict[CandleKey, Candle]]:
    """Return the candles of some trades, by window length; a tier shows no times."""
    result: dict[int, dict[CandleKey, Candle]] = {}
    for size_s in SIZES_S:
        windows: dict[CandleKey, list[Trade]] = defaultdict(list)
        for trade in sorted(trades, key=lambda one: (one.time_ms, one.sequence)):
            windows[CandleKey(trade.feed, trade.time_ms // 1000 // size_s * size_s)].append(trade)
        result[size_s] = {
            key: Candle(
                mine[0].price_e8,
                max(trade.price_e8 for trade in mine),
                min(trade.price_e8 for trade in mine),
                mine[-1].price_e8,
                len(mine),
                sum(trade.price_e8 for trade in mine),
                len(mine),
                *([] if as_shown else [(one.time_ms, one.sequence) for one in (mine[0], mine[-1])]),
            )
            for key, mine in windows.items()
            if key.start_s + size_s > SINCE_S
        }
    return result


def platform_of(trades: list[Trade], damaged: str = "") -> Platform:
    """Return the shipped platform whose silver has some trades, and a copy of the longer candles."""
    shipped = load("embedded-cold")
    told = trades or [Trade(Feed("", ""), 0, 0, 0)]
    rows = ", ".join(
        f"({literal(t.feed.exchange)}, {literal(t.feed.symbol)}, {t.sequence}, {t.time_ms})" for t in told
    )
    null = "Nullable(Int64)" if damaged else "Int64"
    columns = literal(f"exchange String, symbol String, sequence {null}, trade_time_ms {null}")
    sql = f"SELECT * FROM values({columns}, {rows}{damaged}) WHERE exchange != ''"
    replace = msgspec.structs.replace
    silver = replace(shipped.tiers["silver"], rows={"none.constants": sql})
    gold = replace(shipped.tiers["gold"], windows_s=list(SIZES_S))
    copy = replace(shipped.tiers["cold-gold"], windows_s=[300])
    return replace(shipped, tiers={**shipped.tiers, "silver": silver, "gold": gold, "cold-gold": copy})


def timed(clickhouse: ClickHouse, earlier: list[Trade], silver: list[Trade]) -> CandleBaseline:
    held = candles_of(earlier, as_shown=True)
    baseline = CandleBaseline(SINCE_S, {"gold": held, "cold-gold": {300: held[300]}})
    return with_times(baseline, platform_of(silver), clickhouse.columns)


def trades(first: int) -> st.SearchStrategy[list[Trade]]:
    """Return lists of trades whose sequences begin somewhere, at any time; some at the same one."""
    one = st.tuples(
        st.sampled_from(FEEDS), st.integers(SEEN_FROM_MS // 1000, SEEN_TO_MS // 1000), st.integers(1, 5)
    )
    return st.lists(one, max_size=12).map(
        lambda found: [
            Trade(feed, 1000 * at_s, first + i, price) for i, (feed, at_s, price) in enumerate(found)
        ]
    )


def values(candles: Mapping[CandleKey, Candle]) -> dict[CandleKey, tuple[int, ...]]:
    return {key: candle.values for key, candle in candles.items()}


@given(earlier=trades(1), run=trades(100))
def test_trades_that_come_to_candles_open_and_close_them_by_their_times(
    clickhouse: ClickHouse, earlier: list[Trade], run: list[Trade]
) -> None:
    held = timed(clickhouse, earlier, earlier).candles
    whole, of_run = candles_of([*earlier, *run], as_shown=False), candles_of(run, as_shown=False)
    for tier, sizes_s in (("gold", SIZES_S), ("cold-gold", (300,))):
        assert tuple(held[tier]) == sizes_s
        for size_s in sizes_s:
            assert values(merged(held[tier][size_s], of_run[size_s])) == values(whole[size_s])


def test_candles_whose_trades_are_gone_are_earlier_than_the_run(clickhouse: ClickHouse) -> None:
    earlier = [Trade(FEEDS[0], 1_290_000, 1, 7), Trade(FEEDS[0], 1_350_000, 2, 8)]
    held = timed(clickhouse, earlier, earlier[1:]).candles["gold"]
    assert (
        held[60][CandleKey(FEEDS[0], 1260)]
        == candles_of(earlier, as_shown=True)[60][CandleKey(FEEDS[0], 1260)]
    )
    assert held[60][CandleKey(FEEDS[0], 1320)].closed == (1_350_000, 2)
    assert timed(clickhouse, earlier, []).candles["gold"] == candles_of(earlier, as_shown=True)


def test_rows_without_a_time_or_a_sequence_tell_nothing(clickhouse: ClickHouse) -> None:
    one = Trade(FEEDS[0], 1_290_000, 4, 7)
    held = candles_of([one], as_shown=True)
    baseline = CandleBaseline(SINCE_S, {"gold": held, "cold-gold": {300: held[300]}})
    damaged = ", ('kraken', 'BTC/USD', NULL, 1295000), ('kraken', 'BTC/USD', 3, NULL), ('kraken', 'BTC/USD', NULL, NULL)"
    found = with_times(baseline, platform_of([one], damaged), clickhouse.columns).candles["gold"]
    (candle,) = found[60].values()
    assert (candle.opened, candle.closed) == ((1_290_000, 4), (1_290_000, 4))


def test_without_candles_nothing_is_asked() -> None:
    def nobody(sql: str, columns: int) -> list[object]:
        raise AssertionError((sql, columns))

    nothing: dict[int, dict[CandleKey, Candle]] = {size_s: {} for size_s in SIZES_S}
    baseline = CandleBaseline(SINCE_S, {"gold": nothing, "cold-gold": {300: {}}})
    assert with_times(baseline, platform_of([]), nobody) == baseline
