"""What a run does differently when `chaosp7 run` has started it; the environment says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["RUN_FOLDER_ENV", "STARTED_IN_ENV", "given_folder", "ignore_interrupts", "started_in"]

#: The run's own folder, absolute; it's there already, and the run's working folder as well.
RUN_FOLDER_ENV = "CHAOSP7_RUN_FOLDER"

#: Where `chaosp7 run` was typed: what platform files are called there counts from here.
STARTED_IN_ENV = "CHAOSP7_STARTED_IN"


def given_folder() -> Path | None:
    """Return the folder that the run was given; None if it makes one itself."""
    folder = os.environ.get(RUN_FOLDER_ENV)
    return Path(folder) if folder else None


def started_in() -> Path:
    """Return the folder that relative names of platform files count from."""
    return Path(os.environ.get(STARTED_IN_ENV, ""))


def ignore_interrupts() -> None:
    """From now on let no Ctrl-C in, if a suite has started this run.

    Chaos Toolkit loses its journal to one that comes after the steady state, and the run is as good
    as over. A suite that can't wait kills.
    """
    if given_folder() is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
