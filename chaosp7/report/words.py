"""What was injected, where it ran and how it was measured, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaosp7.report.markdown import dated
from chaosp7.report.records import RunRecord
from chaosp7.run.evidence import Evidence, FaultRecord, OffloadReport

__all__ = ["FaultView", "Pair", "environment", "fault_views", "measuring"]

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FaultView:
    """One fault.

    Attributes:
        state: ``proven`` if it was seen to begin, to last and to end; else what wasn't seen.
        times: what happened when.
        detail: its arguments.
        proof: what was seen.
    """

    name: str
    proven: bool
    state: str
    times: list[Pair]
    detail: list[Pair]
    proof: list[str]
    error: str


def fault_views(evidence: Evidence | None) -> list[FaultView]:
    """Return the faults of a run."""
    if evidence is None:
        return []
    start_ns = evidence.load.start_ns if evidence.load else evidence.clock.monotonic_ns
    offload = {report.fault: report for report in evidence.offload}
    return [_fault(fault, start_ns, offload.get(i)) for i, fault in enumerate(evidence.faults)]


def _fault(fault: FaultRecord, start_ns: int, offload: OffloadReport | None) -> FaultView:
    state = "seen to take effect, to last and to be gone"
    if fault.verified_start_ns is None:
        state = "not seen to take effect"
    elif fault.verified_end_ns is None:
        state = "not seen to be undone"
    elif not fault.lasted:
        state = "not in force for as long as asked"
    times = [
        (label, "-" if at_ns is None else f"{(at_ns - start_ns) / 1e9:.3f} s")
        for label, at_ns in (
            ("ordered", fault.injected_ns),
            ("seen to take effect", fault.verified_start_ns),
            ("undo ordered", fault.healed_ns),
            ("seen to be gone", fault.verified_end_ns),
        )
    ]
    if offload is not None:
        moved = ", ".join(offload.watermarks_moved)
        tried = f"{offload.failures:,} tries failed, {offload.retries:,} retries"
        times.append(("offload meanwhile", f"{tried}; {moved or 'no watermark'} moved"))
        if offload.resumed_s is None:
            went_on = "not seen to go on"
        else:
            went_on = (
                f"within {offload.resumed_s:.2f} s, at most {offload.resumed_uncertainty_s:.2f} s sooner"
            )
        times.append(("offload after that", went_on))
    return FaultView(
        name=f"{fault.kind} {fault.target}",
        proven=state.startswith("seen"),
        state=state,
        times=times,
        detail=[(name, str(value)) for name, value in fault.detail.items()],
        proof=list(fault.proof),
        error=fault.error or "",
    )


def measuring(evidence: Evidence | None) -> list[Pair]:
    """Return how exactly a run was measured."""
    if evidence is None:
        return []
    found: list[Pair] = []
    if load := evidence.load:
        length_s = (load.end_ns - load.start_ns) / 1e9
        what = f"{load.messages:,} messages in {length_s:.1f} s at {load.rate_per_s:g}/s, seed {load.seed}"
        found.append(("Load", what))
        if late := ", ".join(f"{name} {value:.2f} ms" for name, value in load.late_ms.items()):
            found.append(("Sent later than due", late))
    for report in {report.tier: report for report in reversed(evidence.recovery)}.values():
        every, most = (report.interval_ms.get(name, 0.0) for name in ("median", "max"))
        looks = (
            f"every {every:.0f} ms in the median, {most:.0f} ms at most; {report.samples:,} since the fault"
        )
        found.append((f"Looks at {report.tier}", looks))
    if tax := evidence.proxy_tax:
        added = (
            f"each link adds {tax.added_us / 1000:.3f} ms ± {tax.uncertainty_us / 1000:.3f} to a round trip"
        )
        both = f"{tax.direct_us / 1000:.3f} ms directly, {tax.proxied_us / 1000:.3f} ms through the proxy"
        found.append(("Proxy tax", f"{added}: {both} ({tax.link}, n = {tax.n} pairs)"))
    anchor = f"{evidence.clock.monotonic_ns} ns was {dated(evidence.clock.wall_ns)}"
    found.append(("Clock", f"CLOCK_MONOTONIC of one host; {anchor}"))
    return found


def environment(runs: Sequence[RunRecord]) -> list[Pair]:
    """Return where the runs took place; what differs between them is listed."""
    known = [run.evidence for run in runs if run.evidence]
    if not known:
        return []

    def all_of(values: Sequence[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    first = min(known, key=lambda e: e.clock.wall_ns)
    last = max(known, key=lambda e: e.clock.wall_ns)
    begun = dated(first.clock.wall_ns)
    return [
        ("Begun", begun if first is last else f"{begun} to {dated(last.clock.wall_ns)}"),
        ("Platform", all_of([e.platform for e in known])),
        ("chaosp7", all_of([e.environment.chaosp7 for e in known])),
        ("Chaos Toolkit", all_of([e.environment.chaoslib for e in known])),
        ("Python", all_of([e.environment.python for e in known])),
        ("Kernel", all_of([e.environment.kernel for e in known])),
        (
            "Machine",
            all_of(
                [
                    f"{e.environment.cores} cores ({e.environment.cpu}), "
                    f"{e.environment.memory_bytes / 2**30:.1f} GiB"
                    for e in known
                ]
            ),
        ),
    ]
