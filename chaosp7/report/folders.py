"""Where runs lie: the folders that one has left something in."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chaosp7.errors import ConfigError
from chaosp7.report.records import EVIDENCE, JOURNAL, SERIES, is_run_name
from chaosp7.run import evidence as ev
from chaosp7.run.status import STATUS_FILE
from chaosp7.suite.record import SUITE_FILE

__all__ = ["find_runs", "is_copy", "left_something"]

_LEDGER: Final = "ledger.bin"

#: What a run has before its first message; other programs' files are called so, too: only in a folder with a
#: run's name they tell of one.
_EARLY: Final = (STATUS_FILE, "output.log")


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
        # Resolved first: what `.` is called counts.
        runs = [path.parent.resolve()] if path.is_file() else sorted(_runs_under(path.resolve()))
        if not runs and not any(path.rglob(SUITE_FILE)):
            raise ConfigError(f"{path}: there is no run in it (no {EVIDENCE}, no {JOURNAL}, no {SUITE_FILE})")
        found.update(dict.fromkeys(runs))
    return list(found)


def left_something(folder: Path) -> bool:
    """Return whether a run has left anything in a folder."""
    return any((folder / name).exists() for name in (EVIDENCE, JOURNAL, SERIES, *_own(folder)))


def is_copy(folder: Path, run: Path) -> bool:
    """Return whether all that tells of a run of its own in a folder was copied from a run's folder."""
    try:
        return all(
            filecmp.cmp(folder / name, run / name, shallow=False)
            for name in _own(folder)
            if (folder / name).exists()
        )
    except OSError:
        return False


def _own(folder: Path) -> Sequence[str]:
    """Return what is only where a run was carried out; in a folder of its own there is the journal, too."""
    return (_LEDGER, JOURNAL, *_EARLY) if is_run_name(folder.name) else (_LEDGER,)


def _runs_under(folder: Path) -> Iterator[Path]:
    names = (EVIDENCE, JOURNAL, SERIES, _LEDGER, *_EARLY)
    found = {path.parent for name in names for path in folder.rglob(name) if left_something(path.parent)}
    for run in found:
        # A journal lies where the run was started, and what it is of lies below.
        around = any(run in other.parents for other in found)
        own = any((run / name).exists() for name in (EVIDENCE, *_own(run)))
        if own or not (around or any(_is_whole(one) for one in run.parents if one in found)):
            yield run


def _is_whole(folder: Path) -> bool:
    """Return whether a run's evidence lies in its own folder: what is below was written by its activities.

    Evidence that was copied elsewhere says nothing of what lies there.
    """
    try:
        return ev.read(folder / EVIDENCE).run_id == folder.name
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return False
