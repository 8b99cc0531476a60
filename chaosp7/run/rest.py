"""After the load: wait until every tier is at rest, and say what is still waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from chaosp7.embedded.log import RateLimit
from chaosp7.platform.model import Platform, TierKind
from chaosp7.recorder.drain import DrainTimes, drain
from chaosp7.recorder.lag import ConsumerLag, Offsets
from chaosp7.recorder.recorder import Recorder
from chaosp7.recorder.row_counts import RowCounts
from chaosp7.recorder.timeline import Timeline

__all__ = ["Behind", "until_at_rest"]

logger = logging.getLogger("chaostoolkit")

_PROGRESS_EVERY_S = 5.0


class Behind:
    """How far consumers are behind what the topics held of the run.

    What others send to the same topics meanwhile must not keep the run from its end.

    Args:
        lag: of the consumers.
        topics: what is known of the topic tiers; without any all that the topics hold counts.
        now_ns: the monotonic clock.
    """

    def __init__(self, lag: ConsumerLag, topics: Collection[Timeline], now_ns: Callable[[], int]) -> None:
        self._lag = lag
        self._topics = topics
        self._now_ns = now_ns
        self._ends: Offsets = {}
        self._ended_ns = -1
        self.messages = 0
        """As told last."""

    def __call__(self) -> int:
        """Return how many messages wait to be taken.

        Raises:
            ReaderError: if the broker doesn't answer.
        """
        if not self._topics:
            self.messages = self._lag.total()
            return self.messages
        if max(topic.last_moved_ns for topic in self._topics) > self._ended_ns:
            # Of what has come by now the last may not be seen yet: it is before these ends.
            now_ns = self._now_ns()
            self._ends, self._ended_ns = self._lag.ends(), now_ns
        self.messages = self._lag.before(self._ends)
        return self.messages


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
        LedgerError: if the ledger is damaged.
    """
    recorder.source.poll()
    last = recorder.source.last()
    say = RateLimit(_PROGRESS_EVERY_S)
    topics = [name for name, tier in platform.tiers.items() if tier.kind is TierKind.TOPIC]
    lag = ConsumerLag(bootstrap, platform.consumer_groups)
    behind = Behind(lag, [recorder.timelines[name] for name in topics], time.monotonic_ns)
    first = dict(zip(recorder.source.feeds, recorder.source.first, strict=True))
    rows = RowCounts(platform, clickhouse, first)

    def tell(done: list[str]) -> None:
        if len(done) < len(platform.tiers) and say():
            waiting = ", ".join(name for name in platform.tiers if name not in done)
            untaken = f" ({behind.messages:,} messages not consumed yet)" if behind.messages else ""
            logger.info("Not at rest yet: %s%s", waiting, untaken)
        behind.messages = 0  # it may not be asked for next time

    try:
        return drain(
            recorder.timelines,
            dict.fromkeys(recorder.timelines, last),
            DrainTimes(deadline_s=deadline_s),
            time.monotonic_ns,
            time.sleep,
            behind,
            rows.read,
            topics,
            tell,
        )
    finally:
        lag.close()
        rows.close()
