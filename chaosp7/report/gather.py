"""All runs under some folders: those that have left something, and those that only a suite knows of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chaosp7.errors import ConfigError
from chaosp7.report.records import EVIDENCE, JOURNAL, SERIES, RunRecord, known_verdict, read_run
from chaosp7.run.status import STATUS_FILE
from chaosp7.run.verdict import Verdict
from chaosp7.suite.record import SUITE_FILE, SuiteRun, read_suite

__all__ = ["TRACES", "find_runs", "never_began", "read_runs"]

#: What tells a run's folder. One that was killed before its first message has no ledger: of it there is only
#: what its suite has put there.
TRACES: Final = (EVIDENCE, JOURNAL, SERIES, "ledger.bin", STATUS_FILE, "output.log")


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Return the folders of the runs in or under some paths, each once, in the order of their names.

    Args:
        paths: folders of runs or of suites, folders above them, or files of evidence.

    Raises:
        ConfigError: if a path isn't there, or holds neither a run nor a suite.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
        runs = [path.parent] if path.is_file() else sorted(_runs_under(path))
        if not runs and not _suites_under(path):
            raise ConfigError(f"{path}: there is no run in it (no {EVIDENCE}, no {JOURNAL}, no {SUITE_FILE})")
        found.update(dict.fromkeys(run.resolve() for run in runs))
    return list(found)


def _runs_under(folder: Path) -> Iterator[Path]:
    with_traces = {path.parent for name in TRACES for path in folder.rglob(name)}
    whole = {run for run in with_traces if (run / EVIDENCE).exists()}
    for run in with_traces:
        # A journal lies where the run was started: its evidence, if there is any, lies below. What lies
        # in a whole run's folder was written by one of its activities.
        around = any(run in other.parents for other in with_traces)
        if run in whole or (not around and whole.isdisjoint(run.parents)):
            yield run


def _suites_under(folder: Path) -> list[Path]:
    return sorted(path.parent.resolve() for path in folder.rglob(SUITE_FILE))


def read_runs(paths: Sequence[Path]) -> list[RunRecord]:
    """Read all runs in or under some paths, and what the suites there say of their own.

    A run that a suite lists and that has left nothing is an error like any other: nobody may take the
    others for all of it.

    Args:
        paths: folders of runs or of suites, folders above them, or files of evidence.

    Raises:
        ConfigError: if a path isn't there, or holds neither a run nor a suite.
    """
    folders = find_runs(paths)
    told: dict[Path, SuiteRun] = {}
    without_folder: list[RunRecord] = []
    for suite in dict.fromkeys(suite for path in paths for suite in _suites_under(path)):
        try:
            runs = read_suite(suite).runs
        except ConfigError as error:
            why = f"which runs this suite had isn't known: {error}"
            without_folder.append(_nothing_of(suite, suite.name, suite.name, why))
            continue
        told |= {suite.parent / run.folder: run for run in runs if run.folder is not None}
        without_folder += [never_began(run, suite, f"{suite.name}/") for run in runs if run.folder is None]
    found = [_as_told(read_run(folder), told.get(folder)) for folder in dict.fromkeys([*folders, *told])]
    return [*found, *without_folder]


def never_began(run: SuiteRun, folder: Path, prefix: str = "") -> RunRecord:
    """Return a run of a suite that was ended before it came to it.

    Args:
        run: as the suite lists it.
        folder: where the suite keeps its files.
        prefix: of the run's name, which tells it from that of another suite.
    """
    name = f"{prefix}{run.experiment}-{run.repetition}"
    return _nothing_of(folder, name, run.experiment, "never began")


def _nothing_of(folder: Path, name: str, experiment: str, why: str) -> RunRecord:
    return RunRecord(
        folder=folder,
        run_id=name,
        experiment=experiment,
        verdict=Verdict.ERROR,
        reasons=(why,),
        evidence=None,
        journal=None,
        series=None,
        missing=(),
        began=False,
    )


def _as_told(found: RunRecord, run: SuiteRun | None) -> RunRecord:
    """Return a run with what its suite says of it: that counts where it is graver."""
    if run is None:
        return found
    said = found.verdict if run.verdict is None else known_verdict(run.verdict)
    return dataclasses.replace(
        found,
        experiment=found.experiment if found.evidence else run.experiment,
        verdict=min(found.verdict, said, key=list(Verdict).index),
        reasons=tuple(dict.fromkeys([*run.reasons, *found.reasons])),
    )
