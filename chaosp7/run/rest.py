"""After the load: wait until every tier is at rest, and say what is still waited for."""

from __future__ import annotations

import logging
import time

from chaosp7.embedded.log import RateLimit
from chaosp7.platform.model import Platform
from chaosp7.recorder.drain import DrainTimes, drain
from chaosp7.recorder.lag import ConsumerLag
from chaosp7.recorder.recorder import Recorder
from chaosp7.recorder.row_counts import RowCounts

__all__ = ["until_at_rest"]

logger = logging.getLogger("chaostoolkit")

_PROGRESS_EVERY_S = 5.0


def until_at_rest(
    platform: Platform, recorder: Recorder, bootstrap: str, clickhouse: tuple[str, int], deadline_s: float
) -> list[str]:
    """Wait until every tier has come to rest, or the deadline.

    Args:
        platform: the system under test.
        recorder: still at work.
        bootstrap: the broker's direct listener.
        clickhouse: host and port of ClickHouse, past all links.
        deadline_s: seconds from now.

    Returns:
        The tiers at rest, in flow order.

    Raises:
        ReaderError: if the consumers' lag or the tables' rows can't be had.
        LedgerError: if the ledger is damaged.
    """
    recorder.source.poll()
    last = recorder.source.last()
    say = RateLimit(_PROGRESS_EVERY_S)

    def tell(done: list[str]) -> None:
        if len(done) < len(platform.tiers) and say():
            waiting = ", ".join(name for name in platform.tiers if name not in done)
            behind = f" ({behind_by[-1]:,} messages not consumed yet)" if behind_by[-1] else ""
            logger.info("Not at rest yet: %s%s", waiting, behind)

    lag = ConsumerLag(bootstrap, platform.consumer_groups)
    rows = RowCounts(platform, clickhouse, recorder.source.first)
    behind_by = [0]

    def behind() -> int:
        behind_by.append(lag.total())
        return behind_by[-1]

    try:
        return drain(
            recorder.timelines,
            dict.fromkeys(recorder.timelines, last),
            DrainTimes(deadline_s=deadline_s),
            time.monotonic_ns,
            time.sleep,
            behind,
            rows.read,
            tell,
        )
    finally:
        lag.close()
        rows.close()
