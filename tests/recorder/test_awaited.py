"""Nobody waits for what never reached the topic, but for all else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.recorder.awaited import awaited_heads, gone_holes
from chaosp7.recorder.heads import Heads, Holes, Known

LAST = 30


@pytest.mark.parametrize(
    ("known", "gone", "head"),
    [
        (Known(20, ()), (), 20),
        (Known(20, ((5, 8),)), (), 4),
        (Known(20, ((5, 8),)), ((5, 8),), 20),
        (Known(20, ((5, 8),)), ((4, 9),), 20),
        (Known(20, ((5, 8),)), ((5, 7),), 7),
        (Known(20, ((5, 8),)), ((6, 8),), 4),
        (Known(20, ((8, 9),)), ((5, 8),), 8),
        (Known(20, ((5, 5),)), ((5, 5),), 20),
        (Known(20, ((5, 8), (11, 12))), ((5, 8),), 10),
        (Known(20, ((5, 8), (11, 12))), ((11, 12),), 4),
        (Known(20, ((5, 8), (11, 12))), ((5, 8), (11, 12)), 20),
        # What comes after the gap isn't there yet: it is waited for.
        (Known(4, ()), ((5, 8),), 4),
    ],
)
def test_a_hole_is_passed_if_the_topic_has_it_too(known: Known, gone: Holes, head: int) -> None:
    assert awaited_heads([known], [gone], counted=False) == [head]


@pytest.mark.parametrize(
    ("head", "gone", "passed"),
    [
        (20, (), 20),
        (4, ((5, 8),), 8),
        (3, ((5, 8),), 3),
        (9, ((5, 8),), 13),
        (9, ((5, 8), (14, 15)), 15),
        (9, ((5, 8), (15, 15)), 13),
    ],
)
def test_a_count_stands_for_the_earliest_messages_that_are_not_gone(
    head: int, gone: Holes, passed: int
) -> None:
    assert awaited_heads([Known(head, ())], [gone], counted=True) == [passed]


@given(
    topic=st.sets(st.integers(1, LAST)),
    shown=st.sets(st.integers(1, LAST)),
    given_up=st.integers(0, LAST),
)
def test_up_to_the_head_everything_is_there_that_can_still_come(
    topic: set[int], shown: set[int], given_up: int
) -> None:
    shown &= topic
    known = []
    for there in (topic, shown):
        heads = Heads([1])
        for sequence in there:
            heads.add(0, sequence, sequence)
        known += heads.known()
    gone = tuple(hole for hole in known[0].holes if hole[1] <= given_up)
    lost = {sequence for first, last in gone for sequence in range(first, last + 1)}
    (head,) = awaited_heads(known[1:], [gone], counted=False)
    assert set(range(1, head + 1)) <= shown | lost
    # And no earlier than needed: what follows is still waited for, or nothing does.
    assert head == known[1].top or head + 1 not in shown | lost
    count = Known(len(shown), ())
    (head,) = awaited_heads([count], [gone], counted=True)
    assert len(set(range(1, head + 1)) - lost) == len(shown)


def test_gone_is_what_the_topic_lacks_and_was_sent_long_ago() -> None:
    def sent_ns(feed: int, sequence: int) -> int:
        assert (feed, sequence) in {(0, 5), (0, 9), (1, 5)}, "of nothing else there is a time"
        return 10 * sequence + feed

    topic = [Known(20, ((3, 5), (9, 9))), Known(8, ((4, 5),)), Known(1 << 60, ((7, (1 << 60) - 1),))]
    gone = gone_holes(topic, [20, 8, 9], sent_ns, 51)
    assert gone == [((3, 5),), (), ()]
    assert gone_holes(topic, [20, 8, 9], sent_ns, 91) == [((3, 5), (9, 9)), ((4, 5),), ()]
    assert gone_holes(topic, [20, 8, 9], sent_ns, 90)[0] == ((3, 5),)
    assert gone_holes([Known(10, ((7, 9),))], [9], sent_ns, 91) == [((7, 9),)]
