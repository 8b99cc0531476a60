"""How long did the tiers take to be fresh again?"""

from chaosp7.run.current import current_run

__all__ = ["recovered_within"]


def recovered_within(budget_s: float) -> bool:
    """Return whether every tier was fresh again within a budget, its uncertainty included.

    Before a fault there is nothing to recover from: that is True.

    Args:
        budget_s: seconds from the fault's verified start.
    """
    run = current_run()
    if not run.finished:
        return True
    return all(
        report.outcome == "never-stale"
        or (report.recovery_s is not None and report.recovery_s + report.uncertainty_s <= budget_s)
        for report in run.recovery
    ) and (bool(run.recovery) or not run.plan.faults_expected)
