"""The client's side of the supervisor's control socket, and what is left when it has died."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from contextlib import suppress
from typing import TypeVar

import msgspec
import psutil

from chaosp7.embedded.state import MARK_ENV, StateDir
from chaosp7.embedded.supervisor.protocol import PlatformStatus, Reply, Request
from chaosp7.errors import NotRunningError, PlatformError, SilentError
from chaosp7.platform.process_id import ProcessId

__all__ = ["ControlClient", "end_stragglers", "is_running", "stragglers"]

T = TypeVar("T")

_REPLY_TIMEOUT_S = 5.0


class ControlClient:
    """Asks the supervisor of one platform; each request has a connection of its own.

    Args:
        state: the platform's state folder.
    """

    def __init__(self, state: StateDir) -> None:
        self._state = state

    def status(self) -> PlatformStatus:
        """Return what the supervisor knows.

        Raises:
            NotRunningError: if there is no supervisor.
            SilentError: if it doesn't answer in time.
        """
        return self.ask(Request(op="status"), PlatformStatus)

    def ask(self, request: Request, kind: type[T]) -> T:
        """Make a request and return its result.

        Args:
            request: the request; the reply is awaited for a few seconds longer than its own wait.
            kind: type of the result.

        Raises:
            NotRunningError: if there is no supervisor.
            SilentError: if it doesn't answer in time.
            PlatformError: if it refuses.
        """
        # A stop may wait twice: for the signal and for the SIGKILL after it.
        reply = self._exchange(request, 2 * request.wait_s + _REPLY_TIMEOUT_S)
        if reply.error is not None:
            raise PlatformError(reply.error)
        return msgspec.convert(reply.result, kind)

    def _exchange(self, request: Request, timeout_s: float) -> Reply:
        try:
            with (
                self._state.socket_address() as address,
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
            ):
                connection.settimeout(timeout_s)
                connection.connect(address)
                connection.sendall(msgspec.json.encode(request) + b"\n")
                with connection.makefile("rb") as stream:
                    line = stream.readline()
        except TimeoutError:
            raise SilentError(
                f"the supervisor of {self._state.path} doesn't answer within {timeout_s:g} s; "
                f"see {self._state.supervisor_log}"
            ) from None
        except OSError as error:
            raise self._not_running() from error
        if not line:
            raise self._not_running()
        return msgspec.json.decode(line, type=Reply)

    def _not_running(self) -> NotRunningError:
        killed = self._state.supervisor_pid.exists() and not is_running(self._state)
        why = ": its supervisor was killed" if killed else ""
        return NotRunningError(f"the platform at {self._state.path} isn't running{why}")


def is_running(state: StateDir) -> bool:
    """Tell whether the platform has a supervisor: whether its lock is held."""
    try:
        descriptor = os.open(state.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two who ask at once don't take each other for the supervisor.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def stragglers(state: StateDir) -> list[ProcessId]:
    """Return all live processes that belong to a platform, its supervisor among them.

    They are told by their environment, so that neither the end of their parents nor a PID that
    was given again misleads.
    """
    mark = str(state.path)
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK_ENV) == mark:
                identity = ProcessId.of(process.pid)
                if identity:
                    found.append(identity)
    return found


def end_stragglers(state: StateDir, timeout_s: float = 10.0) -> int:
    """SIGKILL all processes that belong to a platform.

    Returns:
        How many there were.

    Raises:
        PlatformError: if one is still there after the time.
    """
    ended: set[ProcessId] = set()
    deadline = time.monotonic() + timeout_s
    while left := stragglers(state):
        for process in left:
            process.send(signal.SIGKILL)
        ended.update(left)
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in left)
            raise PlatformError(f"processes of the platform at {state.path} can't be ended: {pids}")
        time.sleep(0.02)
    return len(ended)
