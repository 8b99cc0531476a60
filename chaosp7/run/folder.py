"""The folder that a run leaves behind."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from chaosp7.child import given_folder
from chaosp7.errors import RunError
from chaosp7.run.plan import RunPlan

__all__ = ["folder_name", "keep_ledger", "make_folder"]

_LEDGER = "ledger.bin"


def make_folder(plan: RunPlan) -> Path:
    """Make the folder of a run that begins now; its name is the run's id.

    A suite has made it already.

    Raises:
        RunError: if it can't be made.
    """
    if (given := given_folder()) is not None:
        return given
    folder = plan.reports / folder_name(plan.experiment)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"the report's folder can't be made: {error}") from error
    return folder


def folder_name(experiment: str) -> str:
    """Return what the folder of a run that begins now is called: the UTC time and the experiment."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    return f"{stamp}-{experiment.replace('/', '_')[:60]}"


def keep_ledger(ledger: Path, folder: Path) -> None:
    """Have the run's ledger in its folder, wherever the exchange had to write it.

    Raises:
        OSError: if it can't be moved.
    """
    if ledger.exists() and ledger.parent.absolute() != folder.absolute():
        shutil.move(ledger, folder / _LEDGER)
