"""A process of a test's own, without a supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Process"]

_PR_SET_PDEATHSIG = 1


class Process:
    """A process that not even a test session that is killed leaves behind.

    Args:
        command: what it runs.
        log: where its output goes; added to.
        user: as whom; None: as this process.
        env: variables that it has beside those of this process.

    Attributes:
        process: the running process.
    """

    def __init__(
        self, command: list[str], log: Path, user: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.command = command
        self.log = log
        self._user = user
        self._env = dict(env or {})
        self.start()

    def start(self) -> None:
        """Start it, again too."""
        libc = ctypes.CDLL(None)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                env={**os.environ, **self._env},
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
            )

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL; `start` brings it back with its data."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it properly."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
