"""How far behind are the consumers?"""

import time

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, ConfigError
from chaosp7.recorder.lag import ConsumerLag
from chaosp7.run.current import current_run

__all__ = ["consumer_lag", "consumer_lag_within"]


def consumer_lag(group: str = "") -> int:
    """Return how many messages a consumer group has not committed yet.

    Args:
        group: one of the platform file's ``consumer_groups``; empty: all of them together.

    Raises:
        ActivityFailed: if there is no such group, or the broker doesn't answer.
    """
    try:
        run = current_run()
        groups = [known for known in run.model.consumer_groups if group in ("", known.group)]
        if not groups:
            names = ", ".join(known.group for known in run.model.consumer_groups) or "none"
            raise ConfigError(f"unknown consumer group {group!r}; there are: {names}")
        lag = ConsumerLag(run.driver.bootstrap, groups)
        try:
            return lag.total()
        finally:
            lag.close()
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def consumer_lag_within(messages: int, group: str = "", timeout_s: float = 30.0) -> bool:
    """Wait until the lag is at or under a limit.

    Args:
        messages: the limit.
        group: one of the platform file's ``consumer_groups``; empty: all of them together.
        timeout_s: how long to wait, seconds.

    Returns:
        Whether it was within that time.

    Raises:
        ActivityFailed: if there is no such group, or the broker doesn't answer.
    """
    deadline = time.monotonic() + timeout_s
    while consumer_lag(group) > messages:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
