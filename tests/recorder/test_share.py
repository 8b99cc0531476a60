"""Looks take at most their share of the time, and one slow look is no reason to look away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.recorder.share import Share

SECOND_NS = 1_000_000_000


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def test_one_slow_look_is_followed_at_once_and_many_are_not() -> None:
    share = Share(0.5, 1.0, 0)
    assert share.spend(ns(5.0), ns(5.8)) == 0
    # Half of its time was earned meanwhile: 0.2 + 0.4 - 0.8.
    assert share.spend(ns(5.8), ns(6.6)) == pytest.approx(0.4)
    assert share.spend(ns(7.0), ns(7.8)) == pytest.approx(0.8)


def test_no_more_than_the_burst_is_saved_up() -> None:
    share = Share(0.5, 1.0, 0)
    assert share.spend(ns(1000), ns(1001)) == 0
    assert share.spend(ns(1001), ns(1002)) == pytest.approx(1.0)


@given(
    looks=st.lists(st.tuples(st.floats(0.001, 3), st.floats(0, 2)), min_size=1, max_size=50),
    share=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_looks_that_wait_as_told_take_their_share_and_a_burst_at_most(
    looks: list[tuple[float, float]], share: float
) -> None:
    kept, now_s, spent_s = Share(share, 1.0, 0), 0.0, 0.0
    longest_s = max(took for took, _ in looks)
    for took_s, pause_s in looks:
        begun_s, now_s = now_s, now_s + took_s
        spent_s += took_s
        assert spent_s <= share * now_s + 1.0 + longest_s + 1e-6
        now_s += max(pause_s, kept.spend(ns(begun_s), ns(now_s)))
        assert spent_s <= share * now_s + 1.0 + 1e-6
