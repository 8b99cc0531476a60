"""What no look tells of: a tier that was never seen stale may have been so in between. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from chaosp7.run.evidence import RecoveryReport

__all__ = ["unproven_for_long", "unseen_for_long"]


def unproven_for_long(report: RecoveryReport) -> bool:
    """Return whether a tier may have been stale unseen for longer than its tolerance."""
    return report.unproven_s * 1000 > report.tolerance_ms


def unseen_for_long(recovery: Iterable[RecoveryReport]) -> list[str]:
    """Return the tiers that may have been stale unseen for longer than their tolerance.

    Args:
        recovery: of tiers that were never seen stale.

    Returns:
        A phrase for each.
    """
    return [
        f"{report.tier} may have been stale for {report.unproven_s:.2f} s that no look tells of"
        for report in recovery
        if unproven_for_long(report)
    ]
