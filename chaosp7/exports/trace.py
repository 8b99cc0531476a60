"""A run as a tree of spans: phases, faults with their steps, outages of tiers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chaosp7.exports.moments import began_ns, ended_ns
from chaosp7.report.moments import moments
from chaosp7.report.records import RunRecord
from chaosp7.run.evidence import Evidence, FaultRecord, RecoveryReport
from chaosp7.run.verdict import Verdict
from chaosp7.run.wall_clock import wall_ns

__all__ = ["Mark", "Span", "Value", "trace_of"]

Value = str | int | float | bool | list[str]

_COUNTS = ("delivered", "lost", "late", "corrupted", "duplicated", "reordered", "unexpected", "lost_here")


@dataclass(frozen=True, slots=True)
class Mark:
    """An event of a span.

    Attributes:
        at_ns: when, wall clock.
    """

    name: str
    at_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a run.

    Attributes:
        start_ns: wall clock.
        end_ns: wall clock.
        good: whether it went as it should; None where that isn't asked.
        problem: why not.
    """

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[Mark, ...] = ()
    good: bool | None = None
    problem: str = ""
    children: tuple[Span, ...] = ()


def trace_of(run: RunRecord) -> Span | None:
    """Return a run's span with all below it; None without evidence, for nothing tells when it was."""
    evidence = run.evidence
    if evidence is None:
        return None

    def wall(at_ns: float) -> int:
        return wall_ns(evidence.clock, round(at_ns))

    phases = [Span(f"phase {p.name}", wall(p.start_ns), wall(p.end_ns)) for p in evidence.phases]
    faults = [
        _fault(i, f, evidence, wall) for i, f in enumerate(evidence.faults) if f.injected_ns is not None
    ]
    outages = [span for report in evidence.recovery if (span := _outage(report, evidence, wall))]
    start_ns = evidence.load.start_ns if evidence.load else 0
    return Span(
        name=f"run {run.experiment}",
        start_ns=wall(began_ns(evidence)),
        end_ns=wall(ended_ns(evidence)),
        attributes=_of_run(run, evidence),
        events=tuple(
            Mark(one.label, wall(start_ns + one.at_s * 1e9), _of_fault(one.fault, evidence))
            for one in moments(evidence)
        ),
        good=run.verdict is Verdict.PASSED,
        problem="; ".join((str(run.verdict), *run.reasons)),
        children=(*phases, *faults, *outages),
    )


def _of_run(run: RunRecord, evidence: Evidence) -> dict[str, Value]:
    found: dict[str, Value] = {
        "chaosp7.run_id": run.run_id,
        "chaosp7.experiment": run.experiment,
        "chaosp7.platform": evidence.platform,
        "chaosp7.verdict": str(run.verdict),
        "chaosp7.reasons": list(run.reasons),
    }
    if evidence.load is not None:
        found["chaosp7.sent_messages"] = evidence.load.messages
        found["chaosp7.rate_per_s"] = evidence.load.rate_per_s
    if evidence.budget.recovery_s is not None:
        found["chaosp7.budget.recovery_s"] = evidence.budget.recovery_s
    for tier in evidence.tiers:
        found |= {f"chaosp7.tier.{tier.tier}.{kind}": getattr(tier, kind) for kind in _COUNTS}
    return found


def _of_fault(index: int, evidence: Evidence) -> dict[str, Value]:
    """Return how a fault is called; nothing for -1, or for one that isn't there."""
    if not 0 <= index < len(evidence.faults):
        return {}
    fault = evidence.faults[index]
    return {
        "chaosp7.fault.index": index,
        "chaosp7.fault.kind": fault.kind,
        "chaosp7.fault.target": fault.target,
    }


def _fault(index: int, fault: FaultRecord, evidence: Evidence, wall: Callable[[float], int]) -> Span:
    times = (
        ("injected", fault.injected_ns),
        ("verified", fault.verified_start_ns),
        ("undo ordered", fault.healed_ns),
        ("undone", fault.verified_end_ns),
    )
    known = [(name, at_ns) for name, at_ns in times if at_ns is not None]
    end_ns = fault.verified_end_ns if fault.verified_end_ns is not None else ended_ns(evidence)
    proven = None not in (fault.verified_start_ns, fault.verified_end_ns) and fault.lasted and not fault.error
    what = {f"chaosp7.fault.detail.{name}": value for name, value in fault.detail.items()}
    return Span(
        name=f"fault {fault.kind} {fault.target}",
        start_ns=wall(known[0][1]),
        end_ns=wall(end_ns),
        attributes={
            **_of_fault(index, evidence),
            **what,
            "chaosp7.fault.lasted": fault.lasted,
            "chaosp7.fault.proof": list(fault.proof),
        },
        events=tuple(Mark(name, wall(at_ns)) for name, at_ns in known),
        good=proven,
        problem=fault.error or ("" if proven else "not seen to begin, to last and to end"),
        children=tuple(_steps(fault, wall)),
    )


def _steps(fault: FaultRecord, wall: Callable[[float], int]) -> list[Span]:
    """Return what happened between two times that are both known."""
    steps = (
        ("inject and verify", fault.injected_ns, fault.verified_start_ns),
        ("in force", fault.verified_start_ns, fault.healed_ns),
        ("heal and verify", fault.healed_ns, fault.verified_end_ns),
    )
    return [
        Span(name, wall(start_ns), wall(end_ns))
        for name, start_ns, end_ns in steps
        if start_ns is not None and end_ns is not None
    ]


def _outage(report: RecoveryReport, evidence: Evidence, wall: Callable[[float], int]) -> Span | None:
    """Return how long a tier wasn't fresh; None if it was all the time, or nobody knows."""
    fault = evidence.faults[report.fault] if 0 <= report.fault < len(evidence.faults) else None
    if fault is None or fault.verified_start_ns is None or report.outcome in ("never-stale", "not-measured"):
        return None
    zero_ns = fault.verified_start_ns
    load_end_ns = evidence.load.end_ns if evidence.load else ended_ns(evidence)
    start_ns = zero_ns + (report.detection_s or 0.0) * 1e9
    end_ns = load_end_ns if report.recovery_s is None else zero_ns + report.recovery_s * 1e9
    times = {
        "detected": report.detection_s,
        "first new": report.first_new_s,
        "recovered": report.recovery_s,
        "whole again": report.backlog_gone_s,
    }
    measured: dict[str, Value | None] = {
        "chaosp7.tier": report.tier,
        "chaosp7.outcome": report.outcome,
        "chaosp7.tolerance_ms": report.tolerance_ms,
        "chaosp7.recovery_s": report.recovery_s,
        "chaosp7.recovery_uncertainty_s": report.uncertainty_s,
        "chaosp7.outage_s": report.outage_s,
        "chaosp7.outage_uncertainty_s": report.outage_uncertainty_s,
        "chaosp7.unproven_s": report.unproven_s,
    }
    return Span(
        name=f"outage {report.tier}",
        start_ns=wall(start_ns),
        end_ns=wall(max(start_ns, end_ns)),
        attributes={k: v for k, v in measured.items() if v is not None} | _of_fault(report.fault, evidence),
        events=tuple(
            Mark(name, wall(zero_ns + at_s * 1e9)) for name, at_s in times.items() if at_s is not None
        ),
        good=report.recovery_s is not None,
        problem="" if report.recovery_s is not None else report.outcome,
    )
