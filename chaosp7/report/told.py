"""What suites say of their runs: it counts where it is graver than what a run has left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosp7.errors import ConfigError
from chaosp7.report.records import known_verdict
from chaosp7.run.verdict import Verdict
from chaosp7.suite.record import SuiteRecord, SuiteRun, read_suite

__all__ = ["Told", "graver", "read_suites"]


@dataclass(frozen=True, slots=True)
class Told:
    """What some suites say.

    Attributes:
        suites: those that can be read, by their folders.
        unread: why it isn't known which runs the others had, by their folders.
    """

    suites: Mapping[Path, SuiteRecord]
    unread: Mapping[Path, str]

    def runs(self) -> dict[Path, SuiteRun]:
        """Return the runs that were begun, by their folders."""
        return {
            folder.parent / run.folder: run
            for folder, suite in self.suites.items()
            for run in suite.runs
            if run.folder is not None
        }


def read_suites(files: Iterable[Path]) -> Told:
    """Read what suites say; one that can't be read is told, never raised.

    Args:
        files: each suite's ``suite.json``.
    """
    suites: dict[Path, SuiteRecord] = {}
    unread: dict[Path, str] = {}
    for folder in dict.fromkeys(file.parent.resolve() for file in files):
        try:
            suites[folder] = read_suite(folder)
        except ConfigError as error:
            unread[folder] = f"which runs this suite had isn't known: {error}"
    return Told(suites, unread)


def graver(verdict: str, run: SuiteRun | None) -> Verdict:
    """Return a run's verdict.

    Args:
        verdict: that of what the run has left.
        run: as its suite lists it; None if no suite does. One that goes on hasn't judged its run.
    """
    said = verdict if run is None or run.verdict is None else run.verdict
    return min(known_verdict(verdict), known_verdict(said), key=list(Verdict).index)
