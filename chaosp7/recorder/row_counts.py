"""How many rows the table tiers have: what comes a second time is new to nobody, but it is one more."""

from __future__ import annotations

from collections.abc import Mapping

from chaosp7.account.feeds import Feed
from chaosp7.account.readers.feed_numbers import FeedNumbers
from chaosp7.platform.clickhouse import ClickHouse, literal
from chaosp7.platform.model import Platform, TierKind

__all__ = ["RowCounts"]

#: As for the account, which reads more of them.
_QUERY_TIMEOUT_S = 60.0


class RowCounts:
    """Counts a run's rows in the ClickHouse tiers that hold messages.

    Args:
        platform: the system under test.
        clickhouse: host and port of ClickHouse, past all links.
        first: the run's first sequence of each feed: what others write must not keep it from its end.
    """

    def __init__(self, platform: Platform, clickhouse: tuple[str, int], first: Mapping[Feed, int]) -> None:
        self._clickhouse = ClickHouse(*clickhouse, timeout_s=_QUERY_TIMEOUT_S)
        ours = FeedNumbers.of(first).of_run(first)
        self._sql = " UNION ALL ".join(
            f"SELECT {literal(name)}, count() FROM ({tier.all_rows}) WHERE {ours}"
            for name, tier in platform.tiers.items()
            if tier.kind is TierKind.TABLE
        )

    def read(self) -> Mapping[str, int]:
        """Return tier -> rows.

        Raises:
            ReaderError: if the server doesn't answer.
        """
        if not self._sql:
            return {}
        names, counts = self._clickhouse.columns(self._sql, 2)
        return dict(zip(names, counts, strict=True))

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        self._clickhouse.close()
