"""Let a load come to its end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from chaosp7.embedded.log import RateLimit
from chaosp7.run.load import Load, LoadStatus

__all__ = ["end_load"]

logger = logging.getLogger("chaostoolkit")

_PROGRESS_EVERY_S = 5.0

#: So long before its end.
_NEAR_S = 2.0

#: The source must hear where to end before it gets there.
_AHEAD_S = 0.5


def end_load(
    load: Load, duration_s: float, settle_s: float, on_near: Callable[[], None] = lambda: None
) -> LoadStatus:
    """Let a load go on for its time, and end it at an exact count.

    Args:
        load: it runs.
        duration_s: how long it lasts at least, seconds from its start.
        settle_s: how long it goes on at least, seconds from now.
        on_near: called when it is about to end, and again until it has.

    Returns:
        Its last status.

    Raises:
        MeasurementError: if it failed, or the source isn't there.
    """
    status = load.checked_status()
    so_far_s = (time.monotonic_ns() - status.start_ns) / 1e9
    length_s = max(duration_s, so_far_s + max(settle_s, _AHEAD_S))
    logger.info("Load goes on for %.0f s", max(0.0, length_s - so_far_s))
    messages = math.ceil(length_s * load.rate_per_s)
    say = RateLimit(_PROGRESS_EVERY_S)

    def tell(so_far: LoadStatus) -> None:
        if messages - so_far.sent <= _NEAR_S * load.rate_per_s:
            on_near()
        if say():
            logger.info("%s of %s messages sent", f"{so_far.sent:,}", f"{messages:,}")

    return load.finish(messages, time.sleep, tell)
