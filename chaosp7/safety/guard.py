"""The runner's side of the watchdog: start it, keep it fed, let it go."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from chaosp7.errors import HealError
from chaosp7.safety.watchdog import HEARTBEAT, READY, RELEASE

__all__ = ["Guard"]

_START_TIMEOUT_S: Final = 20.0
_HEARTBEAT_EVERY_S: Final = 0.5


class Guard:
    """A watchdog over this process, for one run.

    Args:
        name: the platform's name.
        run: the run's id.
        exchange: the service that makes the load.
        take_down: whether the run brought the platform up.
        log: where the watchdog writes.
    """

    def __init__(self, name: str, run: str, exchange: str, take_down: bool, log: Path) -> None:
        self._command = [sys.executable, "-P", "-m", "chaosp7.safety.watchdog"]
        self._command += ["--name", name, "--run", run, "--exchange", exchange]
        self._command += ["--take-down"] if take_down else []
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._released = threading.Event()
        self._beat = threading.Thread(target=self._feed, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the watchdog and wait until it watches.

        Raises:
            HealError: if it doesn't: then nothing may be injected.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                # It must outlive whatever ends this process's group or session.
                start_new_session=True,
            )
        out = self._process.stdout
        assert out is not None  # noqa: S101 - it was asked for
        readable, _, _ = select.select([out], [], [], _START_TIMEOUT_S)
        if not readable or out.read(1) != READY:
            self._process.kill()
            self._process.wait()
            raise HealError(f"the watchdog doesn't start; see {self._log}")
        self._beat.start()

    @property
    def watching(self) -> bool:
        """Whether the watchdog lives."""
        return self._process is not None and self._process.poll() is None

    def release(self) -> None:
        """Let it go without healing anything; harmless if it never started."""
        process = self._process
        if process is None or process.stdin is None:
            return
        self._released.set()
        if self._beat.is_alive():
            self._beat.join()
        with contextlib.suppress(OSError):
            process.stdin.write(RELEASE)
        process.stdin.close()
        if process.stdout is not None:
            process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        self._process = None

    def _feed(self) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - started before the thread
        assert process.stdin is not None  # noqa: S101
        while not self._released.wait(_HEARTBEAT_EVERY_S):
            try:
                os.write(process.stdin.fileno(), HEARTBEAT)
            except OSError:
                return  # it is gone; the next fault finds out
