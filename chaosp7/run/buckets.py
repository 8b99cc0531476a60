"""A stretch of time cut into equal buckets, and values put into them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Buckets"]

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Time cut into pieces.

    Attributes:
        start_ns: where the first begins.
        step_ns: how long each is.
        count: how many.
    """

    start_ns: int
    step_ns: int
    count: int

    @classmethod
    def over(cls, start_ns: int, end_ns: int, at_most: int, step_min_ns: int) -> Self:
        """Return buckets that cover a stretch, both ends included.

        Args:
            start_ns: its start.
            end_ns: its end.
            at_most: how many buckets at most.
            step_min_ns: none is shorter.
        """
        span_ns = max(end_ns - start_ns, 0) + 1
        step_ns = max(step_min_ns, -(-span_ns // at_most))
        return cls(start_ns, step_ns, -(-span_ns // step_ns))

    def extremes(self, times_ns: _Ints, values: _Ints) -> tuple[list[int | None], list[int | None]]:
        """Return the least and the greatest value in each bucket, None where there is none.

        What lies before the first bucket or behind the last one counts for that one.
        """
        low = np.full(self.count, np.iinfo(np.int64).max)
        high = np.full(self.count, np.iinfo(np.int64).min)
        where = self._bucket(times_ns)
        np.minimum.at(low, where, values)
        np.maximum.at(high, where, values)
        seen = np.zeros(self.count, dtype=bool)
        seen[where] = True
        return (
            [v if s else None for v, s in zip(low.tolist(), seen.tolist(), strict=True)],
            [v if s else None for v, s in zip(high.tolist(), seen.tolist(), strict=True)],
        )

    def counts(self, times_ns: _Ints) -> npt.NDArray[np.float64]:
        """Return how many moments fall into each bucket."""
        return np.bincount(self._bucket(times_ns), minlength=self.count).astype(np.float64)

    def spread(self, since_ns: _Ints, until_ns: _Ints, amounts: _Ints) -> npt.NDArray[np.float64]:
        """Spread amounts evenly over stretches, and return what of them falls into each bucket.

        Args:
            since_ns: where each stretch begins.
            until_ns: where it ends; all of it lies there if it has no length.
            amounts: what to spread over it.
        """
        result = np.zeros(self.count)
        for since, until, amount in zip(since_ns.tolist(), until_ns.tolist(), amounts.tolist(), strict=True):
            if not amount:
                continue
            a, b = (
                min(max((t - self.start_ns) / self.step_ns, 0.0), float(self.count)) for t in (since, until)
            )
            first, last = min(int(a), self.count - 1), min(int(b), self.count - 1)
            if first == last:
                result[first] += amount
                continue
            rate = amount / (b - a)
            result[first] += rate * (first + 1 - a)
            result[first + 1 : last] += rate
            result[last] += rate * (b - last)
        return result

    def per_second(self, amounts: npt.NDArray[np.float64]) -> list[int]:
        """Return amounts per bucket as whole ones per second."""
        rates: list[int] = np.rint(amounts * (1e9 / self.step_ns)).astype(np.int64).tolist()
        return rates

    def _bucket(self, times_ns: _Ints) -> _Ints:
        return np.clip((times_ns - self.start_ns) // self.step_ns, 0, self.count - 1)
