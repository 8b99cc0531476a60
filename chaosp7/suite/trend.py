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

__all__ = ["AT_LEAST", "LAST", "Recovery", "allowed_s", "is_regression"]

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
    return max([robust, *(one.seconds + one.uncertainty_s for one in last if not one.regression)])


def is_regression(new: Recovery, earlier: Sequence[Recovery]) -> bool | None:
    """Return whether a recovery is slower than the spread allows; None if too few runs tell."""
    limit = allowed_s(earlier)
    return None if limit is None else new.seconds - new.uncertainty_s > limit
