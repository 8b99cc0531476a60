"""Sets of sequences: one compressed bitmap per feed."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed

__all__ = ["Sets", "between", "bitmap", "intersection", "mask", "minus", "nonempty", "total", "union"]

#: Feed -> sequences. A feed without any is left out. Never changed once handed out.
Sets: TypeAlias = Mapping[Feed, BitMap64]

_EMPTY = BitMap64()


def bitmap(sequences: npt.NDArray[np.uint64]) -> BitMap64:
    """Return the set of some sequences (any order, repeats allowed)."""
    # By way of the buffer protocol: ten times faster than one by one.
    return BitMap64(array.array("Q", np.ascontiguousarray(sequences, dtype=np.uint64).tobytes()))


def between(sequences: BitMap64, first: int, last: int) -> BitMap64:
    """Return those sequences that lie in ``first..last``, both inclusive."""
    window = BitMap64()
    if first <= last:
        window.add_range(first, last)  # the end is exclusive, and one more might not fit in 64 bits
        window.add(last)
    return window & sequences


def mask(sequences: BitMap64, first: int, count: int) -> npt.NDArray[np.bool_]:
    """Return for each of ``first, first + 1, ...`` whether it is in the set.

    Args:
        sequences: the set.
        first: first sequence asked for.
        count: how many.
    """
    result = np.zeros(count, dtype=np.bool_)
    if count and sequences:
        inside = np.frombuffer(between(sequences, first, first + count - 1).to_array(), dtype=np.uint64)
        result[(inside - np.uint64(first)).astype(np.intp)] = True
    return result


def nonempty(sets: Sets) -> dict[Feed, BitMap64]:
    """Return the sets without the empty ones."""
    return {feed: found for feed, found in sets.items() if found}


def total(sets: Sets) -> int:
    """Return how many sequences there are in all."""
    return sum(len(found) for found in sets.values())


def union(parts: Iterable[Sets]) -> dict[Feed, BitMap64]:
    """Return what is in any of the parts."""
    result: dict[Feed, BitMap64] = {}
    for part in parts:
        for feed, found in part.items():
            result[feed] = result.get(feed, _EMPTY) | found
    return nonempty(result)


def minus(sets: Sets, *others: Sets) -> dict[Feed, BitMap64]:
    """Return what is in the first, but in none of the others."""
    result = {}
    for feed, found in sets.items():
        for other in others:
            found = found - other.get(feed, _EMPTY)  # noqa: PLW2901 - narrowed step by step
        result[feed] = found
    return nonempty(result)


def intersection(sets: Sets, other: Sets) -> dict[Feed, BitMap64]:
    """Return what is in both."""
    return nonempty({feed: found & other.get(feed, _EMPTY) for feed, found in sets.items()})
