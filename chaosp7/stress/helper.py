"""Start, find and end a helper process by a token in its command line.

The token is known before the process is: so it can stand in the fault ledger before anything is done,
and whoever finds it there can end the process, whether or not it was ever started.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from chaosp7.errors import FaultError, HealError
from chaosp7.platform.process_id import ProcessId

__all__ = ["Helper", "end_helper", "helpers", "new_token"]

_READY_WITHIN_S = 30.0
_GONE_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.02


def new_token() -> str:
    """Return a token that no other helper has."""
    return f"chaosp7-{secrets.token_hex(8)}"


def helpers(token: str) -> list[ProcessId]:
    """Return the live processes of a helper: itself and its workers."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if token in process.cmdline() and (identity := ProcessId.of(process.pid)) is not None:
                found.append(identity)
    return found


def end_helper(token: str) -> None:
    """End a helper and its workers; nothing happens if there is none.

    Args:
        token: the helper's.

    Raises:
        HealError: if it lives on.
    """
    deadline = time.monotonic() + _GONE_WITHIN_S
    while left := helpers(token):
        for process in left:
            process.send(signal.SIGKILL)
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in left)
            raise HealError(f"helper processes {pids} can't be ended")
        time.sleep(_LOOK_EVERY_S)


class Helper:
    """A helper process of this one.

    Args:
        token: by which it is found again.
        arguments: what it does; see ``python -m chaosp7.stress --help``.
        max_s: it ends by itself after so many seconds.
    """

    def __init__(self, token: str, arguments: list[str], max_s: float) -> None:
        self.token = token
        self._command = [sys.executable, "-P", "-m", "chaosp7.stress", "--token", token]
        self._command += ["--parent", str(os.getpid()), "--seconds", str(max_s), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, beside: int | None = None) -> None:
        """Start it, and wait until it does what it is for.

        Args:
            beside: PID of a process whose cgroups it works in; None: in this one's.

        Raises:
            FaultError: if it doesn't come to that.
        """
        process = subprocess.Popen(
            [*self._command, *(["--beside", str(beside)] if beside else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._process = process
        assert process.stdout is not None  # noqa: S101 - it was asked for
        readable, _, _ = select.select([process.stdout], [], [], _READY_WITHIN_S)
        if not readable or process.stdout.read(1) != b"r":
            raise FaultError(f"the helper ended with exit code {process.poll()} before it began")

    def place(self, cpus: list[int]) -> None:
        """Have it and its workers run on some cores only."""
        for process in helpers(self.token):
            with suppress(OSError):
                os.sched_setaffinity(process.pid, cpus)

    def cpu_s(self) -> float:
        """Return the CPU time that it and its workers have used so far, seconds."""
        used = 0.0
        for process in helpers(self.token):
            with suppress(psutil.Error):
                times = psutil.Process(process.pid).cpu_times()
                used += times.user + times.system
        return used

    def resident_bytes(self) -> int:
        """Return the memory that it holds, bytes; 0 if it is gone."""
        process = self._process
        if process is None or process.poll() is not None:
            return 0
        with suppress(psutil.Error):
            return int(psutil.Process(process.pid).memory_info().rss)
        return 0

    def end(self) -> None:
        """End it; nothing happens if it was never started.

        Raises:
            HealError: if it lives on.
        """
        end_helper(self.token)
        if self._process is not None:
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
