"""Which messages became visible after a higher sequence of their feed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.sets import Sets, bitmap, minus, nonempty, union

__all__ = ["OrderTracker", "strays"]


class OrderTracker:
    """Finds reordered messages in one ordered stream, such as a partition of a topic.

    Only the first copy of a message counts: a repetition of something old is a duplicate, not a
    reordering. Order between partitions doesn't exist: use a tracker for each and unite.

    Args:
        feeds: by index.
        first: the run's first sequence of each feed; what lies below is ignored.
        last: last sequence sent of each feed. What lies above was never sent, and must not make
            everything after it pass for reordered. A stream that is read while the source still
            sends raises it with `extend` from the ledger, which is written ahead, before each
            batch. None: no limit.
    """

    __slots__ = ("_feeds", "_first", "_highest", "_last", "_reordered", "_seen")

    def __init__(
        self, feeds: Sequence[Feed], first: Sequence[int], last: Sequence[int] | None = None
    ) -> None:
        self._feeds = tuple(feeds)
        self._first = list(first)
        self._last = None if last is None else list(last)
        self._highest = list(first)  # nothing lies below it, so that "none" is no special case
        self._seen = [BitMap64() for _ in feeds]
        self._reordered = [BitMap64() for _ in feeds]

    def extend(self, last: Sequence[int]) -> None:
        """Raise the last sequence sent of each feed."""
        self._last = list(last)

    def add(self, feeds: npt.NDArray[np.integer], sequences: npt.NDArray[np.uint64]) -> None:
        """Take messages in the order of the stream.

        Args:
            feeds: feed index of each; those that the tracker doesn't know are ignored.
            sequences: sequence of each.
        """
        known = feeds[(feeds >= 0) & (feeds < len(self._feeds))]
        for index in np.flatnonzero(np.bincount(known)).tolist():
            self._add(index, sequences[feeds == index])

    def _add(self, index: int, sequences: npt.NDArray[np.uint64]) -> None:
        keep = sequences >= np.uint64(self._first[index])
        if self._last is not None:
            if self._last[index] < self._first[index]:
                return
            keep &= sequences <= np.uint64(self._last[index])
        sequences = sequences[keep]
        if not len(sequences):
            return
        highest = self._highest[index]
        # The highest sequence before each message.
        before = np.empty(len(sequences), dtype=np.uint64)
        before[0] = highest
        np.maximum(np.maximum.accumulate(sequences)[:-1], np.uint64(highest), out=before[1:])
        behind = np.flatnonzero(sequences < before)
        if len(behind):
            self._note_behind(index, sequences, behind)
        self._see(index, sequences)
        self._highest[index] = max(highest, int(sequences.max()))

    def _see(self, index: int, sequences: npt.NDArray[np.uint64]) -> None:
        begin, end = int(sequences[0]), int(sequences[-1])
        if end - begin + 1 == len(sequences) and (sequences[1:] > sequences[:-1]).all():
            # Without a gap: kept as a range, so that the set grows with the gaps and not with the run.
            self._seen[index].add_range(begin, end)
            self._seen[index].add(end)
        else:
            self._seen[index] |= bitmap(sequences)
            self._seen[index].run_optimize()

    def _note_behind(
        self, index: int, sequences: npt.NDArray[np.uint64], behind: npt.NDArray[np.intp]
    ) -> None:
        """Keep those of the messages behind a higher one that were never seen before."""
        firsts = np.zeros(len(sequences), dtype=np.bool_)
        firsts[np.unique(sequences, return_index=True)[1]] = True
        late = sequences[behind[firsts[behind]]]
        if len(late):
            self._reordered[index] |= bitmap(late) - self._seen[index]

    def reordered(self) -> dict[Feed, BitMap64]:
        """Return what was first visible after a higher sequence of its feed, so far."""
        return nonempty(dict(zip(self._feeds, self._reordered, strict=True)))

    def seen(self) -> dict[Feed, BitMap64]:
        """Return all that is in the stream."""
        return nonempty(dict(zip(self._feeds, self._seen, strict=True)))


def strays(streams: Iterable[Sets]) -> dict[Feed, BitMap64]:
    """Return what lies in another stream than most of its feed.

    Order between streams doesn't exist: whoever reads a feed that is spread over several gets it in any
    order, even though none of them holds anything behind a higher sequence.

    Args:
        streams: what each holds, of all partitions of all topics.

    Returns:
        Feed -> what isn't in the stream that has most of it; of several the first.
    """
    parts = list(streams)
    feeds = {feed for part in parts for feed in part}
    most = {feed: max((part[feed] for part in parts if feed in part), key=len) for feed in feeds}
    return minus(union(parts), most)
