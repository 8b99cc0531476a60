"""All runs under some folders: those that have left something, and those that only a suite knows of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaosp7.report.folders import find_runs, is_copy
from chaosp7.report.records import RunRecord, is_run_name, read_run
from chaosp7.report.told import graver, read_suites
from chaosp7.run.verdict import Verdict
from chaosp7.suite.record import SUITE_FILE, SuiteRun

__all__ = ["never_began", "read_runs"]


def read_runs(paths: Sequence[Path]) -> list[RunRecord]:
    """Read all runs in or under some paths, and what the suites there say of their own.

    A run that a suite lists and that has left nothing is an error like any other: nobody may take the
    others for all of it. A copy of a run counts with it, once.

    Args:
        paths: folders of runs or of suites, folders above them, or files of evidence.

    Raises:
        ConfigError: if a path isn't there, or holds neither a run nor a suite.
    """
    folders = find_runs(paths)
    told = read_suites(file for path in paths for file in sorted(path.rglob(SUITE_FILE)))
    runs = told.runs()
    found = [_as_told(read_run(folder), runs.get(folder)) for folder in dict.fromkeys([*folders, *runs])]
    copies = set(_copies(found))
    unread = [
        _nothing_of(suite, suite.name, suite.name, Verdict.ERROR, why) for suite, why in told.unread.items()
    ]
    not_begun = [
        never_began(run, folder, f"{folder.name}/", interrupted=suite.interrupted)
        for folder, suite in told.suites.items()
        for run in suite.runs
        if run.folder is None
    ]
    return [*(run for run in found if run.folder not in copies), *unread, *not_begun]


def never_began(run: SuiteRun, folder: Path, prefix: str = "", *, interrupted: bool = False) -> RunRecord:
    """Return a run of a suite that was ended before it came to it.

    Args:
        run: as the suite lists it.
        folder: where the suite keeps its files.
        prefix: of the run's name, which tells it from that of another suite.
        interrupted: whether the suite was ended from outside.
    """
    name = f"{prefix}{run.experiment}-{run.repetition}"
    verdict = Verdict.INTERRUPTED if interrupted else Verdict.ERROR
    return _nothing_of(folder, name, run.experiment, verdict, "never began")


def _nothing_of(folder: Path, name: str, experiment: str, verdict: Verdict, why: str) -> RunRecord:
    return RunRecord(
        folder=folder,
        run_id=name,
        experiment=experiment,
        verdict=verdict,
        reasons=(why,),
        evidence=None,
        journal=None,
        series=None,
        missing=(),
        began=False,
    )


def _as_told(found: RunRecord, run: SuiteRun | None) -> RunRecord:
    """Return a run with what its suite says of it."""
    if run is None:
        return found
    return dataclasses.replace(
        found,
        experiment=found.experiment if found.evidence else run.experiment,
        verdict=graver(found.verdict, run),
        reasons=tuple(dict.fromkeys([*run.reasons, *found.reasons])),
    )


def _copies(runs: Sequence[RunRecord]) -> Iterator[Path]:
    """Yield the folders whose runs are there once more, no better.

    Evidence beside a ledger, say, that isn't the run's as well is no copy of it: something else ran there.
    """

    def elsewhere(run: RunRecord) -> bool:
        return run.folder.name != run.run_id

    gravity = list(Verdict).index
    # Without evidence any other name than a run's tells of none.
    named = [run for run in runs if run.evidence or is_run_name(run.folder.name)]
    first: dict[str, RunRecord] = {}
    for run in sorted(named, key=lambda one: (elsewhere(one), gravity(one.verdict))):
        other = first.setdefault(run.run_id, run)
        no_graver = gravity(run.verdict) >= gravity(other.verdict)
        if other is not run and no_graver and (not elsewhere(run) or is_copy(run.folder, other.folder)):
            yield run.folder
