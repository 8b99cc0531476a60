"""How long to wait before the next try: longer each time, and never for all at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter.

    Attributes:
        first_s: longest wait after the first failure, seconds.
        most_s: longest wait at all, seconds.
        uniform: gives a number between two.
    """

    first_s: float = 0.25
    most_s: float = 4.0
    uniform: Callable[[float, float], float] = SystemRandom().uniform

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row, seconds.

        At least half of the longest wait: a wait of nothing is no backoff.
        """
        # Beyond some 60 doublings a float would be at its end.
        longest_s = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 60))
        return self.uniform(longest_s / 2, longest_s)
