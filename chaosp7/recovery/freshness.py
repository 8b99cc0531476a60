"""Freshness of a tier over time, replayed from its samples. Pure.

Freshness at a moment is that moment minus the send time of the contiguous head, over the feeds the
stalest one. It is told while the load runs. A tier that couldn't be read wasn't fresh for anybody.
While a source stands still nothing waits anywhere: of the time between a head and the message after it
no more counts than half of the tolerance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.recovery.heads import Head
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes

__all__ = ["Look", "replay"]


@dataclass(frozen=True, slots=True)
class Look:
    """What one sample says of its tier.

    Attributes:
        before_ns: the look took place at or after this moment ...
        after_ns: ... and at or before this one.
        oldest_ns: send time of the stalest feed's head, or where its source then stood still the moment
            from which on that counts; None: the tier couldn't be read. Until so long after it the tier stays
            fresh within a tolerance, whatever comes: no head goes back.
        heads: contiguous head of each feed.
        frontiers: up to where everything of each feed is visible or lost for good.
    """

    before_ns: int
    after_ns: int
    oldest_ns: int | None
    heads: tuple[int, ...]
    frontiers: tuple[int, ...]


def replay(
    samples: Sequence[Sample],
    sends: SendTimes,
    missing: Mapping[Feed, BitMap64],
    load_start_ns: int,
    tolerance_ns: int,
    only: Collection[str] | None = None,
) -> Iterator[Look]:
    """Go through a tier's samples and tell its freshness at each.

    Args:
        samples: of the tier, in the order of their times.
        sends: when each message was sent.
        missing: what the final account finds lost at the tier: nobody waits for it.
        load_start_ns: when the first message was due; a feed without a head is as old.
        tolerance_ns: greatest freshness of a fresh tier.
        only: the exchanges whose feeds count; None: all.

    Yields:
        A look per sample.
    """
    judged = [i for i, feed in enumerate(sends.feeds) if only is None or feed.exchange in only]
    heads = [
        Head(first, sends.last(i), missing.get(feed, BitMap64()))
        for i, (feed, first) in enumerate(zip(sends.feeds, sends.first, strict=True))
    ]
    for sample in samples:
        for feed, low, high in sample.new:
            heads[feed].add(low, high)
        for feed, count in sample.counts:
            heads[feed].count(count, sends.first_from(feed, sample.after_ns) - 1)
        oldest_ns = None
        if sample.error is None:
            oldest_ns = min(
                _old_from_ns(i, heads[i].head, sends, load_start_ns, tolerance_ns // 2) for i in judged
            )
        yield Look(
            before_ns=sample.before_ns,
            after_ns=sample.after_ns,
            oldest_ns=oldest_ns,
            heads=tuple(head.head for head in heads),
            frontiers=tuple(head.frontier for head in heads),
        )


def _old_from_ns(feed: int, head: int, sends: SendTimes, load_start_ns: int, silent_ns: int) -> int:
    """Return from when on a head grows old: its send time, unless the source was silent for long after it."""
    sent_ns = sends.sent_ns(feed, head) if head >= sends.first[feed] else load_start_ns
    following = max(head + 1, sends.first[feed])
    if following > sends.last(feed):
        return sent_ns
    return max(sent_ns, sends.sent_ns(feed, following) - silent_ns)
