"""Runs that are kept: read from their folders."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from chaosp7.errors import ConfigError
from chaosp7.run import evidence as ev
from chaosp7.suite.record import SUITE_FILE, read_suite
from chaosp7.suite.trend import Recovery

__all__ = ["all_runs", "recoveries", "runs_of"]

_FILE = "evidence.json"

#: What a run leaves that got no further; a suite's folder has none of it.
_TRACES = ("journal.json", "ledger.bin", "status.json")


def runs_of(folder: Path) -> list[ev.Evidence]:
    """Return the run of a folder, or the runs of a suite's that have evidence.

    Raises:
        ConfigError: if there is none, or it is damaged.
    """
    if (folder / SUITE_FILE).exists():
        names = [run.folder for run in read_suite(folder).runs if run.folder]
        found = [_read(folder.parent / name) for name in names if (folder.parent / name / _FILE).exists()]
        if not found:
            raise ConfigError(f"{folder}: no run of this suite has left evidence")
        return found
    return [_read(folder)]


def all_runs(reports: Path) -> tuple[list[ev.Evidence], list[str]]:
    """Return all runs under a folder, oldest first, and what couldn't be read."""
    found, problems = [], []
    for folder in sorted(path for path in reports.iterdir() if path.is_dir()):
        if (folder / _FILE).exists():
            try:
                found.append(_read(folder))
            except ConfigError as error:
                problems.append(str(error))
        elif any((folder / trace).exists() for trace in _TRACES):
            problems.append(f"{folder}: a run that goes on, or has left no evidence")
    return sorted(found, key=lambda one: one.clock.wall_ns), problems


def recoveries(run: ev.Evidence) -> dict[str, Recovery]:
    """Return each tier's slowest recovery of a run; one whose recovery wasn't measured is left out."""
    worst: dict[str, Recovery] = {}
    unmeasured = set()
    for report in run.recovery:
        if report.outcome == "recovered" and report.recovery_s is not None:
            one = Recovery(report.recovery_s, report.uncertainty_s)
        elif report.outcome == "never-stale":
            one = Recovery(0.0)
        elif report.outcome == "not-recovered":
            one = Recovery(math.inf)
        else:
            unmeasured.add(report.tier)
            continue
        if report.tier not in worst or one.seconds > worst[report.tier].seconds:
            worst[report.tier] = one
    return {tier: one for tier, one in worst.items() if tier not in unmeasured}


def _read(folder: Path) -> ev.Evidence:
    try:
        return ev.read(folder / _FILE)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder / _FILE}: can't be read as evidence: {error}") from error
