"""The one query by which all ClickHouse tiers are watched at the same moment.

A look asks each tier for what lies above the head that is known already, so its cost is that of
the new rows, not of the table. Min, max and count tell whether those follow on without a hole;
only where they don't, a second query fetches the ranges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosp7.account.feeds import Feed
from chaosp7.platform.clickhouse import literal
from chaosp7.platform.model import Tier, TierKind

__all__ = ["Row", "above_heads", "islands", "parse"]


@dataclass(frozen=True, slots=True)
class Row:
    """What one tier has of one feed above its head.

    Attributes:
        tier: the tier's name.
        feed: index of the feed.
        lowest: lowest sequence above the head (a candle tier: 0).
        highest: highest one (a candle tier: 0).
        count: rows above the head (a candle tier: trades counted in all).
    """

    tier: str
    feed: int
    lowest: int
    highest: int
    count: int


def above_heads(
    tiers: Mapping[str, Tier], feeds: Sequence[Feed], heads: Mapping[str, Sequence[int]], since_s: int
) -> str:
    """Return the query over all tiers.

    Args:
        tiers: table and candle tiers by name.
        feeds: by index.
        heads: tier -> known head of each feed.
        since_s: candle tiers count windows that begin at this Unix second or later.

    Returns:
        A SELECT of tier, exchange, symbol, lowest, highest, count.
    """
    parts = []
    for name, tier in tiers.items():
        if tier.kind is TierKind.CANDLES:
            window = next(iter(tier.windows.values()))
            parts.append(
                f"SELECT {literal(name)} AS tier, exchange, symbol, toUInt64(0), toUInt64(0), "
                f"sum(trade_count) FROM ({window}) WHERE window_start_s >= {since_s} "
                "GROUP BY exchange, symbol"
            )
        else:
            parts.append(
                f"SELECT {literal(name)} AS tier, exchange, symbol, min(sequence), max(sequence), count() "
                f"FROM ({tier.rows}) WHERE {_above(feeds, heads[name])} GROUP BY exchange, symbol"
            )
    return " UNION ALL ".join(parts)


def islands(tier: Tier, feeds: Sequence[Feed], heads: Sequence[int]) -> str:
    """Return the query for the ranges that a table tier has above its heads.

    Consecutive sequences share the difference to their row number: the classic grouping of
    "gaps and islands".

    Returns:
        A SELECT of exchange, symbol, first, last.
    """
    distinct = f"SELECT DISTINCT exchange, symbol, sequence FROM ({tier.rows}) WHERE {_above(feeds, heads)}"
    numbered = (
        "SELECT exchange, symbol, sequence, toInt64(sequence) - toInt64(row_number() OVER "
        f"(PARTITION BY exchange, symbol ORDER BY sequence)) AS island FROM ({distinct})"
    )
    return (
        "SELECT exchange, symbol, min(sequence), max(sequence) "
        f"FROM ({numbered}) GROUP BY exchange, symbol, island"
    )


def parse(tsv: bytes, feeds: Sequence[Feed]) -> list[Row]:
    """Return the rows of an answer to `above_heads` in TabSeparated format.

    Rows of feeds that the platform file doesn't know are left out: the account sees to them.
    """
    indices = {feed: i for i, feed in enumerate(feeds)}
    rows = []
    for line in tsv.decode().splitlines():
        tier, exchange, symbol, lowest, highest, count = line.split("\t")
        index = indices.get(Feed(exchange, symbol))
        if index is not None:
            rows.append(Row(tier, index, int(lowest), int(highest), int(count)))
    return rows


def _above(feeds: Sequence[Feed], heads: Sequence[int]) -> str:
    # A look-up costs a quarter of a chain of ORs, and the engine doesn't compile it each time anew.
    names = ", ".join(literal(f"{feed.exchange} {feed.symbol}") for feed in feeds)
    known = ", ".join(f"toUInt64({max(head, 0)})" for head in heads)
    return f"sequence > transform(concat(exchange, ' ', symbol), [{names}], [{known}], toUInt64(0))"
