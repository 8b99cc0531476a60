"""The few figures that a report states of runs. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chaosp7.report.records import RunRecord
from chaosp7.run.evidence import Evidence
from chaosp7.run.in_time import unseen
from chaosp7.run.slowest import slowest

__all__ = ["at_source", "lost_beyond_source", "quantile", "recoveries", "recovery_of_run_s"]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of some values that at least a share of them doesn't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def recovery_of_run_s(evidence: Evidence | None) -> float | None:
    """Return when the slowest tier was fresh again, seconds from the fault's verified start.

    Returns:
        0 if none went stale, infinity if one wasn't seen to recover; None if nothing was measured, or a tier
        may have been stale unseen for longer than it may.
    """
    if evidence is None or not evidence.recovery or unseen(evidence):
        return None
    return max(
        0.0 if r.outcome == "never-stale" else math.inf if r.recovery_s is None else r.recovery_s
        for r in evidence.recovery
    )


def at_source(evidence: Evidence) -> int:
    """Return how many messages no tier could have: never received, or never confirmed by the broker."""
    return evidence.source_loss.get("missed_at_source", 0) + evidence.source_loss.get("unacknowledged", 0)


def lost_beyond_source(evidence: Evidence | None) -> int | None:
    """Return how many messages some tier lacks beside those of `at_source`; None if unaccounted.

    What one tier lost and a later one shows all the same counts: not every tier has it.
    """
    if evidence is None or not evidence.tiers:
        return None
    most = max(tier.lost + tier.late for tier in evidence.tiers)
    somewhere = sum(tier.lost_here for tier in evidence.tiers)
    return max(0, max(most, somewhere) - at_source(evidence))


def recoveries(runs: Sequence[RunRecord]) -> dict[str, list[tuple[float, float]]]:
    """Return tier -> recovery and uncertainty of each run, seconds.

    A tier that never went stale has 0, one that wasn't seen to recover infinity.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        for tier, report in slowest(run.evidence).items() if run.evidence else ():
            if report.outcome == "never-stale":
                found.setdefault(tier, []).append((0.0, report.uncertainty_s))
            elif report.recovery_s is None:
                found.setdefault(tier, []).append((math.inf, 0.0))
            else:
                found.setdefault(tier, []).append((report.recovery_s, report.uncertainty_s))
    return found
