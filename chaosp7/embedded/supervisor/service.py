"""One supervised service.

::

                      start            first healthy check
          stopped ------------> starting -----------> healthy <----> unhealthy
             ^                     |  ^                  |               |
             | ended on request    |  | after a delay    | ended by itself or by somebody's signal
             +---------------------+  +-- backing-off <--+---------------+

A crash is followed by a restart after 0.2 s, twice as long after each further one, 5 s at most;
a process that was healthy for 30 s makes that forgotten. What was stopped through the
supervisor stays down until it is started through it. Bad health alone never restarts anything.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from chaosp7.embedded.plan_model import ServicePlan
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.health import check
from chaosp7.embedded.supervisor.process import Child
from chaosp7.embedded.supervisor.protocol import (
    DELIBERATE,
    End,
    ServiceState,
    ServiceStatus,
    Started,
    Stopped,
)
from chaosp7.errors import PlatformError

__all__ = ["FIRST_BACKOFF_S", "LONGEST_BACKOFF_S", "Service", "backoff_s", "ended_how"]

_log = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 5.0
_FORGET_CRASHES_AFTER_NS = 30_000_000_000

_CHECK_TIMEOUT_S = 1.0
_CHECK_EVERY_S = {
    # Often while somebody waits for it, so that a recovery's time is known to about that.
    ServiceState.STARTING: 0.02,
    ServiceState.UNHEALTHY: 0.05,
    ServiceState.HEALTHY: 0.5,
}
_FAILED_CHECKS = 2

#: Is called with the service's name, what happened, and more about it.
Recorder = Callable[[str, str, dict[str, object]], None]


def backoff_s(crashes: int) -> float:
    """Return how long to wait before a restart, seconds.

    Args:
        crashes: how many crashes there were in a row, this one included.
    """
    return min(FIRST_BACKOFF_S * 2.0 ** min(crashes - 1, 16), LONGEST_BACKOFF_S)


class Service:
    """One supervised service; all of it runs on the supervisor's event loop.

    Args:
        name: its name.
        plan: how it is run.
        state: the platform's state folder.
        proxies: the proxies that a Toxiproxy must have.
        record: is told what happens to it.
    """

    def __init__(
        self, name: str, plan: ServicePlan, state: StateDir, proxies: Collection[str], record: Recorder
    ) -> None:
        self.name = name
        self.plan = plan
        self._state_dir = state
        self._proxies = proxies
        self._record = record
        self._state = ServiceState.STOPPED
        self._child: Child | None = None
        self._wanted = False
        self._detail = "not started yet"
        self._healthy_ns: int | None = None
        self._last_end: End | None = None
        self._restarts = 0
        self._crashes = 0
        self._restart_timer: asyncio.TimerHandle | None = None
        self._checker: asyncio.Task[None] | None = None
        self._first_healthy = asyncio.Event()
        # One request at a time: a start waits until a stop before it is done.
        self._turn = asyncio.Lock()

    def status(self) -> ServiceStatus:
        """Return what is known of it."""
        child = self._child
        return ServiceStatus(
            name=self.name,
            state=self._state,
            process=child.identity if child else None,
            started_ns=child.started_ns if child else None,
            healthy_ns=self._healthy_ns,
            restarts=self._restarts,
            detail=self._detail,
            last_end=self._last_end,
        )

    async def start(self, wait_s: float) -> Started:
        """Start it if it doesn't run, and wait until it is healthy.

        Args:
            wait_s: how long to wait for health, seconds; 0 doesn't wait.

        Raises:
            PlatformError: if the process can't be made, or ended before it was healthy.
        """
        async with self._turn:
            already = self._child is not None
            self._wanted = True
            if not already:
                self._crashes = 0
                self._spawn()
            child = self._child
            assert child is not None, "_spawn made it"  # noqa: S101
            first_healthy = self._first_healthy
        if wait_s > 0:
            await _first_of(first_healthy, child.ended, wait_s)
        if child.ended.is_set() and not first_healthy.is_set():
            raise PlatformError(f"service {self.name!r} {ended_how(child.exit_code)} before it was healthy")
        healthy_ns = self._healthy_ns if self._child is child else None
        return Started(pid=child.pid, started_ns=child.started_ns, healthy_ns=healthy_ns, already=already)

    async def stop(self, signum: int, wait_s: float, *, escalate: bool) -> Stopped:
        """End its process; it stays down.

        Args:
            signum: the signal to send.
            wait_s: how long to wait for the end, seconds.
            escalate: send a SIGKILL if it hasn't ended by then, and wait for that.
        """
        self._wanted = False
        async with self._turn:
            self._wanted = False
            self._cancel_restart()
            child = self._child
            if child is None:
                self._become(ServiceState.STOPPED, DELIBERATE)
                return Stopped(pid=None)
            sent_ns = child.send(signum)
            if signum != signal.SIGKILL:
                # A paused process would never get to any other signal.
                child.send(signal.SIGCONT)
            escalated = not await child.wait(wait_s) and escalate
            if escalated:
                _log.warning("%s didn't end within %g s of signal %d: SIGKILL", self.name, wait_s, signum)
                child.send(signal.SIGKILL)
                await child.wait(wait_s)
            return Stopped(
                pid=child.pid,
                sent_ns=sent_ns,
                ended_ns=child.ended_ns,
                exit_code=child.exit_code,
                escalated=escalated,
            )

    def signal(self, signum: int) -> Stopped:
        """Send its process a signal, as anybody could: whether it is to run isn't changed.

        Raises:
            PlatformError: if it has no process.
        """
        if self._child is None:
            raise PlatformError(f"service {self.name!r} has no process to signal: it is {self._state}")
        return Stopped(pid=self._child.pid, sent_ns=self._child.send(signum))

    def _spawn(self) -> None:
        self._cancel_restart()
        try:
            child = Child(
                self.plan.command,
                self._state_dir.data(self.name),
                self._state_dir.log(self.name),
                self._ended,
            )
        except OSError as error:
            self._become(ServiceState.STOPPED, f"can't be executed: {error}")
            self._wanted = False
            raise PlatformError(f"service {self.name!r} can't be executed: {error}") from error
        self._child = child
        self._healthy_ns = None
        self._first_healthy = asyncio.Event()
        self._state_dir.pid_file(self.name).write_text(f"{child.pid}\n", encoding="ascii")
        self._become(ServiceState.STARTING, "", event="started", at_ns=child.started_ns)
        self._checker = asyncio.create_task(self._check(child))

    def _ended(self) -> None:
        child = self._child
        assert child is not None, "it was the service's"  # noqa: S101
        assert child.ended_ns is not None, "it has ended"  # noqa: S101
        assert child.exit_code is not None, "it has ended"  # noqa: S101
        if self._checker:
            self._checker.cancel()
        was_healthy_ns = child.ended_ns - self._healthy_ns if self._healthy_ns else 0
        self._last_end = End(
            pid=child.pid, exit_code=child.exit_code, ended_ns=child.ended_ns, requested=not self._wanted
        )
        self._child = None
        with suppress(FileNotFoundError):
            self._state_dir.pid_file(self.name).unlink()
        how = ended_how(child.exit_code)
        extra: dict[str, object] = {"exit_code": child.exit_code, "ended_pid": child.pid}
        if not self._wanted:
            self._become(ServiceState.STOPPED, DELIBERATE, event="ended", at_ns=child.ended_ns, **extra)
        elif self.plan.restart == "no":
            self._wanted = False
            self._become(ServiceState.STOPPED, how, event="ended", at_ns=child.ended_ns, **extra)
        else:
            forgiven = was_healthy_ns >= _FORGET_CRASHES_AFTER_NS
            self._crashes = 1 if forgiven else self._crashes + 1
            delay_s = backoff_s(self._crashes)
            detail = f"{how}; restart in {delay_s:g} s"
            self._become(ServiceState.BACKING_OFF, detail, event="ended", at_ns=child.ended_ns, **extra)
            self._restart_timer = asyncio.get_running_loop().call_later(delay_s, self._restart)

    def _restart(self) -> None:
        self._restart_timer = None
        if self._wanted and self._child is None:
            self._restarts += 1
            with suppress(PlatformError):  # the state tells it
                self._spawn()

    def _cancel_restart(self) -> None:
        if self._restart_timer:
            self._restart_timer.cancel()
            self._restart_timer = None

    async def _check(self, child: Child) -> None:
        failed = 0
        while True:
            problem = await check(self.plan.health, self._proxies, _CHECK_TIMEOUT_S)
            if self._child is not child:
                return
            if problem is None:
                failed = 0
                self._is_healthy()
            else:
                failed += 1
                if self._state is ServiceState.STARTING:
                    self._detail = problem
                elif failed >= _FAILED_CHECKS:
                    self._become(ServiceState.UNHEALTHY, problem)
            soon = failed and self._state is ServiceState.HEALTHY
            await asyncio.sleep(_CHECK_EVERY_S[ServiceState.UNHEALTHY if soon else self._state])

    def _is_healthy(self) -> None:
        now_ns = self._become(ServiceState.HEALTHY, "")
        if self._healthy_ns is None:
            self._healthy_ns = now_ns
            self._first_healthy.set()

    def _become(
        self, state: ServiceState, detail: str, *, event: str = "", at_ns: int | None = None, **more: object
    ) -> int:
        """Take on a state and tell it if it is another one; return when, monotonic ns."""
        at_ns = at_ns or time.monotonic_ns()
        changed = state is not self._state or event
        self._state, self._detail = state, detail
        if changed:
            pid = self._child.pid if self._child else None
            self._record(
                self.name,
                event or state.value,
                {"ns": at_ns, "state": state.value, "pid": pid, "detail": detail, **more},
            )
        return at_ns


async def _first_of(one: asyncio.Event, other: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.create_task(one.wait()), asyncio.create_task(other.wait())]
    await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def ended_how(exit_code: int | None) -> str:
    """Say how a process ended, for people."""
    if exit_code is not None and exit_code < 0:
        known = {member.value: member.name for member in signal.Signals}
        return f"was ended by {known.get(-exit_code, f'signal {-exit_code}')}"
    return f"ended with exit code {exit_code}"
