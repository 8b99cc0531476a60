"""Sets of sequences against Python's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.sets import between, mask


@given(held=st.sets(st.integers(0, 30)), first=st.integers(0, 30), count=st.integers(0, 12))
def test_a_mask_tells_of_each_sequence_whether_it_is_held(held: set[int], first: int, count: int) -> None:
    found = mask(BitMap64(held), first, count)
    assert found.dtype == np.bool_
    assert found.tolist() == [first + i in held for i in range(count)]


@pytest.mark.parametrize("held", [set(), {4}, {5}, {6}, {7}, {4, 5, 6, 7}])
def test_a_mask_holds_both_of_its_ends_and_nothing_beyond(held: set[int]) -> None:
    assert mask(BitMap64(held), 5, 2).tolist() == [5 in held, 6 in held]


def test_nothing_is_between_ends_that_are_the_wrong_way_round() -> None:
    assert not between(BitMap64([3, 4, 5]), 5, 4)
    assert between(BitMap64([3, 4, 5]), 4, 4) == BitMap64([4])
