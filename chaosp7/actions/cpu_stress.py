"""Take CPU time from a service: busy loops on the cores that it may run on.

A container has a cgroup of its own: the loops share its CPU time, and its limit if it has one. Processes of
this machine haven't: there the loops compete with everything else on those cores, at equal priority.
"""

import os
import time

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._stress import StressFault
from chaosp7.errors import ConfigError, NotVerifiedError
from chaosp7.platform.driver import Driver

__all__ = ["stress_cpu"]

_WINDOW_S = 0.5
#: What each loop must get of its core at least to count; beside a busy platform it gets a half or a third.
_SHARE_MIN = 0.1
_WORKERS_MAX = 64


class CpuStress(StressFault):
    """The fault: the cores of a service are busy with something else.

    Args:
        driver: reaches the services.
        service: the service.
        workers: busy loops; 0: one per core that the service may run on.
        duration_s: how long, seconds.
    """

    kind = "cpu-stress"

    def __init__(self, driver: Driver, service: str, workers: int, duration_s: float) -> None:
        driver.plan.service(service)  # raises for one that isn't there, before anything is touched
        if not 0 <= workers <= _WORKERS_MAX:
            raise ConfigError(f"workers is 0 to {_WORKERS_MAX}, not {workers}")
        self._driver = driver
        self._workers = workers or len(os.sched_getaffinity(0))
        super().__init__(service, ["--workers", str(self._workers)], duration_s)

    def inject(self) -> None:
        """Start the loops on the service's cores."""
        process = self._driver.service_status(self.target).process
        if process is None:
            raise NotVerifiedError(f"{self.target} has no process that could be slowed down")
        self._beside = process.pid
        super().inject()
        self._helper.place(sorted(os.sched_getaffinity(process.pid)))

    def verify(self) -> tuple[int, str]:
        """See that the loops get CPU time."""
        before_s, began_s = self._helper.cpu_s(), time.monotonic()
        time.sleep(_WINDOW_S)
        used_s, window_s = self._helper.cpu_s() - before_s, time.monotonic() - began_s
        seen_ns = time.monotonic_ns()
        if used_s < _SHARE_MIN * self._workers * window_s:
            raise NotVerifiedError(
                f"{self._workers} busy loops got {used_s:.2f} s of CPU in {window_s:.2f} s"
            )
        return seen_ns, f"{self._workers} busy loops got {used_s:.2f} s of CPU in {window_s:.2f} s"


def stress_cpu(service: str, workers: int = 0, duration_s: float = 10.0) -> str:
    """Keep the cores that a service may run on busy.

    Args:
        service: name of the service.
        workers: busy loops; 0: one per core.
        duration_s: how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        CpuStress.kind,
        service,
        {"workers": workers, "duration_s": duration_s},
        lambda run: CpuStress(run.driver, service, workers, duration_s),
    )
