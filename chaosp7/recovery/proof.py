"""What a tier's looks prove about the time between them. Pure.

Sequences tell more than the moment at which they were looked at. What a look shows stays visible, so
the tier is fresh at least until the send time of its head is older than the tolerance, however long
nobody looks. What a look doesn't show wasn't visible at any moment before it either, so the tier was
stale from the moment when what *was* there had become too old. The rest of the time is unproven: it
may have been fresh or stale. Looks prove everything as long as each comes before what the last one
showed is too old; how often that is doesn't matter.

Of a tier that can't be read nothing is visible: from the first failed look to the last one in a row
it was stale. When that began and ended is unproven between a failed look and its neighbours; that a
tier couldn't be read in between two looks that succeeded is never seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from chaosp7.recovery.freshness import Look
from chaosp7.recovery.spans import Span, joined, length_ns

__all__ = ["Proof", "prove"]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a stretch of time.

    Attributes:
        within: the stretch.
        fresh: proven to be fresh: spans in order, not touching each other.
        stale: proven to be stale, likewise.
        witnesses: in each of these there was at least one stale moment.
    """

    within: Span
    fresh: Sequence[Span]
    stale: Sequence[Span]
    witnesses: Sequence[Span]

    @property
    def unproven_ns(self) -> int:
        """For how long nothing is known."""
        return max(0, self.within[1] - self.within[0] - length_ns(self.fresh) - length_ns(self.stale))

    @property
    def not_proven_fresh_from_ns(self) -> int | None:
        """The earliest moment at which it may have been stale; None: there is none."""
        begin, end = self.within
        if not self.fresh or self.fresh[0][0] > begin:
            return begin
        return self.fresh[0][1] if self.fresh[0][1] < end else None

    @property
    def fresh_for_good_from_ns(self) -> int | None:
        """From when on it was fresh to the end; None: it wasn't, or nobody knows."""
        return self.fresh[-1][0] if self.fresh and self.fresh[-1][1] == self.within[1] else None


def prove(looks: Sequence[Look], tolerance_ns: int, begin_ns: int, end_ns: int) -> Proof:
    """Tell what looks prove of the time between two moments.

    Args:
        looks: of one tier, in the order of their times. Those from before the time tell what was visible
            as it began; of those that go beyond its end only what they say of the time itself is taken.
        tolerance_ns: greatest freshness of a fresh tier.
        begin_ns: the first moment.
        end_ns: the last one.
    """
    within = (begin_ns, end_ns)
    looks = list(_telling(looks, tolerance_ns, end_ns))
    stale = joined((*_too_old(looks, tolerance_ns), *_unreadable(looks)), within)
    stale = [(begin, end) for begin, end in stale if begin < end]
    failed = (look for look in looks if look.oldest_ns is None and begin_ns <= look.after_ns <= end_ns)
    return Proof(
        within=within,
        fresh=joined(_fresh(looks, tolerance_ns), within),
        stale=stale,
        witnesses=[*stale, *((max(look.before_ns, begin_ns), look.after_ns) for look in failed)],
    )


def _telling(looks: Sequence[Look], tolerance_ns: int, end_ns: int) -> Iterator[Look]:
    """Yield the looks that say something of the time up to an end.

    What is amiss after the end may have come after it: as a rule the next fault begins there. So a look
    that fails then takes nothing away from what the one before it proves up to the end, and one that began
    then and shows less doesn't either.
    """
    shown_ns: int | None = None  # by the look before; None: there is none, or it failed
    for look in looks:
        if look.before_ns >= end_ns:
            if look.oldest_ns is None:
                continue
            if shown_ns is None or look.oldest_ns >= shown_ns:
                yield look
            return
        proven = shown_ns is not None and shown_ns + tolerance_ns >= end_ns
        if look.oldest_ns is None and look.after_ns > end_ns and proven:
            continue
        yield look
        shown_ns = look.oldest_ns


def _fresh(looks: Sequence[Look], tolerance_ns: int) -> Iterator[Span]:
    for index, (look, following) in enumerate(pairwise(looks)):
        if look.oldest_ns is None or following.oldest_ns is None:
            continue
        # Candles may be put back, so a look speaks only up to the one after it. Where that is the last
        # one before a failed look, the tier may have become unreadable before its answer was there.
        fails_next = index + 2 < len(looks) and looks[index + 2].oldest_ns is None
        end_ns = following.before_ns if fails_next else following.after_ns
        yield look.after_ns, min(look.oldest_ns + tolerance_ns, end_ns)
    if looks and looks[-1].oldest_ns is not None:
        yield looks[-1].after_ns, looks[-1].oldest_ns + tolerance_ns


def _too_old(looks: Sequence[Look], tolerance_ns: int) -> Iterator[Span]:
    earlier_ns: int | None = None
    for look in looks:
        if look.oldest_ns is None:
            continue
        from_ns = look.oldest_ns + tolerance_ns
        yield from_ns if earlier_ns is None else max(from_ns, earlier_ns), look.before_ns
        earlier_ns = look.before_ns


def _unreadable(looks: Sequence[Look]) -> Iterator[Span]:
    for failed, run in groupby(looks, lambda look: look.oldest_ns is None):
        if failed:
            # Nobody knows when in its time a look failed: the first one had by its end, the last one
            # may have at its beginning.
            first, *rest = run
            yield first.after_ns, rest[-1].before_ns if rest else first.before_ns
