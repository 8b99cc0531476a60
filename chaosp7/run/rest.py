"""After the load: wait until every tier is at rest, and say what is still waited for."""

from __future__ import annotations

import logging
import time

from chaosp7.embedded.log import RateLimit
from chaosp7.platform.model import Platform, TierKind
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
        ReaderError: at the deadline, if the consumers' lag or the tables' rows can't be had.
        LedgerError: if the ledger is damaged.
    """
    recorder.source.poll()
    last = recorder.source.last()
    say = RateLimit(_PROGRESS_EVERY_S)

    def tell(done: list[str]) -> None:
        if len(done) < len(platform.tiers) and say():
            waiting = ", ".join(name for name in platform.tiers if name not in done)
            behind = f" ({lag_now[-1]:,} messages not consumed yet)" if lag_now else ""
            logger.info("Not at rest yet: %s%s", waiting, behind)
        lag_now.clear()  # it may not be asked for next time

    lag = ConsumerLag(bootstrap, platform.consumer_groups)
    rows = RowCounts(platform, clickhouse)
    lag_now: list[int] = []

    def behind() -> int:
        messages = lag.total()
        lag_now.extend([messages] if messages else [])
        return messages

    try:
        return drain(
            recorder.timelines,
            dict.fromkeys(recorder.timelines, last),
            DrainTimes(deadline_s=deadline_s),
            time.monotonic_ns,
            time.sleep,
            behind,
            rows.read,
            [name for name, tier in platform.tiers.items() if tier.kind is TierKind.TOPIC],
            tell,
        )
    finally:
        lag.close()
        rows.close()
