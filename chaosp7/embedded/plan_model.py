"""The plan of an embedded platform: the platform file with all that it leaves open filled in.

`chaosp7.embedded.plan` makes it, the supervisor carries it out, the process driver reads it to
know where things are.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from chaosp7.embedded.state import StateDir
from chaosp7.errors import PlatformError
from chaosp7.platform.model import Part
from chaosp7.platform.ports import HOST

__all__ = ["Check", "HealthPlan", "LinkPlan", "Plan", "ServicePlan", "TaskPlan", "read", "write"]


class Check(StrEnum):
    """How a service is asked for its health."""

    HTTP = "http"
    """GET answers 200."""
    KAFKA = "kafka"
    """The broker answers a request for its API versions: an open port alone also belongs to a
    process that is paused."""
    TOXIPROXY = "toxiproxy"
    """It answers and has all proxies of the plan."""
    CONTAINER = "container"
    """Its container runs, and the container's own health check, if it has one, says so: see the driver."""


class HealthPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a service's health is checked.

    Attributes:
        check: how it is asked.
        port: TCP port.
        path: of the HTTP request.
        host: address of the service.
    """

    check: Check
    port: int
    path: str = "/healthz"
    host: str = HOST


class ServicePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One service as a process, or in a container.

    Attributes:
        part: which embedded part it is.
        command: the program and its arguments.
        ports: what for -> TCP port; ``main`` is the service's endpoint.
        health: how its health is checked.
        after: what must be healthy, or done, before it is first started.
        restart: whether it is started again after a crash.
        start_timeout_s: how long it has to become healthy, seconds.
        stop_timeout_s: how long it has to end after SIGTERM before it gets a SIGKILL, seconds.
        disk_mb: size of a disk of its own for its data, MiB; 0: none.
        adjustable_clock: whether its clock can be turned while it runs.
        host: the address that it listens on.
        container: the container that it runs in; empty for a process.
    """

    part: Part
    command: list[str]
    ports: dict[str, int]
    health: HealthPlan
    after: list[str] = []
    restart: Literal["on-crash", "no"] = "on-crash"
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0
    disk_mb: int = 0
    adjustable_clock: bool = False
    host: str = HOST
    container: str = ""


class TaskPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the start that ends by itself; it must end with exit code 0.

    Attributes:
        command: the program and its arguments.
        after: what must be healthy, or done, before it is started.
        timeout_s: how long it has, seconds.
    """

    command: list[str]
    after: list[str] = []
    timeout_s: float = 60.0


class LinkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One link's proxy.

    Attributes:
        client: the service that opens the connections.
        server: the service that accepts them.
        listen_port: where the client connects to.
        upstream_port: where the proxy connects to.
        listen_host: the proxy's address.
        upstream_host: the server's.
    """

    client: str
    server: str
    listen_port: int
    upstream_port: int
    listen_host: str = HOST
    upstream_host: str = HOST


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A platform, resolved.

    Attributes:
        name: what the platform is called, and its state folder.
        platform_file: where it was read from.
        state_dir: its state folder.
        services: by name.
        tasks: steps of the start, by name.
        links: by name.
        driver: who carries it out: a supervisor of ours (``process``), or ``docker``.
    """

    name: str
    platform_file: str
    state_dir: str
    services: dict[str, ServicePlan]
    tasks: dict[str, TaskPlan]
    links: dict[str, LinkPlan]
    driver: Literal["process", "docker"] = "process"

    @property
    def state(self) -> StateDir:
        """The state folder."""
        return StateDir(Path(self.state_dir))

    def service(self, name: str) -> ServicePlan:
        """Return a service.

        Raises:
            PlatformError: if there is none of that name; the message names those there are.
        """
        try:
            return self.services[name]
        except KeyError:
            known = ", ".join(self.services)
            raise PlatformError(
                f"platform {self.name!r} has no service {name!r}; there are: {known}"
            ) from None

    def the_service(self, part: Part) -> ServicePlan:
        """Return the one service that is this part."""
        return self.services[self.name_of(part)]

    def name_of(self, part: Part) -> str:
        """Return the name of the one service that is this part."""
        return next(name for name, service in self.services.items() if service.part is part)


def write(plan: Plan) -> None:
    """Write the plan into its state folder, at once or not at all."""
    path = plan.state.plan
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2))
    os.replace(partial, path)  # noqa: PTH105


def read(state: StateDir) -> Plan:
    """Read the plan of a state folder.

    Raises:
        PlatformError: if there is none, or it is damaged.
    """
    try:
        return msgspec.json.decode(state.plan.read_bytes(), type=Plan)
    except FileNotFoundError:
        raise PlatformError(
            f"there is no platform at {state.path}: `chaosp7 platform up` makes one"
        ) from None
    except msgspec.DecodeError as error:
        raise PlatformError(f"{state.plan} is damaged: {error}") from error
