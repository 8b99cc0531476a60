"""Was a tier fresh again in time? One answer for the verdict, the probe and a test's assertion. Pure."""

from __future__ import annotations

from chaosp7.run.evidence import Evidence, RecoveryReport
from chaosp7.run.unseen import unproven_for_long

__all__ = ["in_time", "unseen"]


def in_time(report: RecoveryReport, limit_s: float) -> bool | None:
    """Return whether a tier was fresh again within a limit, the uncertainty included.

    Args:
        report: of the tier.
        limit_s: seconds from the fault's verified start.

    Returns:
        None if nobody can tell: it wasn't watched for long enough, or so rarely that the limit lies between
        the moments when it was surely stale and surely fresh.
    """
    match report.outcome:
        case "not-measured":
            return None
        case "not-recovered":
            return None if (report.last_stale_s or 0.0) <= limit_s else False
        case "never-stale":
            # Unseen it may have been stale, but neither for longer than the limit nor for long.
            briefly = report.unproven_s <= limit_s and not unproven_for_long(report)
            return True if report.uncertainty_s <= limit_s or briefly else None
    if report.recovery_s is None:
        return False
    if report.recovery_s + report.uncertainty_s <= limit_s:
        return True
    return False if report.recovery_s - report.uncertainty_s > limit_s else None


def unseen(evidence: Evidence) -> list[str]:
    """Return the tiers that nobody saw stale, but that may have been so for longer than the budget allows.

    Without a budget: for longer than their tolerance.
    """
    limit_s = evidence.budget.recovery_s
    found = (
        report.tier
        for report in evidence.recovery
        if report.outcome == "never-stale"
        and (unproven_for_long(report) if limit_s is None else in_time(report, limit_s) is None)
    )
    return list(dict.fromkeys(found))
