"""What is said on the supervisor's control socket: one JSON object a line, both ways.

All times are CLOCK_MONOTONIC nanoseconds, which one host's processes share.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from chaosp7.platform.process_id import ProcessId

__all__ = [
    "DELIBERATE",
    "End",
    "Outcome",
    "Phase",
    "PlatformStatus",
    "Reply",
    "Request",
    "ServiceState",
    "ServiceStatus",
    "Started",
    "Stopped",
]

#: The detail of a service that was stopped through the supervisor.
DELIBERATE = "stopped on request"


class ServiceState(StrEnum):
    """The state of a service."""

    STOPPED = "stopped"
    """No process, and none will be started by itself."""
    STARTING = "starting"
    """A process that wasn't healthy yet."""
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    """A process that was healthy and isn't; it isn't restarted for that."""
    BACKING_OFF = "backing-off"
    """No process after a crash; one will be started soon."""


class Phase(StrEnum):
    """How far the platform as a whole is."""

    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a service's process ended.

    Attributes:
        pid: its PID.
        exit_code: its exit code, or minus the number of the signal that ended it.
        ended_ns: when the supervisor saw its end; it was reaped then.
        requested: whether the supervisor had been asked to end it.
    """

    pid: int
    exit_code: int
    ended_ns: int
    requested: bool


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor knows of a service.

    Attributes:
        name: the service.
        state: its state.
        process: its process, if there is one.
        started_ns: when that process was started.
        healthy_ns: when that process was seen healthy for the first time.
        restarts: how often a process was started after a crash, since `up`.
        detail: why it isn't healthy, or what the last check said.
        last_end: how its last process ended.
    """

    name: str
    state: ServiceState
    process: ProcessId | None
    started_ns: int | None
    healthy_ns: int | None
    restarts: int
    detail: str
    last_end: End | None

    @property
    def healthy(self) -> bool:
        """Whether it is healthy now, as far as the last check can tell."""
        return self.state is ServiceState.HEALTHY

    @property
    def pid(self) -> int | None:
        """Its PID, if there is a process."""
        return self.process.pid if self.process else None


class PlatformStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor knows of all services.

    Attributes:
        phase: how far the platform is.
        supervisor_pid: the supervisor's PID.
        now_ns: when this was said.
        services: by name, in the platform file's order.
    """

    phase: Phase
    supervisor_pid: int
    now_ns: int
    services: dict[str, ServiceStatus]


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What came of ending a service's process.

    Attributes:
        pid: the process that was ended; None if there was none.
        sent_ns: right before the signal was sent.
        ended_ns: when it had ended and was reaped; None if it still runs.
        exit_code: as in `End`.
        escalated: whether it took a SIGKILL after the signal.
    """

    pid: int | None
    sent_ns: int | None = None
    ended_ns: int | None = None
    exit_code: int | None = None
    escalated: bool = False


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What came of starting a service.

    Attributes:
        pid: its process.
        started_ns: right before the process was made.
        healthy_ns: when it was first seen healthy; None if it wasn't within the time given.
        already: whether it ran before.
    """

    pid: int
    started_ns: int
    healthy_ns: int | None
    already: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Why the supervisor ended the platform by itself.

    Attributes:
        error: for people; names the service and has the tail of its log.
    """

    error: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request.

    Attributes:
        op: ``stop`` ends the process and leaves the service down, ``signal`` only sends a signal.
        service: the service, where one is needed.
        signal: number of the signal.
        wait_s: how long to wait for the end, or for health, seconds.
        escalate: SIGKILL the process if it hasn't ended after `wait_s`.
    """

    op: Literal["status", "stop", "start", "signal", "shutdown"]
    service: str = ""
    signal: int = 15
    wait_s: float = 0.0
    escalate: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reply: a result or an error."""

    result: Any = None
    error: str | None = None
