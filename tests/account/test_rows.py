"""A tier's rows are taken exactly as they are, or refused: a number is never bent into another one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.rows import Rows
from chaosp7.errors import ReaderError

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT")


def sequences_of(column: Any) -> Any:
    count = len(column)
    return Rows.from_columns(
        FeedIndex([BTC]), ["binance"] * count, ["BTC/USDT"] * count, column, [7] * count
    ).sequences


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=20))
def test_a_list_of_unsigned_integers_is_taken_to_its_last_bit(numbers: list[int]) -> None:
    for column in (numbers, tuple(numbers), np.array(numbers, object), list(map(np.uint64, numbers))):
        found = sequences_of(column)
        assert (found.dtype, found.tolist()) == (np.uint64, numbers)


@pytest.mark.parametrize("kind", ["u1", "<u2", "<u4", "<u8", ">u8", "i1", "<i2", "<i4", "<i8"])
@pytest.mark.parametrize("numbers", [[], [0], [5, 0, 127]])
def test_an_array_of_any_kind_of_integer_is_taken(kind: str, numbers: list[int]) -> None:
    found = sequences_of(np.array(numbers, dtype=kind))
    assert (found.dtype, found.tolist()) == (np.uint64, numbers)


@pytest.mark.parametrize(
    "column", [[-1], [3, -1], [-1, 3], np.array([3, -1]), np.array([-1, 3], dtype=object)]
)
def test_a_negative_number_anywhere_is_refused(column: Any) -> None:
    with pytest.raises(ReaderError, match="'sequence' must hold unsigned integers"):
        sequences_of(column)


@pytest.mark.parametrize("column", [[3, 1.0], [1.0, 3], ["3"], np.array([3, None], dtype=object)])
def test_what_is_no_whole_number_is_refused(column: Any) -> None:
    with pytest.raises(ReaderError, match="'sequence' must hold whole numbers"):
        sequences_of(column)


@pytest.mark.parametrize("kind", ["f8", "M8[ns]", "U3", "?"])
def test_an_array_of_anything_else_is_refused_even_without_a_row(kind: str) -> None:
    for count in (0, 2):
        with pytest.raises(ReaderError, match="'sequence' must hold unsigned integers, not"):
            sequences_of(np.zeros(count, dtype=kind))


def test_a_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ReaderError, match="column 'sequence'"):
        sequences_of([1, 1 << 64])


def test_each_column_goes_where_it_belongs() -> None:
    index = FeedIndex([BTC, ETH])
    rows = Rows.from_columns(index, ["binance", "x"], ["ETH/USDT", "y"], [1, 2], np.array([8, 9], np.uint64))
    assert (rows.feeds.tolist(), rows.sequences.tolist(), rows.checksums.tolist()) == ([1, 2], [1, 2], [8, 9])
    assert index[2] == Feed("x", "y")
    with pytest.raises(ReaderError, match="'checksum'"):
        Rows.from_columns(index, ["x"], ["y"], [1], [-1])


def test_a_column_that_fits_already_is_not_copied() -> None:
    column = np.array([1, 2], dtype=np.uint64)
    assert sequences_of(column) is column
