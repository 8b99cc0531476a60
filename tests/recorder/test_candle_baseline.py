"""What candle tiers held before a run."""

import msgspec

from chaosp7.account.candles import CandleKey
from chaosp7.account.feeds import Feed
from chaosp7.platform.loader import load
from chaosp7.platform.model import Platform
from chaosp7.recorder.candle_baseline import CandleBaseline
from tests.clickhouse_process import ClickHouseProcess

BTC, ETH = Feed("kraken", "BTC/USD"), Feed("kraken", "ETH/USD")
#: A moment in the window of 60 s that begins at 1,260 s, and in the one of 300 s that begins at 1,200 s.
NOW_S = 1290


def platform() -> Platform:
    """Return the shipped platform with a candle table of our own, and a copy of its longer windows."""
    shipped = load("embedded-cold")
    replace = msgspec.structs.replace
    rows = {"before.candles": "SELECT * FROM before.candles"}
    gold = replace(shipped.tiers["gold"], rows=rows, windows_s=[60, 300])
    copy = replace(shipped.tiers["cold-gold"], windows_s=[300])
    return replace(shipped, tiers={**shipped.tiers, "gold": gold, "cold-gold": copy})


def fill(process: ClickHouseProcess) -> None:
    values = ("open_e8", "high_e8", "low_e8", "close_e8", "volume_e8", "quote_volume_e8", "trade_count")
    process.run(
        "DROP DATABASE IF EXISTS before",
        "CREATE DATABASE before",
        "CREATE TABLE before.candles (window_s UInt32, exchange String, symbol String, window_start_s UInt32, "
        + ", ".join(f"{name} Int64" for name in values)
        + ") ENGINE = MergeTree ORDER BY window_start_s",
        "INSERT INTO before.candles VALUES "
        "(60, 'kraken', 'BTC/USD', 1200, 1, 1, 1, 1, 1, 1, 40), "
        "(60, 'kraken', 'BTC/USD', 1260, 1, 2, 1, 2, 3, 4, 5), "
        "(300, 'kraken', 'BTC/USD', 1200, 1, 2, 1, 2, 9, 9, 45), "
        "(300, 'kraken', 'BTC/USD', 900, 1, 1, 1, 1, 1, 1, 7)",
    )


def test_a_copy_begins_with_the_candles_of_its_original(clickhouse_process: ClickHouseProcess) -> None:
    fill(clickhouse_process)
    found = CandleBaseline.read(platform(), clickhouse_process.client(), NOW_S)
    counts = {
        tier: {
            length_s: {key: one.trade_count for key, one in held.items()} for length_s, held in all_.items()
        }
        for tier, all_ in found.candles.items()
    }
    long = {CandleKey(BTC, 1200): 45}
    short = {CandleKey(BTC, 1200): 40, CandleKey(BTC, 1260): 5}
    assert counts == {"gold": {60: short, 300: long}, "cold-gold": {300: long}}
    assert found.candles["cold-gold"][300] == found.candles["gold"][300]


def test_the_longest_of_the_windows_that_tiers_are_sampled_by_is_read_whole(
    clickhouse_process: ClickHouseProcess,
) -> None:
    fill(clickhouse_process)
    model = platform()
    found = CandleBaseline.read(model, clickhouse_process.client(), NOW_S)
    assert found.since_s == 1200
    assert found.trades(model.tiers, [BTC, ETH]) == {"gold": [45, 0], "cold-gold": [45, 0]}
