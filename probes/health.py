"""Is every service healthy?"""

import time

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error
from chaosp7.run.current import current_run

__all__ = ["all_services_healthy"]


def all_services_healthy(timeout_s: float = 30.0) -> bool:
    """Wait until every service of the platform is healthy.

    Args:
        timeout_s: how long to wait, seconds.

    Returns:
        Whether they were within that time.

    Raises:
        ActivityFailed: if the platform can't be asked.
    """
    deadline = time.monotonic() + timeout_s
    try:
        while not all(status.healthy for status in current_run().driver.status().values()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return True
