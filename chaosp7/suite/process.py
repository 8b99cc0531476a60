"""One ``chaos run`` in a process, a session and a working folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from chaosp7.child import RUN_FOLDER_ENV, STARTED_IN_ENV
from chaosp7.run.status import STATUS_FILE, Status, read

__all__ = ["OUTPUT", "RunProcess", "watchdog_of"]

#: What the run has said, in its folder.
OUTPUT = "output.log"

#: By then it has come far enough to write a journal, or never will.
_READY_WITHIN_S = 10.0


class RunProcess:
    """A run that goes on.

    What is sent to the suite's terminal doesn't reach it: it is in a session of its own, and is
    interrupted exactly once, by `interrupt`.

    Args:
        experiment: its file.
        folder: the run's, made already.
        env: what is different from this process's environment.
    """

    def __init__(self, experiment: Path, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.begun_s = time.monotonic()
        command = [sys.executable, "-P", "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "run"]
        with (folder / OUTPUT).open("wb") as output:
            self._process = subprocess.Popen(
                [*command, str(experiment.absolute())],
                cwd=folder,
                env={**os.environ, **_own(folder), **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._wanted = False
        self._interrupted = False

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None as long as it goes on."""
        return self._process.poll()

    def status(self) -> Status | None:
        """How far it is, if it has said so."""
        return read(self.folder / STATUS_FILE)

    def interrupt(self) -> None:
        """Send it one Ctrl-C, as soon as it can answer with a journal; to be called until it has ended."""
        waited_s = time.monotonic() - self.begun_s
        ready = waited_s > _READY_WITHIN_S or (self.folder / STATUS_FILE).exists()
        if not self._interrupted and ready and self.exit_code is None:
            self._interrupted = True
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it; its watchdog heals."""
        self._process.kill()
        self._process.wait()


def watchdog_of(run_id: str) -> psutil.Process | None:
    """Return the watchdog of a run, which outlives it for as long as it heals."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "chaosp7.safety.watchdog" in command and run_id in command:
            return process
    return None


def _own(folder: Path) -> dict[str, str]:
    own = {RUN_FOLDER_ENV: str(folder.absolute()), STARTED_IN_ENV: str(Path.cwd())}
    if modules := os.environ.get("PYTHONPATH"):
        # What was relative to the folder that the suite was started in is so still.
        own["PYTHONPATH"] = os.pathsep.join(str(Path(p).absolute()) for p in modules.split(os.pathsep))
    return own
