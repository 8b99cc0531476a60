"""The account of the candles, against a tier that counts trades one by one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.candles import Candle, CandleKey, Candles
from chaosp7.account.classes import Counts, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.gold import GoldAccount, WindowAccount, account_gold, expect_gold
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.sent import Expected, RunRecords, expected
from chaosp7.errors import MeasurementError, ReaderError

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
    actual: Mapping[int, Candles], silver: TierAccount | None = None, before: Mapping[int, Candles] | None = None
) -> GoldAccount:  # fmt: skip
    result = account_gold("gold", expect_gold(RUN, SENT, SIZES_S, silver), actual, before)
    for w in result.windows:
        assert w.sent == w.delivered + w.lost + w.duplicated + w.corrupted + w.unchecked == COUNT
        assert min(w.delivered, w.lost_inherited, w.lost_here, w.corrupted, w.duplicated, w.unexpected) >= 0
        assert (w.wrong_candles > 0) == bool(w.findings)
    return result


def figures(window: WindowAccount) -> tuple[int, int, int, int]:
    return window.lost, window.duplicated, window.corrupted, window.unexpected


numbers = st.sets(st.integers(0, COUNT - 1))
copies = st.lists(st.integers(0, 3), min_size=COUNT, max_size=COUNT)


@settings(max_examples=60, deadline=None)
@given(lost_by_silver=numbers, lost_here=numbers, earlier=st.sets(st.integers(-COUNT, -1)))
def test_what_gold_lost_is_counted_apart_from_what_silver_lost(
    lost_by_silver: set[int], lost_here: set[int], earlier: set[int]
) -> None:
    silver = [n for n in EVERYTHING if n not in lost_by_silver]
    gold = [n for n in silver if n not in lost_here]
    result = account(tier_of([*earlier, *gold]), silver_of(lost_by_silver), tier_of(earlier))
    for window in result.windows:
        assert figures(window) == (COUNT - len(gold), 0, 0, 0)
        assert (window.lost_inherited, window.lost_here) == (len(lost_by_silver), len(silver) - len(gold))
        assert (window.earlier_missing, window.earlier_changed) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(more=copies, by_silver=st.booleans())
def test_what_gold_counts_again_is_duplicated(more: list[int], by_silver: bool) -> None:
    again = Counter({n: times for n, times in zip(EVERYTHING, more, strict=True) if times})
    result = account(
        tier_of([*EVERYTHING, *again.elements()]), silver_of(duplicated=again) if by_silver else None
    )
    for window in result.windows:
        wanted = 0
        for key, candle in candles_of(EVERYTHING, window.window_s).items():
            surplus = candles_of(again.elements(), window.window_s).get(key)
            wanted += min(candle.trade_count, 0 if surplus is None else surplus.trade_count)
        assert figures(window) == (0, wanted, 0, 0)
        assert window.surplus == again.total()
        assert bool(window.duplicated_inherited) == (by_silver and bool(again))


FIELDS = ("open_e8", "high_e8", "low_e8", "close_e8", "volume_e8", "quote_volume_e8")


@settings(max_examples=50, deadline=None)
@given(field=st.sampled_from(FIELDS), off=st.sampled_from([-1, 1, 1 << 64]), data=st.data())
def test_a_wrong_value_corrupts_all_messages_of_its_candle_and_no_other(
    field: str, off: int, data: st.DataObject
) -> None:
    actual = {size_s: dict(candles) for size_s, candles in tier_of(EVERYTHING).items()}
    size_s = data.draw(st.sampled_from(SIZES_S))
    key = data.draw(st.sampled_from(sorted(actual[size_s])))
    candle = actual[size_s][key]
    actual[size_s][key] = replace(candle, **{field: getattr(candle, field) + off})
    result = account(actual)
    for window in result.windows:
        wanted = candle.trade_count if window.window_s == size_s else 0
        assert figures(window) == (0, 0, wanted, 0)
    assert (result.worst.window_s, result.counts.clean) == (size_s, False)
    assert [(f.key, f.expected and f.expected.values) for f in result.worst.findings] == [(key, candle.values)]  # fmt: skip


# Whatever the candles say: no class is negative, all add up, and a missing trade is never overlooked.
@settings(max_examples=100, deadline=None)
@given(
    there=copies,
    strange=st.lists(st.integers(COUNT, 2 * COUNT), max_size=3),
    before=st.sets(st.integers(-COUNT, -1)),
    lost=numbers,
    corrupted=numbers,
    duplicated=numbers,
)
def test_the_classes_add_up_and_no_missing_trade_is_overlooked_whatever_is_there(
    there: list[int],
    strange: list[int],
    before: set[int],
    lost: set[int],
    corrupted: set[int],
    duplicated: set[int],
) -> None:
    numbers = [n for n, times in zip(EVERYTHING, there, strict=True) for _ in range(times)]
    silver = silver_of(lost, corrupted - lost, duplicated - lost - corrupted)
    result = account(tier_of([*before, *numbers, *strange]), silver, tier_of(before))
    for window in result.windows:
        whole = candles_of([*before, *EVERYTHING], window.window_s)
        actual = candles_of([*before, *numbers, *strange], window.window_s)
        missing = sum(
            max(0, candle.trade_count - (actual[key].trade_count if key in actual else 0))
            for key, candle in whole.items()
        )
        assert window.lost + window.earlier_missing >= missing
        different = {k for k in whole.keys() | actual.keys() if k not in whole or k not in actual or whole[k] != actual[k]}  # fmt: skip
        assert window.wrong_candles == len(different)
        assert (window.delivered == COUNT and not window.unexpected) == (not different)


def test_candles_of_what_was_sent_are_clean() -> None:
    counts = account(tier_of(EVERYTHING)).counts
    assert (counts.sent, counts.delivered, counts.clean) == (COUNT, COUNT, True)


def test_an_empty_gold_has_lost_everything() -> None:
    worst = account(tier_of([])).worst
    assert (worst.lost_here, worst.delivered) == (COUNT, 0)


def test_an_empty_gold_behind_an_empty_silver_has_lost_nothing_itself() -> None:
    worst = account(tier_of([]), silver_of(EVERYTHING)).worst
    assert (worst.lost, worst.lost_inherited, worst.lost_here) == (COUNT, COUNT, 0)


def test_what_silver_lost_only_after_it_was_in_gold_is_delivered() -> None:
    assert account(tier_of(EVERYTHING), silver_of([3, 4])).counts.clean


def test_what_silver_corrupted_is_corrupted_and_inherited() -> None:
    actual = {s: {k: replace(c, volume_e8=c.volume_e8 + 1) for k, c in t.items()} for s, t in tier_of(EVERYTHING).items()}  # fmt: skip
    per_candle = candles_of(EVERYTHING, 3)[CandleKey(BTC, 3)].trade_count
    _, window = account(actual, silver_of(corrupted=[0])).windows
    assert (window.corrupted, window.corrupted_inherited) == (COUNT, per_candle)


HUGE = 1 << 80


@pytest.mark.parametrize(
    "wrong", [{"high_e8": HUGE}, {"low_e8": 1}, {"volume_e8": HUGE}, {"quote_volume_e8": HUGE}]
)
def test_a_loss_beside_a_value_that_no_loss_explains_corrupts_the_rest_of_the_candle(
    wrong: dict[str, Any],
) -> None:
    actual = {s: dict(t) for s, t in tier_of(n for n in EVERYTHING if n != 4).items()}
    key = CandleKey(BTC, 6)
    actual[2][key] = replace(actual[2][key], **wrong)
    window, other = account(actual).windows
    assert figures(window) == (1, 0, actual[2][key].trade_count, 0)
    assert figures(other) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"open_e8": 1},
        {"high_e8": HUGE},
        {"low_e8": 1},
        {"close_e8": 1},
        {"volume_e8": 1},
        {"quote_volume_e8": 1},
    ],
)
def test_a_surplus_beside_a_value_that_no_double_explains_corrupts_the_rest_of_the_candle(
    wrong: dict[str, Any],
) -> None:
    actual = {s: dict(t) for s, t in tier_of([*EVERYTHING, 4]).items()}
    key = CandleKey(BTC, 6)
    actual[2][key] = replace(actual[2][key], **wrong)
    window, _ = account(actual).windows
    assert figures(window) == (0, 1, actual[2][key].trade_count - 2, 0)


def test_a_loss_hidden_by_a_double_of_the_same_window_is_corruption_and_not_clean() -> None:
    counts = account(tier_of([n for n in EVERYTHING if n != 4] + [6])).counts
    assert (counts.clean, counts.corrupted > 0) == (False, True)


@pytest.mark.parametrize("key", [CandleKey(STRANGER, 6), CandleKey(BTC, 600), CandleKey(BTC, 7)])
def test_a_candle_that_nothing_was_sent_for_is_unexpected(key: CandleKey) -> None:
    actual = {s: {**t, key: Candle(1, 1, 1, 1, 1, 1, 9)} for s, t in tier_of(EVERYTHING).items()}
    counts = account(actual).counts
    assert (counts.unexpected, counts.delivered, counts.clean) == (9, COUNT, False)


EARLIER = range(-8, 0)


def test_a_window_that_began_before_the_run_is_whole_with_the_earlier_runs_trades() -> None:
    assert account(tier_of([*EARLIER, *EVERYTHING]), None, tier_of(EARLIER)).counts.clean


def test_without_a_baseline_the_earlier_runs_trades_are_nobodys_and_told() -> None:
    assert not account(tier_of([*EARLIER, *EVERYTHING])).counts.clean


def test_a_loss_in_a_window_that_began_before_the_run_is_this_runs_loss() -> None:
    gold = [n for n in EVERYTHING if n != 0]
    for window in account(tier_of([*EARLIER, *gold]), None, tier_of(EARLIER)).windows:
        assert figures(window) == (1, 0, 0, 0)


def test_an_earlier_runs_candle_that_is_gone_is_told_but_not_this_runs_loss() -> None:
    long_ago = CandleKey(STRANGER, 0)
    before = {s: {**t, long_ago: Candle(1, 1, 1, 1, 1, 1, 9)} for s, t in tier_of(EARLIER).items()}
    gone = account(tier_of([*EARLIER, *EVERYTHING]), None, before)
    assert [(w.earlier_missing, *figures(w)) for w in gone.windows] == [(9, 0, 0, 0, 0)] * 2
    changed = {s: {**t, long_ago: Candle(2, 2, 2, 2, 2, 2, 9)} for s, t in tier_of([*EARLIER, *EVERYTHING]).items()}  # fmt: skip
    assert [(w.earlier_changed, *figures(w)) for w in account(changed, None, before).windows] == [(1, 0, 0, 0, 0)] * 2  # fmt: skip


def test_windows_that_messages_past_the_cut_may_be_in_are_not_checked() -> None:
    run = run_of(closed=False)
    # 14 messages up to 8.25 s: the last ones of the two feeds are at 8.0 s and 8.25 s.
    sent = expected(run, until_ns=14)
    expectation = expect_gold(run, sent, SIZES_S)
    some_beyond = tier_of(range(20))
    window_2, window_3 = account_gold("gold", expectation, some_beyond).windows
    assert (window_2.unchecked, window_2.delivered, *figures(window_2)) == (2, 12, 0, 0, 0, 0)
    assert (window_3.unchecked, window_3.delivered, *figures(window_3)) == (10, 4, 0, 0, 0, 0)
    loss = account_gold("gold", expectation, tier_of(n for n in range(20) if n != 1))
    assert [(*figures(w), w.delivered) for w in loss.windows] == [(1, 0, 0, 0, 11), (1, 0, 0, 0, 3)]
    assert (loss.counts.sent, loss.counts.delivered) == (4, 3)  # what isn't checked isn't counted as sent


def test_a_feed_of_which_nothing_was_sent_before_the_cut_is_not_checked() -> None:
    run = run_of(closed=False)
    sent = expected(run, until_ns=1)
    counts = account_gold("gold", expect_gold(run, sent, SIZES_S), tier_of(EVERYTHING)).counts
    assert (counts.lost, counts.unexpected, counts.duplicated) == (0, 0, 0)


def window_account(window_s: int, **figures_of: int) -> WindowAccount:
    names = [name for name in WindowAccount.__slots__ if name != "findings"]
    return WindowAccount(**{**dict.fromkeys(names, 0), **figures_of, "window_s": window_s}, findings=())


@pytest.mark.parametrize(
    "worse",
    [
        {"lost": 2, "lost_inherited": 2},
        {"lost": 1},  # of its own, where the other has inherited its one
        {"lost": 1, "lost_inherited": 1, "corrupted": 1},
        {"lost": 1, "lost_inherited": 1, "duplicated": 1},
        {"lost": 1, "lost_inherited": 1, "unexpected": 1},
    ],
)
def test_a_tier_is_judged_by_its_worst_window_wherever_it_stands(worse: dict[str, int]) -> None:
    one, bad = window_account(1, lost=1, lost_inherited=1), window_account(60, **worse)
    assert GoldAccount("gold", (one, bad)).worst == GoldAccount("gold", (bad, one)).worst == bad


@pytest.mark.parametrize("sizes_s", [(), (0,), (2, -1)])
def test_no_window_lengths_are_an_error_and_not_nothing_lost(sizes_s: Sequence[int]) -> None:
    with pytest.raises(MeasurementError, match="no window lengths"):
        expect_gold(RUN, SENT, sizes_s)


def test_candles_of_a_window_length_that_were_not_read_are_an_error_and_not_lost() -> None:
    expectation = expect_gold(RUN, SENT, SIZES_S)
    whole = tier_of(EVERYTHING)
    with pytest.raises(ReaderError, match="3 s were not read"):
        account_gold("gold", expectation, {2: whole[2]})
    with pytest.raises(ReaderError, match="2 s were not read"):
        account_gold("gold", expectation, whole, {3: {}})


def test_a_silver_accounted_for_other_messages_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="other messages"):
        expect_gold(RUN, SENT, SIZES_S, silver_of(sent=expected(run_of(COUNT - 1))))


def test_a_trade_that_silver_has_with_a_wrong_time_is_not_golds_loss() -> None:
    result = account(tier_of([n for n in EVERYTHING if n != 3]), silver_of(corrupted=[3]))
    assert [(w.lost, w.lost_here) for w in result.windows] == [(1, 0)] * len(SIZES_S)


def test_a_trade_that_silver_has_twice_and_once_wrong_is_not_doubled_by_gold() -> None:
    result = account(tier_of([*EVERYTHING, 3]), silver_of(corrupted=[3]))
    assert [(w.duplicated, w.duplicated_inherited) for w in result.windows] == [(1, 1)] * len(SIZES_S)


def test_what_a_tier_is_judged_by_stands_in_its_counts_and_nothing_else_does() -> None:
    window = window_account(
        2, sent=90, delivered=50, lost=9, duplicated=8, corrupted=7, unchecked=16, unexpected=6, surplus=5
    )
    assert GoldAccount("gold", (window,)).counts == Counts(
        sent=74, delivered=50, lost=9, late=0, corrupted=7, duplicated=8, reordered=0, unexpected=6, surplus=5
    )


def test_windows_of_one_second_are_checked() -> None:
    expectation = expect_gold(RUN, SENT, (1,))
    assert account_gold("gold", expectation, {1: candles_of(EVERYTHING, 1)}).counts.clean
    missing = account_gold("gold", expectation, {1: candles_of(EVERYTHING[1:], 1)}).counts
    assert (missing.lost, missing.delivered) == (1, COUNT - 1)


# Each window is open for the feeds that may still have messages in it, and for no other.
def test_a_cut_leaves_open_the_windows_of_each_feeds_own_last_message() -> None:
    # 13 messages: BTC's last one is at 8.0 s, ETH's at 7.75 s, so that only ETH's window 6..8 is open.
    sent = expected(run_of(closed=False), until_ns=13)
    expectation = expect_gold(run_of(closed=False), sent, (2,))
    assert expectation.open_from_ms == {BTC: 8000, ETH: 7750}
    for missing, lost in ((8, 1), (9, 0)):  # at 7.0 s of BTC and 7.25 s of ETH
        (window,) = account_gold("gold", expectation, tier_of(n for n in range(13) if n != missing)).windows
        assert (window.lost, window.unchecked) == (lost, 1 + 4)


def test_without_a_cut_time_a_source_that_still_sends_leaves_its_last_windows_open() -> None:
    run = run_of(closed=False)
    sent = expected(run)
    assert [bounds.end - bounds.last for bounds in sent.bounds.values()] == [0, 0]
    assert expect_gold(run, sent, SIZES_S).open_from_ms == {BTC: 10_500, ETH: 10_750}


def test_a_cut_through_a_closed_run_leaves_windows_open_only_of_the_feeds_that_it_cuts() -> None:
    # 23 messages of 24: the one beyond is ETH's.
    sent = expected(RUN, until_ns=COUNT - 1)
    expectation = expect_gold(RUN, sent, SIZES_S)
    assert expectation.open_from_ms == {ETH: 10_250}
    for window in account_gold("gold", expectation, tier_of(EVERYTHING)).windows:
        assert (figures(window), window.delivered + window.unchecked) == ((0, 0, 0, 0), COUNT - 1)
        assert 0 < window.unchecked < COUNT // 2
    for window in account_gold("gold", expectation, tier_of(EVERYTHING[:-2])).windows:
        assert window.lost == 1  # BTC's last one


@settings(max_examples=60, deadline=None)
@given(corrupted=numbers, duplicated=numbers, sizes_s=st.sampled_from([(1,), (2, 4), (3,), (4, 6)]))
def test_what_silver_has_wrong_or_twice_is_counted_in_the_window_of_its_trade_time(
    corrupted: set[int], duplicated: set[int], sizes_s: tuple[int, ...]
) -> None:
    duplicated -= corrupted
    found = expect_gold(RUN, SENT, sizes_s, silver_of(corrupted=corrupted, duplicated=duplicated))
    for counts, messages in ((found.corrupted, corrupted), (found.duplicated, duplicated)):
        assert counts == {key: c.trade_count for key, c in candles_of(messages, found.base_s).items()}


def test_of_two_losses_only_as_many_are_inherited_as_silver_has_with_a_wrong_time() -> None:
    result = account(tier_of(n for n in EVERYTHING if n not in (8, 10)), silver_of(corrupted=[8]))
    assert [(w.lost, w.lost_inherited) for w in result.windows] == [(2, 1)] * len(SIZES_S)


def test_doubles_of_several_candles_that_silver_has_too_are_all_inherited() -> None:
    again = (0, 8, 20)
    result = account(tier_of([*EVERYTHING, *again]), silver_of(duplicated=again))
    assert [(w.duplicated, w.duplicated_inherited) for w in result.windows] == [(3, 3)] * len(SIZES_S)


def test_trades_that_nobody_sent_add_up_over_candles_down_to_a_single_one() -> None:
    strange = {CandleKey(BTC, 600): 9, CandleKey(BTC, 660): 2, CandleKey(STRANGER, 6): 1}
    candles = {key: Candle(1, 1, 1, 1, 1, 1, count) for key, count in strange.items()}
    result = account({s: {**t, **candles} for s, t in tier_of(EVERYTHING).items()})
    assert [(w.unexpected, w.surplus) for w in result.windows] == [(12, 0)] * len(SIZES_S)


def test_what_is_gone_or_changed_of_earlier_runs_adds_up_over_candles() -> None:
    old = {CandleKey(STRANGER, start_s): Candle(1, 1, 1, 1, 1, 1, 3 + start_s) for start_s in (0, 6, 12)}
    before = {s: {**t, **old} for s, t in tier_of(EARLIER).items()}
    now = tier_of([*EARLIER, *EVERYTHING])
    gone = account(now, None, before)
    assert [w.earlier_missing for w in gone.windows] == [9 + 6 + 12] * len(SIZES_S)
    other = {key: replace(candle, high_e8=2) for key, candle in old.items()}
    changed = account({s: {**t, **other} for s, t in now.items()}, None, before)
    assert [(w.earlier_changed, w.earlier_missing) for w in changed.windows] == [(3, 0)] * len(SIZES_S)


@pytest.mark.parametrize(("more", "wanted"), [(-1, (1, 0, 0, 0)), (1, (0, 1, 0, 0))])
def test_a_trade_of_no_quantity_may_be_lost_or_doubled_without_a_corruption(
    more: int, wanted: tuple[int, int, int, int]
) -> None:
    actual = {s: dict(t) for s, t in tier_of(EVERYTHING).items()}
    key = CandleKey(BTC, 6)
    for size_s in SIZES_S:
        candle = actual[size_s][key]
        actual[size_s][key] = replace(candle, trade_count=candle.trade_count + more)
    assert [figures(w) for w in account(actual).windows] == [wanted] * len(SIZES_S)


def test_a_hundred_wrong_candles_are_named_and_all_of_them_counted() -> None:
    strange = {CandleKey(STRANGER, 6 * i): Candle(1, 1, 1, 1, 1, 1, 1) for i in range(130)}
    for window in account({s: {**t, **strange} for s, t in tier_of(EVERYTHING).items()}).windows:
        assert (len(window.findings), window.wrong_candles, window.unexpected) == (100, 130, 130)
