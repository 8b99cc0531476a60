"""Pieces: XORs that name a wrong message of a chunk, without a row of it.

A chunk has `PIECES` of `PIECE` sequences. Of each come the XOR of its rows' checksums, and per bit of
a sequence the XOR of those that have this bit. Where one message is wrong by *d*, the first differs
from the ledger's by *d*, and the others by *d* where the message's sequence has the bit, by 0 where it
hasn't: they spell its place. Were more than one wrong, they would do so by chance only; and what was
found is taken only if the chunk's sum agrees too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from chaosp7.account.checksum import U64Array
from chaosp7.account.digest import CHUNK, ChunkKey

__all__ = ["BITS", "PIECE", "PIECES", "ChunkPieces", "PieceSource", "piece_xors", "wrong_places"]

#: Sequences per piece: half of them would be half as often those of two wrong messages, but cost
#: almost twice the bytes.
PIECE: Final = 1024
PIECES: Final = CHUNK // PIECE
#: Bits of a place in a piece.
BITS: Final = PIECE.bit_length() - 1

_BIT_SET: Final = (np.arange(PIECE)[:, np.newaxis] >> np.arange(BITS)) & 1 == 1


@dataclass(frozen=True, slots=True)
class ChunkPieces:
    """What a tier says of one chunk's pieces.

    Attributes:
        key: the chunk.
        xors: of each piece the XOR of all its rows' checksums, then of those whose sequence has
            bit 0, 1, ...; shape ``(PIECES, 1 + BITS)``.
    """

    key: ChunkKey
    xors: U64Array


#: Gives the pieces of the chunks asked for. A chunk left out is examined by its rows.
PieceSource: TypeAlias = Callable[[Sequence[ChunkKey]], Iterable[ChunkPieces]]


def piece_xors(checksums: U64Array) -> U64Array:
    """Return the XORs of a chunk whose checksums are known.

    Args:
        checksums: at each place the XOR of its rows' checksums, 0 where there is none; shape ``(CHUNK,)``.

    Returns:
        As `ChunkPieces.xors`.
    """
    pieces = checksums.reshape(PIECES, PIECE)
    whole = np.bitwise_xor.reduce(pieces, axis=1)[:, np.newaxis]
    with_bit = np.where(_BIT_SET, pieces[:, :, np.newaxis], np.uint64(0))
    return np.hstack([whole, np.bitwise_xor.reduce(with_bit, axis=1)])


def wrong_places(sent: U64Array, found: U64Array) -> tuple[list[int], U64Array] | None:
    """Return where a chunk is wrong, if no piece is so in more than one place.

    Args:
        sent: XORs as the ledger has them.
        found: as the tier has them.

    Returns:
        The places in the chunk and by what the XOR of the checksums differs there; None if XORs
        don't spell places.
    """
    differences = sent ^ found
    whole, bits = differences[:, :1], differences[:, 1:]
    if not ((bits == 0) | (bits == whole)).all():
        return None
    pieces = np.flatnonzero(whole)
    places = (bits[pieces] != 0) @ (1 << np.arange(BITS)) + pieces * PIECE
    return places.tolist(), whole[pieces, 0]
