"""From when to when a run was. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from chaosp7.run.evidence import Evidence

__all__ = ["began_ns", "ended_ns"]


def began_ns(evidence: Evidence) -> int:
    """Return the first moment that evidence knows of, monotonic."""
    return min(_known(evidence))


def ended_ns(evidence: Evidence) -> int:
    """Return the last moment that evidence knows of, monotonic."""
    return max(_known(evidence))


def _known(evidence: Evidence) -> Iterator[int]:
    yield evidence.clock.monotonic_ns
    for stretch in (*evidence.phases, *([evidence.load] if evidence.load else ())):
        yield stretch.start_ns
        yield stretch.end_ns
    for fault in evidence.faults:
        times = (fault.injected_ns, fault.verified_start_ns, fault.healed_ns, fault.verified_end_ns)
        yield from (at_ns for at_ns in times if at_ns is not None)
