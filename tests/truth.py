"""What really happened at a tier, from the moments at which things became visible: no looks, no samples.

Written apart from the code that measures, and much simpler: whoever knows when everything became
visible needs no bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaosp7.recovery.sends import SendTimes

__all__ = ["Arrival", "Truth", "truth"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Some messages of a feed became visible; a feed's arrivals come without a hole."""

    at_ns: int
    feed: int
    last: int


@dataclass(frozen=True, slots=True)
class Truth:
    """The times of a tier, from the fault on, nanoseconds; None where there is none."""

    detection_ns: int | None
    recovery_ns: int | None
    outage_ns: int
    first_new_ns: int | None
    backlog_gone_ns: int | None


def truth(
    arrivals: Sequence[Arrival],
    sends: SendTimes,
    start_ns: int,
    fault_ns: int,
    end_ns: int,
    tolerance_ns: int,
    unreadable: Sequence[tuple[int, int]] = (),
) -> Truth:
    """Tell what happened between the fault and an end.

    Args:
        arrivals: in the order of their times.
        sends: when each message was sent.
        start_ns: how old a feed is of which nothing is visible.
        fault_ns: the fault.
        end_ns: the end; a tier that is stale then has no recovery.
        tolerance_ns: greatest freshness of a fresh tier.
        unreadable: when the tier couldn't be read.
    """
    heads = [first - 1 for first in sends.first]
    news = [sends.first_from(i, fault_ns) for i in range(len(heads))]
    stale = [(max(a, fault_ns), min(b, end_ns)) for a, b in unreadable]
    moments: list[tuple[int, list[int]]] = []
    first_new_ns = None
    for arrival in arrivals:
        heads[arrival.feed] = max(heads[arrival.feed], arrival.last)
        moments.append((arrival.at_ns, list(heads)))
        if first_new_ns is None and any(h >= n for h, n in zip(heads, news, strict=True)):
            first_new_ns = arrival.at_ns
    ends = [at_ns for at_ns, _ in moments[1:]] + [end_ns]
    for (at_ns, visible), until_ns in zip(moments, ends, strict=True):
        oldest_ns = min(
            _grows_old_ns(sends, i, head, start_ns, tolerance_ns) for i, head in enumerate(visible)
        )
        stale.append((max(at_ns, fault_ns, oldest_ns + tolerance_ns), min(until_ns, end_ns)))
    stale = sorted((a, b) for a, b in stale if a < b)
    outage_ns, until_ns = 0, fault_ns
    for a, b in stale:
        outage_ns += max(0, b - max(a, until_ns))
        until_ns = max(until_ns, b)
    recovery_ns = until_ns if stale and until_ns < end_ns else None
    gone_ns = None
    if recovery_ns is not None:
        wanted = [sends.first_from(i, recovery_ns) - 1 for i in range(len(heads))]
        gone_ns = next(
            (
                max(at, recovery_ns)
                for at, seen in moments
                if all(h >= w for h, w in zip(seen, wanted, strict=True))
            ),
            None,
        )
    return Truth(
        detection_ns=stale[0][0] - fault_ns if stale else None,
        recovery_ns=None if recovery_ns is None else recovery_ns - fault_ns,
        outage_ns=outage_ns,
        first_new_ns=None if first_new_ns is None or first_new_ns > end_ns else first_new_ns - fault_ns,
        backlog_gone_ns=None if gone_ns is None or gone_ns > end_ns else gone_ns - fault_ns,
    )


def _grows_old_ns(sends: SendTimes, feed: int, head: int, start_ns: int, tolerance_ns: int) -> int:
    """Return from when on a head grows old: nothing waits while the source stands still."""
    if head < sends.first[feed]:
        begin_ns, following = start_ns, sends.first[feed]
    else:
        begin_ns, following = sends.sent_ns(feed, head), head + 1
    if following <= sends.last(feed):
        silent_ns = sends.sent_ns(feed, following) - begin_ns
        begin_ns += max(0, silent_ns - tolerance_ns // 2)
    return begin_ns
