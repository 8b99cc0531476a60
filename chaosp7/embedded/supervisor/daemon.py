"""The supervisor's life: start all in order, watch, end all in reverse order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Sequence
from typing import IO

import msgspec

from chaosp7.embedded.logtail import tail
from chaosp7.embedded.plan_model import Plan, TaskPlan
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.control import Control
from chaosp7.embedded.supervisor.process import Child
from chaosp7.embedded.supervisor.protocol import Outcome, Phase, PlatformStatus
from chaosp7.embedded.supervisor.service import Service, ended_how
from chaosp7.errors import PlatformError
from chaosp7.platform.model import Part

__all__ = ["Daemon", "stop_order"]

_log = logging.getLogger(__name__)

_LOOK_FOR_PLAN_EVERY_S = 2.0
_LAST_REPLIES_S = 0.2


def stop_order(plan: Plan) -> list[list[str]]:
    """Return the services in the order in which they are ended: those of one list at once."""
    units: dict[str, Sequence[str]] = {
        **{name: task.after for name, task in plan.tasks.items()},
        **{name: service.after for name, service in plan.services.items()},
    }
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((depth_of(before) for before in units[name]), default=0)
        return depth[name]

    levels: dict[int, list[str]] = {}
    for name in plan.services:
        levels.setdefault(depth_of(name), []).append(name)
    return [levels[level] for level in sorted(levels, reverse=True)]


class Daemon:
    """Carries out a plan.

    Args:
        plan: what to run.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state: StateDir = plan.state
        self.phase = Phase.STARTING
        self._events: IO[bytes] | None = None
        self._tasks: set[Child] = set()
        self._end = asyncio.Event()
        self._error: str | None = None
        self.services = {
            name: Service(
                name,
                service,
                self.state,
                list(plan.links) if service.part is Part.TOXIPROXY else (),
                self._record,
            )
            for name, service in plan.services.items()
        }

    def status(self) -> PlatformStatus:
        """Return what is known of all services."""
        return PlatformStatus(
            phase=self.phase,
            supervisor_pid=os.getpid(),
            now_ns=time.monotonic_ns(),
            services={name: service.status() for name, service in self.services.items()},
        )

    def check_may_start(self, service: str) -> None:
        """Raise a PlatformError if nothing may be started any more."""
        if self.phase is Phase.STOPPING:
            raise PlatformError(f"service {service!r} can't be started: the platform is shutting down")

    def shut_down(self) -> None:
        """Begin to end everything."""
        if self.phase is not Phase.STOPPING:
            _log.info("shutting down")
        self.phase = Phase.STOPPING
        self._end.set()

    async def run(self) -> int:
        """Start everything, wait for the end, end everything.

        Returns:
            The exit code: 0 after a shutdown, 1 if the platform couldn't be started.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.shut_down)
        control = Control(self)
        with self.state.events.open("ab", buffering=0) as self._events:
            await control.open()
            start = asyncio.create_task(self._start())
            watch = asyncio.create_task(self._watch_plan())
            await self._end.wait()
            for task in (start, watch):
                task.cancel()
            await asyncio.gather(start, watch, return_exceptions=True)
            await self._stop()
            if self._error:
                outcome = self.state.outcome.with_suffix(".partial")
                outcome.write_bytes(msgspec.json.encode(Outcome(error=self._error)))
                outcome.replace(self.state.outcome)
            # Who asked for the shutdown still waits for the reply.
            await asyncio.sleep(_LAST_REPLIES_S)
            await control.close()
        _log.info("all services have ended")
        return 1 if self._error else 0

    async def _start(self) -> None:
        names = (*self.plan.tasks, *self.plan.services)
        ready = {name: asyncio.Event() for name in names}
        started_ns = time.monotonic_ns()
        try:
            async with asyncio.TaskGroup() as group:
                for name, task in self.plan.tasks.items():
                    group.create_task(self._do(name, task, ready))
                for service in self.services.values():
                    group.create_task(self._bring_up(service, ready))
        except* PlatformError as group_error:
            self._error = str(group_error.exceptions[0])
            _log.error("the start failed: %s", self._error.splitlines()[0])
            self.shut_down()
        except* Exception as group_error:  # noqa: BLE001  # a bug must not leave a platform half up
            self._error = f"the supervisor failed: {group_error.exceptions[0]!r}"
            _log.exception("the start failed")
            self.shut_down()
        else:
            self.phase = Phase.UP
            _log.info("all services are healthy after %.2f s", (time.monotonic_ns() - started_ns) / 1e9)

    async def _bring_up(self, service: Service, ready: dict[str, asyncio.Event]) -> None:
        for before in service.plan.after:
            await ready[before].wait()
        log = self.state.log(service.name)
        limit_s = service.plan.start_timeout_s
        try:
            started = await service.start(limit_s)
        except PlatformError as error:
            raise PlatformError(f"{error}\n{tail(log)}") from error
        if started.healthy_ns is None:
            problem = service.status().detail
            message = f"service {service.name!r} isn't healthy after {limit_s:g} s: {problem}"
            raise PlatformError(f"{message}\n{tail(log)}")
        ready[service.name].set()

    async def _do(self, name: str, task: TaskPlan, ready: dict[str, asyncio.Event]) -> None:
        for before in task.after:
            await ready[before].wait()
        log = self.state.log(name)
        try:
            child = Child(task.command, self.state.path, log)
        except OSError as error:
            raise PlatformError(f"step {name!r} can't be executed: {error}") from error
        self._tasks.add(child)
        if not await child.wait(task.timeout_s):
            raise PlatformError(f"step {name!r} isn't done after {task.timeout_s:g} s\n{tail(log)}")
        self._tasks.discard(child)
        if child.exit_code:
            raise PlatformError(f"step {name!r} {ended_how(child.exit_code)}\n{tail(log)}")
        ready[name].set()

    async def _stop(self) -> None:
        for child in self._tasks:
            child.send(signal.SIGKILL)
        for names in stop_order(self.plan):
            services = [self.services[name] for name in names]
            await asyncio.gather(
                *(
                    service.stop(signal.SIGTERM, service.plan.stop_timeout_s, escalate=True)
                    for service in services
                )
            )

    async def _watch_plan(self) -> None:
        """End the platform when its state folder is removed: nobody could find it any more."""
        while self.state.plan.exists():
            await asyncio.sleep(_LOOK_FOR_PLAN_EVERY_S)
        _log.error("%s is gone: ending the platform", self.state.plan)
        self.shut_down()

    def _record(self, service: str, event: str, more: dict[str, object]) -> None:
        detail = f": {more['detail']}" if more["detail"] else ""
        pid = f" (PID {more['pid']})" if more["pid"] else ""
        _log.info("%s: %s%s%s", service, event, pid, detail)
        if self._events:
            self._events.write(msgspec.json.encode({"service": service, "event": event, **more}) + b"\n")
