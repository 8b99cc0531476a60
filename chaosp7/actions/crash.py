"""Crash a service: SIGKILL behind its supervisor's back, which then starts it again by itself."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault, seen_ended
from chaosp7.platform.driver import Driver, Stopped

__all__ = ["crash_service"]


class Crash(ServiceFault):
    """The fault: the service is down until its supervisor has brought it back.

    Args:
        driver: reaches the services.
        service: the service.
        healthy_within_s: how long that may take, seconds.
    """

    kind = "crash"

    def __init__(self, driver: Driver, service: str, healthy_within_s: float) -> None:
        super().__init__(driver, service, 0.0, healthy_within_s)
        self._stopped: Stopped | None = None

    def inject(self) -> None:
        """Kill the process."""
        self._stopped = self._driver.crash(self.target)

    def verify(self) -> tuple[int, str]:
        """See that the process is gone: the supervisor has reaped it."""
        return seen_ended(self._stopped, "SIGKILL")

    def heal(self) -> None:
        """Leave it to the supervisor: its restart is what is tested."""


def crash_service(service: str, healthy_within_s: float = 60.0) -> str:
    """Kill a service's process and see that its supervisor brings it back.

    Args:
        service: name of the service.
        healthy_within_s: how long that may take, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(Crash.kind, service, {}, lambda run: Crash(run.driver, service, healthy_within_s))
