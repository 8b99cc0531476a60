"""How many messages of a run a tier showed by when, replayed from its samples. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes

__all__ = ["Visible", "visible_counts"]


@dataclass(frozen=True, slots=True)
class Visible:
    """What a tier showed, at each look that succeeded.

    Attributes:
        since_ns: when the look before ended, whether it succeeded or not.
        times_ns: when the look ended, ascending.
        counts: distinct messages of the run visible by then.
        new: how many more than at the look before; at a tier that was put back there may be less
            than before, which counts as none.
    """

    since_ns: npt.NDArray[np.int64]
    times_ns: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    new: npt.NDArray[np.int64]

    def at(self, times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many were visible at some moments, as of the last look before each."""
        shown = np.concatenate(([0], self.counts))
        result: npt.NDArray[np.int64] = shown[np.searchsorted(self.times_ns, times_ns, side="right")]
        return result


def visible_counts(samples: Sequence[Sample], sends: SendTimes) -> Visible:
    """Return what a tier showed at each look.

    Args:
        samples: of the tier.
        sends: what was sent; other sequences don't count.
    """
    seen = [BitMap64() for _ in sends.feeds]
    counted: dict[int, int] = {}
    total, last_ns = 0, samples[0].before_ns if samples else 0
    rows = []
    for sample in samples:
        if sample.error is None:
            before = total
            for feed, first, last in sample.new:
                low, high = max(first, sends.first[feed]), min(last, sends.last(feed))
                if low <= high:
                    total -= len(seen[feed])
                    seen[feed].add_range(low, high + 1)
                    total += len(seen[feed])
            for feed, count in sample.counts:
                total += count - counted.get(feed, 0)
                counted[feed] = count
            rows.append((last_ns, sample.after_ns, total, max(0, total - before)))
        last_ns = sample.after_ns
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Visible(table[:, 0], table[:, 1], table[:, 2], table[:, 3])
