"""Freshness of a tier over time, replayed from its samples. Pure.

Freshness at a look is the time of the look minus the send time of the contiguous head, over the
feeds the stalest one. It is told while the load runs; once it has ended, a feed whose last message
is visible is fresh. A tier that couldn't be read wasn't fresh for anybody.
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
        freshness_ns: age of the stalest feed's head at `after_ns`; None: the tier couldn't be read.
        heads: contiguous head of each feed.
    """

    before_ns: int
    after_ns: int
    freshness_ns: int | None
    heads: tuple[int, ...]

    def stale(self, tolerance_ns: int) -> bool:
        """Return whether the tier wasn't fresh within a tolerance."""
        return self.freshness_ns is None or self.freshness_ns > tolerance_ns


def replay(
    samples: Sequence[Sample],
    sends: SendTimes,
    missing: Mapping[Feed, BitMap64],
    load_start_ns: int,
    load_end_ns: int,
    only: Collection[str] | None = None,
) -> Iterator[Look]:
    """Go through a tier's samples and tell its freshness at each.

    Args:
        samples: of the tier, in the order of their times.
        sends: when each message was sent.
        missing: what the final account finds lost at the tier: nobody waits for it.
        load_start_ns: when the first message was due; a feed without a head is as old.
        load_end_ns: when the load ended; no feed should flow afterwards.
        only: the exchanges whose feeds count; None: all.

    Yields:
        A look per sample.
    """
    last = [sends.last(i) for i in range(len(sends.feeds))]
    judged = [i for i, feed in enumerate(sends.feeds) if only is None or feed.exchange in only]
    heads = [
        Head(first, last[i], missing.get(feed, BitMap64()))
        for i, (feed, first) in enumerate(zip(sends.feeds, sends.first, strict=True))
    ]
    for sample in samples:
        for feed, low, high in sample.new:
            heads[feed].add(low, high)
        for feed, count in sample.counts:
            heads[feed].count(count)
        freshness_ns = None
        if sample.error is None:
            freshness_ns = max(
                _age_ns(i, heads[i], sends, last[i], sample.after_ns, load_start_ns, load_end_ns)
                for i in judged
            )
        yield Look(sample.before_ns, sample.after_ns, freshness_ns, tuple(head.head for head in heads))


def _age_ns(
    feed: int, head: Head, sends: SendTimes, last: int, now_ns: int, load_start_ns: int, load_end_ns: int
) -> int:
    if head.frontier >= last:
        # Everything is there: the feed only ages for as long as it should flow.
        now_ns = min(now_ns, load_end_ns)
    visible = sends.first[feed] <= head.head <= last
    sent_ns = sends.sent_ns(feed, head.head) if visible else load_start_ns
    return max(0, now_ns - sent_ns)
