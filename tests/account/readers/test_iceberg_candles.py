"""Candles are read from real Iceberg tables: of each the version that counts."""

from pathlib import Path

import pytest

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.account.feeds import Feed
from chaosp7.account.readers.iceberg_candles import IcebergCandleReader
from chaosp7.errors import ReaderError
from tests.iceberg_candles import IcebergCandles

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("kraken", "it's \\ odd")
DAY_S = 86_400
NOON_S = 20_000 * DAY_S + DAY_S // 2


def candle(trades: int, price: int = 700) -> Candle:
    return Candle(price, price + 9, price - 9, price + 1, (1 << 70) + trades, (1 << 90) + trades, trades)


@pytest.fixture
def candles(tmp_path: Path) -> IcebergCandles:
    return IcebergCandles(tmp_path)


def read(
    candles: IcebergCandles, since_s: int = NOON_S, sizes_s: tuple[int, ...] = (60, DAY_S)
) -> dict[int, dict[CandleKey, Candle]]:
    return IcebergCandleReader(candles.now(), candles.source, sizes_s).read(since_s)


def test_of_each_candle_the_highest_version_counts_in_whatever_order_they_came(
    candles: IcebergCandles,
) -> None:
    minute, day = CandleKey(BTC, NOON_S), CandleKey(BTC, NOON_S - DAY_S // 2)
    candles.append([(60, minute, 2, candle(2)), (DAY_S, day, 2, candle(20))])
    candles.append([(60, minute, 9, candle(9)), (60, CandleKey(ETH, NOON_S), 9, candle(4, 50))])
    candles.append([(60, minute, 5, candle(5)), (DAY_S, day, 10, candle(21))])
    assert read(candles) == {
        60: {minute: candle(9), CandleKey(ETH, NOON_S): candle(4, 50)},
        DAY_S: {day: candle(21)},
    }


def test_a_version_that_comes_twice_counts_once_unless_its_rows_differ(candles: IcebergCandles) -> None:
    key = CandleKey(BTC, NOON_S)
    candles.append([(60, key, 3, candle(3)), (60, key, 3, candle(3))])
    assert read(candles)[60] == {key: candle(3)}
    candles.append([(60, key, 3, candle(4))])
    with pytest.raises(ReaderError, match=r"candle of binance BTC/USDT .* two rows of version 3 that differ"):
        read(candles)


def test_windows_that_ended_before_the_moment_are_left_out_and_their_files_not_opened(
    candles: IcebergCandles,
) -> None:
    old = CandleKey(BTC, NOON_S - 3 * DAY_S)
    candles.append([(60, old, 1, candle(1))])
    for path in candles.folder_of_files():
        path.unlink()
    ended, begun = CandleKey(BTC, NOON_S - 60), CandleKey(BTC, NOON_S)
    candles.append([(60, ended, 2, candle(2)), (60, begun, 2, candle(3))])
    assert read(candles)[60] == {begun: candle(3)}
    with pytest.raises(ReaderError):
        read(candles, since_s=NOON_S - 3 * DAY_S)


def test_an_empty_table_has_no_candles(candles: IcebergCandles) -> None:
    assert read(candles) == {60: {}, DAY_S: {}}


def test_candles_of_a_length_that_nobody_lists_are_an_error(candles: IcebergCandles) -> None:
    candles.append([(300, CandleKey(BTC, NOON_S), 1, candle(1))])
    with pytest.raises(ReaderError, match="candles of 300 s, which the platform file doesn't list"):
        read(candles)


def test_a_table_of_one_length_need_not_say_it(tmp_path: Path) -> None:
    candles = IcebergCandles(tmp_path, without="window_s")
    candles.append([(60, CandleKey(BTC, NOON_S), 1, candle(1))])
    assert read(candles, sizes_s=(60,)) == {60: {CandleKey(BTC, NOON_S): candle(1)}}


@pytest.mark.parametrize("column", ["exchange", "window_start", "high", "trade_count", "last_batch"])
def test_a_candle_that_lacks_something_is_an_error(candles: IcebergCandles, column: str) -> None:
    candles.append([(60, CandleKey(BTC, NOON_S), 1, candle(1))], **{column: [None]})
    ours = {"last_batch": "version"}.get(column, column)
    with pytest.raises(ReaderError, match=f"1 candles without '{ours}'"):
        read(candles)


def test_a_file_that_is_gone_is_an_error(candles: IcebergCandles) -> None:
    candles.append([(60, CandleKey(BTC, NOON_S), 1, candle(1))])
    for path in candles.folder_of_files():
        path.unlink()
    with pytest.raises(ReaderError):
        read(candles)
