"""Kill a service with SIGKILL and keep it down: no restart policy brings it back."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions.restart import Restart
from chaosp7.platform.driver import Driver

__all__ = ["kill_service"]


class Kill(Restart):
    """The fault: the service is gone for a set time.

    Args:
        driver: reaches the services.
        service: the service.
        duration_s: how long it stays down, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "kill"

    def __init__(self, driver: Driver, service: str, duration_s: float, healthy_within_s: float) -> None:
        super().__init__(driver, service, "SIGKILL", duration_s, healthy_within_s)


def kill_service(service: str, duration_s: float = 10.0, healthy_within_s: float = 60.0) -> str:
    """Kill a service, keep it down for a while, and start it again.

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
        Kill.kind,
        service,
        {"duration_s": duration_s},
        lambda run: Kill(run.driver, service, duration_s, healthy_within_s),
    )
