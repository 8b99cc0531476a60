"""Candles are what a loop over the trades says, from any pieces of the ledger in any order."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.candles import (
    Candle,
    CandleKey,
    candles_of_columns,
    candles_of_run,
    merged,
    rolled,
)
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.sent import RunRecords, expected
from chaosp7.errors import ReaderError

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT")
FEEDS = (BTC, ETH)
FIRST = (50, 0)
I64 = (1 << 63) - 1


class Trade(NamedTuple):
    feed: int
    time_ms: int
    price_e8: int
    quantity_e8: int
    quote_e8: int


# Few different times and prices, so that ties are frequent; amounts whose sums need over 64 bits.
trades_of_two_feeds = st.lists(
    st.builds(
        Trade,
        st.integers(0, 1),
        st.sampled_from([-1, 0, 1, 999, 1000, 1001, 2999, 3000, 59_999, 60_000]),
        st.integers(1, 4) | st.just(I64),
        st.integers(0, 5) | st.just(I64),
        st.integers(0, 5) | st.just(I64),
    ),
    min_size=1,
    max_size=20,
)


def records_of(trades: Sequence[Trade]) -> Records:
    records = np.zeros(len(trades), dtype=RECORD)
    following = list(FIRST)
    for record, trade in zip(records, trades, strict=True):
        record["feed"], record["sequence"] = trade.feed, following[trade.feed]
        record["trade_time_ms"], record["price_e8"] = trade.time_ms, trade.price_e8
        record["quantity_e8"], record["quote_e8"] = trade.quantity_e8, trade.quote_e8
        following[trade.feed] += 1
    return records


def run_in_blocks(records: Records, block: int) -> RunRecords:
    return RunRecords(FEEDS, FIRST, lambda: [records[i : i + block] for i in range(0, len(records), block)])


def run_of(trades: Sequence[Trade], block: int = 100) -> RunRecords:
    return run_in_blocks(records_of(trades), block)


def naive(records: Iterable[Any], window_s: int) -> dict[CandleKey, tuple[int, ...]]:
    """Return open, high, low, close, volume, quote volume and count of each window."""
    windows: dict[CandleKey, list[Any]] = {}
    for record in records:
        start_s = int(record["trade_time_ms"]) // 1000 // window_s * window_s
        windows.setdefault(CandleKey(FEEDS[record["feed"]], start_s), []).append(record)
    result: dict[CandleKey, tuple[int, ...]] = {}
    for key, trades in windows.items():
        trades.sort(key=lambda t: (int(t["trade_time_ms"]), int(t["sequence"])))
        prices = [int(t["price_e8"]) for t in trades]
        volume, quote = (sum(int(t[name]) for t in trades) for name in ("quantity_e8", "quote_e8"))
        result[key] = (prices[0], max(prices), min(prices), prices[-1], volume, quote, len(trades))
    return result


def values_of(candles: dict[CandleKey, Candle]) -> dict[CandleKey, tuple[int, ...]]:
    return {key: candle.values for key, candle in candles.items()}


@settings(max_examples=100, deadline=None)
@given(trades=trades_of_two_feeds, block=st.integers(1, 20), window_s=st.sampled_from([1, 2, 60]))
def test_candles_are_what_a_loop_says_however_the_ledger_is_blocked(
    trades: list[Trade], block: int, window_s: int
) -> None:
    run = run_of(trades, block)
    found = candles_of_run(run, expected(run), window_s)
    assert values_of(found) == naive(records_of(trades), window_s)


@settings(max_examples=60, deadline=None)
@given(trades=trades_of_two_feeds, block=st.integers(1, 20), data=st.data())
def test_messages_left_out_are_in_no_candle(trades: list[Trade], block: int, data: st.DataObject) -> None:
    records, run = records_of(trades), run_of(trades, block)
    out = data.draw(st.sets(st.integers(0, len(trades) - 1)))
    without: dict[Feed, BitMap64] = {}
    for i in out:
        without.setdefault(FEEDS[records["feed"][i]], BitMap64()).add(int(records["sequence"][i]))
    found = candles_of_run(run, expected(run), 2, without)
    assert values_of(found) == naive([r for i, r in enumerate(records) if i not in out], 2)


@settings(max_examples=60, deadline=None)
@given(trades=trades_of_two_feeds, window_s=st.sampled_from([1, 3, 6, 60]))
def test_candles_of_small_windows_roll_into_those_of_large_ones(trades: list[Trade], window_s: int) -> None:
    run = run_of(trades)
    small = candles_of_run(run, expected(run), 1)
    assert values_of(rolled(small, window_s)) == naive(records_of(trades), window_s)


@settings(max_examples=60, deadline=None)
@given(trades=trades_of_two_feeds, shuffled=st.randoms(use_true_random=False), parts=st.integers(1, 4))
def test_candles_merge_in_any_order_and_any_grouping(trades: list[Trade], shuffled: Any, parts: int) -> None:
    whole = run_of(trades)
    sent = expected(whole)
    numbers = list(range(len(trades)))
    shuffled.shuffle(numbers)
    records = records_of(trades)
    pieces = []
    for part in range(parts):
        kept = set(numbers[part::parts])
        others: dict[Feed, BitMap64] = {}
        for i, record in enumerate(records):
            if i not in kept:
                others.setdefault(FEEDS[record["feed"]], BitMap64()).add(int(record["sequence"]))
        pieces.append(candles_of_run(whole, sent, 60, others))
    assert reduce(merged, pieces) == candles_of_run(whole, sent, 60)
    pieces.reverse()
    assert reduce(merged, pieces) == candles_of_run(whole, sent, 60)


def test_messages_past_the_cut_are_in_no_candle_however_the_ledger_is_blocked() -> None:
    trades = [Trade(0, i, 1 + i, 1, 1) for i in range(9)]
    records = records_of(trades)
    records["sent_ns"] = np.arange(9)
    for block in (1, 2, 9):
        run = replace(run_in_blocks(records, block), closed=False)
        found = candles_of_run(run, expected(run, until_ns=5), 1)
        assert values_of(found) == {CandleKey(BTC, 0): (1, 5, 1, 5, 5, 5, 5)}
        found = candles_of_run(run, expected(run, until_ns=5), 1, {BTC: BitMap64([51])})
        assert values_of(found) == {CandleKey(BTC, 0): (1, 5, 1, 5, 4, 4, 4)}


def test_of_two_trades_at_the_same_time_the_lower_sequence_opens_and_the_higher_one_closes() -> None:
    run = run_of([Trade(0, 5, 10, 1, 1), Trade(0, 5, 20, 1, 1), Trade(0, 5, 15, 1, 1)])
    (candle,) = candles_of_run(run, expected(run), 1).values()
    assert (candle.open_e8, candle.close_e8) == (10, 15)


def test_the_first_trade_of_the_next_second_is_in_the_next_window() -> None:
    run = run_of([Trade(0, 999, 1, 1, 1), Trade(0, 1000, 2, 1, 1)])
    assert [key.start_s for key in candles_of_run(run, expected(run), 1)] == [0, 1]


def test_a_quote_volume_beyond_64_bits_is_exact() -> None:
    run = run_of([Trade(0, 1, I64, I64, I64)] * 5)
    (candle,) = candles_of_run(run, expected(run), 1).values()
    assert (candle.volume_e8, candle.quote_volume_e8) == (5 * I64, 5 * I64)


BASELINE = Candle(100, 120, 90, 110, 7, 8, 3)


def test_a_candle_that_was_there_before_the_run_keeps_its_open_and_the_run_sets_its_close() -> None:
    run = run_of([Trade(0, 1, 130, 1, 2), Trade(0, 2, 80, 1, 2)])
    mine = candles_of_run(run, expected(run), 60)
    before = {CandleKey(BTC, 0): BASELINE}
    for both in (merged(before, mine), merged(mine, before)):
        assert both[CandleKey(BTC, 0)].values == (100, 130, 80, 80, 9, 12, 5)


def test_a_candle_that_was_there_before_the_run_is_earlier_than_a_trade_of_any_time() -> None:
    run = run_of([Trade(0, -1, 130, 1, 2)])
    mine = candles_of_run(run, expected(run), 60)
    (both,) = merged({CandleKey(BTC, -60): BASELINE}, mine).values()
    assert (both.open_e8, both.close_e8) == (BASELINE.open_e8, 130)


def test_merging_changes_neither_side() -> None:
    before = {CandleKey(BTC, 0): BASELINE}
    merged(before, {CandleKey(BTC, 0): BASELINE, CandleKey(BTC, 60): BASELINE})
    assert before == {CandleKey(BTC, 0): BASELINE}


def columns(**changed: list[Any]) -> list[list[Any]]:
    whole: dict[str, list[Any]] = {
        "exchange": ["binance"], "symbol": ["BTC/USDT"], "start_s": [60], "open": [5], "high": [9], "low": [1],
        "close": [6], "volume": [7], "quote": [1 << 100], "count": [2],
    }  # fmt: skip
    return list({**whole, **changed}.values())


def test_a_result_is_taken_as_it_is() -> None:
    assert candles_of_columns(*columns()) == {
        CandleKey(BTC, 60): Candle(5, 9, 1, 6, 7, 1 << 100, 2),
    }
    assert candles_of_columns(*columns(count=[np.uint64(2)])) == candles_of_columns(*columns())
    assert candles_of_columns(*([] for _ in range(10))) == {}


def test_a_candle_of_no_trades_is_no_candle() -> None:
    assert candles_of_columns(*columns(count=[0])) == {}


@pytest.mark.parametrize("name", ["start_s", "open", "high", "low", "close", "volume", "quote", "count"])
@pytest.mark.parametrize("value", [None, 1.0, Decimal(1), "1", float("inf")])
def test_a_candle_with_a_value_that_is_no_whole_number_is_an_error(name: str, value: object) -> None:
    with pytest.raises(ReaderError, match="whole numbers"):
        candles_of_columns(*columns(**{name: [value]}))


@pytest.mark.parametrize("name", ["exchange", "symbol"])
@pytest.mark.parametrize("value", [None, b"binance", 5])
def test_a_candle_of_a_feed_without_a_name_is_an_error(name: str, value: object) -> None:
    with pytest.raises(ReaderError, match="must be text"):
        candles_of_columns(*columns(**{name: [value]}))


def test_a_candle_that_comes_twice_is_an_error_and_not_the_last_one() -> None:
    with pytest.raises(ReaderError, match="comes twice"):
        candles_of_columns(*(column * 2 for column in columns()))


def test_a_candle_of_less_than_no_trades_is_an_error() -> None:
    with pytest.raises(ReaderError, match="-1 trades"):
        candles_of_columns(*columns(count=[-1]))


@pytest.mark.parametrize("name", ["symbol", "start_s", "open", "count"])
def test_columns_of_different_length_are_an_error(name: str) -> None:
    for value in ([], [1, 1]):
        with pytest.raises(ReaderError, match="ten columns"):
            candles_of_columns(*columns(**{name: value}))
    with pytest.raises(ReaderError, match="ten columns"):
        candles_of_columns(*columns()[:9])
