"""The cold tier: is each commit whole? Did the offload fail loudly, and did it come back?"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, MeasurementError, RunError
from chaosp7.recorder.offload_watch import OffloadWatch
from chaosp7.run.current import current_run
from chaosp7.run.evidence import OffloadReport

if TYPE_CHECKING:
    from pyiceberg.table import Table

__all__ = [
    "broken_commits", "offload_failed_loudly", "offload_resumed_within", "orphan_files",
    "watermarks_ahead_of_data", "watermarks_unmoved",
]  # fmt: skip

logger = logging.getLogger("chaostoolkit")


def broken_commits() -> int:
    """Return in how many ways commits of the run aren't whole, at all Iceberg tiers.

    A commit is whole if each data file that it brought is there and holds the rows that the manifest says,
    if these add up to what the commit says, and if it begins where the one before ended (where commits say
    so, as the embedded offload's do).

    Raises:
        ActivityFailed: if the platform has no Iceberg tier, it can't be read, or snapshots of the run have
            been expired.
    """
    with _iceberg() as tables:
        # PyIceberg is an extra, and takes a second to load.
        from chaosp7.platform.iceberg_history import broken  # noqa: PLC0415

        found = [f"{tier}: {words}" for tier, table, number in tables for words in broken(table, number)]
    for words in found:
        logger.warning("%s", words)
    return len(found)


def orphan_files(older_than_s: float = 30.0) -> int:
    """Return how many data files below the Iceberg tiers' folders belong to no snapshot.

    An offload that died in mid-write leaves some: they cost space, and nothing is wrong with the data.

    Args:
        older_than_s: younger files may be of a commit that is under way, seconds.

    Raises:
        ActivityFailed: if the platform has no Iceberg tier, or it can't be read.
    """
    with _iceberg() as tables:
        from chaosp7.platform.iceberg_history import orphans  # noqa: PLC0415  # as above

        found = [path for _, table, _ in tables for path in orphans(table, older_than_s, time.time())]
    for path in found[:10]:
        logger.info("in no snapshot: %s", path)
    return len(found)


def watermarks_ahead_of_data() -> int:
    """Return of how many tables the offload's watermark is ahead of what the table's commits hold.

    What is behind the watermark is never offloaded again: it would be lost.

    Raises:
        ActivityFailed: if the platform has no Iceberg tier or no offload, or they can't be read, or what a
            watermark stands for may have been in snapshots that are expired.
    """
    with _iceberg() as tables:
        from chaosp7.platform.iceberg_history import commits, expired  # noqa: PLC0415  # as above

        # Before the tables are opened: a commit in between is no watermark ahead of its data.
        told = next((look.watermarks for look in reversed(_watch().looks) if look.watermarks), None)
        if told is None:
            raise MeasurementError("the offload has told no watermark")
        ahead = 0
        for tier, table, _ in tables:
            name = table.name()[-1]
            if name not in told:
                raise MeasurementError(f"{tier}: the offload tells no watermark of {name}: {', '.join(told)}")
            held = max((commit.to for commit in commits(table) if commit.to is not None), default=0)
            if told[name] > held and expired(table):
                raise MeasurementError(
                    f"{tier}: the watermark is {told[name]}, the commits that aren't expired hold {held}"
                )
            if told[name] > held:
                logger.warning("%s: the watermark is %d, its commits hold %d", tier, told[name], held)
                ahead += 1
    return ahead


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

    What was under way when a fault began may still come to its commit: what counts is from the first try on
    that failed during the fault, or if none did, from the first answer. Before the method that is True.

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
    reports = _reports(dead=True)
    return all(report.resumed_s is not None and report.resumed_s <= budget_s for report in reports)


@contextmanager
def _iceberg() -> "Iterator[Iterator[tuple[str, Table, int]]]":
    """Give the Iceberg tiers' tables, and the number of the commit where the run began.

    It is 0 in a table that was made anew since, whose commits are all the run's.
    Each table is as it is when it comes to its turn: after whatever was asked before.
    """
    try:
        run = current_run()
        if not run.icebergs:
            raise RunError(f"platform {run.model.name} has no Iceberg tier, or the run hasn't begun")
        from chaosp7.platform.iceberg import open_catalog, opened  # noqa: PLC0415  # an extra, and slow

        yield (
            (tier, table, start.number_in(table))
            for tier, start in run.icebergs.items()
            for table in [opened(open_catalog(start.source.catalog), start.source.table)]
        )
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def _watch() -> OffloadWatch:
    run = current_run()
    if run.recorder.offload is None:
        raise RunError(f"platform {run.model.name} has no offload")
    return run.recorder.offload


def _reports(*, dead: bool = False) -> list[OffloadReport]:
    """Return a report on each fault; nothing before the method.

    Args:
        dead: whether it may have been dead while a fault lasted.
    """
    try:
        _watch()
        run = current_run()
        if not run.finished:
            return []
        reports = run.offload_reports()
        if run.plan.faults_expected and not reports:
            raise MeasurementError("no fault was seen to take effect and to be over")
        if not dead and any(report.looks == report.unanswered for report in reports):
            raise MeasurementError("the offload didn't answer while a fault lasted")
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return reports
