"""The moments of a run that its timeline is marked with. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chaosp7.run.evidence import Evidence, FaultRecord

__all__ = ["Band", "Moment", "bands", "moments"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A mark.

    Attributes:
        at_s: seconds from the load's start.
        label: what happened.
        fault: of which fault, from 0; -1: of none.
    """

    at_s: float
    label: str
    fault: int = -1


@dataclass(frozen=True, slots=True)
class Band:
    """How long a fault was in force.

    Attributes:
        start_s: seconds from the load's start.
        end_s: where it was seen to be undone; None if it never was.
        label: the fault.
    """

    start_s: float
    end_s: float | None
    label: str


def bands(evidence: Evidence) -> list[Band]:
    """Return when each fault was in force."""
    if evidence.load is None:
        return []
    start_ns = evidence.load.start_ns
    return [
        Band(_s(begun, start_ns), _s(f.verified_end_ns, start_ns) if f.verified_end_ns else None, _name(f))
        for f in evidence.faults
        if (begun := f.verified_start_ns or f.injected_ns) is not None
    ]


def _s(at_ns: int, start_ns: int) -> float:
    return (at_ns - start_ns) / 1e9


def _name(fault: FaultRecord) -> str:
    return f"{fault.kind} {fault.target}"


def moments(evidence: Evidence) -> list[Moment]:
    """Return all marks in the order of their times.

    Of several tiers: detected is the first of them, first new, recovered and whole again the last.
    """
    if evidence.load is None:
        return []
    start_ns = evidence.load.start_ns
    found = [Moment(_s(evidence.load.end_ns, start_ns), "load ends")]
    for index, fault in enumerate(evidence.faults):
        for at_ns, label in (
            (fault.injected_ns, "injected"),
            (fault.verified_start_ns, "verified"),
            (fault.verified_end_ns, "undone"),
        ):
            if at_ns is not None:
                found.append(Moment(_s(at_ns, start_ns), label, index))
        if fault.verified_start_ns is None:
            continue
        from_s = _s(fault.verified_start_ns, start_ns)
        mine = [r for r in evidence.recovery if r.fault == index]
        stale = [r for r in mine if r.outcome != "never-stale"]
        for times, label, pick in (
            ([r.detection_s for r in stale], "detected", min),
            ([r.first_new_s for r in mine], "first new", max),
            ([r.recovery_s for r in stale], "recovered", max),
            ([r.backlog_gone_s for r in stale], "whole again", max),
        ):
            known = [t for t in times if t is not None]
            # The last of all tiers is only known if every one is.
            if known and (pick is min or None not in times):
                found.append(Moment(from_s + pick(known), label, index))
    drained = next((phase for phase in evidence.phases if phase.name == "drain"), None)
    if drained is not None and evidence.tiers and all(tier.drained for tier in evidence.tiers):
        found.append(Moment(_s(drained.end_ns, start_ns), "drained"))
    return sorted(found, key=lambda moment: moment.at_s)
