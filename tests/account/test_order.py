"""What counts as reordered is what a loop over the stream says."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.order import OrderTracker, strays

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
U64 = (1 << 64) - 1

Batch = list[tuple[int, int]]


def add(tracker: OrderTracker, batch: Sequence[tuple[int, int]]) -> None:
    tracker.add(
        np.array([feed for feed, _ in batch], dtype=np.intp),
        np.array([sequence for _, sequence in batch], dtype=np.uint64),
    )


def reordered(tracker: OrderTracker) -> dict[Feed, set[int]]:
    return {feed: set(found) for feed, found in tracker.reordered().items()}


def of_one_feed(*batches: Sequence[int], first: int = 0, last: int | None = None) -> set[int]:
    tracker = OrderTracker(FEEDS[:1], [first], None if last is None else [last])
    for batch in batches:
        add(tracker, [(0, sequence) for sequence in batch])
    return reordered(tracker).get(FEEDS[0], set())


def naive(
    batches: list[Batch], first: Sequence[int], lasts: Sequence[Sequence[int]] | None
) -> dict[Feed, set[int]]:
    """Return what was first seen after a higher sequence; `lasts` holds the limits at each batch."""
    seen: tuple[set[int], set[int]] = (set(), set())
    result: tuple[set[int], set[int]] = (set(), set())
    for i, batch in enumerate(batches):
        for feed, sequence in batch:
            if feed >= len(FEEDS) or sequence < first[feed]:
                continue
            if lasts is not None and sequence > lasts[i][feed]:
                continue
            if sequence not in seen[feed] and any(other > sequence for other in seen[feed]):
                result[feed].add(sequence)
            seen[feed].add(sequence)
    return {feed: found for feed, found in zip(FEEDS, result, strict=True) if found}


# Few sequences, so that repetitions are frequent; the highest ones that there can be among them.
sequences = st.integers(0, 12) | st.sampled_from([U64 - 1, U64])
batches_of_some = st.lists(st.lists(st.tuples(st.integers(0, 2), sequences), max_size=12), max_size=4)


@settings(max_examples=250, deadline=None)
@given(batches=batches_of_some, first=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_reordered_is_what_a_loop_finds(batches: list[Batch], first: tuple[int, int]) -> None:
    tracker = OrderTracker(FEEDS, first)
    for batch in batches:
        add(tracker, batch)
    assert reordered(tracker) == naive(batches, first, None)


@settings(max_examples=150, deadline=None)
@given(
    batches=batches_of_some,
    first=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    grows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=4),
)
def test_what_was_not_sent_yet_makes_nothing_pass_for_reordered(
    batches: list[Batch], first: tuple[int, int], grows: list[tuple[int, int]]
) -> None:
    last = (first[0] - 1, first[1] - 1)  # nothing was sent yet
    tracker = OrderTracker(FEEDS, first, last)
    lasts = []
    for batch, grow in zip(batches, grows, strict=False):
        last = (last[0] + grow[0], last[1] + grow[1])
        lasts.append(last)
        tracker.extend(last)
        add(tracker, batch)
    assert reordered(tracker) == naive(batches, first, lasts)


@settings(max_examples=100, deadline=None)
@given(stream=st.lists(st.integers(0, 12), max_size=15), cuts=st.lists(st.integers(0, 15), max_size=3))
def test_it_makes_no_difference_how_a_stream_is_cut_into_batches(stream: list[int], cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parts = [stream[a:b] for a, b in pairwise(edges)]
    assert of_one_feed(*parts) == of_one_feed(stream)


@settings(max_examples=150, deadline=None)
@example(batches=[[(0, 1), (0, 2), (0, 2), (0, 4)]], first=(0, 0))  # as many as from 1 to 4, but without 3
@example(batches=[[(0, 1), (0, 2), (0, 5)], [(0, U64 - 1), (0, U64)]], first=(0, 0))
@given(batches=batches_of_some, first=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_seen_is_what_is_in_the_stream_and_nothing_else(batches: list[Batch], first: tuple[int, int]) -> None:
    tracker = OrderTracker(FEEDS, first)
    for batch in batches:
        add(tracker, batch)
    there = [{s for batch in batches for f, s in batch if f == feed and s >= first[feed]} for feed in (0, 1)]
    assert {feed: set(found) for feed, found in tracker.seen().items()} == {
        feed: found for feed, found in zip(FEEDS, there, strict=True) if found
    }


def test_a_stream_in_order_has_nothing_reordered_though_messages_are_missing() -> None:
    assert of_one_feed([5, 6, 9], [10, 40], first=3) == set()


def test_the_message_behind_is_reordered_and_not_the_one_that_overtook_it() -> None:
    assert of_one_feed([1, 3, 2, 4]) == {2}


def test_a_message_overtaken_in_an_earlier_batch_is_reordered() -> None:
    assert of_one_feed([1, 3], [2]) == {2}


def test_the_repetition_of_something_old_is_a_duplicate_and_not_reordered() -> None:
    assert of_one_feed([1, 2, 3, 1], [2, 4]) == set()


def test_the_second_copy_of_a_reordered_message_changes_nothing() -> None:
    assert of_one_feed([1, 3, 2, 2], [2]) == {2}


def test_an_earlier_runs_message_is_not_reordered() -> None:
    assert of_one_feed([10, 3, 11], first=10) == set()


def test_the_last_message_sent_overtakes_like_any_other() -> None:
    assert of_one_feed([1, 10, 2, 11, 3], last=10) == {2, 3}


def test_sequence_zero_can_be_reordered() -> None:
    assert of_one_feed([1, 0]) == {0}


def test_a_never_sent_sequence_of_64_bits_makes_nothing_pass_for_reordered() -> None:
    assert of_one_feed([1, U64, 2], [U64 - 1, 3], last=10) == set()


def test_a_higher_sequence_of_another_feed_overtakes_nothing() -> None:
    tracker = OrderTracker(FEEDS, (0, 0))
    add(tracker, [(0, 9), (1, 1), (2, 20), (1, 2), (0, 10)])
    assert reordered(tracker) == {}


def test_a_feed_of_which_nothing_was_sent_has_nothing_reordered() -> None:
    assert of_one_feed([7, 3, 5], first=0, last=-1) == set()
    assert of_one_feed([], []) == set()


def test_what_lies_in_another_partition_than_most_of_its_feed_has_no_order() -> None:
    one, other = Feed("x", "A"), Feed("x", "B")
    parts = [{one: BitMap64([1, 2, 4]), other: BitMap64([7])}, {one: BitMap64([3])}]
    assert strays(parts) == {one: BitMap64([3])}
    assert strays(reversed(parts)) == {one: BitMap64([3])}


def test_the_first_message_repeated_later_is_no_reordering_even_if_it_was_read_before_all_others() -> None:
    feed = Feed("binance", "BTC/USDT")
    tracker = OrderTracker((feed,), (5,), (5,))
    tracker.add(np.zeros(1, dtype=np.intp), np.array([5], dtype=np.uint64))
    tracker.extend((7,))
    tracker.add(np.zeros(3, dtype=np.intp), np.array([6, 7, 5], dtype=np.uint64))
    assert tracker.reordered() == {}
