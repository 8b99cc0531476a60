"""`up` and `down` of an embedded platform."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from chaosp7.embedded import bounded_disk, plan_model, provision
from chaosp7.embedded.logtail import tail
from chaosp7.embedded.plan import build, needed_parts, prepare, wanted_ports
from chaosp7.embedded.plan_model import Plan
from chaosp7.embedded.state import MARK_ENV, StateDir
from chaosp7.embedded.supervisor.protocol import Outcome, Phase, PlatformStatus, Request
from chaosp7.errors import NotRunningError, PlatformError, SilentError
from chaosp7.platform import ports
from chaosp7.platform.control_client import ControlClient, end_stragglers, is_running
from chaosp7.platform.link_check import check_links
from chaosp7.platform.links import Links
from chaosp7.platform.model import Part, Platform

__all__ = ["StatusListener", "bring_up", "take_down"]

#: Is told how far the services are, some times a second.
StatusListener = Callable[[PlatformStatus], None]

#: Of the supervisor's log: the end of a service's own is quoted in it, and all the others end after that.
_SUPERVISOR_LINES = 40
_POLL_S = 0.05
_DOWN_TIMEOUT_S = 60.0


def bring_up(
    platform: Platform,
    name: str,
    state: StateDir,
    *,
    keep_data: bool = False,
    timeout_s: float = 120.0,
    provisioning: provision.Progress | None = None,
    listener: StatusListener | None = None,
) -> Plan:
    """Start a platform and return when all its services are healthy; see `ProcessDriver.up`."""
    with _alone(state):
        if is_running(state):
            # Perhaps still starting, if who asked for it was killed.
            _wait_until_up(state, timeout_s, listener)
            return plan_model.read(state)
        end_stragglers(state)
        parts = provision.parts(needed_parts(platform), provisioning)
        wanted = wanted_ports(platform)
        if keep_data:
            wanted |= _earlier_ports(state, wanted)
        owner = str(state.path)
        reserved = ports.reserve(owner, wanted)
        try:
            plan = build(platform, parts, reserved, state, name)
            bounded_disk.release(state)
            state.prepare(keep_data=keep_data)
            prepare(plan, parts)
            plan_model.write(plan)
            _start_supervisor(state)
            ports.hand_over(owner, _wait_for_supervisor(state, timeout_s))
            _wait_until_up(state, timeout_s, listener)
            check_links(plan, Links(plan.the_service(Part.TOXIPROXY).ports["main"]))
        except BaseException:
            # Also a Ctrl-C: what was started is ended before anything is said.
            _end(state)
            ports.release(owner)
            raise
        return plan


def take_down(state: StateDir, timeout_s: float = _DOWN_TIMEOUT_S) -> bool:
    """End a platform; see `ProcessDriver.down`."""
    if not state.path.exists():
        return False
    with _alone(state):
        found = _end(state, timeout_s)
        ports.release(str(state.path))
        return found


def _end(state: StateDir, timeout_s: float = _DOWN_TIMEOUT_S) -> bool:
    """End everything, by the supervisor if it can, without it otherwise; return if there was any."""
    found = is_running(state)
    if found:
        deadline = time.monotonic() + timeout_s
        with suppress(NotRunningError, SilentError):
            ControlClient(state).ask(Request(op="shutdown"), type(None))
            while is_running(state) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
    # Nobody is left after a proper end; after a SIGKILL of the supervisor the kernel has ended
    # its children, but not what those had started.
    found = end_stragglers(state) > 0 or found
    bounded_disk.release(state)
    state.supervisor_pid.unlink(missing_ok=True)
    for pid_file in (state.path / "pids").glob("*.pid"):
        pid_file.unlink(missing_ok=True)
    return found


def _start_supervisor(state: StateDir) -> None:
    # -P: no module may come from the folder that somebody happens to stand in.
    command = [sys.executable, "-P", "-m", "chaosp7.embedded.supervisor", str(state.path)]
    env = {**os.environ, MARK_ENV: str(state.path)}
    started = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if started.returncode:
        raise PlatformError(f"the supervisor can't be started: {started.stderr.strip()}")


def _wait_for_supervisor(state: StateDir, timeout_s: float) -> int:
    """Return the supervisor's PID as soon as it answers."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ControlClient(state).status().supervisor_pid
        except NotRunningError:
            if not is_running(state):
                # It may have tried and failed before anybody could ask it.
                raise _why_it_ended(state) from None
            if time.monotonic() > deadline:
                told = tail(state.supervisor_log, _SUPERVISOR_LINES)
                raise PlatformError(f"the supervisor doesn't answer\n{told}") from None
        time.sleep(_POLL_S)


def _wait_until_up(state: StateDir, timeout_s: float, listener: StatusListener | None) -> None:
    client = ControlClient(state)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            status = client.status()
        except NotRunningError:
            if is_running(state) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
                continue
            raise _why_it_ended(state) from None
        if listener:
            listener(status)
        if status.phase is Phase.UP:
            return
        if time.monotonic() > deadline:
            waiting = [
                f"{one.name} ({one.state}: {one.detail})"
                for one in status.services.values()
                if not one.healthy
            ]
            raise PlatformError(f"the platform isn't up after {timeout_s:g} s: {', '.join(waiting)}")
        time.sleep(_POLL_S)


def _why_it_ended(state: StateDir) -> PlatformError:
    try:
        return PlatformError(msgspec.json.decode(state.outcome.read_bytes(), type=Outcome).error)
    except (OSError, msgspec.DecodeError):
        return PlatformError(f"the supervisor has ended\n{tail(state.supervisor_log, _SUPERVISOR_LINES)}")


def _earlier_ports(state: StateDir, wanted: dict[str, int]) -> dict[str, int]:
    """Return the ports of the platform's last life: its data have some of them written in."""
    with suppress(PlatformError):
        plan = plan_model.read(state)
        earlier = {
            f"{name} {role}": port for name, one in plan.services.items() for role, port in one.ports.items()
        }
        return {key: port for key, port in earlier.items() if not wanted.get(key, 1)}
    return {}


@contextmanager
def _alone(state: StateDir) -> Iterator[None]:
    """Keep every other `up` and `down` of the same platform out."""
    state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(state.command_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError(
                f"another `up` or `down` is at work on the platform at {state.path}"
            ) from None
        yield
    finally:
        os.close(descriptor)
