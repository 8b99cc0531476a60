"""What is visible at a tier so far, per feed: the highest sequence, and the holes below it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Heads", "Holes", "Known", "Range", "ranges_of"]

#: (feed index, first sequence, last sequence), both inclusive.
Range = tuple[int, int, int]

#: (first sequence, last sequence), both inclusive; in order, and never next to each other.
Holes = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is visible of a feed.

    Attributes:
        top: highest visible sequence.
        holes: what isn't visible below it.
    """

    top: int
    holes: Holes

    @property
    def head(self) -> int:
        """The highest sequence up to which everything is visible."""
        return self.holes[0][0] - 1 if self.holes else self.top


class Heads:
    """Tracks what of every feed is visible at one tier: up to a top, but for some holes.

    The head is the highest sequence up to which everything is visible: the top, or what lies below the
    lowest hole. Memory is bounded by the number of holes.

    Args:
        first: the first sequence of each feed, by feed index: heads begin just below.
    """

    def __init__(self, first: list[int]) -> None:
        self._known = [Known(sequence - 1, ()) for sequence in first]
        self.visible = 0
        """Distinct sequences seen so far, over all feeds."""

    @property
    def heads(self) -> list[int]:
        """The contiguous head of each feed."""
        return [known.head for known in self._known]

    def known(self) -> list[Known]:
        """Return what is visible of each feed."""
        return list(self._known)

    def add(self, feed: int, first: int, last: int) -> bool:
        """Note that a range of sequences is visible.

        Args:
            feed: index of the feed.
            first: first sequence of the range, inclusive.
            last: last one, inclusive.

        Returns:
            Whether any of them is new.
        """
        known = self._known[feed]
        holes, filled = _filled(known.holes, first, last)
        if last > known.top:
            above = max(first, known.top + 1)
            if above > known.top + 1:
                holes = (*holes, (known.top + 1, above - 1))
            filled += last - above + 1
        if filled:
            self._known[feed] = Known(max(known.top, last), holes)
            self.visible += filled
        return filled > 0

    def complete(self, last: list[int]) -> bool:
        """Return whether every feed's head has reached its last sequence."""
        return all(known.head >= end for known, end in zip(self._known, last, strict=True))


def _filled(holes: Holes, first: int, last: int) -> tuple[Holes, int]:
    """Return what is left of some holes when a range comes, and how much of the range was new."""
    low = bisect_left(holes, first, key=lambda hole: hole[1])
    high = bisect_right(holes, last, key=lambda hole: hole[0])
    if low >= high:
        return holes, 0
    left: list[tuple[int, int]] = []
    filled = 0
    for begin, end in holes[low:high]:
        from_, to = max(begin, first), min(end, last)
        filled += to - from_ + 1
        left += [(begin, from_ - 1)] if begin < from_ else []
        left += [(to + 1, end)] if to < end else []
    return (*holes[:low], *left, *holes[high:]), filled


def ranges_of(feed: int, sequences: npt.NDArray[np.uint64]) -> list[Range]:
    """Return the sorted, joined ranges of some sequences of one feed."""
    ordered = np.unique(sequences)
    if not len(ordered):
        return []
    breaks = np.flatnonzero(np.diff(ordered) != 1)
    firsts = ordered[np.concatenate(([0], breaks + 1))]
    lasts = ordered[np.concatenate((breaks, [len(ordered) - 1]))]
    return [(feed, int(a), int(b)) for a, b in zip(firsts, lasts, strict=True)]
