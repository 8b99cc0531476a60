"""Watches all ClickHouse tiers at the same moments, with one query a look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from chaosp7.account.feeds import Feed
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import Tier, TierKind
from chaosp7.recorder.heads import Range
from chaosp7.recorder.table_query import above_heads, islands, parse
from chaosp7.recorder.timeline import Timeline

__all__ = ["TableSampler"]


class TableSampler(threading.Thread):
    """Asks ClickHouse again and again what is new at each tier.

    A look that fails (the server is down, or doesn't answer in time) is noted as an error of all
    its tiers for as long as it took: nobody could have read them.

    Args:
        clickhouse: a connection of the thread's own.
        tiers: table and candle tiers by name.
        feeds: by index.
        timelines: to fill, one per tier.
        baseline: candle tiers: trades that each feed's candles held before the run.
        since_s: candle tiers count windows from this Unix second on.
        interval_s: from one look's start to the next one's, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(
        self,
        clickhouse: ClickHouse,
        tiers: Mapping[str, Tier],
        feeds: Sequence[Feed],
        timelines: Mapping[str, Timeline],
        baseline: Sequence[int],
        since_s: int,
        interval_s: float,
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(name="table-sampler", daemon=True)
        self._clickhouse = clickhouse
        self._tiers = tiers
        self._feeds = feeds
        self._timelines = timelines
        self._baseline = baseline
        self._since_s = since_s
        self._interval_s = interval_s
        self._now_ns = now_ns
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `stop`."""
        while not self._ended.is_set():
            look_ns = self._now_ns()
            try:
                ranges, counts = self._look()
            except ReaderError as error:
                after_ns = self._now_ns()
                for timeline in self._timelines.values():
                    timeline.add_error(look_ns, after_ns, str(error))
            else:
                after_ns = self._now_ns()
                for name, timeline in self._timelines.items():
                    if self._tiers[name].kind is TierKind.CANDLES:
                        timeline.add_counts(look_ns, after_ns, counts[name])
                    else:
                        timeline.add(look_ns, after_ns, ranges[name])
            spent_s = (self._now_ns() - look_ns) / 1e9
            self._ended.wait(max(0.0, self._interval_s - spent_s))
        self._clickhouse.close()

    def stop(self) -> None:
        """End sampling and wait until the thread has ended."""
        self._ended.set()
        self.join()

    def _look(self) -> tuple[dict[str, list[Range]], dict[str, dict[int, int]]]:
        heads = {name: timeline.heads() for name, timeline in self._timelines.items()}
        answer = self._clickhouse.tsv(above_heads(self._tiers, self._feeds, heads, self._since_s))
        ranges: dict[str, list[Range]] = {name: [] for name in self._tiers}
        counts: dict[str, dict[int, int]] = {name: {} for name in self._tiers}
        with_holes = set()
        for row in parse(answer, self._feeds):
            if self._tiers[row.tier].kind is TierKind.CANDLES:
                counts[row.tier][row.feed] = row.count - self._baseline[row.feed]
            elif row.lowest == heads[row.tier][row.feed] + 1 and row.highest - row.lowest + 1 == row.count:
                ranges[row.tier].append((row.feed, row.lowest, row.highest))
            else:
                with_holes.add(row.tier)
        for name in with_holes:
            ranges[name] = self._islands(name, heads[name])
        return ranges, counts

    def _islands(self, name: str, heads: Sequence[int]) -> list[Range]:
        indices = {feed: i for i, feed in enumerate(self._feeds)}
        answer = self._clickhouse.tsv(islands(self._tiers[name], self._feeds, heads))
        found = []
        for line in answer.decode().splitlines():
            exchange, symbol, first, last = line.split("\t")
            index = indices.get(Feed(exchange, symbol))
            if index is not None:
                found.append((index, int(first), int(last)))
        return found
