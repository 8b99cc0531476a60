"""Stretches of time, and amounts of which only bounds are known. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

__all__ = ["Figure", "Span", "joined", "length_ns"]

#: (begin, end) of a stretch of time, nanoseconds.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Figure:
    """A time that lies at ``value_ns``, give or take ``uncertainty_ns``.

    Attributes:
        value_ns: the middle of the interval in which it lies, nanoseconds.
        uncertainty_ns: half of the interval's width, nanoseconds.
    """

    value_ns: int
    uncertainty_ns: int

    @classmethod
    def between(cls, low_ns: int, high_ns: int, extra_ns: int = 0) -> Self:
        """Return the figure of what lies between two bounds.

        Args:
            low_ns: the lower bound.
            high_ns: the upper one.
            extra_ns: by how much either may be wrong.
        """
        high_ns = max(low_ns, high_ns)
        return cls((low_ns + high_ns) // 2, -(-(high_ns - low_ns) // 2) + extra_ns)


def joined(spans: Iterable[Span], within: Span) -> list[Span]:
    """Return what spans cover of a stretch, in order, those that meet or overlap made one.

    Args:
        spans: in any order; one whose end lies before its begin is none.
        within: what lies outside is cut off.
    """
    result: list[Span] = []
    for begin, end in sorted((max(a, within[0]), min(b, within[1])) for a, b in spans):
        if begin > end:
            continue
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def length_ns(spans: Iterable[Span]) -> int:
    """Return how long spans are in all, nanoseconds; they mustn't overlap."""
    return sum(end - begin for begin, end in spans)
