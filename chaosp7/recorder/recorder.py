"""The recorder of a run: one sampler per kind of tier, and what they know by now."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import TopicPartition

from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.topic import TopicDecoder
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import Platform, TierKind
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.source import Source
from chaosp7.recorder.table_query import Watch
from chaosp7.recorder.table_sampler import TableSampler
from chaosp7.recorder.timeline import Timeline
from chaosp7.recorder.topic_sampler import TopicSampler

__all__ = ["Recorder"]

_QUERY_TIMEOUT_S = 2.0


class Recorder:
    """Samples all tiers from `start` to `stop`.

    Args:
        platform: the system under test.
        source: what is sent.
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        clickhouse: host and port of ClickHouse, past all links.
        candles: what candle tiers held before the run.
    """

    def __init__(
        self,
        platform: Platform,
        source: Source,
        bootstrap: str,
        starts: list[TopicPartition],
        clickhouse: tuple[str, int],
        candles: CandleBaseline,
    ) -> None:
        self.source = source
        now_ns = time.monotonic_ns()
        self.timelines = {name: Timeline(name, source.first, now_ns) for name in platform.tiers}
        self._samplers: list[TopicSampler | TableSampler] = []
        tables = {name: tier for name, tier in platform.tiers.items() if tier.kind is not TierKind.TOPIC}
        for name, tier in platform.tiers.items():
            if tier.kind is TierKind.TOPIC:
                decoder = TopicDecoder(platform.topics, FeedIndex(source.feeds))
                interval_s = tier.sample_every_ms / 1000
                known = len(source.feeds)
                self._samplers.append(
                    TopicSampler(
                        bootstrap, starts, decoder, known, self.timelines[name], interval_s, time.monotonic_ns
                    )
                )
        if tables:
            watch = Watch(tables, source.feeds, candles.since_s, candles.trades(tables, source.feeds))
            self._samplers.append(
                TableSampler(
                    ClickHouse(*clickhouse, timeout_s=_QUERY_TIMEOUT_S),
                    watch,
                    {name: self.timelines[name] for name in tables},
                    interval_s=min(tier.sample_every_ms for tier in tables.values()) / 1000,
                    now_ns=time.monotonic_ns,
                )
            )

    def start(self) -> None:
        """Begin to sample."""
        for sampler in self._samplers:
            sampler.start()

    def stop(self) -> None:
        """End sampling; what was seen stays."""
        for sampler in self._samplers:
            if sampler.is_alive():
                sampler.stop()

    def staleness_ns(self) -> dict[str, int | None]:
        """Return each tier's freshness now, nanoseconds; None for one that can't be read.

        Raises:
            LedgerError: the live ledger is damaged.
        """
        self.source.poll()
        now_ns = time.monotonic_ns()
        return {
            name: None if timeline.last_error() else self._age_ns(timeline.heads(), now_ns)
            for name, timeline in self.timelines.items()
        }

    def _age_ns(self, heads: Sequence[int], now_ns: int) -> int:
        source = self.source
        last = source.last()
        return max(
            0 if source.closed and head >= last[i] else now_ns - source.sent_ns(i, min(head, last[i]))
            for i, head in enumerate(heads)
        )
