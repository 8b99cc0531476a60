"""The few figures that a report states of runs. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chaosp7.run.evidence import Evidence, RecoveryReport

__all__ = ["at_source", "lost_beyond_source", "quantile", "recovery_of_run_s", "slowest"]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of some values that at least a share of them doesn't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


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


def recovery_of_run_s(evidence: Evidence | None) -> float | None:
    """Return when the slowest tier was fresh again, seconds from the fault's verified start.

    Returns:
        0 if none went stale, infinity if one wasn't seen to recover; None if nothing was measured.
    """
    if evidence is None or not evidence.recovery:
        return None
    return max(
        0.0 if r.outcome == "never-stale" else math.inf if r.recovery_s is None else r.recovery_s
        for r in evidence.recovery
    )


def at_source(evidence: Evidence) -> int:
    """Return how many messages no tier could have: never received, or never confirmed by the broker."""
    return evidence.source_loss.get("missed_at_source", 0) + evidence.source_loss.get("unacknowledged", 0)


def lost_beyond_source(evidence: Evidence | None) -> int | None:
    """Return how many messages some tier lacks beside those of `at_source`; None if unaccounted."""
    if evidence is None or not evidence.tiers:
        return None
    return max(0, max(t.lost + t.late for t in evidence.tiers) - at_source(evidence))
