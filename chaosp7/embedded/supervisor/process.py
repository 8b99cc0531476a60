"""One child process of the supervisor."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from chaosp7.platform.process_id import ProcessId

__all__ = ["Child"]

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """A process that ends with the supervisor, whatever ends that.

    It leads a session of its own, so that all it starts can be ended with it.

    Args:
        command: the program and its arguments.
        folder: its working folder.
        log: where its output is appended.
        on_end: is called on the event loop when it has ended and was reaped.

    Attributes:
        started_ns: right before it was made, CLOCK_MONOTONIC.
        ended_ns: when its end was seen; None while it runs.
        exit_code: its exit code, or minus the signal that ended it; None while it runs.
        ended: is set when it has ended.

    Raises:
        OSError: if the program can't be executed.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, log: Path, on_end: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self.ended_ns: int | None = None
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        supervisor = os.getpid()

        def die_with_supervisor() -> None:
            # The kernel sends the signal when the *thread* that made the child ends: the
            # supervisor makes all of them in its only thread.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != supervisor:
                os._exit(1)  # it died in between

        with log.open("ab") as out:
            self.started_ns = time.monotonic_ns()
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=die_with_supervisor,  # noqa: PLW1509  # there is only one thread
            )
        self.pid = self._process.pid
        self._descriptor = os.pidfd_open(self.pid)
        identity = ProcessId.of(self.pid)
        # A child that has ended already is a zombie, still ours, without an identity to need.
        self.identity = identity or ProcessId(self.pid, 0)
        self._loop.add_reader(self._descriptor, self._reap)

    def send(self, signum: int) -> int | None:
        """Send it a signal.

        Returns:
            CLOCK_MONOTONIC nanoseconds right before, or None if it has ended.
        """
        if self.ended.is_set():
            return None
        sent_ns = time.monotonic_ns()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signum)
        return sent_ns

    async def wait(self, timeout_s: float) -> bool:
        """Wait for its end.

        Returns:
            Whether it ended within the time.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), timeout_s)
        return self.ended.is_set()

    def _reap(self) -> None:
        self.ended_ns = time.monotonic_ns()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        # What it started dies with it. Before the reaping, for the zombie still holds the
        # number of the group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.exit_code = self._process.wait()
        self.ended.set()
        self._on_end()
