"""The examination of one suspicious chunk, message by message."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.account.checksum import U64Array
from chaosp7.account.digest import CHUNK, ChunkKey, Digest
from chaosp7.account.pieces import piece_xors, wrong_places
from chaosp7.account.sent import Bounds, SentChunk
from chaosp7.account.sets import bitmap
from chaosp7.account.stretch import one_stretch

__all__ = ["ChunkCase"]

_U64: Final = (1 << 64) - 1


class ChunkCase:
    """Gathers a tier's rows of one chunk and compares them with what was sent.

    It holds eleven bytes per sent message, whatever the tier holds.

    Args:
        key: the chunk.
        bounds: the feed's bounds; None for a feed that the ledger doesn't know.
        growing: the source may go on sending: nothing above the bounds is unexpected.
        sent: the chunk's messages; None if none of them are accounted for.
    """

    __slots__ = (
        "_above", "_again", "_checksums", "_first", "_rows", "_seen", "_start", "_wrong",
        "digest", "key", "unexpected", "unexpected_rows",
    )  # fmt: skip

    def __init__(self, key: ChunkKey, bounds: Bounds | None, growing: bool, sent: SentChunk | None) -> None:
        self.key = key
        self.digest = Digest(0, 0, 0)
        """Digest of the rows examined: it must be the one that made the chunk suspicious."""
        self.unexpected = BitMap64()
        self.unexpected_rows = 0
        self._start = 0 if bounds is None else bounds.first
        # What lies above this was never sent; with a source that still sends, nothing can be told.
        self._above = -1 if bounds is None else (_U64 if growing else bounds.end)
        self._first = key.first if sent is None else sent.first
        self._checksums = np.empty(0, dtype=np.uint64) if sent is None else sent.checksums
        count = len(self._checksums)
        self._seen = np.zeros(count, dtype=np.bool_)
        self._again = np.zeros(count, dtype=np.bool_)
        self._wrong = np.zeros(count, dtype=np.bool_)
        self._rows = 0

    def examine(self, sequences: U64Array, checksums: U64Array) -> None:
        """Take rows of this chunk, in any order and in as many calls as one likes."""
        keep = sequences >= np.uint64(self._start)  # below are earlier runs' messages
        if not keep.all():
            sequences, checksums = sequences[keep], checksums[keep]
        self.digest = self.digest.merged(
            Digest(len(checksums), int(np.add.reduce(checksums)), int(np.bitwise_xor.reduce(checksums)))
        )
        count = len(self._checksums)
        # All of them are at or above _start, and a chunk's messages begin at max(_start, chunk).
        inside = sequences < np.uint64(self._first + count)
        if not inside.all():
            self._note_above(sequences[~inside])
            sequences, checksums = sequences[inside], checksums[inside]
        places = (sequences - np.uint64(self._first)).astype(np.intp)
        copies = np.bincount(places, minlength=count)
        self._again |= (copies > 1) | (self._seen & (copies > 0))
        self._seen |= copies > 0
        self._wrong[places[checksums != self._checksums[places]]] = True
        self._rows += len(places)

    def solve(self, digest: Digest) -> bool:
        """Take what is there, if one gap or one doubled stretch explains the digest.

        Args:
            digest: as in `explain`.

        Returns:
            Whether the chunk is done. If not, nothing is taken.
        """
        inside = one_stretch(self._checksums, digest)
        if inside is None:
            return False
        self._take(digest, inside)
        return True

    def explain(self, digest: Digest, copies: U64Array) -> bool:
        """Take how often each sequence is there, if that and the ledger explain the digest.

        Were all that is there right, count, sum and XOR would follow from the ledger alone. If they
        are so, it is right. If not, nothing is taken: the rows must be examined.

        Args:
            digest: of all the tier's rows of this chunk at or above the run's first sequence.
            copies: how often each sequence of the chunk is there, shape ``(CHUNK,)``.

        Returns:
            Whether the chunk is done.
        """
        if not len(self._checksums) and int(copies.sum()) == digest.count:
            self._note_all_above(copies)
            self.digest = digest
            return True
        inside = self._inside(digest, copies)
        if inside is None or self._told(inside) != digest:
            return False
        self._take(digest, inside)
        return True

    def name(self, digest: Digest, copies: U64Array, xors: U64Array) -> bool:
        """Take how often each sequence is there and which ones are wrong, if that explains the digest.

        Args:
            digest: as in `explain`.
            copies: as in `explain`.
            xors: of the chunk's pieces, see `ChunkPieces.xors`.

        Returns:
            Whether the chunk is done. If not, nothing is taken: the rows must be examined.
        """
        inside = self._inside(digest, copies)
        if inside is None:
            return False
        start, count = self._first - self.key.first, len(self._checksums)
        once = np.zeros(CHUNK, dtype=np.uint64)
        once[start : start + count] = self._checksums * (inside % np.uint64(2))
        named = wrong_places(piece_xors(once), xors)
        if named is None:
            return False
        places, differences = np.array(named[0], dtype=np.intp) - start, named[1]
        if len(places) and (places.min() < 0 or places.max() >= count or not inside[places].all()):
            return False
        # One copy of each is wrong. Two alike would not show in an XOR; but they do in the sum.
        right = self._checksums[places]
        wrong = right ^ differences
        told = self._told(inside)
        changed = int(np.add.reduce(wrong)) - int(np.add.reduce(right))
        xor = told.xor ^ int(np.bitwise_xor.reduce(differences))
        if Digest(told.count, (told.sum + changed) & _U64, xor) != digest:
            return False
        self._take(digest, inside)
        self._wrong[places] = True
        return True

    def _inside(self, digest: Digest, copies: U64Array) -> U64Array | None:
        """Return how often each sent message is there; None if that isn't all that there is."""
        start, count = self._first - self.key.first, len(self._checksums)
        inside = copies[start : start + count]
        # Of what was never sent, no sum can be told.
        return inside if count and int(inside.sum()) == int(copies.sum()) == digest.count else None

    def _told(self, inside: U64Array) -> Digest:
        """Return the digest of so many right copies."""
        return Digest(
            int(inside.sum()),
            int(np.add.reduce(self._checksums * inside)),
            int(np.bitwise_xor.reduce(self._checksums[inside % np.uint64(2) == 1])),
        )

    def _take(self, digest: Digest, inside: U64Array) -> None:
        self.digest = digest
        self._seen = inside > 0
        self._again = inside > 1
        self._rows = digest.count

    def _note_all_above(self, copies: U64Array) -> None:
        places = np.flatnonzero(copies)
        sequences = places.astype(np.uint64) + np.uint64(self.key.first)
        if self._above >= 0:
            counted = sequences > np.uint64(self._above)
            places, sequences = places[counted], sequences[counted]
        self.unexpected = bitmap(sequences)
        self.unexpected_rows = int(copies[places].sum())

    def _note_above(self, sequences: U64Array) -> None:
        if self._above >= 0:
            sequences = sequences[sequences > np.uint64(self._above)]
        if len(sequences):
            self.unexpected |= bitmap(sequences)
            self.unexpected_rows += len(sequences)

    @property
    def surplus(self) -> int:
        """Rows too many of sent messages."""
        return self._rows - int(np.count_nonzero(self._seen))

    def lost(self) -> BitMap64:
        """Return the sequences that have no row."""
        return self._where(~self._seen)

    def corrupted(self) -> BitMap64:
        """Return the sequences of which a row's checksum isn't the sent one."""
        return self._where(self._wrong)

    def duplicated(self) -> BitMap64:
        """Return the sequences that have more than one row, all of them right."""
        return self._where(self._again & ~self._wrong)

    def _where(self, mask: npt.NDArray[np.bool_]) -> BitMap64:
        return bitmap(np.flatnonzero(mask).astype(np.uint64) + np.uint64(self._first))
