"""A copy of the candles: what is wrong in the original already is told from what is wrong in the copy alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.classes import TierAccount
from chaosp7.errors import ReaderError
from tests.account.gold_tier import COUNT, EVERYTHING, SIZES_S, account, silver_of, tier_of

numbers = st.sets(st.integers(0, COUNT - 1))


@settings(max_examples=60, deadline=None)
@given(lost_by_silver=numbers, lost_by_gold=numbers, lost_here=numbers)
def test_what_the_copy_lost_is_counted_apart_from_what_gold_and_silver_lost(
    lost_by_silver: set[int], lost_by_gold: set[int], lost_here: set[int]
) -> None:
    gold = [n for n in EVERYTHING if n not in lost_by_silver | lost_by_gold]
    copy = [n for n in gold if n not in lost_here]
    result = account(tier_of(copy), silver_of(lost_by_silver), original=tier_of(gold))
    for window in result.windows:
        assert window.lost == COUNT - len(copy)
        assert (window.lost_inherited, window.lost_here) == (COUNT - len(gold), len(gold) - len(copy))
        assert (window.duplicated, window.unexpected) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(
    again=numbers,
    missing=numbers,
    off=st.sampled_from([0, 1, -1]),
    silver=st.sampled_from([None, silver_of()]),
)
def test_a_copy_that_shows_what_gold_shows_has_only_inherited_what_is_wrong(
    again: set[int], missing: set[int], off: int, silver: TierAccount | None
) -> None:
    gold = {
        size_s: {key: replace(candle, close_e8=candle.close_e8 + off) for key, candle in candles.items()}
        for size_s, candles in tier_of([*(n for n in EVERYTHING if n not in missing), *again]).items()
    }
    for window in account(gold, silver, original=gold).windows:
        assert window.lost_here == 0
        assert window.duplicated_inherited == window.duplicated
        assert window.corrupted_inherited == window.corrupted


@settings(max_examples=60, deadline=None)
@given(again=numbers)
def test_what_only_the_copy_counts_twice_is_its_own(again: set[int]) -> None:
    result = account(tier_of([*EVERYTHING, *again]), original=tier_of(EVERYTHING))
    for window in result.windows:
        assert (window.duplicated, window.duplicated_inherited) == (len(again), 0)


def test_a_value_that_is_wrong_only_in_the_copy_is_its_own() -> None:
    copy = {
        size_s: {key: replace(candle, open_e8=1) for key, candle in candles.items()}
        for size_s, candles in tier_of(EVERYTHING).items()
    }
    for window in account(copy, original=tier_of(EVERYTHING)).windows:
        assert (window.corrupted, window.corrupted_inherited) == (COUNT, 0)


def test_what_the_copy_has_and_gold_lacks_is_not_lost() -> None:
    assert account(tier_of(EVERYTHING), original=tier_of([])).counts.clean


def test_an_original_that_was_not_read_is_an_error() -> None:
    with pytest.raises(ReaderError, match=f"candles of {SIZES_S[1]} s were not read"):
        account(tier_of(EVERYTHING), original={SIZES_S[0]: {}})
