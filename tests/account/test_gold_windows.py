"""Which candles the account of gold checks: of windows of earlier runs, and of those that a cut goes through."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.account.gold import account_gold
from chaosp7.account.gold_expectation import expect_gold
from chaosp7.account.sent import expected
from chaosp7.errors import MeasurementError, ReaderError
from tests.account.gold_tier import (
    BTC,
    COUNT,
    EARLIER,
    ETH,
    EVERYTHING,
    RUN,
    SENT,
    SIZES_S,
    STRANGER,
    account,
    candles_of,
    figures,
    run_of,
    tier_of,
)


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


def test_what_is_gone_or_changed_of_earlier_runs_adds_up_over_candles() -> None:
    old = {CandleKey(STRANGER, start_s): Candle(1, 1, 1, 1, 1, 1, 3 + start_s) for start_s in (0, 6, 12)}
    before = {s: {**t, **old} for s, t in tier_of(EARLIER).items()}
    now = tier_of([*EARLIER, *EVERYTHING])
    gone = account(now, None, before)
    assert [w.earlier_missing for w in gone.windows] == [9 + 6 + 12] * len(SIZES_S)
    other = {key: replace(candle, high_e8=2) for key, candle in old.items()}
    changed = account({s: {**t, **other} for s, t in now.items()}, None, before)
    assert [(w.earlier_changed, w.earlier_missing) for w in changed.windows] == [(3, 0)] * len(SIZES_S)


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
    assert (loss.counts.sent, loss.counts.delivered) == (
        12,
        11,
    )  # what no length checks isn't counted as sent


def test_a_feed_of_which_nothing_was_sent_before_the_cut_is_not_checked() -> None:
    run = run_of(closed=False)
    sent = expected(run, until_ns=1)
    counts = account_gold("gold", expect_gold(run, sent, SIZES_S), tier_of(EVERYTHING)).counts
    assert (counts.lost, counts.unexpected, counts.duplicated) == (0, 0, 0)


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


def test_windows_of_one_second_are_checked() -> None:
    expectation = expect_gold(RUN, SENT, (1,))
    assert account_gold("gold", expectation, {1: candles_of(EVERYTHING, 1)}).counts.clean
    missing = account_gold("gold", expectation, {1: candles_of(EVERYTHING[1:], 1)}).counts
    assert (missing.lost, missing.delivered) == (1, COUNT - 1)
