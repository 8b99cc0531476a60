"""How long a run will take: as its last runs did, or as its plan says."""

from __future__ import annotations

import logging
import statistics
from collections import defaultdict
from pathlib import Path

from chaosp7.errors import ConfigError
from chaosp7.suite.record import SUITE_FILE, SuiteRun, read_suite

__all__ = ["durations_so_far", "expected_s"]

_LAST = 10
_WHOLE = {"passed", "deviated"}


def durations_so_far(reports: Path) -> dict[str, list[float]]:
    """Return how long runs of each experiment took that were run to their end, oldest first."""
    found: dict[str, list[float]] = defaultdict(list)
    for path in sorted(reports.glob(f"*/{SUITE_FILE}")):
        try:
            runs = read_suite(path.parent).runs
        except ConfigError:
            continue
        for run in runs:
            if run.verdict in _WHOLE and run.duration_s is not None:
                found[run.experiment].append(run.duration_s)
    return found


def expected_s(record: SuiteRun, so_far: dict[str, list[float]]) -> float | None:
    """Return how long a run will take; None if nothing tells."""
    if last := so_far.get(record.experiment):
        return statistics.median(last[-_LAST:])
    from chaosp7.suite.examine import examine  # noqa: PLC0415 - imports all of the platform's clients

    logger = logging.getLogger("chaostoolkit")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        return examine(record.file).expected_s
    except ConfigError:
        return None  # the run itself says what is wrong
    finally:
        logger.setLevel(level)
