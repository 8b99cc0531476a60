"""Of each tier the recovery that counts: the worst over all faults. Pure."""

from __future__ import annotations

import math

from chaosp7.run.evidence import Evidence, RecoveryReport

__all__ = ["slowest"]


def slowest(evidence: Evidence) -> dict[str, RecoveryReport]:
    """Return each tier's worst recovery over all faults, in the order of the tiers."""
    worst: dict[str, RecoveryReport] = {}
    for report in evidence.recovery:
        if report.tier not in worst or _badness(report) > _badness(worst[report.tier]):
            worst[report.tier] = report
    return worst


def _badness(report: RecoveryReport) -> float:
    if report.recovery_s is None:
        return -1.0 if report.outcome == "never-stale" else math.inf
    return report.recovery_s + report.uncertainty_s
