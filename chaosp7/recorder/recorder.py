"""The recorder of a run: one sampler per kind of tier, and what they know by now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition

from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.topic import TopicDecoder
from chaosp7.errors import LedgerError
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import Platform, Tier, TierKind
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.awaited import awaited_heads, gone_holes
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.heads import Holes
from chaosp7.recorder.offload_watch import OffloadWatch
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.source import Source
from chaosp7.recorder.table_query import Watch
from chaosp7.recorder.table_sampler import TableSampler
from chaosp7.recorder.timeline import Timeline
from chaosp7.recorder.topic_sampler import TopicSampler

if TYPE_CHECKING:
    from chaosp7.platform.iceberg import IcebergStart
    from chaosp7.recorder.iceberg_news import News
    from chaosp7.recorder.iceberg_sampler import IcebergSampler

__all__ = ["TABLES_REST", "TOPIC_REST", "Recorder"]

_QUERY_TIMEOUT_S = 2.0

#: For how long looks stay close after a tier was late, beyond the tolerance: until its backlog is gone.
_LINGER_S = 3.0
#: At rest: from one look at tables to the next, and for how long the broker may gather what is new at
#: the topic, as shares of the tolerance.
TABLES_REST, TOPIC_REST = 0.6, 0.2
#: Share of the tolerance: more than a look at tables takes, also on a busy machine.
_TABLES_MARGIN = 0.3
#: When it counts as late: a consumer that is told at once has to be connected before it can be stale.
_TOPIC_MARGIN_S = 0.15
#: What is missing at the topic for so long, while later messages are there, is lost at the source's side: a
#: tier that waits for nothing else isn't late.
_GIVEN_UP_S = 5.0
#: How long a sampler may take to look closely; one that can't, since its tier is out, never does.
_CLOSE_WITHIN_S = 2.0


class Recorder:
    """Samples all tiers from `start` to `stop`: closely where it matters, else as seldom as may be.

    Args:
        platform: the system under test.
        source: what is sent.
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        clickhouse: host and port of ClickHouse, past all links.
        candles: what candle tiers held before the run.
        icebergs: where the Iceberg tiers began.
        offload: what watches the offload, where there is one.
    """

    def __init__(
        self,
        platform: Platform,
        source: Source,
        bootstrap: str,
        starts: list[TopicPartition],
        clickhouse: tuple[str, int],
        candles: CandleBaseline,
        icebergs: Mapping[str, IcebergStart] | None = None,
        offload: OffloadWatch | None = None,
    ) -> None:
        self.source = source
        self.offload = offload
        self.tolerances_ns = {name: tier.fresh_within_ns for name, tier in platform.tiers.items()}
        self._attention = Attention(max(self.tolerances_ns.values()) / 1e9 + _LINGER_S, time.monotonic_ns)
        now_ns = time.monotonic_ns()
        self.timelines = {name: Timeline(name, source.first, now_ns) for name in platform.tiers}
        kinds = {name: tier.kind for name, tier in platform.tiers.items()}
        self._counted = {
            n for n, kind in kinds.items() if kind in (TierKind.CANDLES, TierKind.ICEBERG_CANDLES)
        }
        topics = [self.timelines[name] for name, kind in kinds.items() if kind is TierKind.TOPIC]
        self._topic = topics[0] if topics else None
        self._samplers: list[TopicSampler | TableSampler | IcebergSampler] = []
        in_clickhouse = (TierKind.TABLE, TierKind.CANDLES)
        tables = {name: tier for name, tier in platform.tiers.items() if tier.kind in in_clickhouse}
        for name, tier in platform.tiers.items():
            if tier.kind is TierKind.TOPIC:
                decoder = TopicDecoder(platform.topics, FeedIndex(source.feeds))
                every_s, tolerance_s = tier.sample_every_ms / 1000, tier.fresh_within_ms / 1000
                self._samplers.append(
                    TopicSampler(
                        bootstrap,
                        starts,
                        decoder,
                        len(source.feeds),
                        self.timelines[name],
                        Pace(every_s, TOPIC_REST * tolerance_s, _TOPIC_MARGIN_S),
                        self._attention,
                        partial(self._spare_s, name),
                        time.monotonic_ns,
                    )
                )
        if tables:
            within_ms = min(tier.fresh_within_ms for tier in tables.values())
            watch = Watch(tables, source.feeds, candles.since_s, candles.trades(tables, source.feeds))
            self._samplers.append(
                TableSampler(
                    ClickHouse(*clickhouse, timeout_s=_QUERY_TIMEOUT_S),
                    watch,
                    {name: self.timelines[name] for name in tables},
                    {name: _pace(tier, within_ms) for name, tier in tables.items()},
                    self._attention,
                    self._spare_s,
                    time.monotonic_ns,
                )
            )

        for name, start in (icebergs or {}).items():
            self._samplers.append(self._iceberg(platform.tiers[name], name, start, candles))

    def _iceberg(self, tier: Tier, name: str, start: IcebergStart, candles: CandleBaseline) -> IcebergSampler:
        # PyIceberg is an extra, and takes a second to load.
        from chaosp7.recorder.iceberg_news import CandleNews, RowNews  # noqa: PLC0415
        from chaosp7.recorder.iceberg_sampler import IcebergSampler  # noqa: PLC0415

        feeds = self.source.feeds
        if tier.kind is TierKind.ICEBERG_CANDLES:
            held = candles.trades({name: tier}, feeds)[name]
            news: News = CandleNews(start.source, min(tier.windows_s), feeds, candles.since_s, held)
        else:
            news = RowNews(start, feeds)
        return IcebergSampler(
            start.source,
            news,
            self.timelines[name],
            _pace(tier, tier.fresh_within_ms),
            self._attention,
            partial(self._spare_s, name),
            time.monotonic_ns,
        )

    def start(self) -> None:
        """Begin to sample."""
        for sampler in self._samplers:
            sampler.start()
        if self.offload is not None:
            self.offload.start()

    @property
    def at_rest(self) -> bool:
        """Whether it looks only as often as needed to miss nothing."""
        return not self._attention.full

    def attend(self) -> None:
        """Look as often as it can for a while; doesn't wait until it does."""
        self._attention.call()

    @contextmanager
    def close_up(self) -> Iterator[None]:
        """Look as often as it can at all tiers, in a block and for a while after it.

        The block begins when all samplers do so, or after a short while without those that can't.
        """
        with self._attention.held():
            deadline_s = time.monotonic() + _CLOSE_WITHIN_S
            for sampler in self._samplers:
                sampler.at_full.wait(max(0.0, deadline_s - time.monotonic()))
            yield

    def stop(self) -> None:
        """End sampling; what was seen stays."""
        for sampler in self._samplers:
            if sampler.is_alive():
                sampler.stop()
        if self.offload is not None:
            self.offload.stop()

    def staleness_ns(self) -> dict[str, int | None]:
        """Return each tier's freshness now, nanoseconds; None for one that can't be read.

        Raises:
            LedgerError: the live ledger is damaged.
        """
        self.source.poll()
        now_ns = time.monotonic_ns()
        return {
            name: None if timeline.last_error() else self.source.age_ns(timeline.heads(), now_ns)
            for name, timeline in self.timelines.items()
        }

    def _spare_s(self, tier: str) -> float:
        """Return how long a tier stays fresh if nothing more comes that it can still get, seconds."""
        try:
            self.source.poll()
        except LedgerError:
            return 0.0  # whoever asks for freshness hears of it
        now_ns = time.monotonic_ns()
        known, counted = self.timelines[tier].known(), tier in self._counted
        heads = awaited_heads(known, self._gone(now_ns), counted=counted)
        return (self.tolerances_ns[tier] - self.source.age_ns(heads, now_ns)) / 1e9

    def _gone(self, now_ns: int) -> list[Holes]:
        """Return what of each feed the topic won't get any more: a source doesn't send again."""
        if self._topic is None:
            return [() for _ in self.source.feeds]
        return gone_holes(
            self._topic.known(), self.source.last(), self.source.sent_ns, now_ns - round(_GIVEN_UP_S * 1e9)
        )


def _pace(tier: Tier, within_ms: float) -> Pace:
    """Return how a tier is looked at whose look takes long by the measure of a tolerance."""
    rest_s, margin_s = TABLES_REST * tier.fresh_within_ms / 1000, _TABLES_MARGIN * within_ms / 1000
    return Pace(tier.sample_every_ms / 1000, rest_s, margin_s)
