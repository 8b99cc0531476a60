"""Runs that are kept: read from their folders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaosp7.errors import ConfigError
from chaosp7.report.gather import TRACES
from chaosp7.run import evidence as ev
from chaosp7.run.unseen import unseen_for_long
from chaosp7.suite.record import SUITE_FILE, SuiteRun, read_suite
from chaosp7.suite.trend import Recovery

__all__ = ["CARRIED_OUT", "Kept", "all_runs", "recoveries", "runs_of"]

_FILE = "evidence.json"

#: The verdicts of runs that were carried out to their end: only these are measured against each other.
CARRIED_OUT = frozenset({"passed", "deviated"})


@dataclass(frozen=True, slots=True)
class Kept:
    """One run, as far as it is kept.

    Attributes:
        experiment: its title.
        verdict: ``never began`` of a run that its suite didn't come to.
        evidence: None if there is none.
    """

    experiment: str
    verdict: str
    evidence: ev.Evidence | None


def runs_of(folder: Path) -> list[Kept]:
    """Return the run of a folder, or all runs of a suite's, with the verdicts that the suite gave them.

    Args:
        folder: of the run, or of the suite.

    Raises:
        ConfigError: if there is no run, or it is damaged.
    """
    if not (folder / SUITE_FILE).exists():
        run = _read(folder)
        return [Kept(run.experiment, run.verdict, run)]
    return [_of_suite(folder, run) for run in read_suite(folder).runs]


def _of_suite(suite: Path, run: SuiteRun) -> Kept:
    if run.folder is None:
        return Kept(run.experiment, "never began", None)
    own = suite.parent / run.folder
    # What became of any other run is told by its verdict, and its evidence may be damaged.
    wanted = run.verdict is None or run.verdict in CARRIED_OUT
    evidence = _read(own) if wanted and (own / _FILE).exists() else None
    unjudged = evidence.verdict if evidence else "no verdict"
    return Kept(run.experiment, run.verdict or unjudged, evidence)


def all_runs(reports: Path) -> tuple[list[ev.Evidence], list[str]]:
    """Return all runs under a folder, oldest first, and what couldn't be read."""
    found, problems = [], []
    for folder in sorted(path for path in reports.iterdir() if path.is_dir()):
        if (folder / _FILE).exists():
            try:
                found.append(_read(folder))
            except ConfigError as error:
                problems.append(str(error))
        elif any((folder / trace).exists() for trace in TRACES):
            problems.append(f"{folder}: a run that goes on, or has left no evidence")
    return sorted(found, key=lambda one: one.clock.wall_ns), problems


def recoveries(run: ev.Evidence) -> dict[str, Recovery]:
    """Return each tier's slowest recovery of a run; one whose recovery wasn't measured is left out.

    A tier that was never seen stale has 0 s, and as its uncertainty the time up to which it may have been so
    unseen; where nobody looked for longer than it may be stale, that is no measurement.
    """
    worst: dict[str, Recovery] = {}
    unmeasured = set()
    for report in run.recovery:
        if report.outcome == "recovered" and report.recovery_s is not None:
            one = Recovery(report.recovery_s, report.uncertainty_s)
        elif report.outcome == "never-stale" and not unseen_for_long([report]):
            one = Recovery(0.0, report.uncertainty_s)
        elif report.outcome == "not-recovered":
            one = Recovery(math.inf)
        else:
            unmeasured.add(report.tier)
            continue
        worst[report.tier] = max(worst.get(report.tier, one), one, key=lambda r: (r.seconds, r.uncertainty_s))
    return {tier: one for tier, one in worst.items() if tier not in unmeasured}


def _read(folder: Path) -> ev.Evidence:
    try:
        return ev.read(folder / _FILE)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder / _FILE}: can't be read as evidence: {error}") from error
