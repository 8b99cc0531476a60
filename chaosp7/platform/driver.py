"""What a driver does: it reaches the services of one platform, whatever they run in."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Protocol

from chaosp7.embedded.plan_model import Plan
from chaosp7.embedded.provision import Progress
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.protocol import (
    Phase,
    PlatformStatus,
    ServiceState,
    ServiceStatus,
    Started,
    Stopped,
)
from chaosp7.platform.bring_up import StatusListener
from chaosp7.platform.links import Links

__all__ = ["Driver", "Phase", "PlatformStatus", "ServiceState", "ServiceStatus", "Started", "Stopped"]


class Driver(Protocol):
    """Brings a platform up and down, and does to its services what faults need.

    Every call may raise `PlatformError`: there is no such service, the platform isn't running, or who
    runs it (the supervisor, the Docker daemon) doesn't do what it is asked. All times are
    CLOCK_MONOTONIC nanoseconds.
    """

    name: str
    state: StateDir

    @property
    def plan(self) -> Plan:
        """Where everything is."""
        ...

    @property
    def links(self) -> Links:
        """The platform's links."""
        ...

    @property
    def bootstrap(self) -> str:
        """The broker's direct listener, ``host:port``: for who measures, not through any link."""
        ...

    def up(
        self,
        *,
        keep_data: bool = False,
        timeout_s: float = 120.0,
        provisioning: Progress | None = None,
        listener: StatusListener | None = None,
    ) -> Plan:
        """Start the platform; one that runs already is left as it is."""
        ...

    def down(self, timeout_s: float = 60.0) -> bool:
        """End the platform; tells whether there was anything to end."""
        ...

    def running(self) -> bool:
        """Tell whether there is anything of the platform that could be in a fault's hands."""
        ...

    def platform_status(self) -> PlatformStatus:
        """Return the state of the platform as a whole and of all services."""
        ...

    def status(self) -> dict[str, ServiceStatus]:
        """Return the state of each service."""
        ...

    def service_status(self, service: str) -> ServiceStatus:
        """Return the state of one service."""
        ...

    def endpoint(self, service: str, role: str = "main") -> str:
        """Return where this machine reaches a service past all proxies, ``host:port``."""
        ...

    def link_address(self, link: str) -> tuple[str, int]:
        """Return where this machine reaches a link's proxy: host and port."""
        ...

    def past_the_proxy(self, link: str) -> str | None:
        """Return in words what connection a link's client has to its server past the proxy, if any."""
        ...

    def log(self, service: str) -> Path:
        """Return the log of a service."""
        ...

    def data_folder(self, service: str) -> Path:
        """Return where a service's data lie, on this machine.

        Raises:
            FaultError: if they can't be reached.
        """
        ...

    def ledger(self, run: str, folder: Path) -> Path:
        """Return where the exchange can write the ledger of a run whose folder is that."""
        ...

    def signal_service(self, service: str, signum: int = signal.SIGKILL, wait_s: float = 10.0) -> Stopped:
        """End a service with a signal; it stays down until `start`."""
        ...

    def stop(self, service: str, wait_s: float | None = None) -> Stopped:
        """Stop a service as its operator would; it stays down until `start`."""
        ...

    def crash(self, service: str, signum: int = signal.SIGKILL, wait_s: float = 10.0) -> Stopped:
        """End a service behind the back of who runs it: that sees a crash and starts it again."""
        ...

    def start(self, service: str, wait_s: float | None = None) -> Started:
        """Start a service and wait until it is healthy; one that runs is left alone."""
        ...

    def pause(self, service: str) -> None:
        """Freeze a service: its connections stay open and nothing answers."""
        ...

    def resume(self, service: str) -> None:
        """Let a frozen service go on."""
        ...

    def paused(self, service: str) -> bool:
        """Tell whether a service is frozen now."""
        ...

    def networks(self, service: str) -> str:
        """Return a service's network settings, for `reconnect`.

        Raises:
            FaultError: if it has no network of its own.
        """
        ...

    def disconnect(self, service: str) -> None:
        """Take a service off its networks."""
        ...

    def reconnect(self, service: str, settings: str) -> None:
        """Bring a service back to its networks, with its addresses and names; can be repeated."""
        ...

    def connected(self, service: str, settings: str) -> bool:
        """Tell whether a service is on its networks as it was."""
        ...
