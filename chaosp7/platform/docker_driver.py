"""The docker driver: a platform's services in containers of this machine.

Either we make the containers, out of the embedded parts, or the platform file names those of somebody
else's Compose file: then we neither start nor end the platform as a whole.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaosp7.embedded import bounded_disk, docker_up, plan_model
from chaosp7.embedded.plan_model import Plan
from chaosp7.embedded.provision import Progress
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.health import check
from chaosp7.embedded.supervisor.protocol import (
    End,
    Phase,
    PlatformStatus,
    ServiceState,
    ServiceStatus,
    Started,
    Stopped,
)
from chaosp7.errors import FaultError, NotRunningError, PlatformError
from chaosp7.platform import unplug
from chaosp7.platform.attached import attached_plan
from chaosp7.platform.bring_up import StatusListener
from chaosp7.platform.bypass import connections_of_container
from chaosp7.platform.containers import Containers, ContainerState
from chaosp7.platform.link_check import check_links
from chaosp7.platform.links import Links
from chaosp7.platform.model import Part, Platform
from chaosp7.platform.process_id import ProcessId

__all__ = ["DockerDriver"]

_CHECK_TIMEOUT_S = 1.0
_LOOK_EVERY_S = 0.02


class DockerDriver:
    """One platform in containers; see `chaosp7.platform.driver.Driver` for what each method does.

    Args:
        platform: the platform file's content; only `up` needs it.
        name: what the platform is called, if not as in its file: the name of its state folder.

    Raises:
        ConfigError: if the name can't be a folder's name.
    """

    def __init__(self, platform: Platform | None = None, name: str | None = None) -> None:
        self.platform = platform
        self.name: str = name or (platform.name if platform else "")
        self.state = StateDir.of(self.name)
        self._made: Containers | None = None
        #: Service -> the process that was seen healthy, and when that was for the first time.
        self._healthy: dict[str, tuple[int | None, int]] = {}

    @property
    def plan(self) -> Plan:
        """The resolved plan of the platform, or of the one that ran last."""
        return plan_model.read(self.state)

    @property
    def _containers(self) -> Containers:
        if self._made is None:
            self._made = Containers()
        return self._made

    def up(
        self,
        *,
        keep_data: bool = False,
        timeout_s: float = 120.0,
        provisioning: Progress | None = None,
        listener: StatusListener | None = None,
    ) -> Plan:
        """Make the containers and wait until all are healthy; somebody else's only have to be there.

        Raises:
            PlatformError: if a container can't be made, isn't there, or hasn't agreed to be a target.
        """
        if self.platform is None:
            raise PlatformError(f"platform {self.name!r} was opened by name: `up` needs its platform file")
        if not self.platform.made_by_us:
            return self._attach(self.platform)
        if self.running():
            return self.plan
        if keep_data:
            raise PlatformError("the docker driver begins with empty containers: there are no data to keep")
        try:
            plan = docker_up.make(self.platform, self.name, self.state, self._containers, provisioning)
            docker_up.start(plan, self._containers, lambda: self._look(listener), timeout_s)
            check_links(plan, self.links)
        except BaseException:
            # Also a Ctrl-C: what was made is removed before anything is said.
            self.down()
            raise
        return plan

    def _look(self, listener: StatusListener | None) -> dict[str, ServiceStatus]:
        now = self.platform_status()
        if listener:
            listener(now)
        return now.services

    def _attach(self, platform: Platform) -> Plan:
        names = {key: self._containers.resolve(one.container) for key, one in platform.services.items()}
        down = []
        for service, name in names.items():
            self._containers.target(name)
            if not self._containers.state(name).running:
                down.append(f"{service} ({name})")
        if down:
            raise PlatformError(f"not running: {', '.join(down)}; start them with their own Compose file")
        self.state.prepare(keep_data=True)
        plan = attached_plan(platform, self.name, self.state, names)
        plan_model.write(plan)
        check_links(plan, self.links, self.link_address)
        return plan

    def down(self, timeout_s: float = 60.0) -> bool:
        """Remove the containers that we have made.

        Raises:
            PlatformError: if they are somebody else's: those are left alone.
        """
        del timeout_s  # the daemon has its own
        if not docker_up.ours(self.name, self._containers) and self.running():
            raise PlatformError(
                f"the containers of {self.name!r} are somebody else's: end them as you began them"
            )
        found = docker_up.remove(self.name, self._containers)
        bounded_disk.release(self.state)
        return found

    def running(self) -> bool:
        """Tell whether there are containers of the platform, stopped ones too: a fault may have done that."""
        if docker_up.ours(self.name, self._containers):
            return True
        names = {service.container for service in self.platform.services.values()} if self.platform else set()
        with suppress(PlatformError):
            names |= {service.container for service in self.plan.services.values()}
        return bool(names & self._containers.names())

    def platform_status(self) -> PlatformStatus:
        """Return the state of the platform as a whole and of all services."""
        services = self.status()
        return PlatformStatus(phase=Phase.UP, supervisor_pid=0, now_ns=time.monotonic_ns(), services=services)

    def status(self) -> dict[str, ServiceStatus]:
        """Return the state of each service.

        Raises:
            NotRunningError: if there are no containers.
        """
        try:
            plan = self.plan
            states = {name: self._containers.state(one.container) for name, one in plan.services.items()}
        except PlatformError as error:
            if docker_up.ours(self.name, self._containers):
                raise
            raise NotRunningError(f"platform {self.name!r} isn't running: {error}") from error
        problems = asyncio.run(self._check_all(plan, states))
        return {name: self._status(name, state, problems[name]) for name, state in states.items()}

    def service_status(self, service: str) -> ServiceStatus:
        """Return the state of one service."""
        plan = self.plan
        state = self._state(service)
        problem = asyncio.run(self._check(plan, service, state))
        return self._status(service, state, problem)

    async def _check_all(self, plan: Plan, states: dict[str, ContainerState]) -> dict[str, str | None]:
        problems = await asyncio.gather(*(self._check(plan, name, state) for name, state in states.items()))
        return dict(zip(states, problems, strict=True))

    @staticmethod
    async def _check(plan: Plan, service: str, state: ContainerState) -> str | None:
        """Return why a service isn't healthy, None if it is."""
        if not state.running or state.restarting:
            return f"exit code {state.exit_code}"
        if state.paused:
            return "paused"
        if state.health not in ("", "healthy"):
            return f"its own health check says {state.health}"
        health = plan.services[service].health
        return await check(health, plan.links, _CHECK_TIMEOUT_S)

    def _status(self, name: str, state: ContainerState, problem: str | None) -> ServiceStatus:
        if not state.running or state.restarting:
            now = ServiceState.BACKING_OFF if state.restarting else ServiceState.STOPPED
        elif problem is None:
            now = ServiceState.HEALTHY
            if self._healthy.get(name, (None, 0))[0] != state.started_ns:
                self._healthy[name] = (state.started_ns, time.monotonic_ns())
        else:
            was_healthy = self._healthy.get(name, (None, 0))[0] == state.started_ns
            now = ServiceState.UNHEALTHY if was_healthy else ServiceState.STARTING
        process = ProcessId.of(state.pid) if state.pid else None
        end = None
        if state.finished_ns is not None:
            end = End(pid=0, exit_code=state.exit_code, ended_ns=state.finished_ns, requested=False)
        return ServiceStatus(
            name=name,
            state=now,
            process=process,
            started_ns=state.started_ns if process else None,
            healthy_ns=self._healthy[name][1] if now is ServiceState.HEALTHY else None,
            restarts=state.restarts,
            detail=problem or "",
            last_end=end,
        )

    def endpoint(self, service: str, role: str = "main") -> str:
        """Return where this machine reaches a service past all proxies, ``host:port``."""
        plan = self.plan.service(service)
        if role not in plan.ports:
            known = ", ".join(plan.ports) or "none"
            raise PlatformError(f"service {service!r} has no port for {role!r}; there are: {known}")
        return f"{plan.host}:{plan.ports[role]}"

    @property
    def bootstrap(self) -> str:
        """The broker's direct listener, ``host:port``."""
        return self.endpoint(self.plan.name_of(Part.KAFKA))

    @property
    def links(self) -> Links:
        """The platform's links."""
        plan = self.plan.the_service(Part.TOXIPROXY)
        return Links(plan.ports["main"], host=plan.host)

    def link_address(self, link: str) -> tuple[str, int]:
        """Return where this machine reaches a link's proxy: host and port."""
        # Not by a port that Docker publishes: its own proxy would accept what this one refuses.
        toxiproxy = self._containers.state(self.plan.the_service(Part.TOXIPROXY).container)
        return toxiproxy.address, self.links.state(link).listen_port

    def past_the_proxy(self, link: str) -> str | None:
        """Return in words what connection a link's client has to its server past the proxy, if any."""
        ends = self.plan.links[link]
        client, server = self._state(ends.client), self._state(ends.server)
        if not client.pid or not server.address:
            return None
        past = connections_of_container(client.pid, server.address)
        return f"{ends.client} talks to {ends.server} past the proxy, at {past[0]}" if past else None

    def log(self, service: str) -> Path:
        """Write what the daemon has of a service's log into the state folder, and return the file."""
        said = self._containers.log_tail(self.plan.service(service).container, lines=10_000)
        path = self.state.log(service)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(said, encoding="utf-8")
        return path

    def data_folder(self, service: str) -> Path:
        """Return where a service's data lie, if we have made its container."""
        if not self.plan.service(service).command:
            raise FaultError(f"{service} runs in somebody else's container: its data can't be reached")
        return self.state.data(service)

    def ledger(self, run: str, folder: Path) -> Path:
        """Return the ledger's path in the state folder, which the exchange's container has too."""
        del folder
        return self.state.ledgers / f"{run}.bin"

    def signal_service(self, service: str, signum: int = signal.SIGKILL, wait_s: float = 10.0) -> Stopped:
        """End a service with a signal; by Docker's rules no restart policy brings it back."""
        return self._end(service, wait_s, lambda container: container.kill(signal=int(signum)))

    def stop(self, service: str, wait_s: float | None = None) -> Stopped:
        """Stop a service as its operator would: SIGTERM, and SIGKILL if it doesn't end."""
        limit_s = self.plan.service(service).stop_timeout_s if wait_s is None else wait_s
        return self._end(service, limit_s, lambda container: container.stop(timeout=max(1, round(limit_s))))

    def crash(self, service: str, signum: int = signal.SIGKILL, wait_s: float = 10.0) -> Stopped:
        """End a container's first process from this machine: its restart policy sees a crash.

        `docker kill` would count as an operator's wish, and the policy leave it down.

        Raises:
            PlatformError: if it has no process, or it may not be signalled (it takes root).
        """
        name = self.plan.service(service).container
        self._containers.target(name)
        before = self._state(service)
        process = ProcessId.of(before.pid) if before.pid else None
        try:
            sent_ns = process.send(signum) if process else None
        except PermissionError as error:
            raise PlatformError(
                f"{service}: its process belongs to another user; root can crash it"
            ) from error
        if process is None or sent_ns is None:
            raise PlatformError(f"service {service!r} has no process that could crash")
        return self._wait_for_end(service, process.pid, sent_ns, wait_s)

    def start(self, service: str, wait_s: float | None = None) -> Started:
        """Start a service and wait until it is healthy; a frozen one is let go on."""
        before = self._state(service)
        container = self._containers.target(before.name)
        if before.paused:
            self._containers.call(f"unpause {before.name}", container.unpause)
        already = before.running and not before.restarting
        started_ns = before.started_ns if already and before.started_ns else time.monotonic_ns()
        self._containers.call(f"start {before.name}", container.start)
        limit_s = self.plan.service(service).start_timeout_s if wait_s is None else wait_s
        deadline = time.monotonic() + limit_s
        while True:
            status = self.service_status(service)
            if status.healthy or time.monotonic() >= deadline:
                return Started(
                    pid=status.pid or 0, started_ns=started_ns, healthy_ns=status.healthy_ns, already=already
                )
            if status.state is ServiceState.STOPPED:
                tail = self._containers.log_tail(before.name)
                raise PlatformError(f"service {service!r} has ended before it was healthy\n{tail}")
            time.sleep(_LOOK_EVERY_S)

    def pause(self, service: str) -> None:
        """Freeze a container (its cgroup's freezer, not a signal)."""
        container = self._containers.target(self.plan.service(service).container)
        self._containers.call(f"pause {container.name}", container.pause)

    def resume(self, service: str) -> None:
        """Let a frozen container go on; nothing happens if it isn't frozen."""
        container = self._containers.target(self.plan.service(service).container)
        if self.paused(service):
            self._containers.call(f"unpause {container.name}", container.unpause)

    def paused(self, service: str) -> bool:
        """Tell whether a service is frozen now."""
        return self._state(service).paused

    def networks(self, service: str) -> str:
        """Return a service's network settings, for `reconnect`."""
        return unplug.settings(self._state(service))

    def disconnect(self, service: str) -> None:
        """Take a service off its networks."""
        unplug.disconnect(self._containers, self._state(service))

    def reconnect(self, service: str, settings: str) -> None:
        """Bring a service back to its networks, with its addresses and names; can be repeated."""
        unplug.reconnect(self._containers, self._state(service), settings)

    def connected(self, service: str, settings: str) -> bool:
        """Tell whether a service is on its networks, with the addresses it had been given."""
        return unplug.connected(self._state(service), settings)

    def _state(self, service: str) -> ContainerState:
        return self._containers.state(self.plan.service(service).container)

    def _end(self, service: str, wait_s: float, how: Callable[[Any], None]) -> Stopped:
        name = self.plan.service(service).container
        container = self._containers.target(name)
        before = self._state(service)
        if not before.running or not before.pid:
            return Stopped(pid=None)
        sent_ns = time.monotonic_ns()
        self._containers.call(f"end {name}", lambda: how(container))
        return self._wait_for_end(service, before.pid, sent_ns, wait_s)

    def _wait_for_end(self, service: str, pid: int, sent_ns: int, wait_s: float) -> Stopped:
        deadline = time.monotonic() + wait_s
        while (now := self._state(service)).pid == pid:
            if time.monotonic() > deadline:
                return Stopped(pid=pid, sent_ns=sent_ns)
            time.sleep(_LOOK_EVERY_S)
        ended_ns = self._containers.died_ns(now.name, sent_ns)
        return Stopped(
            pid=pid, sent_ns=sent_ns, ended_ns=ended_ns or now.finished_ns, exit_code=now.exit_code
        )
