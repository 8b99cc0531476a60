"""Containers as the Docker daemon of this machine sees them: the one module that talks to it.

Around docker's SDK: every call has a time limit and raises our errors; only a daemon of this machine
is talked to, since faults reach into processes and networks of this kernel; and nothing is done to a
container without the label `TARGET_LABEL`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import docker
import requests
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException, NotFound

from chaosp7.errors import PlatformError

__all__ = ["TARGET_LABEL", "ContainerState", "Containers"]

T = TypeVar("T")

#: A container is touched only if it says ``chaosp7.target=true``.
TARGET_LABEL = "chaosp7.target"

_TIMEOUT_S = 10
_OLDEST = "1.24"
_BY_LABEL = "label:"
_UNIX = "unix://"
_LOCAL = (_UNIX, "http+docker://", "http+unix://")
_NANOSECONDS = re.compile(r"^(.+?)(?:\.(\d{1,9}))?Z$")
#: The daemon logs an end right before or after it shows it.
_EVENT_MARGIN_NS = 200_000_000


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What the daemon says of a container.

    Attributes:
        name: its name.
        running: whether it has a process (also a frozen one).
        paused: whether it is frozen.
        restarting: whether the daemon is about to start it again.
        pid: its first process, as this machine numbers it; 0 if there is none.
        exit_code: of its last process.
        started_ns: when that was started, monotonic nanoseconds.
        finished_ns: when its last process had ended; None if none has.
        restarts: how often the daemon has started it again by itself.
        health: of its health check: ``healthy``, ``unhealthy``, ``starting``; empty if it has none.
        networks: name -> its settings there.
    """

    name: str
    running: bool
    paused: bool
    restarting: bool
    pid: int
    exit_code: int
    started_ns: int | None
    finished_ns: int | None
    restarts: int
    health: str
    networks: Mapping[str, Mapping[str, Any]]

    @property
    def address(self) -> str:
        """Its IP address on its first network; empty if it has none."""
        return next((str(one["IPAddress"]) for one in self.networks.values() if one.get("IPAddress")), "")


class Containers:
    """The containers of this machine's daemon.

    Args:
        timeout_s: of each call, seconds.

    Raises:
        PlatformError: if the daemon isn't there, or is another machine's.
    """

    def __init__(self, timeout_s: int = _TIMEOUT_S) -> None:
        self.host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        if not self.host.startswith(_LOCAL):
            raise PlatformError(f"DOCKER_HOST={self.host}: only the daemon of this machine can be used")
        self.client = self.call("answer", lambda: _client(self.host, timeout_s))

    def state(self, name: str) -> ContainerState:
        """Return a container's state.

        Raises:
            PlatformError: if there is none of that name, or the daemon doesn't answer.
        """
        found = self.call(f"inspect {name}", lambda: self.client.api.inspect_container(name))
        state = found["State"]
        return ContainerState(
            name=name,
            running=bool(state["Running"]),
            paused=bool(state["Paused"]),
            restarting=bool(state["Restarting"]),
            pid=int(state["Pid"]),
            exit_code=int(state["ExitCode"]),
            started_ns=_monotonic_ns(state["StartedAt"]),
            finished_ns=_monotonic_ns(state["FinishedAt"]),
            restarts=int(found["RestartCount"]),
            health=str(state.get("Health", {}).get("Status", "")),
            networks=found["NetworkSettings"]["Networks"],
        )

    def names(self) -> set[str]:
        """Return the names of all containers, also of those that don't run."""
        found = self.call("list containers", lambda: self.client.api.containers(all=True))
        return {name.removeprefix("/") for one in found for name in one["Names"]}

    def resolve(self, which: str) -> str:
        """Return a container's name.

        Args:
            which: its name, or ``label:KEY=VALUE`` of the one container that has this label.

        Raises:
            PlatformError: if not exactly one container has the label.
        """
        if not which.startswith(_BY_LABEL):
            return which
        filters = {"label": which.removeprefix(_BY_LABEL)}
        found = self.call("list containers", lambda: self.client.api.containers(all=True, filters=filters))
        names = sorted(str(one["Names"][0]).removeprefix("/") for one in found)
        if len(names) != 1:
            raise PlatformError(f"{which} is to be one container, and is {', '.join(names) or 'none'}")
        return names[0]

    def target(self, name: str) -> Any:
        """Return a container that may be touched.

        Raises:
            PlatformError: if it may not, or isn't there.
        """
        container = self.call(f"find {name}", lambda: self.client.containers.get(name))
        if container.labels.get(TARGET_LABEL) != "true":
            raise PlatformError(
                f"container {name} has no label {TARGET_LABEL}=true: it hasn't agreed to be a target"
            )
        return container

    def died_ns(self, name: str, since_ns: int) -> int | None:
        """Return when a container's process has ended, as the daemon noted it; monotonic nanoseconds.

        Args:
            name: the container.
            since_ns: the first end after this moment counts, monotonic nanoseconds.
        """
        ahead_ns = time.time_ns() - time.monotonic_ns()
        span = {
            "since": _seconds(since_ns + ahead_ns),
            "until": _seconds(time.time_ns() + _EVENT_MARGIN_NS),
            "filters": {"container": name, "event": "die"},
            "decode": True,
        }
        events = self.call(f"read the events of {name}", lambda: list(self.client.events(**span)))
        return int(events[0]["timeNano"]) - ahead_ns if events else None

    def log_tail(self, name: str, lines: int = 15) -> str:
        """Return the end of a container's log."""
        said: bytes = self.call(f"read the log of {name}", lambda: self.client.api.logs(name, tail=lines))
        return said.decode(errors="replace")

    def call(self, what: str, call: Callable[[], T]) -> T:
        """Ask the daemon, and turn its errors into ours.

        Args:
            what: for the error: "Docker doesn't ...".
            call: the call.

        Raises:
            PlatformError: if it fails, or takes too long.
        """
        try:
            return call()
        except NotFound as error:
            raise PlatformError(f"Docker can't {what}: {error.explanation}") from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise PlatformError(f"Docker at {self.host} doesn't {what}: {error}") from error


@lru_cache
def _client(host: str, timeout_s: int) -> docker.DockerClient:
    """Return the client of a daemon: one for this process, which connects anew when it has to."""
    if host.startswith(_UNIX):
        with socket.socket(socket.AF_UNIX) as knock:
            # Where nobody answers, the SDK would leave its own socket open.
            knock.connect(host.removeprefix(_UNIX))
    # Not version="auto", for the same reason.
    client = docker.DockerClient(base_url=host, version=_OLDEST, timeout=timeout_s)
    try:
        newest = client.version(api_version=False)["ApiVersion"]
    finally:
        client.close()
    version = min(
        newest, DEFAULT_DOCKER_API_VERSION, key=lambda text: [int(part) for part in text.split(".")]
    )
    return docker.DockerClient(base_url=host, version=version, timeout=timeout_s)


def _seconds(wall_ns: int) -> str:
    return f"{wall_ns // 1_000_000_000}.{wall_ns % 1_000_000_000:09d}"


def _monotonic_ns(text: str) -> int | None:
    """Return a daemon's time on the monotonic clock, right as long as nobody has set the wall clock since."""
    match = _NANOSECONDS.match(text)
    if match is None or text.startswith("0001-"):
        return None
    whole = datetime.fromisoformat(match.group(1)).replace(tzinfo=UTC)
    wall_ns = int(whole.timestamp()) * 1_000_000_000 + int((match.group(2) or "").ljust(9, "0"))
    return wall_ns - (time.time_ns() - time.monotonic_ns())
