"""Stretches of time are joined without a gap made or closed; a figure holds both of its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.recovery.spans import Figure, Span, joined, length_ns

TIMES = st.integers(-(1 << 60), 1 << 60)


@given(TIMES, TIMES, st.integers(0, 1 << 40))
def test_a_figure_holds_its_bounds_and_is_no_wider_than_they_are_apart(
    one: int, other: int, extra_ns: int
) -> None:
    low_ns, high_ns = min(one, other), max(one, other)
    figure = Figure.between(low_ns, high_ns, extra_ns)
    assert figure.value_ns - figure.uncertainty_ns <= low_ns - extra_ns
    assert figure.value_ns + figure.uncertainty_ns >= high_ns + extra_ns
    assert 2 * figure.uncertainty_ns <= high_ns - low_ns + 1 + 2 * extra_ns
    assert low_ns <= figure.value_ns <= high_ns


def test_without_more_said_nothing_is_added_to_the_uncertainty() -> None:
    assert Figure.between(10, 20) == Figure(15, 5)
    assert Figure.between(10, 10) == Figure(10, 0)
    assert Figure.between(10, 13) == Figure(11, 2)


def test_an_upper_bound_below_the_lower_one_says_no_more_than_the_lower_one() -> None:
    assert Figure.between(10, 4, 1) == Figure(10, 1)


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([(1, 3), (3, 5)], [(1, 5)]),
        ([(1, 3), (4, 5)], [(1, 3), (4, 5)]),
        ([(4, 5), (1, 9), (2, 3)], [(1, 9)]),
        ([(1, 2), (4, 9), (5, 6)], [(1, 2), (4, 9)]),
        ([(-5, 2), (8, 50)], [(0, 2), (8, 10)]),
        ([(3, 2)], []),
        ([(3, 3)], [(3, 3)]),
        ([(-5, -1), (11, 12)], []),
        ([], []),
    ],
)
def test_spans_that_meet_become_one_and_what_is_outside_is_cut_off(
    spans: list[Span], found: list[Span]
) -> None:
    assert joined(spans, (0, 10)) == found


def test_the_length_is_that_of_all_spans() -> None:
    assert length_ns([(1, 3), (10, 15)]) == 7
    assert length_ns([]) == 0
