"""Heads track what is visible without a hole, whatever the order in which it comes."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.recorder.heads import Heads, ranges_of

RANGES = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 15)), max_size=40)


@given(first=st.integers(0, 40), ranges=RANGES)
def test_heads_agree_with_a_set_of_single_sequences(first: int, ranges: list[tuple[int, int]]) -> None:
    heads, seen = Heads([first]), set[int]()
    for low, length in ranges:
        covered = {s for s in range(low, low + length + 1) if s >= first}
        assert heads.add(0, low, low + length) == bool(covered - seen)
        seen |= covered
        head = first - 1
        while head + 1 in seen:
            head += 1
        assert heads.heads == [head]
        assert heads.visible == len(seen)
        (known,) = heads.known()
        assert known.top == max(seen, default=first - 1)
        holes = [s for low, high in known.holes for s in range(low, high + 1)]
        assert holes == [s for s in range(first, known.top) if s not in seen]
        assert all(b[0] > a[1] + 1 for a, b in pairwise(known.holes))
        assert heads.complete([head])
        assert not heads.complete([head + 1])


@given(st.lists(st.integers(0, 200)))
def test_ranges_hold_exactly_the_sequences_and_are_as_few_as_can_be(sequences: list[int]) -> None:
    ranges = ranges_of(3, np.array(sequences, dtype=np.uint64))
    held = [s for feed, first, last in ranges for s in range(first, last + 1) if feed == 3]
    assert held == sorted(set(sequences))
    assert all(b[1] > a[2] + 1 for a, b in pairwise(ranges))


def test_a_hole_of_a_single_message_holds_the_head_back() -> None:
    heads = Heads([0])
    assert heads.add(0, 0, 4)
    assert heads.add(0, 6, 6)
    assert heads.heads == [4]
    assert heads.known()[0].holes == ((5, 5),)


def test_a_tier_is_complete_only_when_every_feed_is() -> None:
    heads = Heads([0, 0])
    heads.add(0, 0, 4)
    assert not heads.complete([4, 4])
    heads.add(1, 0, 4)
    assert heads.complete([4, 4])


def test_what_fills_the_end_of_a_hole_leaves_no_empty_hole() -> None:
    heads = Heads([0])
    heads.add(0, 9, 9)
    heads.add(0, 5, 8)
    assert heads.known()[0].holes == ((0, 4),)
    assert not heads.add(0, 5, 8)
