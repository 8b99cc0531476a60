"""Samples: what the recorder saw of one tier, and when."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Range", "Sample"]

#: (feed index, first sequence, last sequence), both inclusive.
Range = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a tier. Times are CLOCK_MONOTONIC.

    The look took place at some moment between `before_ns` and `after_ns`; nobody knows which.
    Samples of a tier are in the order of `after_ns`.

    Attributes:
        before_ns: when the question was asked. For a stream that is listened to: when the
            previous sample ended, less what may have been kept back from it.
        after_ns: when the answer was there.
        new: ranges of sequences that became visible since the previous sample. Sequences that
            are known already, or were never sent, do no harm.
        counts: (feed index, messages of the run visible by now) of a tier that shows no single
            messages, instead of `new`. A feed that is left out has not changed.
        error: why the tier couldn't be read; it wasn't fresh for anybody then.
    """

    before_ns: int
    after_ns: int
    new: tuple[Range, ...] = ()
    counts: tuple[tuple[int, int], ...] = ()
    error: str | None = None
