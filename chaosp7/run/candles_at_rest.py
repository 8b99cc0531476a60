"""Before the load: what the candles hold, once nothing of an earlier run is on its way to them any more.

A run that was cut short leaves messages in queues. What of them reached the candles after the baseline was
read would pass for doubles of this run's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chaosp7.errors import PlatformError
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import Platform, TierKind
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.lag import ConsumerLag

__all__ = ["candles_at_rest", "until_unchanged"]

#: Longer than a flush of the queues, a cycle of the silver processor and its candles.
_QUIET_S = 1.5
_LOOK_EVERY_S = 0.25
_DEADLINE_S = 60.0


def candles_at_rest(platform: Platform, bootstrap: str, clickhouse: ClickHouse) -> CandleBaseline:
    """Wait until no consumer lags and the candles don't move; return what they hold.

    Args:
        platform: the system under test.
        bootstrap: the broker's direct listener.
        clickhouse: a connection.

    Raises:
        PlatformError: if they go on moving.
        ReaderError: if candles or lag can't be read.
    """
    # One moment for all looks: of windows as short as a second others would count each time.
    now_s = int(time.time())

    def read() -> CandleBaseline:
        return CandleBaseline.read(platform, clickhouse, now_s)

    if not any(tier.kind is TierKind.CANDLES for tier in platform.tiers.values()):
        return read()
    lag = ConsumerLag(bootstrap, platform.consumer_groups)
    try:
        return until_unchanged(read, lag.total, time.monotonic, time.sleep)
    finally:
        lag.close()


def until_unchanged(
    read: Callable[[], CandleBaseline],
    lag: Callable[[], int],
    now_s: Callable[[], float],
    sleep: Callable[[float], None],
) -> CandleBaseline:
    """Read again and again until nothing has moved for a while.

    Args:
        read: reads the candles.
        lag: messages that consumers have not taken yet.
        now_s: the monotonic clock, seconds.
        sleep: how to wait, seconds.

    Raises:
        PlatformError: if something goes on moving.
    """
    deadline_s = now_s() + _DEADLINE_S
    held, since_s = read(), now_s()
    while True:
        sleep(_LOOK_EVERY_S)
        behind, now = lag(), read()
        if behind or now != held:
            held, since_s = now, now_s()
        elif now_s() - since_s >= _QUIET_S:
            return held
        if now_s() > deadline_s:
            what = f"{behind:,} messages aren't consumed" if behind else "the candles still move"
            raise PlatformError(f"what was sent before this run is still on its way: {what}")
