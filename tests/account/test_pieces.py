"""The XORs of pieces are those of a loop, and spell the place of a wrong message, or nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.checksum import U64Array
from chaosp7.account.pieces import BITS, PIECE, PIECES, piece_xors, wrong_places

U64 = (1 << 64) - 1

differences = st.integers(1, U64)
place_in_piece = st.sampled_from([0, 1, 2, 512, 1022, 1023]) | st.integers(0, 1023)


def chunk_of(seed: int) -> U64Array:
    return np.random.default_rng(seed).integers(0, U64, 4096, dtype=np.uint64, endpoint=True)


def test_a_chunk_has_four_pieces_of_1024_sequences() -> None:
    assert (PIECE, PIECES, BITS) == (1024, 4, 10)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_each_piece_has_the_xor_of_all_and_of_those_with_each_bit(seed: int) -> None:
    checksums = chunk_of(seed)
    wanted = [[0] * 11 for _ in range(4)]
    for place, checksum in enumerate(checksums.tolist()):
        of_piece = wanted[place // 1024]
        of_piece[0] ^= checksum
        for bit in range(10):
            of_piece[1 + bit] ^= checksum if place >> bit & 1 else 0
    assert piece_xors(checksums).tolist() == wanted


@settings(max_examples=80, deadline=None)
@given(wrong=st.dictionaries(st.integers(0, 3), st.tuples(place_in_piece, differences)))
def test_one_wrong_message_of_a_piece_is_named_with_its_difference(wrong: dict[int, tuple[int, int]]) -> None:
    sent = chunk_of(1)
    found = sent.copy()
    for piece, (place, difference) in wrong.items():
        found[piece * 1024 + place] ^= np.uint64(difference)
    named = wrong_places(piece_xors(sent), piece_xors(found))
    assert named is not None
    assert (named[0], named[1].tolist()) == (
        [piece * 1024 + wrong[piece][0] for piece in sorted(wrong)],
        [wrong[piece][1] for piece in sorted(wrong)],
    )


@settings(max_examples=80, deadline=None)
@given(
    piece=st.integers(0, 3),
    places=st.lists(place_in_piece, min_size=2, max_size=2, unique=True),
    by=st.tuples(differences, differences),
    alike=st.booleans(),
    other=st.none() | differences,
)
def test_two_wrong_messages_of_a_piece_are_never_named_as_one(
    piece: int, places: list[int], by: tuple[int, int], alike: bool, other: int | None
) -> None:
    sent = chunk_of(2)
    found = sent.copy()
    for place, difference in zip(places, (by[0], by[0] if alike else by[1]), strict=True):
        found[piece * 1024 + place] ^= np.uint64(difference)
    if other is not None:  # beside one that could be named
        found[(piece + 1) % 4 * 1024 + 77] ^= np.uint64(other)
    assert wrong_places(piece_xors(sent), piece_xors(found)) is None
