"""The timeline of one tier, filled by a sampler's thread and read by everybody else."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from chaosp7.recorder.heads import Heads, Known, Range
from chaosp7.recovery.samples import Sample

__all__ = ["Timeline"]


class Timeline:
    """Samples of one tier and what is visible there by now.

    One thread adds; any thread reads. A sample's interval says between which two moments its
    ranges became visible.

    Args:
        tier: the tier's name.
        first: the run's first sequence of each feed, by feed index.
        start_ns: when watching began, monotonic.
    """

    def __init__(self, tier: str, first: list[int], start_ns: int) -> None:
        self.tier = tier
        self.samples: list[Sample] = []
        self.last_moved_ns = start_ns
        """When something was last seen to come."""
        self.looked_ns = start_ns
        """The newest look that succeeded took place at this moment or later."""
        self._first = first
        self._heads = Heads(first)
        self._lock = threading.Lock()

    def add(self, before_ns: int, after_ns: int, ranges: Sequence[Range], *, known_too: bool = False) -> None:
        """Note what became visible in an interval; what is known already is left out.

        Args:
            before_ns: when the look began.
            after_ns: when it ended.
            ranges: what it showed that wasn't looked at before.
            known_too: whether each of them came in the interval, known or not: then it is movement.
        """
        with self._lock:
            # Sequences below the first belong to earlier runs on this platform.
            ours = [(f, max(a, self._first[f]), b) for f, a, b in ranges if b >= self._first[f]]
            new = tuple(r for r in ours if self._heads.add(*r))
            self.samples.append(Sample(before_ns=before_ns, after_ns=after_ns, new=new))
            self.looked_ns = max(self.looked_ns, before_ns)
            # What is there already, and comes again, is movement all the same.
            if ours if known_too else new:
                self.last_moved_ns = after_ns

    def add_counts(self, before_ns: int, after_ns: int, counts: Mapping[int, int]) -> None:
        """Note how many messages of the run each feed shows by now, at a tier of candles.

        For the live head it is taken that those are the earliest ones; the sample keeps the count.

        Args:
            before_ns: when the question was asked.
            after_ns: when the answer was there.
            counts: feed index -> messages.
        """
        with self._lock:
            self.samples.append(
                Sample(before_ns=before_ns, after_ns=after_ns, counts=tuple(sorted(counts.items())))
            )
            self.looked_ns = max(self.looked_ns, before_ns)
            moved = [
                self._heads.add(feed, self._first[feed], self._first[feed] + count - 1)
                for feed, count in counts.items()
            ]
            if any(moved):
                self.last_moved_ns = after_ns

    def add_error(self, before_ns: int, after_ns: int, error: str) -> None:
        """Note that the tier couldn't be read in an interval: it wasn't fresh for anybody."""
        with self._lock:
            self.samples.append(Sample(before_ns=before_ns, after_ns=after_ns, new=(), error=error))

    def heads(self) -> list[int]:
        """Return the contiguous head of each feed."""
        with self._lock:
            return self._heads.heads

    def known(self) -> list[Known]:
        """Return what is visible of each feed."""
        with self._lock:
            return self._heads.known()

    def complete(self, last: list[int]) -> bool:
        """Return whether everything up to the last sequence of every feed is visible."""
        with self._lock:
            return self._heads.complete(last)

    def last_error(self) -> str | None:
        """Return why the newest sample failed, if it did."""
        with self._lock:
            return self.samples[-1].error if self.samples else "never sampled"
