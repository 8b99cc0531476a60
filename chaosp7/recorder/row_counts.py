"""How many rows the table tiers have: what comes a second time is new to nobody, but it is one more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaosp7.platform.clickhouse import ClickHouse, literal
from chaosp7.platform.model import Platform, TierKind

__all__ = ["RowCounts"]

_QUERY_TIMEOUT_S = 20.0


class RowCounts:
    """Counts the rows of all ClickHouse tiers that hold messages.

    Args:
        platform: the system under test.
        clickhouse: host and port of ClickHouse, past all links.
        first: the run's first sequence of each feed: rows below all of them may be deleted meanwhile.
    """

    def __init__(self, platform: Platform, clickhouse: tuple[str, int], first: Sequence[int]) -> None:
        self._clickhouse = ClickHouse(*clickhouse, timeout_s=_QUERY_TIMEOUT_S)
        tiers = {name: tier for name, tier in platform.tiers.items() if tier.kind is TierKind.TABLE}
        # A sequence that is NULL counts, as it does in the account.
        counted = f"countIf(ifNull(sequence >= {min(first)}, 1))"
        self._sql = " UNION ALL ".join(
            f"SELECT {literal(name)}, {counted} FROM ({tier.all_rows})" for name, tier in tiers.items()
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
