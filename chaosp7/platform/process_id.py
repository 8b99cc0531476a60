"""The identity of a process: a PID alone may be somebody else's by now."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import msgspec

__all__ = ["ProcessId"]

_STARTTIME = 19
"""Index of `starttime` in /proc/PID/stat, counted behind the command's closing bracket."""
_STATE = 0


class ProcessId(msgspec.Struct, frozen=True):
    """A process, told from any later one with the same PID.

    Attributes:
        pid: its PID.
        start_ticks: when it started, clock ticks since boot as the kernel gives them; a step of
            the wall clock doesn't touch them.
    """

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of a live process, or None if there is none (or only a zombie)."""
        ticks = _start_ticks(pid)
        return None if ticks is None else cls(pid, ticks)

    def alive(self) -> bool:
        """Tell whether this very process still runs; a zombie doesn't."""
        return _start_ticks(self.pid) == self.start_ticks

    def stopped(self) -> bool:
        """Tell whether it was stopped by a signal (SIGSTOP) and not resumed yet."""
        return self.alive() and _stat(self.pid)[_STATE : _STATE + 1] == [b"T"]

    def send(self, signum: int) -> int | None:
        """Send it a signal, and nobody else.

        Returns:
            CLOCK_MONOTONIC nanoseconds right before the signal was sent, or None if the process
            had ended before.
        """
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        try:
            # The descriptor pins the process: if it is the right one now, it is so below.
            if not self.alive():
                return None
            sent_ns = time.monotonic_ns()
            signal.pidfd_send_signal(descriptor, signum)
        except ProcessLookupError:
            return None
        finally:
            os.close(descriptor)
        return sent_ns


def _start_ticks(pid: int) -> int | None:
    fields = _stat(pid)
    return None if not fields or fields[_STATE] in {b"Z", b"X"} else int(fields[_STARTTIME])


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat behind the command, none if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return stat[stat.rindex(b")") + 2 :].split()
