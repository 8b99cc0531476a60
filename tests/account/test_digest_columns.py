"""The columns of one feed's digests hold what a dictionary would, however they were filled."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.digest_columns import DigestColumns, U64Array, merge_equal

U64 = (1 << 64) - 1

Held = dict[int, tuple[int, int, int]]
Row = tuple[int, int, int, int]

values = st.tuples(st.integers(1, 9), st.integers(0, U64), st.integers(0, U64))
#: Few chunks, so that many come again, in parts of any order and size.
parts_of_chunks = st.lists(st.dictionaries(st.integers(0, 40), values, max_size=30), max_size=6)


def rows_of(digests: list[Row]) -> U64Array:
    return np.array(digests, dtype=np.uint64).reshape(-1, 4).T


def together(held: Held, digests: list[Row]) -> Held:
    result = dict(held)
    for chunk, count, sum_, xor in digests:
        known = result.get(chunk, (0, 0, 0))
        result[chunk] = (known[0] + count, known[1] + sum_ & U64, known[2] ^ xor)
    return result


def filled(parts: list[Held]) -> tuple[DigestColumns, Held]:
    columns, held = DigestColumns(), Held()
    for part in parts:
        digests = [(chunk, *part[chunk]) for chunk in sorted(part)]
        columns.merge(rows_of(digests))
        held = together(held, digests)
    return columns, held


@settings(max_examples=150, deadline=None)
@given(parts=parts_of_chunks)
def test_merged_parts_are_held_in_rising_order_each_chunk_once(parts: list[Held]) -> None:
    columns, held = filled(parts)
    assert columns.rows.T.tolist() == [[chunk, *held[chunk]] for chunk in sorted(held)]
    assert len(columns) == len(held)
    assert {chunk: columns.get(chunk) for chunk in range(42)} == {c: held.get(c) for c in range(42)}


def test_a_chunk_that_comes_after_higher_ones_is_found_again() -> None:
    columns, held = filled([{7: (1, 2, 3)}, {3: (1, 1, 1), 5: (1, 1, 1)}, {3: (1, 1, 1), 4: (1, 0, 0)}])
    assert columns.rows.T.tolist() == [[3, 2, 2, 0], [4, 1, 0, 0], [5, 1, 1, 1], [7, 1, 2, 3]]
    assert held[3] == columns.get(3) == (2, 2, 0)
    assert columns.get(6) is None


@settings(max_examples=150, deadline=None)
@given(parts=parts_of_chunks, others=parts_of_chunks)
def test_a_chunk_differs_whose_digest_is_another_or_not_there(parts: list[Held], others: list[Held]) -> None:
    (one, held), (other, known) = filled(parts), filled([*parts, *others])
    assert one.differing(other).tolist() == sorted(c for c in held if held[c] != known[c])
    assert other.differing(one).tolist() == sorted(c for c in known if held.get(c) != known[c])


@settings(max_examples=150, deadline=None)
@given(
    digests=st.lists(
        st.tuples(st.integers(0, 5), values).map(lambda d: (d[0], *d[1])), min_size=1, max_size=25
    )
)
def test_the_digests_of_a_chunk_that_comes_more_than_once_become_one(digests: list[Row]) -> None:
    held = together({}, digests)
    assert merge_equal(rows_of(digests)).T.tolist() == [[chunk, *held[chunk]] for chunk in sorted(held)]
