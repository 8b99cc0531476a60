"""Take memory from the host or from a container: a helper process holds most of what is available.

Processes without a memory limit of their own share the host's memory, so it can't be taken from one of them
only. A reserve is always left: the kernel's out-of-memory killer would choose its victim by itself.
"""

import time

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._stress import StressFault
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.platform.driver import Driver
from chaosp7.safety.memory import available_bytes
from chaosp7.stress.cgroup import has_own, memory_left_bytes

__all__ = ["press_memory"]

_RESERVE_MB = 512
_RESERVE_OF_SERVICE_MB = 16
_MIB = 1 << 20


class MemoryPressure(StressFault):
    """The fault: the host, or a service, has little memory left.

    Args:
        driver: reaches the services.
        service: whose memory; empty: the host's.
        leave_mb: how much is left available, MiB; of the host at least 512, of a service at least 16.
        most_mb: how much is taken at most, MiB.
        duration_s: how long, seconds.
    """

    kind = "memory-pressure"

    def __init__(self, driver: Driver, service: str, leave_mb: int, most_mb: int, duration_s: float) -> None:
        reserve_mb = _RESERVE_OF_SERVICE_MB if service else _RESERVE_MB
        if leave_mb < reserve_mb:
            raise ConfigError(f"leave_mb is {reserve_mb} or more, not {leave_mb}")
        if most_mb < 1:
            raise ConfigError(f"most_mb is 1 or more, not {most_mb}")
        self._pid = _pid(driver, service) if service else None
        available = self._available_bytes()
        self._bytes = min(available - leave_mb * _MIB, most_mb * _MIB)
        if self._bytes < _MIB:
            raise FaultError(
                f"{available // _MIB:,} MiB are available, {leave_mb:,} are to be left: nothing can be taken"
            )
        super().__init__(service or "host", ["--bytes", str(self._bytes)], duration_s)
        self._beside = self._pid

    def _available_bytes(self) -> int:
        if self._pid is None:
            return available_bytes()
        left = memory_left_bytes(self._pid) if has_own(self._pid) else None
        if left is None:
            raise FaultError("it has no memory limit of its own: what it lacked, the whole host would lack")
        return min(left, available_bytes() - _RESERVE_MB * _MIB)

    def verify(self) -> tuple[int, str]:
        """See that the helper holds the memory."""
        held = self._helper.resident_bytes()
        if held < self._bytes:
            raise NotVerifiedError(f"the helper holds {held // _MIB:,} of {self._bytes // _MIB:,} MiB")
        left = self._available_bytes() // _MIB
        return time.monotonic_ns(), f"{self._bytes // _MIB:,} MiB taken, {left:,} MiB are left"


def _pid(driver: Driver, service: str) -> int:
    process = driver.service_status(service).process
    if process is None:
        raise FaultError(f"{service} has no process that memory could be taken from")
    return process.pid


def press_memory(
    leave_mb: int = 1024, most_mb: int = 4096, duration_s: float = 10.0, service: str = ""
) -> str:
    """Take memory until the host, or a container with a memory limit, has little left.

    Args:
        leave_mb: how much is left available, MiB; of the host at least 512, of a service at least 16.
        most_mb: how much is taken at most, MiB: a large host isn't emptied unless that is said.
        duration_s: how long, seconds.
        service: whose memory; empty: the host's.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        MemoryPressure.kind,
        service or "host",
        {"leave_mb": leave_mb, "most_mb": most_mb, "duration_s": duration_s},
        lambda run: MemoryPressure(run.driver, service, leave_mb, most_mb, duration_s),
    )
