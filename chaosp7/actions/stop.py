"""Stop a service as its operator would, keep it down, and start it again."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault, seen_ended
from chaosp7.platform.driver import Driver, Stopped

__all__ = ["stop_service"]


class Stop(ServiceFault):
    """The fault: the service was ended in order and is down for a set time.

    Args:
        driver: reaches the services.
        service: the service.
        duration_s: how long it stays down, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "stop"

    def __init__(self, driver: Driver, service: str, duration_s: float, healthy_within_s: float) -> None:
        super().__init__(driver, service, duration_s, healthy_within_s)
        self._stopped: Stopped | None = None

    def inject(self) -> None:
        """Send SIGTERM, and SIGKILL if it doesn't end in its own time."""
        self._stopped = self._driver.stop(self.target)

    def verify(self) -> tuple[int, str]:
        """See that the process is gone: the supervisor has reaped it."""
        return seen_ended(self._stopped, "SIGTERM")


def stop_service(service: str, duration_s: float = 10.0, healthy_within_s: float = 60.0) -> str:
    """Stop a service in order, keep it down for a while, and start it again.

    Args:
        service: name of the service.
        duration_s: how long it stays down, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        Stop.kind,
        service,
        {"duration_s": duration_s},
        lambda run: Stop(run.driver, service, duration_s, healthy_within_s),
    )
