"""Runs the tools that recipes need: compilers, build tools, a JVM."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock

from chaosp7.errors import ProvisionError

__all__ = ["Tools"]

_TAIL_LINES = 12


class Tools:
    """Runs the tools that recipes need, and can end them all at once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._cancelled = Event()

    def run(self, command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None) -> None:
        """Run a tool in a folder until it ends.

        Args:
            command: the tool and its arguments.
            folder: its working folder.
            env: additions to the environment.

        Raises:
            ProvisionError: if it fails or was cancelled; the message ends with the tail of what it said.
        """
        process = self.start(command, folder, env)
        self.finish(process, folder)

    def start(
        self, command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a tool as `run` does; `finish` waits for it."""
        with self._lock, _log(command[0], folder).open("wb") as out:
            if self._cancelled.is_set():
                raise ProvisionError("cancelled")
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def finish(self, process: subprocess.Popen[bytes], folder: Path, expected: Sequence[int] = (0,)) -> None:
        """Wait until a tool ends.

        Args:
            process: what `start` returned.
            folder: its working folder.
            expected: exit codes of success.

        Raises:
            ProvisionError: as in `run`.
        """
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        if self._cancelled.is_set():
            raise ProvisionError("cancelled")
        assert isinstance(process.args, list), "start() gave a list"  # noqa: S101
        tool = str(process.args[0])
        log = _log(tool, folder)
        if code not in expected:
            lines = log.read_text(errors="replace").splitlines()
            said = "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])
            raise ProvisionError(f"`{Path(tool).name}` failed with exit code {code}:\n{said}")
        log.unlink()

    def cancel(self) -> None:
        """End all tools that run, and let no other one start."""
        with self._lock:
            self._cancelled.set()
            for process in self._running:
                # The tools have children of their own: compilers, a JVM behind a script.
                os.killpg(process.pid, signal.SIGKILL)


def _log(tool: str | Path, folder: Path) -> Path:
    return folder / f"{Path(tool).name}.log"
