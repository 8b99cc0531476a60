"""Is a recovery slower than the runs before it allow? Pure.

The rule: a tier's recovery is a regression if, taken at its fastest (less its uncertainty), it is slower
than each of the last ten comparable runs at their slowest (plus theirs), those apart that were regressions
themselves, and slower than the median of all ten by more than three robust standard deviations (1.4826
times the median absolute deviation) and the greatest uncertainty among them. Fewer than five earlier runs
allow no judgement. A tier that didn't recover at all is slower than any time.

So one slow run doesn't hide the next one, and a level that stays slower is marked until the median has
followed it, after five runs or so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["AT_LEAST", "LAST", "Recovery", "allowed_s", "is_regression", "latest"]

LAST = 10
AT_LEAST = 5
_DEVIATIONS = 3 * 1.4826


@dataclass(frozen=True, slots=True)
class Recovery:
    """One tier's recovery in one run.

    Attributes:
        seconds: 0 for a tier that never went stale, infinite for one that didn't recover.
        uncertainty_s: half of the interval in which it lies.
        regression: whether it was one itself, when it was new.
    """

    seconds: float
    uncertainty_s: float = 0.0
    regression: bool = False

    @property
    def low_s(self) -> float:
        """At its fastest."""
        return max(0.0, self.seconds - self.uncertainty_s)

    @property
    def high_s(self) -> float:
        """At its slowest."""
        return self.seconds + self.uncertainty_s


def latest(some: Sequence[Recovery]) -> Recovery:
    """Return when the last of some recoveries was over, as uncertain as it is which one that was.

    That is no sooner than any at its fastest, and no later than all at their slowest.

    Args:
        some: one at least.
    """
    high = max(some, key=lambda one: (one.high_s, one.low_s))
    low_s = max(one.low_s for one in some)
    if low_s == high.low_s:
        return high
    return Recovery((low_s + high.high_s) / 2, (high.high_s - low_s) / 2)


def allowed_s(earlier: Sequence[Recovery]) -> float | None:
    """Return up to where a recovery is within the spread; None if too few runs tell.

    Args:
        earlier: comparable runs, oldest first; the last ten count.
    """
    last = earlier[-LAST:]
    if len(last) < AT_LEAST:
        return None
    times = [one.seconds for one in last]
    middle = statistics.median(times)
    if math.isinf(middle):
        return math.inf
    deviation = statistics.median(abs(time - middle) for time in times)
    robust = middle + _DEVIATIONS * deviation + max(one.uncertainty_s for one in last)
    return max([robust, *(one.high_s for one in last if not one.regression)])


def is_regression(new: Recovery, earlier: Sequence[Recovery]) -> bool | None:
    """Return whether a recovery is slower than the spread allows; None if too few runs tell."""
    limit = allowed_s(earlier)
    return None if limit is None else new.low_s > limit
