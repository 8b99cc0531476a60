"""Evidence of runs that never were, for what only reads it."""

from __future__ import annotations

from chaosp7.run import evidence as ev

__all__ = ["evidence", "recovery"]


def recovery(
    tier: str, seconds: float | None, uncertainty_s: float = 0.1, outcome: str = "recovered"
) -> ev.RecoveryReport:
    return ev.RecoveryReport(
        fault=0, tier=tier, outcome=outcome, tolerance_ms=500, recovery_s=seconds, uncertainty_s=uncertainty_s,
        detection_s=None, outage_s=0, first_new_s=None, backlog_gone_s=None, samples=9, interval_ms={},
    )  # fmt: skip


def evidence(
    run_id: str = "run", verdict: str = "passed", recoveries: list[ev.RecoveryReport] | None = None,
    experiment: str = "x", wall_ns: int = 1, rate_per_s: float = 100, lost: int = 0,
) -> ev.Evidence:  # fmt: skip
    tier = ev.TierReport(
        tier="topic", sent=9, delivered=9 - lost, lost=lost, duplicated=0, reordered=0, corrupted=0, late=0,
        unexpected=0, lost_here=lost, drained=True,
    )  # fmt: skip
    return ev.Evidence(
        run_id=run_id, experiment=experiment, platform="embedded", verdict=verdict, reasons=[], budget=ev.Budget(),
        clock=ev.ClockAnchor(monotonic_ns=1, wall_ns=wall_ns),
        environment=ev.Environment(chaosp7="1", chaoslib="1", python="3", kernel="k", cpu="c", cores=2, memory_bytes=1),
        phases=[], faults=[],
        load=ev.LoadReport(messages=9, rate_per_s=rate_per_s, seed=7, start_ns=1, end_ns=2, late_ms={}),
        tiers=[tier], source_loss={}, recovery=recoveries or [],
    )  # fmt: skip
