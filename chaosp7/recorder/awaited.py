"""What a tier still waits for: nobody waits for a message that never reached the topic. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaosp7.recorder.heads import Holes, Known

__all__ = ["awaited_heads", "gone_holes"]


def gone_holes(
    topic: Sequence[Known], last: Sequence[int], sent_ns: Callable[[int, int], int], before_ns: int
) -> list[Holes]:
    """Return by feed what isn't at the topic and was sent before a moment: a source doesn't send again.

    Args:
        topic: what is visible of each feed at the topic.
        last: the last sequence sent of each feed; what has a higher number was never sent, and tells nothing.
        sent_ns: tells when a feed's sequence was sent.
        before_ns: the moment.
    """
    return [
        tuple(hole for hole in known.holes if hole[1] <= last[feed] and sent_ns(feed, hole[1]) < before_ns)
        for feed, known in enumerate(topic)
    ]


def awaited_heads(known: Sequence[Known], gone: Sequence[Holes], *, counted: bool) -> list[int]:
    """Return up to which sequence of each feed a tier shows all that it can still get.

    Args:
        known: what is visible of each feed.
        gone: by feed: what isn't at the topic and won't come there, in order.
        counted: whether the tier only tells how many messages it shows, which are taken for the earliest.
    """
    passed = _counted if counted else _listed
    return [passed(one, lost) for one, lost in zip(known, gone, strict=True)]


def _listed(known: Known, gone: Holes) -> int:
    for first, last in known.holes:
        waited = first
        for lost_first, lost_last in gone:
            if lost_first <= waited <= lost_last:
                waited = lost_last + 1
        if waited <= last:
            return waited - 1
    return known.top


def _counted(known: Known, gone: Holes) -> int:
    head = known.head
    for first, last in gone:
        if first > head + 1:
            break
        head += last - first + 1
    return head
