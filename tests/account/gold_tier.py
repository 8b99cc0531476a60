"""A gold tier that counts trades one by one, and the run that they are of."""

from collections.abc import Iterable, Mapping

import numpy as np
from pyroaring import BitMap64

from chaosp7.account.candles import Candle, CandleKey, Candles
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.gold import GoldAccount, WindowAccount, account_gold
from chaosp7.account.gold_expectation import expect_gold
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.sent import Expected, RunRecords, expected

__all__ = [
    "BTC",
    "COUNT",
    "EARLIER",
    "ETH",
    "EVERYTHING",
    "FEEDS",
    "RUN",
    "SENT",
    "SIZES_S",
    "STRANGER",
    "account",
    "candles_of",
    "figures",
    "run_of",
    "silver_of",
    "tier_of",
]

BTC, ETH, STRANGER = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT"), Feed("kraken", "BTC/USD")
FEEDS = (BTC, ETH)
SIZES_S = (2, 3)
COUNT = 24


def price_of(number: int) -> int:
    return 100 + number * 7 % 11


#: Two feeds in turn, four trades a second, from second 5 on. The numbers of a run's messages are
#: 0..COUNT-1; below them are those of an earlier run. No two sets of messages have the same volume.
def time_ms_of(number: int) -> int:
    return 5000 + number * 250


def candles_of(numbers: Iterable[int], window_s: int) -> dict[CandleKey, Candle]:
    """Return the candles of some messages, one trade for each time that a number comes."""
    windows: dict[CandleKey, list[int]] = {}
    for number in sorted(numbers):
        key = CandleKey(FEEDS[number % 2], time_ms_of(number) // 1000 // window_s * window_s)
        windows.setdefault(key, []).append(number)
    result = {}
    for key, trades in windows.items():
        prices = [price_of(n) for n in trades]
        volume = sum(1 << (n + COUNT) for n in trades)
        result[key] = Candle(prices[0], max(prices), min(prices), prices[-1], volume, 3 * volume, len(trades))
    return result


def tier_of(numbers: Iterable[int]) -> dict[int, Candles]:
    numbers = list(numbers)
    return {size_s: candles_of(numbers, size_s) for size_s in SIZES_S}


def run_of(count: int = COUNT, block: int = 7, *, closed: bool = True) -> RunRecords:
    numbers = np.arange(count)
    records = np.zeros(count, dtype=RECORD)
    records["feed"], records["sequence"], records["sent_ns"] = numbers % 2, 1000 + numbers // 2, numbers
    records["trade_time_ms"] = [time_ms_of(n) for n in range(count)]
    records["price_e8"] = [price_of(n) for n in range(count)]
    records["quantity_e8"] = [1 << (n + COUNT) for n in range(count)]
    records["quote_e8"] = records["quantity_e8"] * 3
    blocks = [records[i : i + block] for i in range(0, count, block)]
    return RunRecords(FEEDS, (1000, 1000), lambda: blocks, closed)


RUN = run_of()
SENT = expected(RUN)
EVERYTHING = tuple(range(COUNT))
EARLIER = range(-8, 0)


def sets_of(numbers: Iterable[int]) -> dict[Feed, BitMap64]:
    result: dict[Feed, BitMap64] = {}
    for n in numbers:
        result.setdefault(FEEDS[n % 2], BitMap64()).add(1000 + n // 2)
    return result


def silver_of(
    lost: Iterable[int] = (), corrupted: Iterable[int] = (), duplicated: Iterable[int] = (), sent: Expected = SENT
) -> TierAccount:  # fmt: skip
    return TierAccount("silver", sent.bounds, sets_of(lost), {}, sets_of(corrupted), sets_of(duplicated), {}, {}, 0, {})  # fmt: skip


def account(
    actual: Mapping[int, Candles],
    silver: TierAccount | None = None,
    before: Mapping[int, Candles] | None = None,
    original: Mapping[int, Candles] | None = None,
) -> GoldAccount:
    result = account_gold("gold", expect_gold(RUN, SENT, SIZES_S, silver), actual, before, original)
    for w in result.windows:
        assert w.sent == w.delivered + w.lost + w.duplicated + w.corrupted + w.unchecked == COUNT
        assert min(w.delivered, w.lost_inherited, w.lost_here, w.corrupted, w.duplicated, w.unexpected) >= 0
        assert (w.wrong_candles > 0) == bool(w.findings)
    return result


def figures(window: WindowAccount) -> tuple[int, int, int, int]:
    return window.lost, window.duplicated, window.corrupted, window.unexpected
