"""What a safeguard looks at: is there still room, and is the load still what was asked for?"""

import shutil
import time

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error
from chaosp7.run.current import current_run
from chaosp7.safety.memory import available_bytes

__all__ = ["free_disk_bytes", "free_memory_bytes", "load_is_kept"]


def free_disk_bytes(path: str = "") -> int:
    """Return how many bytes are free on the disk that a folder is on.

    Args:
        path: the folder; empty: the platform's state folder, which holds its data.

    Raises:
        ActivityFailed: if it can't be told.
    """
    try:
        return shutil.disk_usage(path or current_run().driver.state.path).free
    except (ChaosP7Error, OSError) as error:
        raise ActivityFailed(str(error)) from error


def free_memory_bytes() -> int:
    """Return how many bytes of memory this process could still get.

    The machine's available memory, or what the limit of a cgroup (version 2) still allows if that is
    less.
    """
    return available_bytes()


def load_is_kept(behind_s: float = 5.0) -> bool:
    """Tell whether the source still sends, and on schedule.

    A source that falls behind measures less than was asked for, and a fault looks milder than it is.

    Args:
        behind_s: how far it may be behind its schedule, seconds.

    Returns:
        Whether it isn't further behind; also True once it has sent all.

    Raises:
        ActivityFailed: if the source doesn't answer, or its load has failed.
    """
    try:
        status, rate_per_s = current_run().load_status()
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    due_s = (time.monotonic_ns() - status.start_ns) / 1e9
    return status.state != "running" or due_s - status.sent / rate_per_s <= behind_s
