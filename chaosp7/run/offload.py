"""How the offload to the cold tier took a fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise

from chaosp7.platform.model import Part, Platform
from chaosp7.recorder.offload_watch import OffloadLook, OffloadWatch
from chaosp7.run.evidence import FaultRecord, OffloadReport

__all__ = ["offload_reports", "report_of", "watch_of"]


def watch_of(platform: Platform, endpoint: Callable[[str], str]) -> OffloadWatch | None:
    """Return what watches a platform's offload; None if it has none.

    Args:
        platform: the system under test.
        endpoint: service -> where this machine reaches it, past all links.
    """
    offloads = platform.services_of(Part.OFFLOAD)
    return OffloadWatch(partial(endpoint, offloads[0]), time.monotonic_ns) if offloads else None


def offload_reports(looks: Sequence[OffloadLook], faults: Iterable[FaultRecord]) -> list[OffloadReport]:
    """Report on each fault that was seen to take effect and to be over.

    Args:
        looks: all that was seen of the offload, in order.
        faults: of the run.
    """
    return [
        report_of(looks, index, fault.verified_start_ns, fault.verified_end_ns)
        for index, fault in enumerate(faults)
        if fault.verified_start_ns is not None and fault.verified_end_ns is not None
    ]


def report_of(looks: Sequence[OffloadLook], fault: int, start_ns: int, end_ns: int) -> OffloadReport:
    """Report on one fault.

    Args:
        looks: all that was seen of the offload, in order.
        fault: number of the fault.
        start_ns: when it was verified to be there, monotonic.
        end_ns: when it was verified to be over, monotonic.
    """
    # A look that began before the fault's end may already show what came after it.
    during = [look for look in looks if look.before_ns >= start_ns and look.after_ns <= end_ns]
    before = [look for look in looks if look.after_ns <= start_ns and look.counters][-1:]
    answered = [look for look in during if look.counters]
    # What was under way when the fault began may still come to its commit. It is over at the first failure.
    failed = next((i for i in range(len(answered)) if _risen([*before, *answered[: i + 1]], "failures")), 0)
    moved = {
        table
        for earlier, later in pairwise(answered[failed:])
        for table, watermark in later.watermarks.items()
        if watermark != earlier.watermarks.get(table, watermark)
    }
    success_ns, uncertainty_ns = _first_commit(looks, end_ns)
    return OffloadReport(
        fault=fault,
        looks=len(during),
        unanswered=len(during) - len(answered),
        failures=_risen([*before, *answered], "failures"),
        retries=_risen([*before, *answered], "retries"),
        watermarks_moved=sorted(moved),
        resumed_s=None if success_ns is None else (success_ns - end_ns) / 1e9,
        resumed_uncertainty_s=uncertainty_ns / 1e9,
    )


def _risen(looks: Iterable[OffloadLook], counter: str) -> int:
    """Return by how much a counter has risen; it begins anew when its process does."""
    values = [look.counters[counter] for look in looks if counter in look.counters]
    return round(sum(b - a if b >= a else b for a, b in pairwise(values)))


def _first_commit(looks: Sequence[OffloadLook], end_ns: int) -> tuple[int | None, int]:
    """Return when a watermark first moved after a moment, at the latest, and how uncertain that is."""
    since = [look for look in looks if look.counters and look.after_ns > end_ns]
    before = [look for look in looks if look.counters and look.after_ns <= end_ns][-1:]
    for earlier, later in pairwise([*before, *since]):
        if any(later.watermarks.get(t, 0) > w for t, w in earlier.watermarks.items()):
            return later.after_ns, later.after_ns - max(earlier.before_ns, end_ns)
    return None, 0
