"""The offload to the cold tier: did it fail loudly, and did it come back?"""

import logging

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, MeasurementError, RunError
from chaosp7.run.current import current_run
from chaosp7.run.evidence import OffloadReport

__all__ = ["offload_failed_loudly", "offload_resumed_within", "watermarks_unmoved"]

logger = logging.getLogger("chaostoolkit")


def offload_failed_loudly() -> bool:
    """Return whether the offload counted a failure while each fault lasted.

    An offload that can't do its work must say so: one that answers and counts nothing has failed in
    silence. Before the method there is nothing to fail: that is True.

    Raises:
        ActivityFailed: if the platform has no offload, or it wasn't seen.
    """
    reports = _reports()
    for report in reports:
        logger.info("fault %d: %d failures, %d retries", report.fault + 1, report.failures, report.retries)
    return all(report.failures > 0 for report in reports)


def watermarks_unmoved() -> bool:
    """Return whether no watermark of the offload moved while a fault lasted.

    What was under way when a fault began may still have been finished: the first answer during the fault
    counts as its beginning. Before the method that is True.

    Raises:
        ActivityFailed: if the platform has no offload, or it wasn't seen.
    """
    moved = {report.fault: report.watermarks_moved for report in _reports() if report.watermarks_moved}
    for fault, tables in moved.items():
        logger.warning("fault %d: the watermark moved of %s", fault + 1, ", ".join(tables))
    return not moved


def offload_resumed_within(budget_s: float) -> bool:
    """Return whether a watermark moved again soon after each fault. Before the method that is True.

    Args:
        budget_s: seconds from the fault's verified end.

    Raises:
        ActivityFailed: if the platform has no offload, or it wasn't seen.
    """
    return all(report.resumed_s is not None and report.resumed_s <= budget_s for report in _reports())


def _reports() -> list[OffloadReport]:
    """Return a report on each fault; nothing before the method."""
    try:
        run = current_run()
        if run.recorder.offload is None:
            raise RunError(f"platform {run.model.name} has no offload")
        if not run.finished:
            return []
        reports = run.offload_reports()
        if run.plan.faults_expected and not reports:
            raise MeasurementError("no fault was seen to take effect and to be over")
        if any(report.looks == report.unanswered for report in reports):
            raise MeasurementError("the offload didn't answer while a fault lasted")
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return reports
