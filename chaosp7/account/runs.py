"""Runs: which sequences of a chunk a tier holds, and how often, without a row of it.

Layer *k* of a chunk is what is there at least *k* times; a run is a maximal range of consecutive
sequences in a layer. A chunk that lacks one message has two runs in its first layer; one with a
message twice has one run in the first and one in the second.

Runs hold sequences only, so a tier reads nothing else to tell them. Whether what is there is right, the
chunk's digest says that is known already: right copies of these runs explain it, or they don't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.errors import ReaderError

__all__ = ["ChunkRuns", "RunSource"]


@dataclass(frozen=True, slots=True)
class ChunkRuns:
    """The runs of one chunk, those of all layers together.

    Attributes:
        key: the chunk.
        rows: how many rows the runs were made of, gathered by the same query.
        firsts: place of each run's first sequence in the chunk, 0 to ``CHUNK - 1``.
        lasts: of its last one, inclusive; as many.
    """

    key: ChunkKey
    rows: int
    firsts: Sequence[int]
    lasts: Sequence[int]

    def copies(self) -> npt.NDArray[np.uint64]:
        """Return how often each sequence of the chunk is there, shape ``(CHUNK,)``.

        Raises:
            ReaderError: the runs are none.
        """
        if len(self.firsts) != len(self.lasts):
            raise ReaderError(f"{self.key}: {len(self.firsts)} runs begin, but {len(self.lasts)} end")
        steps = np.zeros(CHUNK + 1, dtype=np.int64)
        for first, last in zip(self.firsts, self.lasts, strict=True):
            if not 0 <= first <= last < CHUNK:
                raise ReaderError(f"{self.key}: {first}-{last} is no run of a chunk")
            steps[first] += 1
            steps[last + 1] -= 1
        return np.cumsum(steps[:CHUNK]).astype(np.uint64)


#: Gives the runs of the chunks asked for. A chunk left out, or with runs that don't make up the
#: digest's count (none at all, where they would be too many), is examined by its rows.
RunSource: TypeAlias = Callable[[Sequence[ChunkKey]], Iterable[ChunkRuns]]
