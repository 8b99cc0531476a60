"""When a run's faults were at work: the times in which messages may go missing at the source. Pure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap64

from chaosp7.account.sets import Sets
from chaosp7.recovery.sends import SendTimes
from chaosp7.run.evidence import FaultRecord, RecoveryReport

__all__ = ["Window", "outages", "outside", "own_end_ns"]


@dataclass(frozen=True, slots=True)
class Window:
    """A time, both ends inclusive, monotonic nanoseconds."""

    start_ns: int
    end_ns: int


def own_end_ns(faults: Sequence[FaultRecord], index: int, load_end_ns: int) -> int:
    """Return until when a tier's recovery can be one fault's own, monotonic nanoseconds.

    That is the injection of the first fault that began after this one, and all that overlap with
    it, were healed; the load's end if there is none.

    Args:
        faults: the run's.
        index: of the fault.
        load_end_ns: when the load ended.
    """
    healed_ns = _healed_ns(faults[index])
    later = sorted(
        (fault for fault in faults if (fault.injected_ns or 0) > (faults[index].injected_ns or 0)),
        key=lambda fault: fault.injected_ns or 0,
    )
    for fault in later:
        begun_ns = fault.injected_ns or 0
        if begun_ns > healed_ns:
            return min(begun_ns, load_end_ns)
        healed_ns = max(healed_ns, _healed_ns(fault))
    return load_end_ns


def _healed_ns(fault: FaultRecord) -> int:
    """Return when a fault was undone; one that never was has no end."""
    return fault.verified_end_ns or sys.maxsize


def outages(
    faults: Sequence[FaultRecord], recovery: Sequence[RecoveryReport], tier: str, slack_ms: float
) -> list[Window]:
    """Return when messages could go missing at the source's side.

    An outage lasts from the injection to the moment when the fault was seen to be undone and the
    first tier was fresh again, whichever is later.

    Args:
        faults: the run's, with their times.
        recovery: from those faults.
        tier: the first tier.
        slack_ms: how long a message may have been under way when the fault struck, milliseconds.
    """
    windows = []
    for report in recovery:
        fault = faults[report.fault]
        if report.tier != tier or fault.verified_start_ns is None:
            continue
        start_ns = fault.verified_start_ns
        back_ns = round(((report.recovery_s or 0.0) + report.uncertainty_s) * 1e9)
        windows.append(
            Window(
                (fault.injected_ns or start_ns) - round(slack_ms * 1e6),
                max(fault.verified_end_ns or start_ns, start_ns + back_ns),
            )
        )
    return windows


def outside(missing: Sets, sends: SendTimes, windows: Sequence[Window]) -> Sets:
    """Return the messages that were sent outside of all windows.

    Args:
        missing: by feed.
        sends: when each message was sent.
        windows: times in which they may be missing.
    """
    left = {}
    for index, feed in enumerate(sends.feeds):
        found = BitMap64(missing.get(feed, BitMap64()))
        for window in windows:
            first = sends.first_from(index, window.start_ns)
            after = sends.first_from(index, window.end_ns + 1)
            found.remove_range(first, after)
        if found:
            left[feed] = found
    return left
