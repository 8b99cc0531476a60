"""After the load: wait until every tier is at rest, and say what is still waited for."""

from __future__ import annotations

import logging
import time

from chaosp7.embedded.log import RateLimit
from chaosp7.platform.model import Platform
from chaosp7.recorder.drain import DrainTimes, drain
from chaosp7.recorder.lag import ConsumerLag
from chaosp7.recorder.recorder import Recorder

__all__ = ["until_at_rest"]

logger = logging.getLogger("chaostoolkit")

_PROGRESS_EVERY_S = 5.0


def until_at_rest(platform: Platform, recorder: Recorder, bootstrap: str, deadline_s: float) -> list[str]:
    """Wait until every tier has come to rest, or the deadline.

    Args:
        platform: the system under test.
        recorder: still at work.
        bootstrap: the broker's direct listener.
        deadline_s: seconds from now.

    Returns:
        The tiers at rest, in flow order.

    Raises:
        ReaderError: if something is missing, and the consumers' lag can't be had.
        LedgerError: if the ledger is damaged.
    """
    recorder.source.poll()
    last = recorder.source.last()
    say = RateLimit(_PROGRESS_EVERY_S)

    def tell(done: list[str]) -> None:
        if len(done) < len(platform.tiers) and say():
            logger.info("Not at rest yet: %s", ", ".join(name for name in platform.tiers if name not in done))

    lag = ConsumerLag(bootstrap, platform.consumer_groups)
    try:
        return drain(
            recorder.timelines,
            dict.fromkeys(recorder.timelines, last),
            DrainTimes(deadline_s=deadline_s),
            time.monotonic_ns,
            time.sleep,
            lag.total,
            tell,
        )
    finally:
        lag.close()
