"""The contiguous head of one feed at one tier, when some messages will never come."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.account.ranges import ranges

__all__ = ["Head"]


class Head:
    """Follows what is visible of one feed.

    Args:
        first: first sequence of the run.
        last: last sequence sent; what lies above is ignored.
        missing: sequences that never become visible: nobody waits for them.
    """

    __slots__ = (
        "_beyond", "_first", "_hole", "_holes", "_last", "_missing", "frontier", "head",
    )  # fmt: skip

    def __init__(self, first: int, last: int, missing: BitMap64) -> None:
        self.head = first - 1
        """Newest visible sequence up to which everything is visible or missing for good."""
        self.frontier = first - 1
        """Sequence up to which everything is visible or missing; above `head` only by the missing."""
        self._first = first
        self._last = last
        self._missing = missing
        self._holes: npt.NDArray[np.uint64] = np.array(list(ranges(missing)), dtype=np.uint64).reshape(-1, 2)
        self._hole = 0
        self._beyond: list[tuple[int, int]] = []
        self._advance()

    def add(self, first: int, last: int) -> None:
        """Note that a range of sequences is visible, both ends inclusive."""
        last = min(last, self._last)
        if first <= last:
            heapq.heappush(self._beyond, (first, last))
            self._advance()

    def count(self, visible: int, last: int) -> None:
        """Note how many messages of the run are visible: the earliest ones, it is assumed.

        A count may also fall, at a tier that was put back.

        Args:
            visible: how many.
            last: last sequence sent by then: of more, some were counted twice.
        """
        # The n-th message that isn't missing: start at the n-th, go on by the missing ones passed.
        passed, sequence = 0, self._first + visible - 1
        while visible > 0 and passed != (now := self._missing.rank(sequence)):
            passed, sequence = now, self._first + visible - 1 + now
        self.head = self.frontier = min(sequence, last)
        # Of numpy's type: as floats, neighbours beyond 2^53 would be the same.
        self._hole = int(np.searchsorted(self._holes[:, 1], np.uint64(self.frontier + 1)))
        self._advance()

    def _advance(self) -> None:
        moved = True
        while moved:
            moved = False
            while self._hole < len(self._holes) and int(self._holes[self._hole, 0]) <= self.frontier + 1:
                self.frontier = max(self.frontier, min(int(self._holes[self._hole, 1]), self._last))
                self._hole += 1
            while self._beyond and self._beyond[0][0] <= self.frontier + 1:
                end = heapq.heappop(self._beyond)[1]
                self.head = max(self.head, end)
                self.frontier = max(self.frontier, end)
                moved = True
