"""Runs that are kept: read from their folders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaosp7.errors import ConfigError
from chaosp7.report.folders import left_something
from chaosp7.report.told import Told, graver, read_suites
from chaosp7.run import evidence as ev
from chaosp7.run.unseen import unseen_for_long
from chaosp7.suite.record import SUITE_FILE, SuiteRun, read_suite
from chaosp7.suite.trend import Recovery, latest

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

    What the suite of a single run says of it counts where it is graver.

    Args:
        folder: of the run, or of the suite.

    Raises:
        ConfigError: if there is no run, or it is damaged; so if a suite beside it is, which may be its own.
    """
    if not (folder / SUITE_FILE).exists():
        run, told = _read(folder), _suites_in(folder.resolve().parent)
        if told.unread:
            raise ConfigError("; ".join(_problems(told)))
        verdict = graver(run.verdict, told.runs().get(folder.resolve()))
        return [Kept(run.experiment, str(verdict), run)]
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
    """Return all runs under a folder, oldest first, and what couldn't be read.

    Their verdicts are those of the suites where these say worse.
    """
    told = _suites_in(reports)
    runs = told.runs()
    found, problems = [], _problems(told)
    for folder in sorted(path for path in reports.iterdir() if path.is_dir()):
        if (folder / _FILE).exists():
            try:
                run = _read(folder)
                verdict = graver(run.verdict, runs.get(folder.resolve()))
                found.append(msgspec.structs.replace(run, verdict=str(verdict)))
            except ConfigError as error:
                problems.append(str(error))
        elif left_something(folder) or folder.resolve() in runs:
            problems.append(f"{folder}: a run that goes on, or has left no evidence")
    return sorted(found, key=lambda one: one.clock.wall_ns), problems


def recoveries(run: ev.Evidence) -> dict[str, Recovery]:
    """Return each tier's slowest recovery from the run's faults; one that wasn't measured is left out.

    A tier that was never seen stale has 0 s, and as its uncertainty the time up to which it may have been so
    unseen; where nobody looked for longer than it may be stale, that is no measurement.
    """
    found: dict[str, list[Recovery]] = {}
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
        found.setdefault(report.tier, []).append(one)
    return {tier: latest(some) for tier, some in found.items() if tier not in unmeasured}


def _suites_in(reports: Path) -> Told:
    return read_suites(sorted(reports.glob(f"*/{SUITE_FILE}")))


def _problems(told: Told) -> list[str]:
    return [f"{suite}: {why}" for suite, why in told.unread.items()]


def _read(folder: Path) -> ev.Evidence:
    try:
        return ev.read(folder / _FILE)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder / _FILE}: can't be read as evidence: {error}") from error
