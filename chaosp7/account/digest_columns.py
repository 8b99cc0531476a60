"""The digests of one feed's chunks as columns of integers: 32 bytes a chunk, whatever is in it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["DigestColumns", "U64Array", "merge_equal"]

U64Array = npt.NDArray[np.uint64]

_CHUNK, _COUNT, _SUM, _XOR = range(4)
_ROOM_MIN: Final = 16


class DigestColumns:
    """Digests by chunk number, in rising order."""

    __slots__ = ("_room", "_size")

    def __init__(self) -> None:
        self._room: U64Array = np.empty((4, _ROOM_MIN), dtype=np.uint64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def rows(self) -> U64Array:
        """Chunk, count, sum and XOR as rows, with a column for each chunk; shape ``(4, n)``."""
        return self._room[:, : self._size]

    def get(self, chunk: int) -> tuple[int, int, int] | None:
        """Return count, sum and XOR of a chunk; None if it isn't there."""
        at = int(np.searchsorted(self.rows[_CHUNK], np.uint64(chunk)))
        if at == self._size or int(self.rows[_CHUNK, at]) != chunk:
            return None
        count, sum_, xor = self.rows[1:, at].tolist()
        return count, sum_, xor

    def merge(self, other: U64Array) -> None:
        """Add digests: rows like `rows`, each chunk once, in rising order."""
        at, held = self._find(other)
        places, mine = at[held], self.rows
        mine[_COUNT, places] += other[_COUNT, held]
        mine[_SUM, places] += other[_SUM, held]
        mine[_XOR, places] ^= other[_XOR, held]
        if held.all():
            return
        fresh, before = other[:, ~held], at[~held]
        if before[0] < self._size:  # rare: chunks come in rising order
            self._room = np.insert(mine, before, fresh, axis=1)
            self._size = self._room.shape[1]
            return
        size = self._size + fresh.shape[1]
        if size > self._room.shape[1]:
            room = np.empty((4, size + size // 8 + _ROOM_MIN), dtype=np.uint64)
            room[:, : self._size] = mine
            self._room = room
        self._room[:, self._size : size] = fresh
        self._size = size

    def differing(self, other: DigestColumns) -> U64Array:
        """Return the chunks held here of which the other has another digest, or none."""
        at, held = other._find(self.rows)
        same = held.copy()
        same[held] = (other.rows[:, at[held]] == self.rows[:, held]).all(axis=0)
        chunks: U64Array = self.rows[_CHUNK, ~same]
        return chunks

    def _find(self, digests: U64Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return where each chunk is or would be, and whether it is there."""
        chunks, mine = digests[_CHUNK], self.rows[_CHUNK]
        at = np.searchsorted(mine, chunks)
        held = at < self._size
        held[held] = mine[at[held]] == chunks[held]
        return at, held


def merge_equal(digests: U64Array) -> U64Array:
    """Return digests with each chunk once, in rising order.

    Args:
        digests: rows like `DigestColumns.rows`, in any order; a chunk may come more than once.
    """
    ordered = digests[:, np.argsort(digests[_CHUNK], kind="stable")]
    fresh = np.ones(ordered.shape[1], dtype=np.bool_)
    fresh[1:] = ordered[_CHUNK, 1:] != ordered[_CHUNK, :-1]
    starts = np.flatnonzero(fresh)
    return np.stack(
        (
            ordered[_CHUNK, starts],
            np.add.reduceat(ordered[_COUNT], starts),
            np.add.reduceat(ordered[_SUM], starts),
            np.bitwise_xor.reduceat(ordered[_XOR], starts),
        )
    )
