"""Start a service that is down: the rollback of whatever ended it."""

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error
from chaosp7.run.current import current_run

__all__ = ["start_service"]


def start_service(service: str, healthy_within_s: float = 60.0) -> bool:
    """Start a service and wait until it is healthy; nothing happens if it runs.

    Args:
        service: name of the service.
        healthy_within_s: how long that may take, seconds.

    Returns:
        True; False if the whole platform is down.

    Raises:
        ActivityFailed: if it isn't healthy in that time.
    """
    try:
        driver = current_run().driver
        if not driver.running():
            return False  # the whole platform is down, the run has ended before it began
        started = driver.start(service, wait_s=healthy_within_s)
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    if started.healthy_ns is None:
        raise ActivityFailed(f"{service} isn't healthy after {healthy_within_s:g} s")
    return True
