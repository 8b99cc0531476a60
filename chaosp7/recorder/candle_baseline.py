"""What the candle tiers held before a run: its windows may have begun before it did.

A copy of a candle tier (kind ``iceberg-candles``) has to show what its original does: whatever it lacked
before the run, it begins with the original's candles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from chaosp7.account.candles import Candles
from chaosp7.account.feeds import Feed
from chaosp7.account.readers.candles import CandleReader
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import Platform, Tier, TierKind

__all__ = ["CandleBaseline"]


@dataclass(frozen=True, slots=True)
class CandleBaseline:
    """Candles before the run.

    Attributes:
        since_s: beginning of the shortest window that the run's first trade can fall into, Unix
            seconds.
        candles: tier -> window length in seconds -> candles of windows that end after `since_s`.
    """

    since_s: int
    candles: Mapping[str, Mapping[int, Candles]]

    @classmethod
    def read(cls, platform: Platform, clickhouse: ClickHouse, now_s: int) -> Self:
        """Read it; nothing must be on its way to the candles.

        Args:
            platform: the system under test.
            clickhouse: a connection.
            now_s: Unix seconds.

        Raises:
            ReaderError: if a tier can't be read.
        """
        tiers = {name: tier for name, tier in platform.tiers.items() if tier.kind is TierKind.CANDLES}
        # Each tier is sampled by its shortest windows: the one that is open now must be among them.
        with_windows = [tier for tier in platform.tiers.values() if tier.windows_s]
        shortest_s = max((min(tier.windows_s) for tier in with_windows), default=1)
        since_s = now_s // shortest_s * shortest_s
        held: dict[str, Mapping[int, Candles]] = {
            name: CandleReader(clickhouse.columns, tier.all_rows, tier.windows_s).read(since_s)
            for name, tier in tiers.items()
        }
        for name, original in platform.copies.items():
            held[name] = {length_s: held[original][length_s] for length_s in platform.tiers[name].windows_s}
        return cls(since_s, held)

    def trades(self, tiers: Mapping[str, Tier], feeds: Sequence[Feed]) -> dict[str, list[int]]:
        """Return tier -> trades that each feed's shortest windows hold already, by feed index."""
        result = {}
        for name, tier in tiers.items():
            if tier.windows_s:
                held = dict.fromkeys(feeds, 0)
                for key, candle in self.candles[name][min(tier.windows_s)].items():
                    if key.feed in held and key.start_s >= self.since_s:
                        held[key.feed] += candle.trade_count
                result[name] = [held[feed] for feed in feeds]
        return result
