"""Which recoveries of a run nobody knows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from chaosp7.run.evidence import FaultRecord, RecoveryReport

__all__ = ["unmeasured"]


def unmeasured(
    faults: Iterable[FaultRecord],
    recovery: Iterable[RecoveryReport],
    tiers: Collection[str],
    load_end_ns: int | None = None,
) -> Iterator[tuple[FaultRecord, str]]:
    """Go through the faults, and yield each with every tier whose recovery from it wasn't measured.

    Args:
        faults: the run's; of one that wasn't seen to take effect there is nothing to measure.
        recovery: what was measured.
        tiers: whose.
        load_end_ns: when the load ended, if it has: of a fault that was injected later (by a rollback)
            nothing was to be measured.
    """
    known = {(report.fault, report.tier) for report in recovery if report.outcome != "not-measured"}
    for index, fault in enumerate(faults):
        afterwards = load_end_ns is not None and (fault.injected_ns or 0) > load_end_ns
        if fault.verified_start_ns is not None and not afterwards:
            yield from ((fault, tier) for tier in tiers if (index, tier) not in known)
