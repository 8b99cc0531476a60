"""The process driver: an embedded platform's services as processes of this machine."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from chaosp7.embedded import plan_model
from chaosp7.embedded.plan_model import Plan
from chaosp7.embedded.provision import Progress
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.protocol import (
    Phase,
    PlatformStatus,
    Request,
    ServiceState,
    ServiceStatus,
    Started,
    Stopped,
)
from chaosp7.errors import FaultError, PlatformError
from chaosp7.platform.bring_up import StatusListener, bring_up, take_down
from chaosp7.platform.bypass import connections_of_process
from chaosp7.platform.control_client import ControlClient, is_running
from chaosp7.platform.links import Links
from chaosp7.platform.model import Part, Platform
from chaosp7.platform.ports import HOST

__all__ = [
    "Phase",
    "PlatformStatus",
    "ProcessDriver",
    "ServiceState",
    "ServiceStatus",
    "Started",
    "Stopped",
]

_CRASH_TIMEOUT_S = 10.0


class ProcessDriver:
    """One embedded platform: brings it up and down, and does to its services what faults need.

    Each call asks the supervisor anew, so any number of drivers in any number of processes may
    stand beside each other. All times are CLOCK_MONOTONIC nanoseconds.

    Args:
        platform: the platform file's content; only `up` needs it.
        name: what the platform is called, if not as in its file: the name of its state folder.

    Raises:
        ConfigError: if the name can't be a folder's name.
    """

    def __init__(self, platform: Platform | None = None, name: str | None = None) -> None:
        if platform is None and name is None:
            raise TypeError("either a platform or a name is needed")
        self.platform = platform
        self.name: str = name or (platform.name if platform else "")
        self.state = StateDir.of(self.name)
        self._client = ControlClient(self.state)

    @property
    def plan(self) -> Plan:
        """The resolved plan of the running platform, or of the one that ran last.

        Raises:
            PlatformError: if there never was one.
        """
        return plan_model.read(self.state)

    def up(
        self,
        *,
        keep_data: bool = False,
        timeout_s: float = 120.0,
        provisioning: Progress | None = None,
        listener: StatusListener | None = None,
    ) -> Plan:
        """Start the platform; returns when all its services are healthy and its links are checked.

        One that runs already is left as it is. If anything fails, or on a Ctrl-C, everything
        that was started is ended again before the error is raised.

        Args:
            keep_data: go on with the data and ports of the platform's last life; without it
                all data but ledgers are wiped.
            timeout_s: give up after so many seconds, provisioning not counted.
            provisioning: is told about parts that have to be made first.
            listener: is told how far the services are.

        Raises:
            ProvisionError: if a part can't be had.
            PortInUseError: if a fixed port is taken.
            PlatformError: if a service can't be started; the message ends with its log's tail.
        """
        if self.platform is None:
            raise PlatformError(f"platform {self.name!r} was opened by name: `up` needs its platform file")
        return bring_up(
            self.platform,
            self.name,
            self.state,
            keep_data=keep_data,
            timeout_s=timeout_s,
            provisioning=provisioning,
            listener=listener,
        )

    def down(self, timeout_s: float = 60.0) -> bool:
        """End the platform and all its processes, also when its supervisor was killed.

        Args:
            timeout_s: how long the services have to end in order before they are killed.

        Returns:
            Whether there was anything to end.
        """
        return take_down(self.state, timeout_s)

    def running(self) -> bool:
        """Tell whether the platform has a supervisor."""
        return is_running(self.state)

    def platform_status(self) -> PlatformStatus:
        """Return the state of the platform as a whole and of all services.

        Raises:
            NotRunningError: if it isn't running.
        """
        return self._client.status()

    def status(self) -> dict[str, ServiceStatus]:
        """Return the state of each service.

        Raises:
            NotRunningError: if the platform isn't running.
        """
        return self._client.status().services

    def service_status(self, service: str) -> ServiceStatus:
        """Return the state of one service.

        Raises:
            PlatformError: if there is none of that name, or the platform isn't running.
        """
        self.plan.service(service)
        return self.status()[service]

    def endpoint(self, service: str, role: str = "main") -> str:
        """Return where a service listens, ``host:port``, past all proxies.

        Args:
            service: the service.
            role: ``main``, or what else its plan lists: an exchange's name, ``controller``.

        Raises:
            PlatformError: if there is no such service or role.
        """
        ports = self.plan.service(service).ports
        if role not in ports:
            raise PlatformError(
                f"service {service!r} has no port for {role!r}; there are: {', '.join(ports)}"
            )
        return f"{HOST}:{ports[role]}"

    @property
    def bootstrap(self) -> str:
        """The broker's direct listener, ``host:port``: for who measures, not through any link."""
        return f"{HOST}:{self.plan.the_service(Part.KAFKA).ports['main']}"

    @property
    def links(self) -> Links:
        """The platform's links."""
        return Links(self.plan.the_service(Part.TOXIPROXY).ports["main"])

    def link_address(self, link: str) -> tuple[str, int]:
        """Return where a link's proxy listens: host and port."""
        return HOST, self.links.state(link).listen_port

    def past_the_proxy(self, link: str) -> str | None:
        """Return in words what connection a link's client has to its server past the proxy, if any."""
        ends = self.plan.links[link]
        process = self.service_status(ends.client).process
        if process is None:
            return None  # a client that is down has no connection at all
        ports = {*self.plan.service(ends.server).ports.values(), self.links.state(link).upstream_port}
        past = connections_of_process(process.pid, ports)
        return f"{ends.client} talks to {ends.server} past the proxy, at {past[0]}" if past else None

    def data_folder(self, service: str) -> Path:
        """Return where a service's data lie."""
        self.plan.service(service)
        return self.state.data(service)

    def ledger(self, run: str, folder: Path) -> Path:
        """Return where the exchange writes the ledger of a run: into the run's own folder."""
        del run
        return folder / "ledger.bin"

    def log(self, service: str) -> Path:
        """Return the log of a service."""
        self.plan.service(service)
        return self.state.log(service)

    def signal_service(self, service: str, signum: int = signal.SIGKILL, wait_s: float = 10.0) -> Stopped:
        """End a service with a signal, known to the supervisor: it stays down until `start`.

        Args:
            service: the service.
            signum: the signal.
            wait_s: how long to wait for its end, seconds; it isn't forced.

        Raises:
            PlatformError: if there is no such service, or the platform isn't running.
        """
        return self._stop(service, signum, wait_s, escalate=False)

    def stop(self, service: str, wait_s: float | None = None) -> Stopped:
        """Stop a service as its operator would: SIGTERM, and SIGKILL if it doesn't end.

        It stays down until `start`.

        Args:
            service: the service.
            wait_s: how long it has after the SIGTERM, seconds; None takes its own limit.

        Raises:
            PlatformError: if there is no such service, or the platform isn't running.
        """
        limit_s = self.plan.service(service).stop_timeout_s if wait_s is None else wait_s
        return self._stop(service, signal.SIGTERM, limit_s, escalate=True)

    def crash(self, service: str, signum: int = signal.SIGKILL, wait_s: float = _CRASH_TIMEOUT_S) -> Stopped:
        """End a service behind the supervisor's back: that sees a crash and starts it again.

        Args:
            service: the service.
            signum: the signal.
            wait_s: how long to wait until the supervisor has reaped it, seconds.

        Returns:
            The process and its times; `ended_ns` is None if it didn't end in that time.

        Raises:
            PlatformError: if it has no process, or the platform isn't running.
        """
        process = self.service_status(service).process
        sent_ns = process.send(signum) if process else None
        if process is None or sent_ns is None:
            raise PlatformError(f"service {service!r} has no process that could crash")
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            end = self.status()[service].last_end
            if end and end.pid == process.pid and end.ended_ns >= sent_ns:
                return Stopped(pid=end.pid, sent_ns=sent_ns, ended_ns=end.ended_ns, exit_code=end.exit_code)
            time.sleep(0.01)
        return Stopped(pid=process.pid, sent_ns=sent_ns)

    def start(self, service: str, wait_s: float | None = None) -> Started:
        """Start a service, also one that waits for its restart; one that runs is left alone.

        Args:
            service: the service.
            wait_s: how long to wait until it is healthy, seconds; 0 doesn't wait, None takes
                the service's own limit.

        Raises:
            PlatformError: if it ended again before it was healthy, or the platform isn't running.
        """
        limit_s = self.plan.service(service).start_timeout_s if wait_s is None else wait_s
        return self._client.ask(Request(op="start", service=service, wait_s=limit_s), Started)

    def restart(self, service: str) -> tuple[Stopped, Started]:
        """Stop a service and start it again.

        Raises:
            PlatformError: as `stop` and `start`.
        """
        return self.stop(service), self.start(service)

    def pause(self, service: str) -> None:
        """Stop a service's clock (SIGSTOP): its connections stay open and nothing answers.

        Raises:
            PlatformError: if it has no process, or the platform isn't running.
        """
        self._signal(service, signal.SIGSTOP)

    def resume(self, service: str) -> None:
        """Let a paused service go on.

        Raises:
            PlatformError: if it has no process, or the platform isn't running.
        """
        self._signal(service, signal.SIGCONT)

    def paused(self, service: str) -> bool:
        """Tell whether a service is stopped by a signal now."""
        process = self.service_status(service).process
        return process is not None and process.stopped()

    def networks(self, service: str) -> str:
        """Processes have none of their own.

        Raises:
            FaultError: always.
        """
        self.plan.service(service)
        raise FaultError(
            f"{service} shares this machine's network: its links can be cut, it can't be unplugged"
        )

    def disconnect(self, service: str) -> None:
        """As `networks`."""
        self.networks(service)

    def reconnect(self, service: str, settings: str) -> None:
        """As `networks`."""
        del settings
        self.networks(service)

    def connected(self, service: str, settings: str) -> bool:
        """Tell that it is: it can't be otherwise."""
        del service, settings
        return True

    def _stop(self, service: str, signum: int, wait_s: float, *, escalate: bool) -> Stopped:
        self.plan.service(service)
        request = Request(op="stop", service=service, signal=signum, wait_s=wait_s, escalate=escalate)
        return self._client.ask(request, Stopped)

    def _signal(self, service: str, signum: int) -> Stopped:
        self.plan.service(service)
        return self._client.ask(Request(op="signal", service=service, signal=signum), Stopped)
