"""What is visible at a tier so far, per feed: a contiguous head, and what lies beyond a hole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

__all__ = ["Heads", "Range", "ranges_of"]

#: (feed index, first sequence, last sequence), both inclusive.
Range = tuple[int, int, int]


class Heads:
    """Tracks the contiguous head of every feed at one tier.

    The head is the highest sequence up to which everything is visible. Sequences beyond a hole
    are kept in a bitmap until the hole fills, so memory is bounded by the holes.

    Args:
        first: the first sequence of each feed, by feed index: heads begin just below.
    """

    def __init__(self, first: list[int]) -> None:
        self.heads = [sequence - 1 for sequence in first]
        self._beyond = [BitMap64() for _ in first]
        self.visible = 0
        """Distinct sequences seen so far, over all feeds."""

    def add(self, feed: int, first: int, last: int) -> bool:
        """Note that a range of sequences is visible.

        Args:
            feed: index of the feed.
            first: first sequence of the range, inclusive.
            last: last one, inclusive.

        Returns:
            Whether any of them is new.
        """
        head, beyond = self.heads[feed], self._beyond[feed]
        first = max(first, head + 1)
        if first > last:
            return False
        if first == head + 1 and not beyond:
            self.heads[feed] = last
            self.visible += last - head
            return True
        before = len(beyond)
        beyond.add_range(first, last + 1)
        added = len(beyond) - before
        self.visible += added
        self._advance(feed)
        return added > 0

    def _advance(self, feed: int) -> None:
        """Move the head over everything that now joins it."""
        beyond = self._beyond[feed]
        head = self.heads[feed]
        if not beyond or beyond.min() != head + 1:
            return
        # In a hole-free stretch the k-th element is first + k: bisect for its end.
        low, high = 1, len(beyond)
        while low < high:
            middle = (low + high + 1) // 2
            if beyond[middle - 1] == head + middle:
                low = middle
            else:
                high = middle - 1
        self.heads[feed] = head + low
        beyond.remove_range(head + 1, head + low + 1)

    def complete(self, last: list[int]) -> bool:
        """Return whether every feed's head has reached its last sequence."""
        return all(head >= end for head, end in zip(self.heads, last, strict=True))


def ranges_of(feed: int, sequences: npt.NDArray[np.uint64]) -> list[Range]:
    """Return the sorted, joined ranges of some sequences of one feed."""
    ordered = np.unique(sequences)
    if not len(ordered):
        return []
    breaks = np.flatnonzero(np.diff(ordered) != 1)
    firsts = ordered[np.concatenate(([0], breaks + 1))]
    lasts = ordered[np.concatenate((breaks, [len(ordered) - 1]))]
    return [(feed, int(a), int(b)) for a, b in zip(firsts, lasts, strict=True)]
