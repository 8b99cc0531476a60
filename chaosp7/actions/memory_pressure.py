"""Take memory from the host: a helper process holds most of what is available.

Processes without a cgroup of their own share the host's memory, so it can't be taken from one service
only. A reserve is always left: the kernel's out-of-memory killer would choose its victim by itself.
"""

import time

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._stress import StressFault
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.safety.memory import available_bytes

__all__ = ["press_memory"]

_RESERVE_BYTES = 512 << 20
_MIB = 1 << 20


class MemoryPressure(StressFault):
    """The fault: the host has little memory left.

    Args:
        leave_mb: how much is left available, MiB; at least 512.
        most_mb: how much is taken at most, MiB.
        duration_s: how long, seconds.
    """

    kind = "memory-pressure"

    def __init__(self, leave_mb: int, most_mb: int, duration_s: float) -> None:
        if leave_mb * _MIB < _RESERVE_BYTES:
            raise ConfigError(f"leave_mb is {_RESERVE_BYTES // _MIB} or more, not {leave_mb}")
        if most_mb < 1:
            raise ConfigError(f"most_mb is 1 or more, not {most_mb}")
        available = available_bytes()
        self._bytes = min(available - leave_mb * _MIB, most_mb * _MIB)
        if self._bytes < _MIB:
            raise FaultError(
                f"{available // _MIB:,} MiB are available, {leave_mb:,} are to be left: nothing can be taken"
            )
        super().__init__("host", ["--bytes", str(self._bytes)], duration_s)

    def verify(self) -> tuple[int, str]:
        """See that the helper holds the memory."""
        held = self._helper.resident_bytes()
        if held < self._bytes:
            raise NotVerifiedError(f"the helper holds {held // _MIB:,} of {self._bytes // _MIB:,} MiB")
        left = available_bytes() // _MIB
        return time.monotonic_ns(), f"{self._bytes // _MIB:,} MiB taken, {left:,} MiB are left"


def press_memory(leave_mb: int = 1024, most_mb: int = 4096, duration_s: float = 10.0) -> str:
    """Take memory until the host has little left.

    Args:
        leave_mb: how much is left available, MiB; at least 512.
        most_mb: how much is taken at most, MiB: a large host isn't emptied unless that is said.
        duration_s: how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        MemoryPressure.kind,
        "host",
        {"leave_mb": leave_mb, "most_mb": most_mb, "duration_s": duration_s},
        lambda _run: MemoryPressure(leave_mb, most_mb, duration_s),
    )
