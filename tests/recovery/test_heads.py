"""A head follows what is visible of a feed, whatever the order, and waits for nothing that never comes."""

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.recovery.heads import Head

FEEDS = st.tuples(st.integers(0, 12), st.integers(0, 30), st.sets(st.integers(0, 34)))


def model(first: int, last: int, missing: set[int], visible: set[int]) -> tuple[int, int]:
    """Return head and frontier, one sequence at a time."""
    head = frontier = first - 1
    while frontier < last and (frontier + 1 in visible or frontier + 1 in missing):
        frontier += 1
        if frontier in visible:
            head = frontier
    return head, frontier


@given(FEEDS, st.lists(st.tuples(st.integers(0, 45), st.integers(0, 9)), max_size=25))
def test_a_head_agrees_with_a_set_of_single_sequences(
    feed: tuple[int, int, set[int]], added: list[tuple[int, int]]
) -> None:
    first, sent, gaps = feed
    last, missing, visible = first + sent - 1, {first + gap for gap in gaps}, set[int]()
    head = Head(first, last, BitMap64(missing))
    assert (head.head, head.frontier) == model(first, last, missing, visible)
    for low, length in added:
        head.add(low, low + length)
        visible.update(range(low, low + length + 1))
        assert (head.head, head.frontier) == model(first, last, missing, visible)


@given(FEEDS, st.lists(st.integers(0, 30), max_size=8))
def test_a_count_stands_for_the_earliest_messages_and_may_fall(
    feed: tuple[int, int, set[int]], counts: list[int]
) -> None:
    first, sent, gaps = feed
    last, missing = first + sent - 1, {first + gap for gap in gaps}
    there = [s for s in range(first, last + 1) if s not in missing]
    head = Head(first, last, BitMap64(missing))
    for count in counts:
        visible = min(count, len(there))
        head.count(visible, last)
        assert (head.head, head.frontier) == model(first, last, missing, set(there[:visible]))


def test_a_count_of_more_than_was_sent_ends_at_the_last_message() -> None:
    head = Head(5, 9, BitMap64())
    head.count(6, 9)
    assert (head.head, head.frontier) == (9, 9)


def test_a_count_of_more_than_was_sent_by_then_ends_at_what_was() -> None:
    head = Head(5, 9, BitMap64())
    head.count(4, 6)
    assert (head.head, head.frontier) == (6, 6)
    head.count(4, 9)
    assert (head.head, head.frontier) == (8, 8)
    head.count(4, 4)
    assert (head.head, head.frontier) == (4, 4)


def test_what_comes_after_the_last_message_sent_is_ignored() -> None:
    head = Head(0, 3, BitMap64([4, 5]))
    head.add(0, 9)
    assert (head.head, head.frontier) == (3, 3)
    head.add(7, 9)
    assert (head.head, head.frontier) == (3, 3)


def test_what_comes_after_a_lost_last_message_does_not_make_it_visible() -> None:
    head = Head(0, 3, BitMap64([3]))
    head.add(0, 2)
    assert (head.head, head.frontier) == (2, 3)
    head.add(4, 9)
    assert (head.head, head.frontier) == (2, 3)


def test_a_count_passes_over_what_is_lost_at_the_very_beginning() -> None:
    head = Head(0, 9, BitMap64([0, 2]))
    found = []
    for count in (0, 1, 2, 0):
        head.count(count, 9)
        found.append((head.head, head.frontier))
    assert found == [(-1, 0), (1, 2), (3, 3), (-1, 0)]
    second = Head(0, 9, BitMap64([1]))
    second.count(1, 9)
    assert (second.head, second.frontier) == (0, 1)


@given(st.sampled_from([1 << 53, 1 << 60, 1 << 63]), st.sets(st.integers(0, 8)), st.integers(0, 9))
def test_neighbours_stay_apart_however_far_a_feed_has_been_numbered(
    middle: int, gaps: set[int], count: int
) -> None:
    first, last = middle - 4, middle + 4
    missing = {first + gap for gap in gaps}
    there = [s for s in range(first, last + 1) if s not in missing]
    counted, added = Head(first, last, BitMap64(missing)), Head(first, last, BitMap64(missing))
    visible = there[: min(count, len(there))]
    counted.count(len(visible), last)
    for sequence in visible:
        added.add(sequence, sequence)
    wanted = model(first, last, missing, set(visible))
    assert ((counted.head, counted.frontier), (added.head, added.frontier)) == (wanted, wanted)


def test_a_lost_message_beside_the_counted_one_is_passed_even_beyond_the_floats() -> None:
    first = 1 << 60
    head = Head(first, first + 4, BitMap64([first + 1, first + 3]))
    head.count(1, first + 4)
    assert (head.head, head.frontier) == (first, first + 1)
