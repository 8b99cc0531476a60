"""Slow the disk down for a service: so many bytes per second and no more, read and written.

What it gets into the page cache it doesn't feel under version 1 of the kernel's cgroups, until it syncs.
"""

import time

import psutil

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault
from chaosp7.errors import ConfigError, FaultError, HealError, NotVerifiedError
from chaosp7.platform.driver import Driver
from chaosp7.safety.undo import Undo
from chaosp7.stress.disk_probe import written_bytes_per_s
from chaosp7.stress.helper import new_token
from chaosp7.stress.throttle import Throttle, disk_of

__all__ = ["slow_disk"]

_LEAST_BYTES_PER_S, _MOST_BYTES_PER_S = 64 << 10, 100_000_000
#: What is written to see the limit: for half a second, and more than the kernel lets pass at once.
_PROBE_S = 0.5
_PROBE_BYTES = 64 << 10
#: The limit counts as seen if the probe isn't faster than this share of it, and as a fault at all if the
#: disk without it is faster by more than that.
_SLACK = 1.5
_FASTER = 2.0


class SlowDisk(ServiceFault):
    """The fault: the disk takes and gives only so many bytes per second.

    Args:
        driver: reaches the services.
        service: the service.
        bytes_per_s: the limit of reading, and that of writing.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "slow-disk"

    def __init__(
        self, driver: Driver, service: str, bytes_per_s: int, duration_s: float, healthy_within_s: float
    ) -> None:
        super().__init__(driver, service, duration_s, healthy_within_s)
        if not _LEAST_BYTES_PER_S <= bytes_per_s <= _MOST_BYTES_PER_S:
            least, most = f"{_LEAST_BYTES_PER_S:,}", f"{_MOST_BYTES_PER_S:,}"
            raise ConfigError(f"bytes_per_s is between {least} and {most}, not {bytes_per_s:,}")
        process = driver.service_status(service).process
        if process is None:
            raise FaultError(f"{service} has no process whose disk could be slowed down")
        self._bytes_per_s = bytes_per_s
        self._probe_bytes = max(_PROBE_BYTES, int(_PROBE_S * bytes_per_s))
        self._folder = driver.data_folder(service)
        name = "" if driver.plan.service(service).container else new_token()
        self._throttle = Throttle.plan(process.pid, disk_of(self._folder), name)

    @property
    def undo(self) -> list[Undo]:
        """Take the limit off."""
        return [Undo("lift-throttle", self.target, self._throttle.to_text())]

    def inject(self) -> None:
        """See that the disk is faster than the limit, and set it."""
        free = written_bytes_per_s(self._folder, self._probe_bytes)
        if free < _FASTER * self._bytes_per_s:
            raise FaultError(
                f"the disk itself takes no more than {free:,.0f} bytes/s: that isn't slowed down"
            )
        self._throttle.begin(self._bytes_per_s, self._processes)

    def _processes(self) -> list[int]:
        process = self._driver.service_status(self.target).process
        if process is None:
            return []
        try:
            children = psutil.Process(process.pid).children(recursive=True)
        except psutil.Error:
            return []  # it has just ended; that it isn't under the limit will be seen
        return [process.pid, *(child.pid for child in children)]

    def verify(self) -> tuple[int, str]:
        """See that the service is under the limit, and that a process beside it writes no faster."""
        if not self._in_force():
            raise NotVerifiedError(f"{self.target} isn't under the limit")
        seen = written_bytes_per_s(self._folder, self._probe_bytes, self._throttle.group)
        if seen > _SLACK * self._bytes_per_s:
            raise NotVerifiedError(f"{seen:,.0f} bytes/s can still be written, not {self._bytes_per_s:,}")
        return time.monotonic_ns(), f"{seen:,.0f} bytes/s were written, {self._bytes_per_s:,} are allowed"

    def refuse_gone(self) -> None:
        """See that the service is still under the limit.

        Raises:
            NotVerifiedError: if it isn't.
        """
        if not self._in_force():
            raise NotVerifiedError(
                f"was gone before its end: the limit was taken off, or {self.target} started anew"
            )

    def _in_force(self) -> bool:
        process = self._driver.service_status(self.target).process
        return process is not None and self._throttle.holds(process.pid)

    def heal(self) -> None:
        """Take the limit off."""
        self._throttle.lift()

    def verify_healed(self) -> tuple[int, str]:
        """See that it is gone, and the service healthy."""
        if self._throttle.there():
            raise HealError(f"{self._throttle.group} still has a limit")
        _, seen = super().verify_healed()
        return time.monotonic_ns(), seen


def slow_disk(
    service: str, bytes_per_s: int = 1_000_000, duration_s: float = 10.0, healthy_within_s: float = 60.0
) -> str:
    """Slow the disk down for a service.

    Args:
        service: name of the service.
        bytes_per_s: how much it can read a second, and how much it can write; 65,536 to
            100,000,000.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        SlowDisk.kind,
        service,
        {"bytes_per_s": bytes_per_s, "duration_s": duration_s},
        lambda run: SlowDisk(run.driver, service, bytes_per_s, duration_s, healthy_within_s),
    )
