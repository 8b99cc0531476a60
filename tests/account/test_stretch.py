"""A digest spells the one stretch that is missing or doubled, and nothing else."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.checksum import U64Array, mix
from chaosp7.account.digest import CHUNK, Digest
from chaosp7.account.stretch import one_stretch

U64 = (1 << 64) - 1


def sent(count: int) -> U64Array:
    return mix(np.arange(count, dtype=np.uint64) + np.uint64(77))


def digest_of(rows: Iterable[int]) -> Digest:
    digest = Digest(0, 0, 0)
    for checksum in rows:
        digest = digest.merged(Digest(1, checksum, checksum))
    return digest


def rows_of(checksums: U64Array, copies: Iterable[int]) -> list[int]:
    return [row for row, n in zip(checksums.tolist(), copies, strict=True) for _ in range(n)]


def a_stretch(copies: list[int]) -> bool:
    """Tell whether all are there once, save for one stretch: by going through them."""
    others = [i for i, n in enumerate(copies) if n != 1]
    return bool(others) and (
        len({copies[i] for i in others}) == 1
        and copies[others[0]] in {0, 2}
        and others[-1] - others[0] + 1 == len(others)
    )


@settings(max_examples=400, deadline=None)
@given(copies=st.lists(st.sampled_from([1, 1, 1, 0, 2, 3]), min_size=1, max_size=12))
def test_what_is_there_is_told_if_and_only_if_it_lacks_or_doubles_one_stretch(copies: list[int]) -> None:
    checksums = sent(len(copies))
    found = one_stretch(checksums, digest_of(rows_of(checksums, copies)))
    assert (None if found is None else found.tolist()) == (copies if a_stretch(copies) else None)


@settings(max_examples=60, deadline=None)
@given(count=st.sampled_from([1, 2, 100, CHUNK]), data=st.data(), lost=st.booleans())
def test_a_stretch_is_found_wherever_it_lies(count: int, data: st.DataObject, lost: bool) -> None:
    first = data.draw(st.integers(0, count - 1) | st.just(0))
    last = data.draw(st.integers(first, count - 1) | st.just(count - 1))
    copies = [(0 if lost else 2) if first <= i <= last else 1 for i in range(count)]
    checksums = sent(count)
    found = one_stretch(checksums, digest_of(rows_of(checksums, copies)))
    assert found is not None
    assert (found.dtype, found.tolist()) == (np.uint64, copies)


@settings(max_examples=200, deadline=None)
@given(
    gone=st.integers(0, 19),
    wrong=st.dictionaries(st.integers(0, 19), st.integers(1, U64), min_size=1, max_size=3),
    strays=st.lists(st.integers(0, U64), max_size=2),
)
def test_a_gap_beside_something_wrong_is_not_told(
    gone: int, wrong: dict[int, int], strays: list[int]
) -> None:
    checksums = sent(20).tolist()
    # As other fields would give them: of one bit turned in two rows sum and XOR can stay as they were.
    damaged = {i: int(mix(np.array([change], dtype=np.uint64))[0]) for i, change in wrong.items()}
    rows = [row ^ damaged.get(i, 0) for i, row in enumerate(checksums) if i != gone] + strays
    if set(wrong) != {gone} and not Counter(strays) & Counter(checksums):
        assert one_stretch(sent(20), digest_of(rows)) is None


def test_what_has_the_right_sum_only_or_the_right_xor_only_is_not_told() -> None:
    checksums = sent(20)
    right = digest_of(rows_of(checksums, [1] * 7 + [0] + [1] * 12))
    assert one_stretch(checksums, right) is not None
    assert one_stretch(checksums, Digest(right.count, right.sum ^ 1, right.xor)) is None
    assert one_stretch(checksums, Digest(right.count, right.sum, right.xor ^ 1)) is None


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_whole_or_was_never_sent_has_no_stretch(count: int) -> None:
    checksums = sent(count)
    assert one_stretch(checksums, digest_of(checksums.tolist())) is None
    assert one_stretch(checksums, digest_of([*checksums.tolist(), *range(count + 1)])) is None


def test_a_digest_that_two_stretches_would_explain_names_neither() -> None:
    alike = np.array([5, 9, 5], dtype=np.uint64)
    assert one_stretch(alike, Digest(2, 14, 5 ^ 9)) is None
