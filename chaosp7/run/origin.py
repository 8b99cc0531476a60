"""Where a run begins: what the platform held before the first message was sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from confluent_kafka import TopicPartition

from chaosp7.account.feeds import Feed
from chaosp7.account.readers.table_rows import StrayRow
from chaosp7.account.readers.topic import end_offsets
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.driver import Driver
from chaosp7.platform.model import Part, Platform
from chaosp7.platform.topic_ids import UNKNOWN, topic_ids
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.candle_times import with_times
from chaosp7.run.candles_at_rest import candles_at_rest
from chaosp7.run.iceberg_starts import iceberg_starts
from chaosp7.run.journals import Journals
from chaosp7.run.strays import strays_before, without_strays

if TYPE_CHECKING:
    from chaosp7.platform.iceberg import IcebergStart

__all__ = ["Origin"]

logger = logging.getLogger("chaostoolkit")

_CANDLES_TIMEOUT_S = 10.0
#: They read the sequences, or the times, of all rows.
_STRAYS_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run begins, tier by tier: what lies before it isn't the run's business.

    Attributes:
        offsets: topic, partition and next offset.
        topic_ids: topic -> its id.
        candles: what candle tiers hold.
        icebergs: where the Iceberg tiers are.
        strays: table tier -> rows that would pass for the run's own.
        watched: the platform without these, as the recorder looks at it.
        journals: of the feed handlers.
    """

    offsets: Sequence[TopicPartition]
    topic_ids: Mapping[str, str]
    candles: CandleBaseline
    icebergs: Mapping[str, IcebergStart]
    strays: Mapping[str, Sequence[StrayRow]]
    watched: Platform
    journals: Journals

    @classmethod
    def of(
        cls, model: Platform, driver: Driver, clickhouse: tuple[str, int], first: Mapping[Feed, int]
    ) -> Self:
        """Look at a platform that is up, before the load; waits until earlier runs are at rest.

        Args:
            model: the platform.
            driver: of it.
            clickhouse: host and port of ClickHouse, past all links.
            first: the first sequence that the run will send of each feed.

        Raises:
            ChaosP7Error: if something can't be read, or nobody could tell the run's messages from others.
        """
        topics = list(model.topics.values())
        ids = topic_ids(driver.bootstrap, topics)
        if UNKNOWN in ids.values():
            logger.warning(
                "The broker gives topics no ids: one that is made anew in mid-run isn't recognised"
            )
        candles, tables = (
            ClickHouse(*clickhouse, timeout_s=s) for s in (_CANDLES_TIMEOUT_S, _STRAYS_TIMEOUT_S)
        )
        # Handlers that aren't ours write no journal: what they lose stays unattributed.
        handlers = model.services_of(Part.FEED_HANDLER) if model.made_by_us else []
        try:
            at_rest = candles_at_rest(model, driver.bootstrap, candles)
            # What is still on its way from an earlier run would be missing among them.
            strays = strays_before(model, tables.columns, first)
            return cls(
                candles=with_times(at_rest, model, tables.columns),
                offsets=end_offsets(driver.bootstrap, topics),
                topic_ids=ids,
                icebergs=iceberg_starts(model, driver.endpoint),
                strays=strays,
                watched=without_strays(model, tables.columns, strays, first),
                journals=Journals.of(driver.state.acks / f"{name}.acks" for name in handlers),
            )
        finally:
            candles.close()
            tables.close()

    def offsets_now(self, bootstrap: str) -> list[TopicPartition]:
        """Return where to begin to read: a topic that was made anew since then is of the run as a whole.

        Args:
            bootstrap: the broker's direct listener.

        Raises:
            ReaderError: if the broker doesn't answer, or a topic is gone.
        """
        now = topic_ids(bootstrap, self.topic_ids)
        anew = {topic for topic, one in now.items() if one != self.topic_ids[topic]}
        # Whoever reads finds its other partitions, as those that are added to a topic.
        return [start for start in self.offsets if start.topic not in anew] + [
            TopicPartition(topic, 0, 0) for topic in sorted(anew)
        ]
