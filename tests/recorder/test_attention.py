"""Attention is full while it is held, and for a while after trouble; whoever rests is woken."""

from chaosp7.recorder.attention import Attention

S = 1_000_000_000


class Clock:
    now_ns = 100 * S

    def __call__(self) -> int:
        return self.now_ns


def test_a_call_makes_it_full_for_the_linger_counted_from_the_last_one() -> None:
    clock = Clock()
    attention = Attention(3.0, clock)
    assert not attention.full
    attention.call()
    clock.now_ns += 2 * S
    assert attention.full
    attention.call()
    clock.now_ns += 2 * S
    assert attention.full
    clock.now_ns += 1 * S
    assert not attention.full


def test_held_twice_it_stays_full_until_both_are_over_and_the_linger_is() -> None:
    clock = Clock()
    attention = Attention(3.0, clock)
    with attention.held():
        with attention.held():
            clock.now_ns += 60 * S
        clock.now_ns += 60 * S
        assert attention.full
    clock.now_ns += 2 * S
    assert attention.full
    clock.now_ns += 1 * S
    assert not attention.full


def test_who_rests_is_woken_when_it_becomes_full_and_not_again_by_each_call() -> None:
    attention = Attention(3.0, Clock())
    woken = attention.listen()
    attention.call()
    assert woken.is_set()
    woken.clear()
    attention.call()
    assert not woken.is_set()
    with attention.held():
        assert woken.is_set()
