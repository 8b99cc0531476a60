"""The account of the candles, against a tier that counts trades one by one."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.account.classes import Counts
from chaosp7.account.gold import GoldAccount, WindowAccount, gold_with_late
from chaosp7.account.gold_expectation import expect_gold
from chaosp7.account.sent import expected
from chaosp7.errors import MeasurementError
from tests.account.gold_tier import (
    BTC,
    COUNT,
    EVERYTHING,
    RUN,
    SENT,
    SIZES_S,
    STRANGER,
    account,
    candles_of,
    figures,
    run_of,
    silver_of,
    tier_of,
)

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
    assert (result.counts.corrupted, result.counts.clean) == (candle.trade_count, False)
    named = [
        (w.window_s, f.key, f.expected and f.expected.values) for w in result.windows for f in w.findings
    ]
    assert named == [(size_s, key, candle.values)]


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
    result = account(tier_of([]))
    assert (result.lost_here, result.counts.delivered) == (COUNT, 0)


def test_an_empty_gold_behind_an_empty_silver_has_lost_nothing_itself() -> None:
    result = account(tier_of([]), silver_of(EVERYTHING))
    assert (result.counts.lost, result.lost_here) == (COUNT, 0)


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


def window_account(window_s: int, **figures_of: int) -> WindowAccount:
    names = [name for name in WindowAccount.__slots__ if name != "findings"]
    return WindowAccount(**{**dict.fromkeys(names, 0), **figures_of, "window_s": window_s}, findings=())


def test_of_each_class_the_window_length_counts_that_shows_most_of_it() -> None:
    one = window_account(
        1, sent=90, delivered=75, lost=9, lost_inherited=9, duplicated=2, late=3, unexpected=1
    )
    two = window_account(60, sent=90, delivered=60, lost=5, lost_inherited=1, corrupted=8, duplicated=7, surplus=4)  # fmt: skip
    wanted = Counts(
        sent=90, delivered=63, lost=9, late=3, corrupted=8, duplicated=7, reordered=0, unexpected=1, surplus=4
    )  # fmt: skip
    for windows in ((one, two), (two, one)):
        assert GoldAccount("gold", windows).counts == wanted
        assert GoldAccount("gold", windows).lost_here == 4


def test_what_two_lengths_put_into_two_classes_is_counted_in_the_graver_one() -> None:
    one, two = window_account(1, sent=10, lost=10), window_account(60, sent=10, late=1, duplicated=9)
    three = window_account(2, sent=10, lost=4, corrupted=6)
    counts = GoldAccount("gold", (one, two)).counts
    assert (counts.lost, counts.late, counts.duplicated, counts.delivered) == (10, 0, 0, 0)
    counts = GoldAccount("gold", (two, three)).counts
    assert (counts.lost, counts.late, counts.corrupted, counts.delivered) == (4, 0, 6, 0)


def test_what_one_length_lacks_still_and_another_one_got_late_is_lost_and_not_late_too() -> None:
    one, two = window_account(1, sent=90, delivered=80, lost=10), window_account(60, sent=90, lost=4, late=6)
    assert (GoldAccount("gold", (one, two)).counts.lost, GoldAccount("gold", (one, two)).counts.late) == (
        10,
        0,
    )
    three = window_account(300, sent=90, lost=9, late=3)
    counts = GoldAccount("gold", (one, two, three)).counts
    assert (counts.lost, counts.late) == (10, 2)


def test_what_some_length_can_check_is_accounted_for() -> None:
    windows = (
        window_account(60, sent=90, unchecked=80, delivered=10),
        window_account(1, sent=90, unchecked=16),
    )
    assert GoldAccount("gold", windows).counts.sent == 74


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ({"delivered": 8, "lost": 2}, {"delivered": 4, "late": 4, "lost": 2}),
        ({"delivered": 3, "duplicated": 4, "corrupted": 1, "lost": 2}, {"duplicated": 3, "corrupted": 1, "late": 4}),
        ({"duplicated": 3, "corrupted": 5, "lost": 2}, {"corrupted": 4, "late": 4}),
        ({"delivered": 3, "lost": 7}, {"delivered": 3, "lost": 7}),
    ],
)  # fmt: skip
def test_what_candles_lacked_at_the_deadline_and_have_now_is_late(
    now: dict[str, int], wanted: dict[str, int]
) -> None:
    then = window_account(60, sent=10, delivered=4, lost=6)
    window = window_account(60, sent=10, **now)
    (found,) = gold_with_late(GoldAccount("gold", (window,)), GoldAccount("gold", (then,))).windows
    names = ("delivered", "late", "duplicated", "corrupted")
    assert {name: getattr(found, name) for name in names if getattr(found, name)} == {
        name: count for name, count in wanted.items() if name != "lost"
    }
    assert found.lost == window.lost


def test_a_silver_accounted_for_other_messages_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="other messages"):
        expect_gold(RUN, SENT, SIZES_S, silver_of(sent=expected(run_of(COUNT - 1))))


def test_a_trade_that_silver_has_with_a_wrong_time_is_not_golds_loss() -> None:
    result = account(tier_of([n for n in EVERYTHING if n != 3]), silver_of(corrupted=[3]))
    assert [(w.lost, w.lost_here) for w in result.windows] == [(1, 0)] * len(SIZES_S)


def test_a_trade_that_silver_has_twice_and_once_wrong_is_not_doubled_by_gold() -> None:
    result = account(tier_of([*EVERYTHING, 3]), silver_of(corrupted=[3]))
    assert [(w.duplicated, w.duplicated_inherited) for w in result.windows] == [(1, 1)] * len(SIZES_S)


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


def test_trades_from_before_the_candles_that_are_read_are_an_error() -> None:
    wanted = expect_gold(RUN, SENT, SIZES_S)
    first_s = min(key.start_s for key in wanted.sent_candles)
    assert first_s == 5
    wanted.check_read_from(first_s)
    with pytest.raises(MeasurementError, match=r"trades of 1 s and less before .*the clock was set back"):
        wanted.check_read_from(first_s + wanted.base_s)
    with pytest.raises(MeasurementError, match="trades of 3 s and less before"):
        wanted.check_read_from(first_s + 3)
