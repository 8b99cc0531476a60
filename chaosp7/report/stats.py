"""The few figures that a report states of runs. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from chaosp7.report.records import RunRecord
from chaosp7.run.evidence import Evidence, RecoveryReport
from chaosp7.run.in_time import unseen
from chaosp7.run.slowest import slowest

__all__ = [
    "at_source",
    "known_recovery",
    "lost_beyond_source",
    "not_measured",
    "quantile",
    "recoveries",
    "recovery_of_run_s",
]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of some values that at least a share of them doesn't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def not_measured(evidence: Evidence) -> list[str]:
    """Return the tiers whose recovery from some fault wasn't measured."""
    return list(dict.fromkeys(r.tier for r in evidence.recovery if r.outcome == "not-measured"))


def known_recovery(evidence: Evidence) -> dict[str, RecoveryReport]:
    """Return each tier's worst recovery over all faults, in the order of the tiers.

    A tier is left out of which nobody can tell when it was fresh again: it wasn't measured, or may have been
    stale unseen for longer than it may. That it wasn't seen to recover is known all the same.
    """
    untold = {*not_measured(evidence), *unseen(evidence)}
    known = [r for r in evidence.recovery if r.outcome == "not-recovered" or r.tier not in untold]
    return slowest(msgspec.structs.replace(evidence, recovery=known))


def recovery_of_run_s(evidence: Evidence | None) -> float | None:
    """Return when the slowest tier was fresh again, seconds from the fault's verified start.

    Returns:
        0 if none went stale, infinity if one wasn't seen to recover; else None if of one nobody can tell, or
        nothing was measured.
    """
    if evidence is None or not evidence.recovery:
        return None
    known = known_recovery(evidence)
    slowest_s = max((_seconds(report) for report in known.values()), default=0.0)
    everything = all(report.tier in known for report in evidence.recovery)
    return slowest_s if everything or math.isinf(slowest_s) else None


def _seconds(report: RecoveryReport) -> float:
    if report.outcome == "never-stale":
        return 0.0
    return math.inf if report.recovery_s is None else report.recovery_s


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
    """Return tier -> recovery and uncertainty of each run that tells of it, seconds.

    A tier that never went stale has 0, one that wasn't seen to recover infinity.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        for tier, report in known_recovery(run.evidence).items() if run.evidence else ():
            time_s = _seconds(report)
            found.setdefault(tier, []).append((time_s, 0.0 if math.isinf(time_s) else report.uncertainty_s))
    return found
